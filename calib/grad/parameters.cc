#include "calib/grad/parameters.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/quant/layout.h"

namespace hasten::calib {

void Parameters::Begin(std::vector<float> values) {
  first = std::move(values);
  for (std::vector<float>* v : {&moved, &gradient, &mean, &square}) v->assign(first.size(), 0.0f);
}

void Parameters::Adam(const AdamStep& s) {
  const double from1 = 1 - std::pow(s.beta1, static_cast<double>(s.step)), from2 = 1 - std::pow(s.beta2, static_cast<double>(s.step));
  const float b1 = static_cast<float>(s.beta1), b2 = static_cast<float>(s.beta2);
  const float rate = static_cast<float>(s.rate / from1), down = static_cast<float>(1 / from2);
  for (size_t i = 0; i < first.size(); ++i) {
    const float g = std::exchange(gradient[i], 0.0f);
    mean[i] = b1 * mean[i] + (1 - b1) * g;
    square[i] = b2 * square[i] + (1 - b2) * g * g;
    moved[i] -= rate * mean[i] / (std::sqrt(square[i] * down) + 1e-12f);
  }
}

void MoveLatents(Scheme scheme, int64_t k, int64_t row, const float* dw, float rate, passes::OwnedCodes* codes) {
  constexpr int kHalf = 1 << 14, kOne = 1 << 15;   // of a code
  const PackedLayout l = LayoutOf(scheme, 1, k);
  const float* scale = codes->scale.data() + row * l.groups;
  double square = 0;
  for (int64_t i = 0; i < k; ++i) square += static_cast<double>(dw[i] * scale[i / l.group]) * static_cast<double>(dw[i] * scale[i / l.group]);
  if (!(square > 0) || !std::isfinite(square)) return;
  const float by = static_cast<float>(static_cast<double>(rate) * kOne / std::sqrt(square / static_cast<double>(k)));
  const float most = 4 * rate * kOne;
  const int hi = GetScheme(scheme).max_code, lo = GetScheme(scheme).zero_point ? 0 : -hi;
  for (int64_t i = 0; i < k; ++i) {
    int8_t& code = codes->codes[static_cast<size_t>(row * k + i)];
    int16_t& fraction = codes->fraction[static_cast<size_t>(row * k + i)];
    int f = fraction - static_cast<int>(std::lrint(std::clamp(by * dw[i] * scale[i / l.group], -most, most)));
    if (f > kHalf && code < hi) ++code, f -= kOne;
    else if (f < -kHalf && code > lo) --code, f += kOne;
    fraction = static_cast<int16_t>(std::clamp(f, -kHalf, kHalf));
  }
}

TrainedValues::TrainedValues(const plan::ProgramPlan& plan, bool vectors, Trained& trained)
    : plan_(plan), trained_(trained), all_(plan.tensors.size()), latent_(plan.tensors.size()) {
  for (size_t i = 0; i < all_.size(); ++i) {
    if (!trained.codes[i].codes.empty()) all_[i].Begin(trained.codes[i].scale);
    latent_[i] = !trained.codes[i].fraction.empty();
  }
  // A table's rows get gradients as often as their ids come: no mean square is theirs.
  for (const plan::InstrPlan& in : plan.instrs)
    if (in.kind == plan::InstrKind::kEmbed) latent_[static_cast<size_t>(in.tensor)] = false;
  for (const plan::InstrPlan& in : plan.instrs) {
    if (!vectors || in.kind != plan::InstrKind::kNorm || in.tensor < 0) continue;
    const size_t i = static_cast<size_t>(in.tensor);
    std::vector<float> values(static_cast<size_t>(plan.tensors[i].k));
    plan.tensors[i].GatherRows(0, 1, values.data());
    all_[i].Begin(std::move(values));
  }
}

void TrainedValues::Rows(int tensor, int64_t first, int64_t count, const float* dw) {
  const size_t t = static_cast<size_t>(tensor);
  Parameters& p = all_[t];
  const passes::OwnedCodes& c = trained_.codes[t];
  const plan::TensorPlan& plan = plan_.tensors[t];
  if (c.codes.empty()) {
    for (size_t i = 0; i < p.first.size(); ++i) p.gradient[i] += dw[i] * p.first[i];
    return;
  }
  const PackedLayout l = LayoutOf(plan.scheme, plan.n, plan.k);
  for (int64_t r = first; r < first + count; ++r)
    for (int64_t g = 0; g < l.groups; ++g) {
      const size_t at = static_cast<size_t>(r * l.groups + g);
      const int zero = c.zero.empty() ? 0 : c.zero[at];
      const int8_t* codes = c.codes.data() + r * plan.k;
      const float* d = dw + (r - first) * plan.k;
      float sum = 0;
      for (int64_t i = g * l.group; i < std::min(plan.k, (g + 1) * l.group); ++i) sum += d[i] * static_cast<float>(codes[i] - zero);
      p.gradient[at] += sum * p.first[at];
    }
  for (int64_t r = 0; latent_[t] && latent_rate_ > 0 && r < count; ++r)
    MoveLatents(plan.scheme, plan.k, first + r, dw + r * plan.k, latent_rate_, &trained_.codes[t]);
}

void TrainedValues::Write(size_t tensor) {
  const Parameters& p = all_[tensor];
  const bool codes = !trained_.codes[tensor].codes.empty();
  std::vector<float>& to = codes ? trained_.codes[tensor].scale : trained_.vectors[tensor];
  to.resize(p.first.size());
  for (size_t i = 0; i < to.size(); ++i) to[i] = codes ? RoundScale(plan_.tensors[tensor].scheme, p.Value(i)) : p.Value(i);
}

void TrainedValues::Step(const AdamStep& step, ThreadPool& pool) {
  pool.Run(static_cast<int64_t>(all_.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (size_t i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      if (all_[i].first.empty()) continue;
      all_[i].Adam(step);
      Write(i);
    }
  });
}

void TrainedValues::ForState(const std::function<void(std::span<std::byte>)>& f) {
  const auto give = [&](auto& v) { f(std::as_writable_bytes(std::span(v))); };
  for (size_t i = 0; i < all_.size(); ++i) {
    give(all_[i].moved), give(all_[i].mean), give(all_[i].square);
    if (latent_[i]) give(trained_.codes[i].codes), give(trained_.codes[i].fraction);
  }
}

void TrainedValues::Restored() {
  for (size_t i = 0; i < all_.size(); ++i)
    if (!all_[i].first.empty()) Write(i);
}

}  // namespace hasten::calib
