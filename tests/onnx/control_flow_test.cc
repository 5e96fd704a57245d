// If, Loop and functions vanish where constants decide, within bounds.
#include "compiler/interp/interp.h"
#include "tests/onnx/model_builder.h"

namespace hasten::onnx_test {
namespace {

constexpr int kFloat = onnx::TensorProto::FLOAT;

onnx::ModelProto WithInput(const Names& dims = {"2", "3"}) {
  onnx::ModelProto m = EmptyModel();
  SetType(m.mutable_graph()->add_input(), "x", kFloat, dims);
  m.mutable_graph()->add_output()->set_name("y");
  return m;
}

// An If on `condition`: x + x, or -x.
void AddIf(onnx::ModelProto& m, const std::string& condition) {
  auto* n = AddNode(m.mutable_graph(), "If", {condition}, {"y"});
  auto* yes = AddGraph(n, "then_branch");
  AddNode(yes, "Add", {"x", "x"}, {"a"});
  yes->add_output()->set_name("a");
  auto* no = AddGraph(n, "else_branch");
  AddNode(no, "Neg", {"x"}, {"b"});
  no->add_output()->set_name("b");
}

TEST(ControlFlow, IfOnAConstantIsItsBranch) {
  for (const bool value : {true, false}) {
    onnx::ModelProto m = WithInput();
    AddBool(m.mutable_graph(), "c", value);
    AddIf(m, "c");
    Result<ImportedModel> r = ImportProto(m);
    ASSERT_TRUE(r.ok()) << r.status().message();
    ASSERT_EQ(r->graph->nodes().size(), 1u);
    EXPECT_EQ(r->graph->nodes().front()->op, value ? "add" : "neg");
    EXPECT_EQ(r->graph->output_names()[0], "y");
  }
}

TEST(ControlFlow, IfOnAStaticShapeIsItsBranch) {
  onnx::ModelProto m = WithInput();
  auto* g = m.mutable_graph();
  AddInt64s(g, "two", {2}, true);
  AddInt64s(g, "zero", {0}, true);
  AddNode(g, "Shape", {"x"}, {"s"});
  AddInt(AddNode(g, "Gather", {"s", "zero"}, {"d"}), "axis", 0);
  AddNode(g, "Equal", {"d", "two"}, {"c"});
  AddIf(m, "c");
  Result<ImportedModel> r = ImportProto(m);
  ASSERT_TRUE(r.ok()) << r.status().message();
  EXPECT_EQ(CountOps(*r->graph, "add"), 1u);
  EXPECT_EQ(CountOps(*r->graph, "neg"), 0u);
}

TEST(ControlFlow, IfOnFloatConstantsIsEvaluated) {
  onnx::ModelProto m = WithInput();
  auto* g = m.mutable_graph();
  AddFloats(g, "f", {4}, 4);  // 0, 0.25, 0.5, 0.75
  AddFloats(g, "one", {}, 1);
  AddInt(AddNode(g, "ReduceMax", {"f"}, {"top"}), "keepdims", 0);
  AddNode(g, "Greater", {"top", "one"}, {"c"});
  AddIf(m, "c");
  Result<ImportedModel> r = ImportProto(m);
  ASSERT_TRUE(r.ok()) << r.status().message();
  EXPECT_EQ(CountOps(*r->graph, "add"), 1u);
}

TEST(ControlFlow, TheDeadBranchMayHoldAnything) {
  onnx::ModelProto m = WithInput();
  AddBool(m.mutable_graph(), "c", true);
  AddIf(m, "c");
  auto* dead = m.mutable_graph()->mutable_node(0)->mutable_attribute(1)->mutable_g();
  dead->mutable_node(0)->set_op_type("ImageDecoder");
  EXPECT_TRUE(ImportProto(m).ok());
}

// sum += i, for `trips` iterations; scans x + sum.
onnx::ModelProto LoopModel(int64_t trips) {
  onnx::ModelProto m = WithInput({"2"});
  auto* g = m.mutable_graph();
  g->add_output()->set_name("all");
  AddInt64s(g, "trips", {trips}, true);
  AddBool(g, "go", true);
  AddFloats(g, "zero", {}, 1);
  auto* n = AddNode(g, "Loop", {"trips", "go", "zero"}, {"y", "all"});
  auto* body = AddGraph(n, "body");
  for (const char* in : {"i", "keep", "sum"}) body->add_input()->set_name(in);
  AddInt(AddNode(body, "Cast", {"i"}, {"f"}), "to", kFloat);
  AddNode(body, "Add", {"sum", "f"}, {"next"});
  AddNode(body, "Add", {"x", "next"}, {"seen"});
  AddNode(body, "Identity", {"keep"}, {"keep_out"});
  for (const char* out : {"keep_out", "next", "seen"}) body->add_output()->set_name(out);
  return m;
}

TEST(ControlFlow, LoopIsUnrolled) {
  Result<ImportedModel> r = ImportProto(LoopModel(4));
  ASSERT_TRUE(r.ok()) << r.status().message();
  const ir::Tensor x = ir::Tensor::From<float>({2}, std::vector<float>{10, 20});
  Result<std::vector<ir::Tensor>> y = interp::Run(*r->graph, std::vector<ir::Tensor>{x});
  ASSERT_TRUE(y.ok()) << y.status().message();
  EXPECT_EQ((*y)[0].At(0), 6);
  EXPECT_EQ((*y)[1].dims(), (std::vector<int64_t>{4, 2}));
  EXPECT_EQ((*y)[1].ToFloats(), (std::vector<float>{10, 20, 11, 21, 13, 23, 16, 26}));
}

TEST(ControlFlow, LongLoopsAreRefused) {
  EXPECT_NE(ImportProto(LoopModel(100000)).status().message().find("at most 256 are unrolled"), std::string::npos);
  EXPECT_EQ(ImportProto(LoopModel(0)).status().code(), Code::kUnsupported);
}

TEST(ControlFlow, NestedLoopsAreBounded) {
  onnx::ModelProto m = WithInput();
  onnx::GraphProto* g = m.mutable_graph();
  AddInt64s(g, "trips", {200}, true);
  AddBool(g, "go", true);
  for (int depth = 0; depth < 6; ++depth) {  // 200^6 iterations of nothing
    auto* n = AddNode(g, "Loop", {"trips", "go", "x"}, {StrCat("o", depth)});
    g = AddGraph(n, "body");
    for (const char* in : {"i", "k", "c"}) g->add_input()->set_name(StrCat(in, depth));
    for (const char* out : {"k", "c"}) g->add_output()->set_name(StrCat(out, depth));
  }
  EXPECT_NE(ImportProto(m, {.max_nodes = 5000}).status().message().find("more than 5000 nodes"), std::string::npos);
}

onnx::FunctionProto* AddFunction(onnx::ModelProto& m, const std::string& name, const Names& in, const Names& out) {
  if (m.opset_import_size() == 1) {
    auto* o = m.add_opset_import();
    o->set_domain("local");
    o->set_version(1);
  }
  auto* f = m.add_functions();
  f->set_domain("local");
  f->set_name(name);
  for (const auto& i : in) f->add_input(i);
  for (const auto& o : out) f->add_output(o);
  *f->add_opset_import() = m.opset_import(0);
  *f->add_opset_import() = m.opset_import(1);
  return f;
}

onnx::NodeProto* Body(onnx::FunctionProto* f, const std::string& op, const Names& in, const Names& out, const std::string& domain = "") {
  onnx::GraphProto g;
  *f->add_node() = *AddNode(&g, op, in, out, domain);
  return f->mutable_node(f->node_size() - 1);
}

TEST(Functions, AreInlinedWithTheirAttributes) {
  onnx::ModelProto m = WithInput();
  auto* f = AddFunction(m, "Double", {"a", "unused"}, {"r"});
  f->add_attribute("which");
  auto* softmax = Body(f, "Softmax", {"a"}, {"s"});
  AddAttr(softmax, "axis", onnx::AttributeProto::INT)->set_ref_attr_name("which");
  Body(f, "Add", {"s", "s"}, {"r"});
  AddInt(AddNode(m.mutable_graph(), "Double", {"x"}, {"y"}, "local"), "which", 0);
  Result<ImportedModel> r = ImportProto(m);
  ASSERT_TRUE(r.ok()) << r.status().message();
  ASSERT_EQ(r->graph->nodes().size(), 2u);
  EXPECT_EQ(r->graph->nodes().front()->Int("axis", -9), 0);
  EXPECT_EQ(r->graph->nodes().front()->loc, "/Double//Softmax");
}

TEST(Functions, OmittedAttributesKeepTheOperatorsDefault) {
  onnx::ModelProto m = WithInput();
  auto* f = AddFunction(m, "Soft", {"a"}, {"r"});
  f->add_attribute("which");
  AddAttr(Body(f, "Softmax", {"a"}, {"r"}), "axis", onnx::AttributeProto::INT)->set_ref_attr_name("which");
  AddNode(m.mutable_graph(), "Soft", {"x"}, {"y"}, "local");
  Result<ImportedModel> r = ImportProto(m);
  ASSERT_TRUE(r.ok()) << r.status().message();
  EXPECT_FALSE(r->graph->nodes().front()->HasAttr("axis"));
}

TEST(Functions, ThatCallThemselvesAreRefused) {
  onnx::ModelProto m = WithInput();
  Body(AddFunction(m, "A", {"a"}, {"r"}), "B", {"a"}, {"r"}, "local");
  Body(AddFunction(m, "B", {"a"}, {"r"}), "A", {"a"}, {"r"}, "local");
  AddNode(m.mutable_graph(), "A", {"x"}, {"y"}, "local");
  const Status s = ImportProto(m).status();
  EXPECT_EQ(s.code(), Code::kBadInput);
  EXPECT_NE(s.message().find("calls itself"), std::string::npos) << s.message();
}

TEST(Functions, ThatMultiplyAreBounded) {
  onnx::ModelProto m = WithInput();
  for (int i = 0; i < 24; ++i) {  // each calls the next twice: 2^24 nodes
    auto* f = AddFunction(m, StrCat("F", i), {"a"}, {"r"});
    const std::string next = i == 23 ? "Neg" : StrCat("F", i + 1);
    Body(f, next, {"a"}, {"t"}, i == 23 ? "" : "local");
    Body(f, next, {"t"}, {"r"}, i == 23 ? "" : "local");
  }
  AddNode(m.mutable_graph(), "F0", {"x"}, {"y"}, "local");
  const Status s = ImportProto(m, {.max_nodes = 1000}).status();
  EXPECT_NE(s.message().find("more than 1000 nodes"), std::string::npos) << s.message();
}

}  // namespace
}  // namespace hasten::onnx_test
