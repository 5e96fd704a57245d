#include "passes/quant/gptq.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "passes/quant/cholesky.h"
#include "passes/quant/wide.h"
#include "runtime/quant/layout.h"

namespace hasten::passes {
namespace {

constexpr int64_t kLanes = wide::kLanes;   // rows that are quantized side by side
// Ranges that are tried, as parts of the group's own: below half, clipping costs
// more than finer steps gain at 4 bits.
constexpr float kShrinks4[] = {1.0f, 0.95f, 0.9f, 0.85f, 0.8f, 0.75f, 0.7f, 0.6f};
constexpr float kShrinks8[] = {1.0f};   // 8 bits: clipping never paid

inline float Round(float v) { return (v + 12582912.0f) - 12582912.0f; }   // as in rtn.cc

struct Lanes {
  float v[kLanes];
};

// One group's scale and zero-point for every lane.
struct Grid {
  Lanes scale, inverse, zero;
};

// Columns in the order they are quantized: the groups' extents, in that order too.
struct Order {
  std::vector<int64_t> column;                        // of each step
  std::vector<std::pair<int64_t, int64_t>> groups;    // first step, stored group
};

Order OrderOf(int64_t k, const PackedLayout& l, std::span<const double> h) {
  const auto diagonal = [&](int64_t c) { return h[static_cast<size_t>(c * k + c)]; };
  std::vector<std::pair<double, int64_t>> groups;
  for (int64_t g = 0; g < l.groups; ++g) {
    double sum = 0;
    for (int64_t c = g * l.group; c < std::min(k, (g + 1) * l.group); ++c) sum += diagonal(c);
    groups.emplace_back(-sum, g);
  }
  std::sort(groups.begin(), groups.end());
  Order order;
  for (const auto& [sum, g] : groups) {
    const int64_t first = static_cast<int64_t>(order.column.size());
    order.groups.emplace_back(first, g);
    for (int64_t c = g * l.group; c < std::min(k, (g + 1) * l.group); ++c) order.column.push_back(c);
    std::stable_sort(order.column.begin() + first, order.column.end(),
                     [&](int64_t a, int64_t b) { return diagonal(a) > diagonal(b); });
  }
  return order;
}

// 16 rows through all columns. Arrays by step, a lane a row.
class Rows {
 public:
  Rows(Scheme scheme, int64_t k, const Feedback& f, const Order& order)
      : scheme_(scheme), k_(k), f_(f), order_(order), has_zero_(GetScheme(scheme).zero_point),
        most_(static_cast<float>(GetScheme(scheme).max_code)), w_(static_cast<size_t>(k)), base_(w_), error_(w_) {}

  double Run(const PackedLayout& l, const float* w, int64_t rows, int8_t* codes, float* scale, uint8_t* zero) {
    for (int64_t s = 0; s < k_; ++s)
      for (int64_t r = 0; r < kLanes; ++r)
        At(w_, s).v[r] = r < rows ? w[r * k_ + order_.column[static_cast<size_t>(s)]] : 0.0f;
    Lanes total{};
    for (size_t i = 0; i < order_.groups.size(); ++i) {
      const auto [first, g] = order_.groups[i];
      const int64_t end = i + 1 < order_.groups.size() ? order_.groups[i + 1].first : k_;
      for (int64_t s = first; s < end; ++s) At(base_, s) = Target(At(w_, s), s, 0, first);
      const Grid grid = Search(first, end);
      const Lanes cost = Walk(grid, first, end, rows, codes);
      for (int64_t r = 0; r < rows; ++r) {
        scale[r * l.groups + g] = grid.scale.v[r];
        if (zero) zero[r * l.groups + g] = static_cast<uint8_t>(grid.zero.v[r]);
        total.v[r] += cost.v[r];
      }
    }
    return std::accumulate(total.v, total.v + rows, 0.0);
  }

 private:
  static Lanes& At(std::vector<Lanes>& v, int64_t i) { return v[static_cast<size_t>(i)]; }

  // `from` plus the feedback of steps [begin, end) for step s.
  Lanes Target(Lanes from, int64_t s, int64_t begin, int64_t end) {
    if (begin < end) wide::Dot(end - begin, f_.u.data() + s * k_ + begin, At(error_, begin).v, from.v);
    return from;
  }

  // Quantizes steps [first, end) on the grid; returns the loss of each lane and
  // leaves the errors. `codes` may be null (a trial).
  Lanes Walk(const Grid& grid, int64_t first, int64_t end, int64_t rows, int8_t* codes) {
    const float lo = has_zero_ ? 0.0f : -most_, hi = most_;
    Lanes cost{};
    for (int64_t s = first; s < end; ++s) {
      const Lanes target = Target(At(base_, s), s, first, s);
      const float d = f_.d[static_cast<size_t>(s)];
      Lanes code;
      for (int64_t r = 0; r < kLanes; ++r) {
        const float c = Round(target.v[r] * grid.inverse.v[r]) + grid.zero.v[r];
        code.v[r] = c < lo ? lo : c > hi ? hi : c;
        const float value = grid.scale.v[r] * (code.v[r] - grid.zero.v[r]), miss = target.v[r] - value;
        cost.v[r] += d * miss * miss;
        At(error_, s).v[r] = At(w_, s).v[r] - value;
      }
      if (!codes) continue;
      for (int64_t r = 0; r < rows; ++r) codes[r * k_ + order_.column[static_cast<size_t>(s)]] = static_cast<int8_t>(code.v[r]);
    }
    return cost;
  }

