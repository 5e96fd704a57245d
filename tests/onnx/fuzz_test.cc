// Damaged files: cut at every byte, bits flipped, numbers replaced by extremes.
// Whatever comes, import answers with a graph or a Status; it never crashes,
// hangs or allocates what a number in the file asks for.
#include <random>

#include "compiler/onnx/tensor_file.h"
#include "tests/onnx/model_builder.h"
#include "tests/sanitized.h"

namespace hasten::onnx_test {
namespace {

// A bit of everything: weights raw, typed and external, attributes of each
// kind, a nested graph, a function, a composite operator.
onnx::ModelProto RichModel() {
  onnx::ModelProto m = LinearModel();
  auto* g = m.mutable_graph();
  AddInt64s(g, "shape", {2, -1});
  auto* typed = g->add_initializer();
  typed->set_name("half");
  typed->set_data_type(onnx::TensorProto::FLOAT16);
  typed->add_dims(3);
  for (const int v : {0x3c00, 0x4000, 0x4200}) typed->add_int32_data(v);
  auto* external = g->add_initializer();
  external->set_name("ext");
  external->set_data_type(onnx::TensorProto::FLOAT);
  external->add_dims(4);
  external->set_data_location(onnx::TensorProto::EXTERNAL);
  for (const auto& [k, v] : {std::pair{"location", "w.bin"}, std::pair{"offset", "8"}, std::pair{"length", "16"}}) {
    auto* e = external->add_external_data();
    e->set_key(k);
    e->set_value(v);
  }
  AddNode(g, "Reshape", {"y", "shape"}, {"r"});
  AddInts(AddNode(g, "Transpose", {"r"}, {"t"}), "perm", {1, 0});
  AddAttr(AddNode(g, "Gelu", {"t"}, {"u"}), "approximate", onnx::AttributeProto::STRING)->set_s("tanh");
  m.mutable_opset_import(0)->set_version(23);
  AddBool(g, "c", true);
  auto* n = AddNode(g, "If", {"c"}, {"z"});
  for (const char* branch : {"then_branch", "else_branch"}) {
    auto* b = AddGraph(n, branch);
    AddNode(b, "Neg", {"u"}, {"v"});
    b->add_output()->set_name("v");
  }
  SetType(g->add_input(), "q", onnx::TensorProto::FLOAT, {"B", "S", "8"});
  auto* a = AddNode(g, "Attention", {"q", "q", "q"}, {"att"});
  AddInt(a, "q_num_heads", 2);
  AddInt(a, "kv_num_heads", 2);
  AddInt(a, "is_causal", 1);
  g->add_output()->set_name("z");
  g->add_output()->set_name("att");
  return m;
}

class Damaged : public testing::Test {
 protected:
  void SetUp() override {
    WriteFile(folder_ / "w.bin", std::string(64, '\0'));
    bytes_ = RichModel().SerializeAsString();
    const Status whole = Try(bytes_);
    ASSERT_TRUE(whole.ok()) << whole.message();
  }
  Status Try(const std::string& bytes) {
    WriteFile(folder_ / "model.onnx", bytes);
    Result<ImportedModel> r = ImportModel(folder_ / "model.onnx");
    if (r.ok()) return {};
    // A bug of ours is no answer to a bad file.
    EXPECT_NE(r.status().code(), Code::kInternal) << r.status().message();
    EXPECT_NE(r.status().code(), Code::kOk);
    return r.status();
  }
  TempFolder folder_;
  std::string bytes_;
};

TEST_F(Damaged, CutAtEveryByte) {
  for (size_t n = 0; n < bytes_.size(); ++n) Try(bytes_.substr(0, n)).ok();
}

TEST_F(Damaged, EveryBitOfTheFirstKilobyteFlipped) {
  // Instrumented, every third: each of the eight bits, in turn.
  const size_t step = kSanitized ? 3 : 1;
  for (size_t i = 0; i < std::min<size_t>(bytes_.size(), 1024) * 8; i += step) {
    std::string b = bytes_;
    b[i / 8] = static_cast<char>(b[i / 8] ^ (1 << (i % 8)));
    Try(b).ok();
  }
}

TEST_F(Damaged, RandomBytesReplaced) {
  std::mt19937 random(7);
  for (int round = 0; round < Cases(20000); ++round) {
    std::string b = bytes_;
    const int edits = 1 + static_cast<int>(random() % 4);
    for (int e = 0; e < edits; ++e) {
      const size_t at = random() % b.size();
      switch (random() % 4) {
        case 0: b[at] = static_cast<char>(random()); break;
        case 1: b[at] = '\xff'; break;
        case 2: b.erase(at, 1 + random() % 8); break;
        default: b.insert(at, b.substr(random() % b.size(), random() % 16)); break;
      }
      if (b.empty()) b = bytes_;
    }
    Try(b).ok();
  }
}

TEST_F(Damaged, NumbersReplacedByExtremes) {
  // At the level of the schema, so that the message stays well formed.
  const int64_t extremes[] = {0, -1, 1, 3, 255, 1 << 20, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, int64_t{1} << 40};
  for (const int64_t v : extremes) {
    for (int which = 0; which < 8; ++which) {
      onnx::ModelProto m = RichModel();
      auto* g = m.mutable_graph();
      switch (which) {
        case 0: g->mutable_initializer(0)->set_dims(0, v); break;
        case 1: g->mutable_initializer(0)->set_data_type(static_cast<int32_t>(v)); break;
        case 2: g->mutable_node(3)->mutable_attribute(0)->set_ints(0, v); break;
        case 3: g->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(1)->set_dim_value(v); break;
        case 4: m.mutable_opset_import(0)->set_version(v); break;
        case 5: g->mutable_node(6)->mutable_attribute(0)->set_i(v); break;
        case 6: g->mutable_initializer(2)->set_int64_data(0, v); break;
        default: g->mutable_node(6)->mutable_attribute(1)->set_i(v); break;
      }
      Try(m.SerializeAsString()).ok();
    }
  }
}

TEST_F(Damaged, GraphsNestedTooDeep) {
  onnx::ModelProto m = LinearModel();
  AddBool(m.mutable_graph(), "c", true);
  onnx::GraphProto* g = m.mutable_graph();
  for (int i = 0; i < 25; ++i) {
    auto* n = AddNode(g, "If", {"c"}, {StrCat("v", i)});
    AddGraph(n, "else_branch");
    g = AddGraph(n, "then_branch");
  }
  const Status s = Try(m.SerializeAsString());
  EXPECT_NE(s.message().find("nested deeper"), std::string::npos) << s.message();
}

TEST(DamagedTensorFile, CutAndFlipped) {
  TempFolder folder;
  onnx::TensorProto t;
  t.set_name("t");
  t.set_data_type(onnx::TensorProto::FLOAT);
  t.add_dims(3);
  t.set_raw_data(std::string(12, '\1'));
  const std::string bytes = t.SerializeAsString();
  WriteFile(folder / "t.pb", bytes);
  ASSERT_TRUE(ReadTensorFile(folder / "t.pb").ok());
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string b = bytes;
    b[i / 8] = static_cast<char>(b[i / 8] ^ (1 << (i % 8)));
    WriteFile(folder / "t.pb", b);
    const Result<NamedTensor> r = ReadTensorFile(folder / "t.pb");
    EXPECT_NE(r.status().code(), Code::kInternal);
    WriteFile(folder / "t.pb", bytes.substr(0, i / 8));
    EXPECT_NE(ReadTensorFile(folder / "t.pb").status().code(), Code::kInternal);
  }
}

}  // namespace
}  // namespace hasten::onnx_test
