// Builds small ONNX models in memory and on disk, for tests: valid ones and
// ones that are wrong in exactly one way.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "onnx.pb.h"

#include "compiler/onnx/import.h"

namespace hasten::onnx_test {

// A folder that is gone after the test; in memory where it can be.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : testing::TempDir()) + "hasten_onnx_XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

using Names = std::vector<std::string>;

inline onnx::NodeProto* AddNode(onnx::GraphProto* g, const std::string& op, const Names& in, const Names& out,
                                const std::string& domain = "") {
  onnx::NodeProto* n = g->add_node();
  n->set_op_type(op);
  n->set_name("/" + op);
  if (!domain.empty()) n->set_domain(domain);
  for (const auto& i : in) n->add_input(i);
  for (const auto& o : out) n->add_output(o);
  return n;
}

inline onnx::AttributeProto* AddAttr(onnx::NodeProto* n, const std::string& name, onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto* a = n->add_attribute();
  a->set_name(name);
  a->set_type(type);
  return a;
}
inline void AddInt(onnx::NodeProto* n, const std::string& name, int64_t v) { AddAttr(n, name, onnx::AttributeProto::INT)->set_i(v); }
inline void AddInts(onnx::NodeProto* n, const std::string& name, const std::vector<int64_t>& v) {
  onnx::AttributeProto* a = AddAttr(n, name, onnx::AttributeProto::INTS);
  for (const int64_t i : v) a->add_ints(i);
}
inline onnx::GraphProto* AddGraph(onnx::NodeProto* n, const std::string& name) {
  return AddAttr(n, name, onnx::AttributeProto::GRAPH)->mutable_g();
}

// Dims that are numbers are constants; other text is a dim_param; "" is unknown.
inline void SetType(onnx::ValueInfoProto* v, const std::string& name, int type, const Names& dims) {
  v->set_name(name);
  auto* t = v->mutable_type()->mutable_tensor_type();
  t->set_elem_type(type);
  t->mutable_shape();
  for (const auto& d : dims) {
    auto* dim = t->mutable_shape()->add_dim();
    if (d.empty()) continue;
    if (isdigit(d[0]) || d[0] == '-') dim->set_dim_value(std::stoll(d));
    else dim->set_dim_param(d);
  }
}

inline onnx::TensorProto* AddFloats(onnx::GraphProto* g, const std::string& name, const std::vector<int64_t>& dims, size_t count) {
  onnx::TensorProto* t = g->add_initializer();
  t->set_name(name);
  t->set_data_type(onnx::TensorProto::FLOAT);
  for (const int64_t d : dims) t->add_dims(d);
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i) * 0.25f;
  t->set_raw_data(values.data(), count * sizeof(float));
  return t;
}

inline void AddInt64s(onnx::GraphProto* g, const std::string& name, const std::vector<int64_t>& values, bool scalar = false) {
  onnx::TensorProto* t = g->add_initializer();
  t->set_name(name);
  t->set_data_type(onnx::TensorProto::INT64);
  if (!scalar) t->add_dims(static_cast<int64_t>(values.size()));
  for (const int64_t v : values) t->add_int64_data(v);
}

inline void AddBool(onnx::GraphProto* g, const std::string& name, bool value) {
  onnx::TensorProto* t = g->add_initializer();
  t->set_name(name);
  t->set_data_type(onnx::TensorProto::BOOL);
  t->add_int32_data(value);
}

inline onnx::ModelProto EmptyModel(int64_t opset = 18) {
  onnx::ModelProto m;
  m.set_ir_version(8);
  m.set_producer_name("test");
  auto* o = m.add_opset_import();
  o->set_domain("");
  o->set_version(opset);
  m.mutable_graph()->set_name("g");
  return m;
}

// y[B,3] = x[B,4] w[4,3] + b[3]
inline onnx::ModelProto LinearModel() {
  onnx::ModelProto m = EmptyModel();
  auto* g = m.mutable_graph();
  SetType(g->add_input(), "x", onnx::TensorProto::FLOAT, {"B", "4"});
  SetType(g->add_output(), "y", onnx::TensorProto::FLOAT, {"B", "3"});
  AddFloats(g, "w", {4, 3}, 12);
  AddFloats(g, "b", {3}, 3);
  AddNode(g, "MatMul", {"x", "w"}, {"p"});
  AddNode(g, "Add", {"p", "b"}, {"y"});
  return m;
}

inline Result<ImportedModel> ImportProto(const onnx::ModelProto& m, const ImportOptions& options = {}) {
  TempFolder folder;
  WriteFile(folder / "model.onnx", m.SerializeAsString());
  return ImportModel(folder.path(), options);
}

inline size_t CountOps(const ir::Graph& g, const std::string& op) {
  size_t n = 0;
  for (const auto& node : g.nodes()) n += node->op == op;
  return n;
}

}  // namespace hasten::onnx_test
