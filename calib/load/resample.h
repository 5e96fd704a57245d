// Bounds where order statistics give none: gaps between tokens, which come in
// bunches of one request, and ratios between two engines asked the same. Requests
// are resampled (Efron's percentile bootstrap), with a fixed seed.
#pragma once

#include <span>
#include <string>

#include "calib/load/generator.h"
#include "calib/load/order_statistics.h"

namespace hasten::load {

struct Spread {
  double low = 0, high = 0;      // 5th and 95th percentile of the resamples
  double p_beyond = 1;           // share of them at most `limit`
};

// Quantile of all gaps of all requests; requests are the units resampled and n
// counts them: gaps of one request tell little about another. As many requests
// are asked for as an order statistic of independent values would need.
Bounded PooledQuantile(std::span<const Record> records, double q);
// Share of resamples in which that quantile is at most `limit`; at least 1 in 1001.
double PooledPBeyond(std::span<const Record> records, double q, double limit);
// The largest gap, without bounds.
Bounded PooledLargest(std::span<const Record> records);

// Quantile of `quantity` (not itl_ms) in `a` over that in `b`, resampling pairs.
Spread PairedRatio(std::span<const Record> a, std::span<const Record> b, const std::string& quantity, double q, double limit);

}  // namespace hasten::load
