// A graph built op by op and inferred, for the tests of inference.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "compiler/ir/ops.h"
#include "compiler/ir/shape_values.h"

namespace hasten::ir {

class InferTest : public testing::Test {
 protected:
  Value* In(const std::string& name, DType t, const std::vector<std::string>& dims) {
    Type type = Type::Of(t, {});
    for (const std::string& d : dims) type.shape.push_back(d == "?" ? Dim() : Dim(*ParsePoly(d)));
    return graph.AddInput(name, std::move(type));
  }
  Value* Const(std::vector<int64_t> v) { return graph.AddWeight("c", Tensor::From<int64_t>({static_cast<int64_t>(v.size())}, v)); }
  Value* Scalar(int64_t v) { return graph.AddWeight("c", Tensor::Scalar<int64_t>(v)); }
  Value* Op(const std::string& op, std::vector<Value*> in, Attrs attrs = {}, size_t outputs = 1) {
    return graph.AddNode(op, std::move(in), outputs, std::move(attrs), "the node")->output();
  }
  void Infer() {
    const Status s = InferTypes(graph, &values);
    ASSERT_TRUE(s.ok()) << s.message();
  }
  std::string TypeOf(const Value* v) { return TypeString(v->type); }
  std::string ValuesOf(const Value* v) {
    const auto found = values.Find(v);
    if (!found) return "untracked";
    std::string out;
    for (const Dim& d : *found) out += StrCat(out.empty() ? "" : ", ", d ? d->ToString() : "?");
    return out;
  }

  Graph graph;
  ShapeValues values;
};

}  // namespace hasten::ir
