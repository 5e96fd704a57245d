// TensorProtos of every element type, in raw and in typed fields, alone in a file.
#include "compiler/onnx/tensor_file.h"
#include "tests/onnx/model_builder.h"

namespace hasten::onnx_test {
namespace {

ir::Tensor Read(const onnx::TensorProto& t) {
  TempFolder folder;
  WriteFile(folder / "t.pb", t.SerializeAsString());
  Result<NamedTensor> r = ReadTensorFile(folder / "t.pb");
  EXPECT_TRUE(r.ok()) << r.status().message();
  return r.ok() ? r->tensor : ir::Tensor();
}

onnx::TensorProto Of(int type, int64_t count) {
  onnx::TensorProto t;
  t.set_data_type(type);
  t.add_dims(count);
  return t;
}

TEST(TensorFile, TypedFields) {
  using T = onnx::TensorProto;
  for (const int type : {T::INT8, T::UINT8, T::INT16, T::UINT16, T::INT32, T::BOOL}) {
    onnx::TensorProto t = Of(type, 2);
    t.add_int32_data(1);
    t.add_int32_data(0);
    const ir::Tensor v = Read(t);
    EXPECT_EQ(v.ToInts(), (std::vector<int64_t>{1, 0})) << type;
  }
  onnx::TensorProto half = Of(T::FLOAT16, 1), brain = Of(T::BFLOAT16, 1), wide = Of(T::DOUBLE, 1), big = Of(T::UINT64, 1), u32 = Of(T::UINT32, 1), i64 = Of(T::INT64, 1);
  half.add_int32_data(0x4248);
  brain.add_int32_data(0x4048);
  wide.add_double_data(2.5);
  big.add_uint64_data(1ull << 63);
  u32.add_uint64_data(0xffffffffu);
  i64.add_int64_data(-5);
  EXPECT_EQ(Read(half).At(0), 3.140625);
  EXPECT_EQ(Read(brain).At(0), 3.125);
  EXPECT_EQ(Read(wide).At(0), 2.5);
  EXPECT_EQ(Read(big).At(0), 9223372036854775808.0);
  EXPECT_EQ(Read(u32).IntAt(0), 0xffffffff);
  EXPECT_EQ(Read(i64).IntAt(0), -5);
}

TEST(TensorFile, RawBoolsAreZeroOrOne) {
  onnx::TensorProto t = Of(onnx::TensorProto::BOOL, 3);
  t.set_raw_data(std::string("\x00\x02\xff", 3));
  const ir::Tensor v = Read(t);
  EXPECT_EQ(static_cast<int>(v.raw()[1]), 1);
  EXPECT_EQ(static_cast<int>(v.raw()[2]), 1);
}

TEST(TensorFile, ScalarsAndEmptyTensors) {
  onnx::TensorProto scalar;
  scalar.set_data_type(onnx::TensorProto::FLOAT);
  scalar.add_float_data(7);
  EXPECT_EQ(Read(scalar).rank(), 0);
  EXPECT_EQ(Read(Of(onnx::TensorProto::FLOAT, 0)).elements(), 0);
}

TEST(TensorFile, ValuesMustFitTheirType) {
  TempFolder folder;
  onnx::TensorProto t = Of(onnx::TensorProto::INT8, 1);
  t.add_int32_data(300);
  WriteFile(folder / "t.pb", t.SerializeAsString());
  EXPECT_NE(ReadTensorFile(folder / "t.pb").status().message().find("300 does not fit i8"), std::string::npos);
}

TEST(TensorFile, FloatsInADoubleTensorAreRefused) {
  TempFolder folder;
  onnx::TensorProto t = Of(onnx::TensorProto::DOUBLE, 500);
  for (int i = 0; i < 1000; ++i) t.add_float_data(1);
  WriteFile(folder / "t.pb", t.SerializeAsString());
  EXPECT_NE(ReadTensorFile(folder / "t.pb").status().message().find("field for another type"), std::string::npos);
}

}  // namespace
}  // namespace hasten::onnx_test
