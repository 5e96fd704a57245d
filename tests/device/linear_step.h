// A linear with random weights and activations: the scalar row's result, and its arrays
// on the device.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "runtime/kernels/linear/contract.h"
#include "runtime/kernels/simd_scalar.h"
#include "tests/device/test_device.h"
#include "tests/kernels/test_util.h"
#include "tests/linear/random_matrix.h"

namespace hasten::testing {

struct LinearCase {
  Scheme scheme;
  int64_t m, n, k, ga = 0;
  bool residual = false, bias = true;
  Fill fill = Fill::kRandom;
  bool broken = false;   // values that are not finite
};

class LinearStep {
 public:
  explicit LinearStep(const LinearCase& c)
      : c_(c), args_(Host(c)), dw_(weights_), dq_(quantized_), dx_(x_), db_(bias_) {}

  const std::vector<float>& want() const { return want_; }
  const std::vector<float>& empty() const { return empty_; }   // what `out` holds before
  const LinearArgs& host_args() const { return args_; }
  LinearArgs Args(float* out) const {
    LinearArgs d = args_;
    d.w = dw_.get(), d.bias = c_.bias ? db_.get() : nullptr, d.out = out;
    if (GetScheme(c_.scheme).integer) d.xq = QuantizedRowsAt(dq_.get(), c_.m, layout_);
    else d.x = dx_.get();
    return d;
  }
  std::string Name() const {
    return StrCat(GetScheme(c_.scheme).name, " m ", c_.m, " n ", c_.n, " k ", c_.k, " ga ", c_.ga, c_.residual ? " with residual" : "");
  }

 private:
  LinearArgs Host(const LinearCase& c) {
    std::mt19937 random(static_cast<uint32_t>(c.k * 1000 + c.n * 10 + c.m));
    Rng rng(random());
    const auto packed = RandomPacked(c.scheme, c.n, c.k, c.fill, random);
    weights_.assign(packed.get(), packed.get() + *PackedBytes(c.scheme, c.n, c.k));
    const int64_t stride = c.k % 4 == 0 ? c.k : c.k + 3, out_stride = c.n + c.m % 2 * 3;
    x_ = rng.Normals(static_cast<size_t>(c.m * stride)), bias_ = rng.Normals(static_cast<size_t>(c.n));
    if (c.fill == Fill::kExtreme)
      for (float& v : x_) v = rng.Below(8) ? 1.0f : -1.0f;
    if (c.fill == Fill::kZeroRows)
      for (int64_t i = 0; i < c.k; ++i) x_[static_cast<size_t>((c.m - 1) * stride + i)] = i % 2 ? -0.0f : 0x1p-140f;
    if (c.broken) x_[1] = kNaN, x_[static_cast<size_t>((c.m - 1) * stride + c.k - 1)] = kInf;

    LinearArgs a{.scheme = c.scheme, .rows = c.m, .n = c.n, .k = c.k, .ga = c.ga};
    const bool integer = GetScheme(c.scheme).integer;
    layout_ = QuantizedRowLayout(c.k, integer ? c.ga : c.k, c.residual);
    if (integer) {
      quantized_.resize(layout_.bytes_per_row * static_cast<size_t>(c.m));
      a.xq = QuantizedRowsAt(quantized_.data(), c.m, layout_);
      const QuantizeArgs q{.x = x_.data(), .x_stride = stride, .rows = c.m, .cols = c.k, .ga = c.ga, .out = a.xq};
      RunShuffled(ScalarRow(QuantizeKernels(), q), q, 1);
    } else {
      a.x = x_.data(), a.x_stride = stride;
    }
    empty_.assign(static_cast<size_t>(c.m * out_stride), -7.0f);   // what lies between rows stays
    want_ = empty_;
    a.w = weights_.data(), a.bias = c.bias ? bias_.data() : nullptr, a.out = want_.data(), a.out_stride = out_stride;
    RunShuffled(ScalarRow(LinearKernels(), a), a, 1);
    return a;
  }

  LinearCase c_;
  std::vector<std::byte> weights_, quantized_;
  std::vector<float> x_, bias_, want_, empty_;
  QuantizedLayout layout_{};
  LinearArgs args_;
  OnDevice<std::byte> dw_, dq_;
  OnDevice<float> dx_, db_;
};

}  // namespace hasten::testing
