#include "calib/metrics/score.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "runtime/base/status.h"

namespace hasten::calib {
namespace {

constexpr int kTop = 5;

struct Top {
  std::array<float, kTop> value;
  std::array<int32_t, kTop> id;
};

// The likeliest tokens, the lowest id first where values are equal; -1 where the
// vocabulary is smaller. NaN is never among them.
Top TopOf(std::span<const float> row) {
  Top top;
  top.value.fill(-std::numeric_limits<float>::infinity());
  top.id.fill(-1);
  for (size_t i = 0; i < row.size(); ++i) {
    if (!(row[i] > top.value[kTop - 1]) && !(row[i] == top.value[kTop - 1] && top.id[kTop - 1] < 0)) continue;
    int at = kTop - 1;
    for (; at > 0 && (row[i] > top.value[at - 1] || top.id[at - 1] < 0); --at) top.value[at] = top.value[at - 1], top.id[at] = top.id[at - 1];
    top.value[at] = row[i];
    top.id[at] = static_cast<int32_t>(i);
  }
  return top;
}

int32_t Shared(const Top& a, const Top& b) {
  return static_cast<int32_t>(std::count_if(a.id.begin(), a.id.end(), [&b](int32_t id) {
    return id >= 0 && std::find(b.id.begin(), b.id.end(), id) != b.id.end();
  }));
}

double Cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  if (aa == 0 || bb == 0) return aa == bb ? 1 : 0;
  return dot / std::sqrt(aa * bb);
}

}  // namespace

TokenScore ScoreOutputs(std::span<const float> reference, std::span<const float> candidate) {
  HST_CHECK(!reference.empty() && reference.size() == candidate.size());
  const Top top_r = TopOf(reference), top_c = TopOf(candidate);
  TokenScore score;
  score.reference_nll = score.candidate_nll = score.kld = std::numeric_limits<double>::quiet_NaN();
  score.reference_top = top_r.id[0];
  score.candidate_top = top_c.id[0];
  score.same_top1 = top_r.id[0] == top_c.id[0];
  score.shared_top5 = Shared(top_r, top_c);
  score.top5_of = static_cast<int32_t>(std::min<size_t>(kTop, reference.size()));
  score.cosine = Cosine(reference, candidate);
  return score;
}

bool IsDistribution(std::span<const float> row) {
  bool some = false;
  for (const float x : row) {
    if (!(x < std::numeric_limits<float>::infinity())) return false;
    some = some || x > -std::numeric_limits<float>::infinity();
  }
  return some;
}

double LogSumExp(std::span<const float> row) {
  const double largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float v : row) sum += std::exp(static_cast<double>(v) - largest);
  return largest + std::log(sum);
}

TokenScore ScoreToken(std::span<const float> reference, std::span<const float> candidate, int32_t next) {
  HST_CHECK(!reference.empty() && reference.size() == candidate.size());
  HST_CHECK(next >= 0 && static_cast<size_t>(next) < reference.size());
  const Top top_r = TopOf(reference), top_c = TopOf(candidate);
  const double norm_c = LogSumExp(candidate);
  // KL = sum p (r - c) - ln Z_r + ln Z_c: one exponential a token for the reference.
  const double largest = *std::max_element(reference.begin(), reference.end());
  double sum = 0, distance = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double e = std::exp(static_cast<double>(reference[i]) - largest);
    sum += e;
    if (e != 0) distance += e * (static_cast<double>(reference[i]) - static_cast<double>(candidate[i]));
  }
  const double norm_r = largest + std::log(sum);
  TokenScore score;
  score.reference_nll = norm_r - static_cast<double>(reference[static_cast<size_t>(next)]);
  score.candidate_nll = norm_c - static_cast<double>(candidate[static_cast<size_t>(next)]);
  score.kld = distance / sum - (norm_r - norm_c);
  score.reference_top = top_r.id[0];
  score.candidate_top = top_c.id[0];
  score.reference_top_came = top_r.id[0] == next;
  score.candidate_top_came = top_c.id[0] == next;
  score.same_top1 = top_r.id[0] == top_c.id[0];
  score.shared_top5 = Shared(top_r, top_c);
  score.top5_of = static_cast<int32_t>(std::min<size_t>(kTop, reference.size()));
  score.reference_top_p = std::exp(top_r.value[0] - norm_r);
  score.candidate_top_p = std::exp(top_c.value[0] - norm_c);
  score.cosine = Cosine(reference, candidate);
  return score;
}

}  // namespace hasten::calib
