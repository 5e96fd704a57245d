// External data stays in the model's folder, and is checked before it is used.
#include <unistd.h>

#include "tests/onnx/model_builder.h"

namespace hasten::onnx_test {
namespace {

void Set(onnx::TensorProto* t, const std::string& key, const std::string& value) {
  auto* e = t->add_external_data();
  e->set_key(key);
  e->set_value(value);
}

onnx::TensorProto* External(onnx::ModelProto& m, const std::string& location) {
  onnx::TensorProto* w = m.mutable_graph()->mutable_initializer(0);
  w->clear_raw_data();
  w->clear_external_data();
  w->set_data_location(onnx::TensorProto::EXTERNAL);
  Set(w, "location", location);
  return w;
}

std::string Floats(size_t count) {
  std::vector<float> v(count);
  for (size_t i = 0; i < count; ++i) v[i] = static_cast<float>(i);
  return {reinterpret_cast<const char*>(v.data()), count * sizeof(float)};
}

class ExternalData : public testing::Test {
 protected:
  // The model in folder/in/; "outside.bin" beside that folder.
  void SetUp() override {
    std::filesystem::create_directory(folder_ / "in");
    std::filesystem::create_directory(folder_ / "in/sub");
    WriteFile(folder_ / "outside.bin", Floats(64));
    WriteFile(folder_ / "in/w.bin", Floats(64));
    WriteFile(folder_ / "in/sub/w.bin", Floats(64));
  }
  Status Load(const std::string& location, const std::string& offset = "", const std::string& length = "") {
    onnx::ModelProto m = LinearModel();
    onnx::TensorProto* w = External(m, location);
    if (!offset.empty()) Set(w, "offset", offset);
    if (!length.empty()) Set(w, "length", length);
    return Save(m);
  }
  Status Save(const onnx::ModelProto& m) {
    WriteFile(folder_ / "in/model.onnx", m.SerializeAsString());
    Result<ImportedModel> r = ImportModel(folder_ / "in");
    if (r.ok()) model_ = *std::move(r);
    return r.ok() ? Status() : r.status();
  }
  void ExpectRefused(const std::string& location, const std::string& why) {
    const Status s = Load(location);
    EXPECT_EQ(s.code(), Code::kBadInput) << location << ": " << s.message();
    EXPECT_NE(s.message().find(why), std::string::npos) << s.message();
  }
  TempFolder folder_;
  ImportedModel model_;
};

TEST_F(ExternalData, IsMapped) {
  ASSERT_TRUE(Load("w.bin", "16", "48").ok());
  EXPECT_EQ(model_.graph->FindValue("w")->weight().At(0), 4);
  ASSERT_EQ(model_.files.size(), 2u);
  EXPECT_EQ(model_.files[1].name, "w.bin");
  EXPECT_TRUE(Load("sub/w.bin").ok());
  EXPECT_TRUE(Load("./sub//w.bin").ok());
}

TEST_F(ExternalData, NeverLeavesTheFolder) {
  ExpectRefused("../outside.bin", "leaves the folder");
  ExpectRefused("sub/../../outside.bin", "leaves the folder");
  ExpectRefused("sub/..", "leaves the folder");
  ExpectRefused(folder_ / "outside.bin", "absolute");
  ExpectRefused("", "empty");
  ExpectRefused(".", "names no file");
  ExpectRefused(std::string("w.bin\0x", 7), "zero byte");
  ExpectRefused("gone.bin", "no such file");
  ExpectRefused("sub", "not a regular file");
}

TEST_F(ExternalData, FollowsNoLink) {
  std::filesystem::create_symlink(folder_ / "outside.bin", folder_ / "in/link.bin");
  ExpectRefused("link.bin", "symbolic link");
  std::filesystem::create_symlink("w.bin", folder_ / "in/inner.bin");
  ExpectRefused("inner.bin", "symbolic link");
  std::filesystem::create_directory_symlink(folder_.path(), folder_ / "in/up");
  ExpectRefused("up/outside.bin", "symbolic link");
  std::filesystem::create_hard_link(folder_ / "outside.bin", folder_ / "in/hard.bin");
  ExpectRefused("hard.bin", "hard link");
}

TEST_F(ExternalData, IsCheckedAgainstTheFile) {
  for (const char* offset : {"209", "18446744073709551615", "18446744073709551600", "256"}) {
    const Status s = Load("w.bin", offset);
    EXPECT_EQ(s.code(), Code::kBadInput);
    EXPECT_NE(s.message().find("truncated"), std::string::npos) << s.message();
  }
  EXPECT_NE(Load("w.bin", "-1").message().find("is no number"), std::string::npos);
  EXPECT_NE(Load("w.bin", "99999999999999999999").message().find("is no number"), std::string::npos);
  EXPECT_NE(Load("w.bin", "0", "47").message().find("needs 48 bytes, the file has 47"), std::string::npos);
}

TEST_F(ExternalData, RawAndExternalTogetherAreRefused) {
  onnx::ModelProto m = LinearModel();
  External(m, "w.bin")->set_raw_data(Floats(12));
  EXPECT_NE(Save(m).message().find("raw and external data together"), std::string::npos);
}

TEST_F(ExternalData, TheWorkingFolderIsAFolderToo) {
  onnx::ModelProto m = LinearModel();
  External(m, "../outside.bin");
  WriteFile(folder_ / "in/model.onnx", m.SerializeAsString());
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_ / "in");
  const Status status = ImportModel("model.onnx").status();
  std::filesystem::current_path(before);
  EXPECT_NE(status.message().find("leaves the folder"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace hasten::onnx_test
