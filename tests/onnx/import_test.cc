// What a good model becomes.
#include "compiler/interp/interp.h"
#include "tests/onnx/model_builder.h"

namespace hasten::onnx_test {
namespace {

TEST(Import, LinearModel) {
  Result<ImportedModel> m = ImportProto(LinearModel());
  ASSERT_TRUE(m.ok()) << m.status().message();
  const ir::Graph& g = *m->graph;
  ASSERT_EQ(g.nodes().size(), 2u);
  EXPECT_EQ(g.nodes().front()->op, "mat_mul");
  EXPECT_EQ(g.nodes().front()->loc, "/MatMul");
  ASSERT_EQ(g.inputs().size(), 1u);
  EXPECT_EQ(ir::TypeString(g.inputs()[0]->type), "f32[B,4]");
  EXPECT_EQ(ir::TypeString(g.outputs()[0]->type), "f32[B,3]");
  EXPECT_EQ(g.output_names()[0], "y");
  EXPECT_EQ(m->producer, "test");
  EXPECT_EQ(m->opsets.at(""), 18);
  ASSERT_EQ(m->files.size(), 1u);
  EXPECT_EQ(m->files[0].name, "model.onnx");
}

TEST(Import, RunsInTheInterpreter) {
  Result<ImportedModel> m = ImportProto(LinearModel());
  ASSERT_TRUE(m.ok()) << m.status().message();
  const ir::Tensor x = ir::Tensor::From<float>({1, 4}, std::vector<float>{1, 2, 3, 4});
  Result<std::vector<ir::Tensor>> y = interp::Run(*m->graph, std::vector<ir::Tensor>{x});
  ASSERT_TRUE(y.ok()) << y.status().message();
  // w[i][j] = (3i+j)/4, b[j] = j/4.
  EXPECT_EQ((*y)[0].ToFloats(), (std::vector<float>{15, 17.75f, 20.5f}));
}

TEST(Import, LargeWeightsAreViewsOfTheFile) {
  onnx::ModelProto p = LinearModel();
  AddFloats(p.mutable_graph(), "big", {1000, 100}, 100000);
  Result<ImportedModel> m = ImportProto(p);
  ASSERT_TRUE(m.ok()) << m.status().message();
  const ir::Value* big = m->graph->FindValue("big");
  ASSERT_NE(big, nullptr);
  const auto& file = m->files[0].bytes;
  EXPECT_GE(big->weight().raw(), file.data());
  EXPECT_LE(big->weight().raw() + big->weight().bytes(), file.data() + file.size());
  EXPECT_EQ(big->weight().At(99999), 99999 * 0.25);
}

TEST(Import, LargeTypedFloatsAreViewsToo) {
  onnx::ModelProto p = LinearModel();
  auto* t = p.mutable_graph()->add_initializer();
  t->set_name("typed");
  t->set_data_type(onnx::TensorProto::FLOAT);
  t->add_dims(50000);
  for (int i = 0; i < 50000; ++i) t->add_float_data(static_cast<float>(i));
  Result<ImportedModel> m = ImportProto(p);
  ASSERT_TRUE(m.ok()) << m.status().message();
  const ir::Tensor& w = m->graph->FindValue("typed")->weight();
  EXPECT_GE(w.raw(), m->files[0].bytes.data());
  EXPECT_EQ(w.At(49999), 49999);
}

TEST(Import, NodesMayStandInAnyOrder) {
  onnx::ModelProto p = LinearModel();
  p.mutable_graph()->mutable_node()->SwapElements(0, 1);
  Result<ImportedModel> m = ImportProto(p);
  ASSERT_TRUE(m.ok()) << m.status().message();
  EXPECT_EQ(m->graph->nodes().front()->op, "mat_mul");
}

TEST(Import, InputsWithAnInitializerAreWeights) {
  onnx::ModelProto p = LinearModel();
  SetType(p.mutable_graph()->add_input(), "w", onnx::TensorProto::FLOAT, {"4", "3"});
  Result<ImportedModel> m = ImportProto(p);
  ASSERT_TRUE(m.ok()) << m.status().message();
  EXPECT_EQ(m->graph->inputs().size(), 1u);
}

TEST(Import, DimensionNamesAreSymbolsAndSumsOfThem) {
  onnx::ModelProto p = EmptyModel();
  auto* g = p.mutable_graph();
  SetType(g->add_input(), "a", onnx::TensorProto::FLOAT, {"past", "seq"});
  SetType(g->add_input(), "b", onnx::TensorProto::FLOAT, {"past + seq", "other + seq", "seq-len", ""});
  SetType(g->add_output(), "a", onnx::TensorProto::FLOAT, {});
  Result<ImportedModel> m = ImportProto(p);
  ASSERT_TRUE(m.ok()) << m.status().message();
  const ir::Type& b = m->graph->inputs()[1]->type;
  EXPECT_EQ(b.shape[0], ir::Poly::Symbol("past") + ir::Poly::Symbol("seq"));
  // "other" is no dimension of its own, and "seq-len" is one name: fresh symbols.
  ASSERT_TRUE(b.shape[1] && b.shape[2]);
  EXPECT_EQ(b.shape[1]->Symbols().size(), 1u);
  EXPECT_EQ(b.shape[2]->Symbols().size(), 1u);
  EXPECT_NE(b.shape[1], b.shape[2]);
  EXPECT_FALSE(b.shape[3].has_value());
}

TEST(Import, ConstantsBecomeWeightsAndIdentityVanishes) {
  onnx::ModelProto p = EmptyModel();
  auto* g = p.mutable_graph();
  SetType(g->add_input(), "x", onnx::TensorProto::FLOAT, {"N"});
  SetType(g->add_output(), "y", onnx::TensorProto::FLOAT, {"N"});
  AddAttr(AddNode(g, "Constant", {}, {"c"}), "value_float", onnx::AttributeProto::FLOAT)->set_f(2.5f);
  AddNode(g, "Identity", {"c"}, {"d"});
  AddNode(g, "Mul", {"x", "d"}, {"y"});
  Result<ImportedModel> m = ImportProto(p);
  ASSERT_TRUE(m.ok()) << m.status().message();
  ASSERT_EQ(m->graph->nodes().size(), 1u);
  const ir::Value* c = m->graph->nodes().front()->input(1);
  ASSERT_TRUE(c->is_weight());
  EXPECT_EQ(c->name, "c");
  EXPECT_EQ(c->weight().At(0), 2.5);
}

TEST(Import, OlderAttributesBecomeInputs) {
  onnx::ModelProto p = EmptyModel(13);
  auto* g = p.mutable_graph();
  SetType(g->add_input(), "x", onnx::TensorProto::FLOAT, {"2", "6"});
  SetType(g->add_output(), "r", onnx::TensorProto::FLOAT, {});
  SetType(g->add_output(), "b", onnx::TensorProto::FLOAT, {});
  AddInts(AddNode(g, "ReduceMean", {"x"}, {"r"}), "axes", {1});
  AddInt(AddNode(g, "Split", {"x"}, {"a", "b", "c"}), "axis", 1);
  Result<ImportedModel> m = ImportProto(p);
  ASSERT_TRUE(m.ok()) << m.status().message();
  const ir::Node* reduce = m->graph->outputs()[0]->def();
  ASSERT_EQ(reduce->inputs().size(), 2u);
  EXPECT_EQ(reduce->input(1)->weight().IntAt(0), 1);
  EXPECT_FALSE(reduce->HasAttr("axes"));
  EXPECT_EQ(m->graph->outputs()[1]->def()->Int("num_outputs", 0), 3);
  EXPECT_EQ(ir::TypeString(m->graph->outputs()[1]->type), "f32[2,2]");
}

TEST(Import, FindsTheModelInAFolder) {
  TempFolder folder;
  const std::string bytes = LinearModel().SerializeAsString();
  EXPECT_NE(ImportModel(folder.path()).status().message().find("holds no .onnx file"), std::string::npos);
  std::filesystem::create_directory(folder / "onnx");
  WriteFile(folder / "onnx/model.onnx", bytes);
  EXPECT_TRUE(ImportModel(folder.path()).ok());
  WriteFile(folder / "decoder.onnx", bytes);
  EXPECT_TRUE(ImportModel(folder.path()).ok());
  WriteFile(folder / "encoder.onnx", bytes);
  const Status several = ImportModel(folder.path()).status();
  EXPECT_EQ(several.code(), Code::kBadInput);
  EXPECT_NE(several.message().find("decoder.onnx, encoder.onnx"), std::string::npos);
  WriteFile(folder / "model.onnx", bytes);
  EXPECT_TRUE(ImportModel(folder.path()).ok());
}

TEST(Import, TheDigestIsThatOfTheFiles) {
  TempFolder folder;
  const std::string bytes = LinearModel().SerializeAsString();
  WriteFile(folder / "model.onnx", bytes);
  Result<ImportedModel> m = ImportModel(folder.path());
  ASSERT_TRUE(m.ok());
  EXPECT_EQ(DigestSource(*m), Sha256Of({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}));
}

}  // namespace
}  // namespace hasten::onnx_test
