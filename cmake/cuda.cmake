# HASTEN_CUDA: the CUDA compiler and runtime, and the flags of device code. Where the
# toolkit is not installed the build goes on without, and says so.
set(HASTEN_CUDART)
if(HASTEN_CUDA)
  include(CheckLanguage)
  if(NOT CMAKE_CUDA_COMPILER AND EXISTS /usr/local/cuda/bin/nvcc)
    set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc)
  endif()
  set(CMAKE_CUDA_ARCHITECTURES OFF)   # hasten_cuda_options says them, sm_90a included
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    find_package(CUDAToolkit 13.0 QUIET)
  endif()
  if(CUDAToolkit_FOUND)
    set(HASTEN_CUDART CUDA::cudart_static)
    message(STATUS "hasten: CUDA ${CUDAToolkit_VERSION} for ${HASTEN_CUDA_ARCHITECTURES}")
  else()
    message(WARNING "hasten: no CUDA toolkit of version 13.0 or later is installed; the CUDA backend is left out")
    set(HASTEN_CUDA OFF)
  endif()
endif()

# hasten_cuda_options(TARGET): how device code is compiled. No contraction, IEEE division
# and square root, subnormals kept: docs/numerics.md.
function(hasten_cuda_options target)
  set(codes)
  foreach(code ${HASTEN_CUDA_ARCHITECTURES})
    string(REGEX REPLACE "^(sm|compute)_" "" number ${code})
    list(APPEND codes "-gencode=arch=compute_${number},code=${code}")
  endforeach()
  string(REPLACE ";" " " names "${HASTEN_CUDA_ARCHITECTURES}")
  set_target_properties(${target} PROPERTIES CUDA_ARCHITECTURES OFF CUDA_STANDARD_REQUIRED OFF HASTEN_KIND runtime
    CUDA_COMPILER_LAUNCHER ${CMAKE_SOURCE_DIR}/cmake/keep_report.sh)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:${codes} -std=c++20 -O3 -fmad=false -ftz=false -prec-div=true -prec-sqrt=true
    --expt-relaxed-constexpr -Xcompiler=-fPIC,-fvisibility=hidden,-ffp-contract=off,-Wall,-Wextra -Werror=all-warnings -Xptxas=-v --compress-mode=size>)
  target_include_directories(${target} PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
  target_compile_definitions(${target} PRIVATE "HASTEN_CUDA_ARCHITECTURES=\"${names}\"")
endfunction()
