#include "calib/grad/offsets.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/quant/layout.h"

namespace hasten::calib {
namespace {

float Sign(float v) { return v > 0 ? 1.0f : v < 0 ? -1.0f : 0.0f; }

}  // namespace

Offsets::Offsets(const plan::TensorPlan& tensor, passes::OwnedCodes& codes)
    : tensor_(tensor), codes_(codes), latent_(codes.codes.size()), offset_(latent_), gradient_(latent_),
      scale_(codes.scale), scale_offset_(scale_.size()), scale_gradient_(scale_.size()) {
  const PackedLayout l = LayoutOf(tensor.scheme, tensor.n, tensor.k);
  groups_ = l.groups, group_ = l.group;
  for (size_t i = 0; i < latent_.size(); ++i) latent_[i] = static_cast<float>(codes.codes[i]) + static_cast<float>(codes.fraction[i]) * 0x1p-15f;
}

void Offsets::Add(int64_t first, int64_t count, const float* dw) {
  for (int64_t r = first; r < first + count; ++r)
    for (int64_t g = 0; g < groups_; ++g) {
      const size_t at = static_cast<size_t>(r * groups_ + g);
      const int zero = codes_.zero.empty() ? 0 : codes_.zero[at];
      float sum = 0;
      for (int64_t i = g * group_; i < std::min(tensor_.k, (g + 1) * group_); ++i) {
        const size_t w = static_cast<size_t>(r * tensor_.k + i);
        const float d = dw[(r - first) * tensor_.k + i];
        gradient_[w] += d;   // by a scale that is not negative: the sign is the offset's
        sum += d * static_cast<float>(codes_.codes[w] - zero);
      }
      scale_gradient_[at] += sum;
    }
}

void Offsets::StepRow(int64_t row, float by, float scale_by) {
  const float hi = static_cast<float>(GetScheme(tensor_.scheme).max_code), lo = GetScheme(tensor_.scheme).zero_point ? 0 : -hi;
  for (size_t i = static_cast<size_t>(row * tensor_.k); i < static_cast<size_t>((row + 1) * tensor_.k); ++i) {
    offset_[i] = std::clamp(offset_[i] - by * Sign(std::exchange(gradient_[i], 0.0f)), -0.5f, 0.5f);
    const float latent = latent_[i] + offset_[i], code = std::clamp(std::rint(latent), lo, hi);
    codes_.codes[i] = static_cast<int8_t>(code);
    codes_.fraction[i] = static_cast<int16_t>(std::clamp(latent - code, -0.5f, 0.5f) * 0x1p15f);
  }
  for (size_t i = static_cast<size_t>(row * groups_); i < static_cast<size_t>((row + 1) * groups_); ++i) {
    scale_offset_[i] -= scale_by * Sign(std::exchange(scale_gradient_[i], 0.0f));
    codes_.scale[i] = RoundScale(tensor_.scheme, scale_[i] * (1 + scale_offset_[i]));
  }
}

void Offsets::Step(float by, float scale_by, ThreadPool& pool) {
  pool.Run(tensor_.n, 64, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) StepRow(r, by, scale_by);
  });
}

}  // namespace hasten::calib
