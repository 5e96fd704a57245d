// One node evaluated alone, for the tests of evaluations.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "compiler/interp/interp.h"

namespace hasten::interp {

using ir::Tensor;

inline Tensor F32(std::vector<int64_t> dims, std::vector<float> v) { return Tensor::From<float>(std::move(dims), v); }
inline Tensor I64(std::vector<int64_t> dims, std::vector<int64_t> v) { return Tensor::From<int64_t>(std::move(dims), v); }
inline Tensor I32(std::vector<int64_t> dims, std::vector<int32_t> v) { return Tensor::From<int32_t>(std::move(dims), v); }
inline Tensor Bool(std::vector<int64_t> dims, std::vector<int> v) {
  Tensor t = *Tensor::Zeros(DType::kBool, std::move(dims));
  for (size_t i = 0; i < v.size(); ++i) t.mutable_data<uint8_t>()[i] = static_cast<uint8_t>(v[i]);
  return t;
}
// Small whole multiples of 1/8 in [-2, 2), the same for the same seed.
inline Tensor Noise(std::vector<int64_t> dims, uint32_t seed) {
  Tensor t = *Tensor::Zeros(DType::kF32, std::move(dims));
  for (int64_t i = 0; i < t.elements(); ++i) {
    seed = seed * 1664525u + 1013904223u;   // Numerical Recipes' LCG
    t.mutable_data<float>()[i] = static_cast<float>(static_cast<int>(seed >> 27) - 16) / 8;
  }
  return t;
}

// An invalid tensor stands for an omitted operand.
inline Result<std::vector<Tensor>> EvalAll(const std::string& op, const std::vector<Tensor>& in, ir::Attrs attrs = {}, size_t outputs = 1,
                                           const RunOptions& options = {}) {
  ir::Graph graph;
  std::vector<ir::Value*> operands;
  std::vector<Tensor> given;
  for (const Tensor& t : in) {
    operands.push_back(t.valid() ? graph.AddInput("x", ir::Type::Unranked(t.dtype())) : nullptr);
    if (t.valid()) given.push_back(t);
  }
  ir::Node* node = graph.AddNode(op, operands, outputs, std::move(attrs), "the node");
  for (size_t i = 0; i < outputs; ++i) graph.AddOutput(node->output(i), "y");
  return Run(graph, given, options);
}

inline Tensor Eval(const std::string& op, const std::vector<Tensor>& in, ir::Attrs attrs = {}, const RunOptions& options = {}) {
  auto r = EvalAll(op, in, std::move(attrs), 1, options);
  EXPECT_TRUE(r.ok()) << r.status().message();
  return r.ok() ? (*r)[0] : Tensor();
}

inline Status EvalError(const std::string& op, const std::vector<Tensor>& in, ir::Attrs attrs = {}, const RunOptions& options = {}) {
  return EvalAll(op, in, std::move(attrs), 1, options).status();
}

inline void ExpectFloats(const Tensor& t, std::vector<int64_t> dims, const std::vector<float>& want, float tolerance = 0) {
  ASSERT_TRUE(t.valid());
  EXPECT_EQ(t.dims(), dims);
  const std::vector<float> got = t.ToFloats();
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(want[i]) || std::isinf(want[i])) {
      EXPECT_EQ(std::isnan(got[i]), std::isnan(want[i])) << i;
      EXPECT_TRUE(std::isnan(want[i]) || got[i] == want[i]) << i;
    } else {
      EXPECT_NEAR(got[i], want[i], tolerance) << i;
    }
  }
}

inline void ExpectInts(const Tensor& t, std::vector<int64_t> dims, const std::vector<int64_t>& want) {
  ASSERT_TRUE(t.valid());
  EXPECT_EQ(t.dims(), dims);
  EXPECT_EQ(t.ToInts(), want);
}

}  // namespace hasten::interp
