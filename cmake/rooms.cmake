# What every target shares: warnings as errors, the canonical floating-point
# flags (docs/numerics.md), sanitizers, and the room helper.
find_package(Threads REQUIRED)

add_library(hasten_options INTERFACE)
target_compile_features(hasten_options INTERFACE cxx_std_20)
target_include_directories(hasten_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
# Device code has flags of its own (cuda.cmake). No contraction and no reassociation: the
# bits are part of the specification.
target_compile_options(hasten_options INTERFACE
  "$<$<NOT:$<COMPILE_LANGUAGE:CUDA>>:-Wall;-Wextra;-Werror;-Wno-missing-field-initializers;-ffp-contract=off;-fno-fast-math>")
# GCC's warnings from the optimizer depend on what it inlined, even on the length of
# the path of the checkout (GCC bugs 105329 and 105651: std::string), so they are
# shown and stop nothing; the sanitizer builds look for what they mean.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  foreach(warning array-bounds dangling-pointer free-nonheap-object maybe-uninitialized restrict stringop-overflow stringop-overread)
    target_compile_options(hasten_options INTERFACE $<$<NOT:$<COMPILE_LANGUAGE:CUDA>>:-Wno-error=${warning}>)
  endforeach()
endif()
# A target's HASTEN_KIND is runtime, compiler or program (tests, the command line):
# what computes less is optimized less. With UBSan, -O2 takes up to ten times as
# long to compile as -O1, and -O1 twice as long as -O0. Of UBSan, not the checks that
# AddressSanitizer makes at the access itself: with them a file takes a fifth longer.
if(HASTEN_SANITIZE)
  target_compile_options(hasten_options INTERFACE $<IF:$<STREQUAL:$<TARGET_PROPERTY:HASTEN_KIND>,runtime>,-O1,-O0> -g1
    -fsanitize=${HASTEN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
    -fno-sanitize=null,object-size,vptr)
  target_link_options(hasten_options INTERFACE -fsanitize=${HASTEN_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL Release)
  target_compile_options(hasten_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:$<IF:$<STREQUAL:$<TARGET_PROPERTY:HASTEN_KIND>,program>,-O1,-O2>>)
endif()

# Precompiled headers, a set for each kind of target; a source that has flags of its
# own takes none. Sources include what they use all the same.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(hasten_options INTERFACE $<$<NOT:$<COMPILE_LANGUAGE:CUDA>>:-fpch-preprocess>)  # lets ccache see what a header was
endif()
set(HASTEN_COMMON_HEADERS <algorithm> <array> <atomic> <cmath> <cstdint> <cstring> <functional> <limits> <map> <memory>
  <mutex> <optional> <set> <span> <string> <string_view> <thread> <unordered_map> <utility> <vector>)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/empty.cc CONTENT "")
foreach(kind runtime compiler)
  add_library(hasten_${kind}_headers OBJECT ${CMAKE_BINARY_DIR}/generated/empty.cc)
  set_target_properties(hasten_${kind}_headers PROPERTIES HASTEN_KIND ${kind})
  target_link_libraries(hasten_${kind}_headers PRIVATE hasten_options)
  target_precompile_headers(hasten_${kind}_headers PRIVATE ${HASTEN_COMMON_HEADERS})
endforeach()

# hasten_room(NAME DIRS dir... DEPS target... [PRIVATE_DEPS target...])
# A static library of every .cc under the folders, except cuda/.
function(hasten_room name)
  cmake_parse_arguments(R "" "" "DIRS;DEPS;PRIVATE_DEPS" ${ARGN})
  set(sources)
  foreach(dir ${R_DIRS})
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.cc)
    list(FILTER found EXCLUDE REGEX "/cuda/")
    list(APPEND sources ${found})
  endforeach()
  if(NOT sources)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE hasten_options ${R_DEPS} ${R_PRIVATE_DEPS})
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC hasten_options ${R_DEPS} PRIVATE ${R_PRIVATE_DEPS})
  set(kind compiler)
  if(CMAKE_CURRENT_SOURCE_DIR STREQUAL "${CMAKE_SOURCE_DIR}/runtime")
    set(kind runtime)
  endif()
  set_target_properties(${name} PROPERTIES HASTEN_KIND ${kind})
  target_precompile_headers(${name} REUSE_FROM hasten_${kind}_headers)
endfunction()

# hasten_isa(TARGET): per-file instruction-set flags by the file's name
# (cpu_scalar.cc or ref.cc: none; *_avx2.cc; *_avx512vnni.cc; *_avxvnni.cc).
function(hasten_isa target)
  get_target_property(sources ${target} SOURCES)
  foreach(src ${sources})
    if(src MATCHES "_avx2\\.cc$")
      set_source_files_properties(${src} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
    elseif(src MATCHES "_avxvnni\\.cc$")
      set_source_files_properties(${src} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c;-mavxvnni")
    elseif(src MATCHES "_avx512vnni\\.cc$")
      set_source_files_properties(${src} PROPERTIES COMPILE_OPTIONS
        "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512vnni;-mavx2;-mfma;-mf16c;-mprefer-vector-width=512")
    else()
      continue()
    endif()
    set_source_files_properties(${src} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  endforeach()
endfunction()

# hasten_schema(OUT_VAR file.fbs...): FlatBuffers headers in generated/<path>.
find_program(HASTEN_FLATC flatc REQUIRED)
function(hasten_schema out)
  set(headers)
  foreach(fbs ${ARGN})
    get_filename_component(stem ${fbs} NAME_WE)
    file(RELATIVE_PATH rel ${CMAKE_SOURCE_DIR} ${fbs})
    get_filename_component(dir ${rel} DIRECTORY)
    set(header ${CMAKE_BINARY_DIR}/generated/${dir}/${stem}_generated.h)
    add_custom_command(OUTPUT ${header}
      COMMAND ${HASTEN_FLATC} --cpp --scoped-enums --gen-object-api -o ${CMAKE_BINARY_DIR}/generated/${dir} ${fbs}
      DEPENDS ${fbs} VERBATIM)
    list(APPEND headers ${header})
  endforeach()
  set(${out} ${headers} PARENT_SCOPE)
endfunction()
