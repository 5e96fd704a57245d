#include "passes/quant/descent.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "passes/quant/wide.h"
#include "runtime/quant/layout.h"

namespace hasten::passes {
namespace {

constexpr int64_t kLanes = wide::kLanes;   // rows side by side

inline float Round(float v) { return (v + 12582912.0f) - 12582912.0f; }   // as in rtn.cc

struct Lanes {
  float v[kLanes];
};

// 16 rows. Arrays by column, a lane a row.
class Rows {
 public:
  Rows(Scheme scheme, int64_t k, std::span<const float> h)
      : k_(k), h_(h), has_zero_(GetScheme(scheme).zero_point), most_(static_cast<float>(GetScheme(scheme).max_code)), l_(LayoutOf(scheme, kLanes, k)),
        gradient_(static_cast<size_t>(k)), code_(gradient_), scale_(static_cast<size_t>(l_.groups)), zero_(scale_) {}

  void Run(const DescentOptions& options, const float* w, int64_t rows, int8_t* codes, const float* scale, const uint8_t* zero, int16_t* fraction) {
    Load(w, rows, codes, scale, zero);
    for (int i = 0; i < options.rounds; ++i)
      for (int64_t c = 0; c < k_; ++c) Refit(c);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < k_; ++c) codes[r * k_ + c] = static_cast<int8_t>(At(code_, c).v[r]);
    for (int64_t r = 0; fraction && r < rows; ++r)
      for (int64_t c = 0; c < k_; ++c) fraction[r * k_ + c] = static_cast<int16_t>(std::clamp(Step(c, r), -0.5f, 0.5f) * 0x1p15f);
  }

 private:
  static Lanes& At(std::vector<Lanes>& v, int64_t i) { return v[static_cast<size_t>(i)]; }
  const float* Row(int64_t c) const { return h_.data() + c * k_; }

  // The gradient is H e, e = w - w^: by column, since most of H's columns are long.
  void Load(const float* w, int64_t rows, const int8_t* codes, const float* scale, const uint8_t* zero) {
    for (int64_t g = 0; g < l_.groups; ++g)
      for (int64_t r = 0; r < kLanes; ++r) {
        At(scale_, g).v[r] = r < rows ? scale[r * l_.groups + g] : 0.0f;
        At(zero_, g).v[r] = r < rows && zero ? static_cast<float>(zero[r * l_.groups + g]) : 0.0f;
      }
    std::fill(gradient_.begin(), gradient_.end(), Lanes{});
    for (int64_t c = 0; c < k_; ++c) {
      const int64_t g = c / l_.group;
      Lanes error{};
      for (int64_t r = 0; r < rows; ++r) {
        At(code_, c).v[r] = static_cast<float>(codes[r * k_ + c]);
        error.v[r] = w[r * k_ + c] - At(scale_, g).v[r] * (At(code_, c).v[r] - At(zero_, g).v[r]);
      }
      for (int64_t r = rows; r < kLanes; ++r) At(code_, c).v[r] = 0.0f;
      Add(c, error);
    }
  }

  // Column c's error has grown by e.
  void Add(int64_t c, const Lanes& e) { wide::Outer(k_, Row(c), e.v, gradient_.data()->v); }

  // From code c of lane r to the minimum of its quadratic, in codes.
  float Step(int64_t c, int64_t r) {
    const float s = At(scale_, c / l_.group).v[r];
    return s > 0 ? At(gradient_, c).v[r] / (Row(c)[c] * s) : 0.0f;
  }

  void Refit(int64_t c) {
    const float hi = most_, lo = has_zero_ ? 0.0f : -most_;
    const Lanes& s = At(scale_, c / l_.group);
    Lanes error;
    float moved = 0;
    for (int64_t r = 0; r < kLanes; ++r) {
      float& code = At(code_, c).v[r];
      const float wanted = std::clamp(code + Round(std::clamp(Step(c, r), -256.0f, 256.0f)), lo, hi);
      error.v[r] = s.v[r] * (code - wanted);
      moved += std::abs(error.v[r]);
      code = wanted;
    }
    if (moved > 0) Add(c, error);
  }

  int64_t k_;
  std::span<const float> h_;
  bool has_zero_;
  float most_;   // the highest code
  PackedLayout l_;
  std::vector<Lanes> gradient_, code_, scale_, zero_;
};

}  // namespace

Status Descend(Scheme scheme, int64_t n, int64_t k, std::span<const float> w, std::span<const double> hessian,
               const DescentOptions& options, ThreadPool& pool, OwnedCodes* codes) {
  if (w.size() != static_cast<size_t>(n * k) || hessian.size() != static_cast<size_t>(k * k) || codes->codes.size() != w.size())
    return UsageError("[descent] [", n, ", ", k, "] given ", w.size(), " weights, ", codes->codes.size(), " codes and ",
                      hessian.size(), " elements of H");
  codes->fraction.assign(options.fractions ? w.size() : 0, 0);
  double mean = 0;
  for (int64_t i = 0; i < k; ++i) mean += hessian[static_cast<size_t>(i * k + i)] / static_cast<double>(k);
  if (!(mean > 0)) return {};   // no input ever came: nothing is better than what is there
  // Scaled, so that sums in fp32 are far from its limits whatever the number of tokens.
  std::vector<float> h(hessian.size());
  for (int64_t i = 0; i < k * k; ++i)
    h[static_cast<size_t>(i)] = static_cast<float>((hessian[static_cast<size_t>(i)] + (i % (k + 1) ? 0.0 : options.damping * mean)) / mean);
  const int64_t groups = LayoutOf(scheme, n, k).groups;
  pool.Run((n + kLanes - 1) / kLanes, 1, [&](int64_t begin, int64_t end, int) {
    Rows rows(scheme, k, h);
    for (int64_t r = begin * kLanes; r < std::min(n, end * kLanes); r += kLanes)
      rows.Run(options, w.data() + r * k, std::min(kLanes, n - r), codes->codes.data() + r * k, codes->scale.data() + r * groups,
               codes->zero.empty() ? nullptr : codes->zero.data() + r * groups,
               options.fractions ? codes->fraction.data() + r * k : nullptr);
  });
  return {};
}

}  // namespace hasten::passes
