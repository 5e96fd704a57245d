# cmake -DSTRIP=... -DLIBRARY=... -DOUT=... -P library_size.cmake
# libhasten.so, stripped, is at most 2 MB, with CUDA 15 (-DMOST=...): it is linked into
# other people's servers.
execute_process(COMMAND ${STRIP} -o ${OUT} ${LIBRARY} COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${OUT} bytes)
file(REMOVE ${OUT})
message(STATUS "${bytes} bytes stripped")
if(bytes GREATER MOST)
  message(FATAL_ERROR "libhasten.so has ${bytes} bytes stripped, more than ${MOST}")
endif()
