# ONNX's protobuf schema: the .proto that Debian's libonnx-dev ships, generated
# here and linked statically. Its age does not matter: the fields are stable, and
# newer ones are read from the unknown fields (compiler/onnx/model_file.cc).
find_file(HASTEN_ONNX_PROTO onnx/onnx.proto PATHS /usr/include /usr/local/include REQUIRED)
set(schema_dir ${CMAKE_BINARY_DIR}/generated/onnx_schema)
file(MAKE_DIRECTORY ${schema_dir})
get_filename_component(proto_dir ${HASTEN_ONNX_PROTO} DIRECTORY)
add_custom_command(
  OUTPUT ${schema_dir}/onnx.pb.cc ${schema_dir}/onnx.pb.h
  COMMAND protobuf::protoc --proto_path=${proto_dir} --cpp_out=${schema_dir} ${HASTEN_ONNX_PROTO}
  DEPENDS ${HASTEN_ONNX_PROTO} VERBATIM)
add_library(hasten_onnx_schema STATIC ${schema_dir}/onnx.pb.cc)
target_include_directories(hasten_onnx_schema SYSTEM PUBLIC ${schema_dir})
target_link_libraries(hasten_onnx_schema PUBLIC protobuf::libprotobuf)
# Metadata only; weights are copied or mapped.
target_compile_options(hasten_onnx_schema PRIVATE -O1 -g0)
