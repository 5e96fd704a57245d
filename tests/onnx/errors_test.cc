// Every way in which a model can be wrong has a Status that names the place.
#include <sys/stat.h>

#include <functional>

#include "tests/onnx/model_builder.h"

namespace hasten::onnx_test {
namespace {

struct Case {
  const char* name;
  std::function<void(onnx::ModelProto&)> spoil;   // of LinearModel
  Code code;
  const char* message;                            // a part of it
};

onnx::TensorProto* W(onnx::ModelProto& m) { return m.mutable_graph()->mutable_initializer(0); }
onnx::NodeProto* Add(onnx::ModelProto& m) { return m.mutable_graph()->mutable_node(1); }

const Case kCases[] = {
    {"UnknownOperator", [](auto& m) { AddNode(m.mutable_graph(), "Frobnicate", {"x"}, {"z"}, "com.acme"); }, Code::kBadInput, "imports no opset of domain \"com.acme\""},
    {"UnsupportedOperator", [](auto& m) { AddNode(m.mutable_graph(), "RandomUniformLike", {"x"}, {"z"}); }, Code::kUnsupported, "\"/RandomUniformLike\": operator RandomUniformLike (domain ai.onnx, opset 18) is not supported"},
    {"Cycle", [](auto& m) { m.mutable_graph()->mutable_node(0)->set_input(0, "y"); }, Code::kBadInput, "cycle: node \"/MatMul\""},
    {"DanglingInput", [](auto& m) { Add(m)->set_input(1, "nowhere"); }, Code::kBadInput, "node \"/Add\" reads \"nowhere\""},
    {"DuplicateOutput", [](auto& m) { Add(m)->set_output(0, "p"); }, Code::kBadInput, "\"p\" is defined twice"},
    {"OutputShadowsWeight", [](auto& m) { Add(m)->set_output(0, "w"); }, Code::kBadInput, "\"w\" is defined twice"},
    {"UndefinedGraphOutput", [](auto& m) { m.mutable_graph()->mutable_output(0)->set_name("gone"); }, Code::kBadInput, "output \"gone\""},
    {"NoOutputs", [](auto& m) { m.mutable_graph()->clear_output(); }, Code::kBadInput, "no outputs"},
    {"DuplicateInput", [](auto& m) { *m.mutable_graph()->add_input() = m.graph().input(0); }, Code::kBadInput, "\"x\" stands twice"},
    {"DuplicateInitializer", [](auto& m) { *m.mutable_graph()->add_initializer() = m.graph().initializer(0); }, Code::kBadInput, "\"w\": the name is defined twice"},
    {"WrongAttributeKind", [](auto& m) { AddAttr(AddNode(m.mutable_graph(), "Softmax", {"x"}, {"z"}), "axis", onnx::AttributeProto::FLOAT)->set_f(1); }, Code::kBadInput, "attribute \"axis\" needs kind i, came f"},
    {"UnknownAttribute", [](auto& m) { AddInt(Add(m), "magic", 1); }, Code::kUnsupported, "attribute \"magic\""},
    {"DuplicateAttribute", [](auto& m) { auto* n = AddNode(m.mutable_graph(), "Softmax", {"x"}, {"z"}); AddInt(n, "axis", 1); AddInt(n, "axis", 0); }, Code::kBadInput, "attribute \"axis\" stands twice"},
    {"MissingOperand", [](auto& m) { Add(m)->mutable_input()->RemoveLast(); }, Code::kBadInput, "node \"/Add\" (Add): has 1 inputs"},
    {"OmittedOperand", [](auto& m) { Add(m)->set_input(0, ""); }, Code::kBadInput, "needs input 0"},
    {"ShapeMismatch", [](auto& m) { W(m)->set_dims(0, 3); W(m)->set_dims(1, 4); }, Code::kBadInput, "/MatMul"},
    {"NegativeDim", [](auto& m) { W(m)->set_dims(0, -4); }, Code::kBadInput, "dimension -4 is negative"},
    {"HugeDims", [](auto& m) { W(m)->set_dims(0, int64_t{1} << 62); W(m)->set_dims(1, int64_t{1} << 62); }, Code::kBadInput, "more than 2^46 bytes"},
    {"TooFewBytes", [](auto& m) { W(m)->set_dims(0, 5); }, Code::kBadInput, "initializer \"w\": f32 data of 15 elements needs 60 bytes, the file has 48"},
    {"TooManyElements", [](auto& m) { W(m)->clear_raw_data(); for (int i = 0; i < 13; ++i) W(m)->add_float_data(1); }, Code::kBadInput, "needs 12 elements, the file has 13"},
    {"RawAndTyped", [](auto& m) { W(m)->add_float_data(1); }, Code::kBadInput, "has its data twice"},
    {"NoData", [](auto& m) { W(m)->clear_raw_data(); }, Code::kBadInput, "needs 12 elements, the file has 0"},
    {"HighRank", [](auto& m) { for (int i = 0; i < 20; ++i) W(m)->add_dims(1); }, Code::kBadInput, "rank 22"},
    {"HighInputRank", [](auto& m) { SetType(m.mutable_graph()->add_input(), "z", 1, Names(17, "1")); }, Code::kBadInput, "rank 17"},
    {"NegativeInputDim", [](auto& m) { SetType(m.mutable_graph()->add_input(), "z", 1, {"-7"}); }, Code::kBadInput, "dimension -7"},
    {"StringTensor", [](auto& m) { W(m)->set_data_type(onnx::TensorProto::STRING); }, Code::kUnsupported, "element type string"},
    {"Float8Tensor", [](auto& m) { W(m)->set_data_type(17); }, Code::kUnsupported, "element type float8e4m3fn"},
    {"UnknownType", [](auto& m) { W(m)->set_data_type(99); }, Code::kBadInput, "unknown element type 99"},
    {"SequenceInput", [](auto& m) { auto* v = m.mutable_graph()->add_input(); v->set_name("s"); v->mutable_type()->mutable_sequence_type(); }, Code::kUnsupported, "\"s\": only tensors"},
    {"UntypedInput", [](auto& m) { m.mutable_graph()->add_input()->set_name("s"); }, Code::kUnsupported, "\"s\": only tensors"},
    {"SparseInitializer", [](auto& m) { m.mutable_graph()->add_sparse_initializer()->mutable_values()->set_name("sp"); }, Code::kUnsupported, "sparse initializer \"sp\""},
    {"Segment", [](auto& m) { W(m)->mutable_segment()->set_begin(0); }, Code::kUnsupported, "segments"},
    {"TrainingInfo", [](auto& m) { m.add_training_info(); }, Code::kUnsupported, "training"},
    {"NoOpset", [](auto& m) { m.clear_opset_import(); }, Code::kBadInput, "imports no opset of domain \"ai.onnx\""},
    {"OpsetTwice", [](auto& m) { *m.add_opset_import() = m.opset_import(0); }, Code::kBadInput, "imported twice"},
    {"FutureOpset", [](auto& m) { m.mutable_opset_import(0)->set_version(99); }, Code::kUnsupported, "opset 99"},
    {"OldOpset", [](auto& m) { m.mutable_opset_import(0)->set_version(12); AddNode(m.mutable_graph(), "Softmax", {"x"}, {"z"}); }, Code::kUnsupported, "operator Softmax (domain ai.onnx, opset 12) is read from opset 13 on"},
    {"NoGraph", [](auto& m) { m.clear_graph(); }, Code::kBadInput, "holds no graph"},
    {"IfOnInput", [](auto& m) {
       SetType(m.mutable_graph()->add_input(), "c", onnx::TensorProto::BOOL, {});
       auto* n = AddNode(m.mutable_graph(), "If", {"c"}, {"z"});
       for (const char* b : {"then_branch", "else_branch"}) { auto* g = AddGraph(n, b); AddNode(g, "Neg", {"x"}, {"q"}); g->add_output()->set_name("q"); }
     }, Code::kUnsupported, "the condition depends on the input"},
    {"QuantizedWeights", [](auto& m) {
       auto* t = m.mutable_graph()->add_initializer(); t->set_name("q"); t->set_data_type(onnx::TensorProto::INT8); t->add_dims(2); t->add_dims(2); t->set_raw_data(std::string(4, '\1'));
       AddFloats(m.mutable_graph(), "s", {}, 1); AddNode(m.mutable_graph(), "DequantizeLinear", {"q", "s"}, {"z"});
     }, Code::kUnsupported, "already quantized"},
    {"MatMulNBits", [](auto& m) {
       auto* o = m.add_opset_import(); o->set_domain("com.microsoft"); o->set_version(1);
       AddInt(AddNode(m.mutable_graph(), "MatMulNBits", {"x", "w", "b"}, {"z"}, "com.microsoft"), "bits", 4);
     }, Code::kUnsupported, "already quantized"},
};

TEST(ImportErrors, NameThePlaceAndTheFix) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    onnx::ModelProto m = LinearModel();
    c.spoil(m);
    const Status status = ImportProto(m).status();
    EXPECT_EQ(static_cast<int>(status.code()), static_cast<int>(c.code)) << status.message();
    EXPECT_NE(status.message().find(c.message), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("model.onnx"), std::string::npos) << status.message();
  }
}

