// The metric table, made from metrics.def.
#include "calib/metrics/metric.h"

namespace hasten::calib {

#define HASTEN_METRIC(key, function, description) double function(std::span<const TokenScore> scores);
#include "calib/metrics/metrics.def"
#undef HASTEN_METRIC

namespace {
constexpr Metric kMetrics[] = {
#define HASTEN_METRIC(key, function, description) {#key, description, &function},
#include "calib/metrics/metrics.def"
#undef HASTEN_METRIC
};
}  // namespace

std::span<const Metric> AllMetrics() { return kMetrics; }

}  // namespace hasten::calib
