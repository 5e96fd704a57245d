// The metric table, made from metrics.def.
#include <cmath>

#include "calib/metrics/metric.h"

namespace hasten::calib {
namespace {

double Same(double mean) { return mean; }
double Exp(double mean) { return std::exp(mean); }
double Percent(double mean) { return 100 * mean; }
double PercentRoot(double mean) { return 100 * std::sqrt(mean); }

// Of the probability of the token that came.
double DeltaP(const TokenScore& s) { return std::exp(-s.candidate_nll) - std::exp(-s.reference_nll); }

constexpr Metric kMetrics[] = {
#define HASTEN_MEAN(key, stem, finish, term, description) {#key, stem, description, [](const TokenScore& s) -> double { return term; }, &finish},
#define HASTEN_OUTPUT_MEAN(key, stem, finish, term, description) {#key, stem, description, [](const TokenScore& s) -> double { return term; }, &finish, 0, true},
#define HASTEN_QUANTILE(key, stem, share, term, description) {#key, stem, description, [](const TokenScore& s) -> double { return term; }, nullptr, share},
#include "calib/metrics/metrics.def"
#undef HASTEN_MEAN
#undef HASTEN_OUTPUT_MEAN
#undef HASTEN_QUANTILE
};

}  // namespace

std::span<const Metric> AllMetrics() { return kMetrics; }

const Metric* FindMetric(std::string_view key) {
  for (const Metric& metric : kMetrics) {
    if (metric.key == key) return &metric;
  }
  return nullptr;
}

}  // namespace hasten::calib
