#include "calib/load/workload.h"

#include <algorithm>
#include <cmath>

namespace hasten::load {
namespace {

// SplitMix64 (Steele, Lea & Flood 2014): the standard library's distributions
// differ from one implementation to the next.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // In (0, 1): its logarithm is finite.
  double Unit() { return (static_cast<double>(Next() >> 11) + 0.5) * 0x1p-53; }

 private:
  uint64_t state_;
};

Status Check(const Workload& w, int64_t vocab, int64_t max_positions) {
  if (!(w.arrivals_per_s > 0) || !std::isfinite(w.arrivals_per_s)) return UsageError("workload: arrivals_per_s is ", w.arrivals_per_s, ", but has to be above 0");
  if (w.prompt_min < 1 || w.prompt_max < w.prompt_min) return UsageError("workload: prompt_tokens from ", w.prompt_min, " to ", w.prompt_max, " is no range");
  if (w.output_tokens < 1) return UsageError("workload: output_tokens is ", w.output_tokens, ", but has to be at least 1");
  if (w.requests < 1 || w.requests > 1'000'000 || w.warmup < 0 || w.warmup > 1'000'000) {
    return UsageError("workload: ", w.requests, " requests and a warm-up of ", w.warmup, " are not from 1 (0) to 1,000,000");
  }
  if (!(w.timeout_s > 0)) return UsageError("workload: timeout_s is ", w.timeout_s, ", but has to be above 0");
  if (vocab < 1) return UsageError("workload: the model has no vocabulary to make prompts of");
  if (w.prompt_max > max_positions - w.output_tokens) {
    return UsageError("workload: ", w.prompt_max, " prompt and ", w.output_tokens, " output tokens do not fit the model's ", max_positions, " positions");
  }
  return {};
}

}  // namespace

Result<std::vector<Request>> MakeRequests(const Workload& w, int64_t vocab, int64_t max_positions) {
  HST_RETURN_IF_ERROR(Check(w, vocab, max_positions));
  Random random(w.seed);
  const double low = std::log(static_cast<double>(w.prompt_min)), high = std::log(static_cast<double>(w.prompt_max) + 1);
  std::vector<Request> requests;
  double at = 0;
  for (int64_t i = 0; i < w.warmup + w.requests; ++i) {
    at += -std::log(random.Unit()) / w.arrivals_per_s;
    Request r{.id = i, .at_s = at, .output_tokens = w.output_tokens, .measured = i >= w.warmup};
    const auto length = static_cast<int64_t>(std::exp(low + (high - low) * random.Unit()));
    r.prompt.resize(static_cast<size_t>(std::clamp(length, w.prompt_min, w.prompt_max)));
    for (int32_t& token : r.prompt) token = static_cast<int32_t>(random.Next() % static_cast<uint64_t>(vocab));
    requests.push_back(std::move(r));
  }
  return requests;
}

}  // namespace hasten::load
