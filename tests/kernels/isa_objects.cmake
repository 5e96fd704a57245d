# cmake -DNM=nm -DARCHIVE=libhasten_kernels.a -P isa_objects.cmake
# Objects compiled for one instruction set must not export inline code: of two
# weak copies the linker keeps any, and a machine without AVX-512 would then run
# the AVX-512 copy of, say, std::min. Not a test of behaviour; it needs an
# optimized build, where such functions are inlined, and no sanitizer.
execute_process(COMMAND ${NM} -A -C ${ARCHIVE} OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${NM} ${ARCHIVE} failed")
endif()
string(REGEX MATCHALL "[^\n]*_avx[a-z0-9]*\\.cc\\.o:[^\n]* [RTtr] [^\n]*" seen "${symbols}")
if(NOT seen)
  message(FATAL_ERROR "found no object for an instruction set in ${ARCHIVE}: the test tests nothing")
endif()
string(REGEX MATCHALL "[^\n]*_avx[a-z0-9]*\\.cc\\.o:[^\n]* [WVu] [^\n]*" weak "${symbols}")
if(weak)
  string(REPLACE ";" "\n" weak "${weak}")
  message(FATAL_ERROR "weak symbols in objects for an instruction set (make them static or always inline):\n${weak}")
endif()