  Grid GridOf(const Lanes& low, const Lanes& high, float shrink) const {
    Grid g;
    for (int64_t r = 0; r < kLanes; ++r) {
      const float lo = low.v[r] * shrink, hi = high.v[r] * shrink;
      const float ideal = (has_zero_ ? hi - lo : std::max(hi, -lo)) / most_;
      float s = RoundScale(scheme_, ideal);
      if (s == 0.0f && ideal > 0.0f) s = RoundScale(scheme_, 0x1p-24f);   // fp16's least
      const float inverse = s > 0.0f ? 1.0f / s : 0.0f;
      g.scale.v[r] = s;
      g.inverse.v[r] = std::isfinite(inverse) ? inverse : 0.0f;
      g.zero.v[r] = has_zero_ ? std::clamp(Round(-lo * g.inverse.v[r]), 0.0f, most_) : 0.0f;
    }
    return g;
  }

  // The grid of least loss in the group, the errors inside of it fed back.
  Grid Search(int64_t first, int64_t end) {
    Lanes low{}, high{};
    for (int64_t s = first; s < end; ++s)
      for (int64_t r = 0; r < kLanes; ++r) {
        low.v[r] = std::min(low.v[r], At(base_, s).v[r]);
        high.v[r] = std::max(high.v[r], At(base_, s).v[r]);
      }
    Grid best;
    Lanes least;
    bool fresh = true;
    const std::span<const float> shrinks = has_zero_ ? std::span<const float>(kShrinks4) : std::span<const float>(kShrinks8);
    for (const float shrink : shrinks) {
      const Grid grid = GridOf(low, high, shrink);
      const Lanes cost = Walk(grid, first, end, 0, nullptr);
      for (int64_t r = 0; r < kLanes; ++r) {
        if (!fresh && !(cost.v[r] < least.v[r])) continue;
        least.v[r] = cost.v[r];
        best.scale.v[r] = grid.scale.v[r], best.inverse.v[r] = grid.inverse.v[r], best.zero.v[r] = grid.zero.v[r];
      }
      fresh = false;
    }
    return best;
  }

  Scheme scheme_;
  int64_t k_;
  const Feedback& f_;
  const Order& order_;
  bool has_zero_;
  float most_;   // the highest code
  std::vector<Lanes> w_, base_, error_;
};

// H in the order of the steps, damped. Dead inputs get a diagonal of their own, so
// that nothing is fed to or from them.
Status Prepare(int64_t k, const Order& order, double damping, std::span<double> h) {
  std::vector<double> moved(h.begin(), h.end());
  double mean = 0;
  for (int64_t i = 0; i < k; ++i) mean += h[static_cast<size_t>(i * k + i)] / static_cast<double>(k);
  if (!std::isfinite(mean)) return BadInput("the observed inputs are not finite");
  const double added = mean > 0 ? damping * mean : 1.0;
  for (int64_t r = 0; r < k; ++r) {
    const double* from = moved.data() + order.column[static_cast<size_t>(r)] * k;
    for (int64_t c = 0; c < k; ++c) h[static_cast<size_t>(r * k + c)] = from[order.column[static_cast<size_t>(c)]];
    h[static_cast<size_t>(r * k + r)] += added;
  }
  return {};
}

}  // namespace

Status QuantizeGptq(Scheme scheme, int64_t n, int64_t k, std::span<const float> w, std::span<double> hessian,
                    const GptqOptions& options, ThreadPool& pool, OwnedCodes* out, double* error) {
  const SchemeInfo& info = GetScheme(scheme);
  if (!info.integer || !PackedBytes(scheme, n, k)) return UsageError("[gptq] ", info.name, " [", n, ", ", k, "] has no codes");
  if (w.size() != static_cast<size_t>(n * k) || hessian.size() != static_cast<size_t>(k * k))
    return UsageError("[gptq] [", n, ", ", k, "] given ", w.size(), " weights and ", hessian.size(), " elements of H");
  // Sizes the arrays, and refuses by row and column what no scale can hold.
  HST_RETURN_IF_ERROR(QuantizeRtn(scheme, n, k, w, out));
  const PackedLayout l = LayoutOf(scheme, n, k);
  const Order order = OrderOf(k, l, hessian);
  HST_RETURN_IF_ERROR(Prepare(k, order, options.damping, hessian));
  Feedback feedback;
  if (!Factor(k, hessian, pool, &feedback))
    return BadInput("[gptq] the inputs' Hessian is not positive definite with a damping of ", options.damping);
  const int64_t blocks = (n + kLanes - 1) / kLanes;
  std::vector<double> losses(static_cast<size_t>(blocks));
  pool.Run(blocks, 1, [&](int64_t begin, int64_t end, int) {
    Rows rows(scheme, k, feedback, order);
    for (int64_t b = begin; b < end; ++b) {
      const int64_t r = b * kLanes;
      losses[static_cast<size_t>(b)] = rows.Run(l, w.data() + r * k, std::min(kLanes, n - r), out->codes.data() + r * k,
                                                out->scale.data() + r * l.groups,
                                                out->zero.empty() ? nullptr : out->zero.data() + r * l.groups);
    }
  });
  *error = std::accumulate(losses.begin(), losses.end(), 0.0);
  if (!std::isfinite(*error)) return BadInput("[gptq] a scale of ", info.name, " cannot hold the weights' compensated range");
  return {};
}

}  // namespace hasten::passes
