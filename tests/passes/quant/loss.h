// What the tests of calibrated quantizers share: made-up weights and Hessians, and
// the loss straight from its definition.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "passes/quant/rtn.h"
#include "runtime/quant/layout.h"

namespace hasten::passes {

inline std::vector<float> Normal(int64_t count, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> v(static_cast<size_t>(count));
  for (float& x : v) x = normal(rng);
  return v;
}

// [tokens][k]: correlated inputs of different sizes, as a model's are.
inline std::vector<float> Inputs(int64_t tokens, int64_t k, uint32_t seed) {
  std::vector<float> x = Normal(tokens * k, seed);
  const std::vector<float> common = Normal(tokens, seed + 1);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t i = 0; i < k; ++i) {
      float& v = x[static_cast<size_t>(t * k + i)];
      v = (v + 2 * common[static_cast<size_t>(t)]) * static_cast<float>(1 + i % 7);
    }
  return x;
}

// [k][k]: the sum of a_t b_t'.
inline std::vector<double> Products(const std::vector<float>& a, const std::vector<float>& b, int64_t k) {
  std::vector<double> h(static_cast<size_t>(k * k));
  for (size_t t = 0; t < a.size(); t += static_cast<size_t>(k))
    for (int64_t r = 0; r < k; ++r)
      for (int64_t c = 0; c < k; ++c)
        h[static_cast<size_t>(r * k + c)] += double{a[t + static_cast<size_t>(r)]} * double{b[t + static_cast<size_t>(c)]};
  return h;
}

inline std::vector<double> Hessian(int64_t k, uint32_t seed) {
  const std::vector<float> x = Inputs(4 * k, k, seed);
  return Products(x, x, k);
}

// W^ [n][k].
inline std::vector<float> Decode(Scheme scheme, int64_t n, int64_t k, const OwnedCodes& c) {
  const PackedLayout l = LayoutOf(scheme, n, k);
  std::vector<float> w(static_cast<size_t>(n * k));
  for (int64_t r = 0; r < n; ++r)
    for (int64_t i = 0; i < k; ++i) {
      const size_t g = static_cast<size_t>(r * l.groups + i / l.group), at = static_cast<size_t>(r * k + i);
      w[at] = c.scale[g] * static_cast<float>(c.codes[at] - (c.zero.empty() ? 0 : c.zero[g]));
    }
  return w;
}

// trace((W - W^) H (W - W^)').
inline double Loss(Scheme scheme, int64_t n, int64_t k, const std::vector<float>& w, const OwnedCodes& c, const std::vector<double>& h) {
  const std::vector<float> decoded = Decode(scheme, n, k, c);
  double loss = 0;
  for (int64_t r = 0; r < n; ++r)
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j) {
        const size_t a = static_cast<size_t>(r * k + i), b = static_cast<size_t>(r * k + j);
        loss += (double{w[a]} - double{decoded[a]}) * h[static_cast<size_t>(i * k + j)] * (double{w[b]} - double{decoded[b]});
      }
  return loss;
}

}  // namespace hasten::passes