TEST(ImportErrors, AllUnsupportedNodesAtOnce) {
  onnx::ModelProto m = LinearModel();
  auto* g = m.mutable_graph();
  AddNode(g, "RandomUniformLike", {"x"}, {"r"})->set_name("/first");
  AddNode(g, "Add", {"r", "y"}, {"s"})->set_name("/between");
  AddNode(g, "Attention", {"s", "s", "s"}, {"v"})->set_name("/follows");   // of unknown rank by now
  AddNode(g, "ImageDecoder", {"x"}, {"t"})->set_name("/second");
  m.mutable_opset_import(0)->set_version(23);
  const Status status = ImportProto(m).status();
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_NE(status.message().find("2 nodes cannot be imported"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("/first"), std::string::npos);
  EXPECT_NE(status.message().find("/second"), std::string::npos);
}

TEST(ImportErrors, FilesThatAreNoModels) {
  TempFolder folder;
  const auto message = [&](const std::string& path) { return ImportModel(path).status().message(); };
  EXPECT_NE(message(folder / "none.onnx").find("no such file"), std::string::npos);
  WriteFile(folder / "empty.onnx", "");
  EXPECT_NE(message(folder / "empty.onnx").find("is empty"), std::string::npos);
  WriteFile(folder / "lfs.onnx", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  EXPECT_NE(message(folder / "lfs.onnx").find("Git LFS pointer"), std::string::npos);
  WriteFile(folder / "text.onnx", "hello, this is no model at all");
  EXPECT_EQ(ImportModel(folder / "text.onnx").status().code(), Code::kBadInput);
  EXPECT_NE(message(folder / "text.onnx").find("is no intact ONNX model"), std::string::npos);
  ASSERT_EQ(mkfifo((folder / "pipe.onnx").c_str(), 0600), 0);
  EXPECT_NE(message(folder / "pipe.onnx").find("not a regular file"), std::string::npos);
  EXPECT_NE(message("/dev/null").find("not a regular file"), std::string::npos);
}

TEST(ImportErrors, NamesInMessagesAreCleaned) {
  onnx::ModelProto m = LinearModel();
  m.mutable_graph()->mutable_node(1)->set_input(1, std::string("evil\x1b[31m\n") + std::string(500, 'x'));
  const std::string text = ImportProto(m).status().message();
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_LT(text.size(), 500u);
}

}  // namespace
}  // namespace hasten::onnx_test
