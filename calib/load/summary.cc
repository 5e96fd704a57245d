#include "calib/load/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "calib/load/order_statistics.h"
#include "calib/load/resample.h"

namespace hasten::load {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr const char* kQuantities[] = {"ttft_ms", "tpot_ms", "itl_ms", "e2e_ms", "queue_ms", "prefill_ms"};
// Lower ends of the slices by prompt tokens.
constexpr int64_t kSliceEdges[] = {1, 128, 512, 2048, 8192};

std::string SliceOf(int64_t prompt_tokens) {
  const auto above = std::upper_bound(std::begin(kSliceEdges), std::end(kSliceEdges), prompt_tokens);
  const int64_t low = above == std::begin(kSliceEdges) ? 0 : *(above - 1);
  return above == std::end(kSliceEdges) ? StrCat(low, " and more") : StrCat(low, "-", *above - 1);
}

std::optional<double> Finite(double x) { return std::isfinite(x) ? std::optional<double>(x) : std::nullopt; }

void AddPercentiles(std::span<const Record> records, const std::string& slice, std::vector<Percentile>& out) {
  for (const char* quantity : kQuantities) {
    for (const double percent : {50.0, 90.0, 95.0, 99.0, 100.0}) {
      Percentile p = PercentileOf(records, quantity, percent);
      p.slice = slice;
      if (p.n > 0) out.push_back(std::move(p));
    }
  }
}

// Both ends stay among those chosen.
std::vector<double> Thin(const std::vector<double>& sorted) {
  constexpr size_t kMost = 500;
  if (sorted.size() <= kMost) return sorted;
  std::vector<double> out;
  for (size_t i = 0; i < kMost; ++i) out.push_back(sorted[i * (sorted.size() - 1) / (kMost - 1)]);
  return out;
}

std::vector<Samples> SamplesOf(std::span<const Record> records) {
  std::vector<Samples> all;
  for (const char* quantity : kQuantities) {
    Samples s{quantity, {}};
    for (const Record& r : records) if (const auto value = ValueOf(r, quantity); value && std::isfinite(*value)) s.values.push_back(*value);
    if (s.values.empty()) continue;
    std::sort(s.values.begin(), s.values.end());
    s.values = Thin(s.values);
    all.push_back(std::move(s));
  }
  return all;
}

LimitCount CountOf(std::span<const Record> records, const Limit& limit) {
  LimitCount count{.quantity = limit.quantity, .percent = limit.percent, .at_most_ms = limit.at_most_ms};
  for (const Record& r : records) {
    if (limit.quantity != "itl_ms" && !ValueOf(r, limit.quantity)) continue;
    ++count.n;
    count.within += MeetsAll(r, {&limit, 1});
  }
  if (limit.percent >= 100) return count;
  const double q = limit.percent / 100;
  count.p_beyond = limit.quantity == "itl_ms" ? PooledPBeyond(records, q, limit.at_most_ms) : PBeyond(count.within, count.n, q);
  return count;
}

void AddCosts(const Measured& m, const Price& price, int64_t good_tokens, Subject& s) {
  if (s.good == 0) return;
  const double good = static_cast<double>(s.good), tokens = static_cast<double>(good_tokens);
  s.device_seconds_per_1k_requests = 1e3 * m.busy_s / good;
  s.device_seconds_per_1m_tokens = 1e6 * m.busy_s / tokens;
  if (price.per_hour <= 0) return;
  s.cost_per_1k_requests = 1e3 * m.seconds / good * price.per_hour / 3600;
  s.cost_per_1m_tokens = 1e6 * m.seconds / tokens * price.per_hour / 3600;
}

}  // namespace

std::span<const char* const> Quantities() { return kQuantities; }
bool IsQuantity(const std::string& name) { return std::find(std::begin(kQuantities), std::end(kQuantities), name) != std::end(kQuantities); }

std::optional<double> ValueOf(const Record& r, const std::string& quantity) {
  if (!r.error.empty()) return kInfinity;
  if (quantity == "ttft_ms") return r.ttft_ms;
  if (quantity == "tpot_ms") return r.itl_ms.empty() ? std::nullopt : std::optional<double>(r.tpot_ms);
  if (quantity == "e2e_ms") return r.e2e_ms;
  if (quantity == "queue_ms") return r.queue_ms;
  if (quantity == "prefill_ms") return r.prefill_ms;
  return std::nullopt;
}

bool MeetsAll(const Record& record, std::span<const Limit> limits) {
  if (!record.error.empty()) return false;
  std::map<std::string, Limit> strictest;
  for (const Limit& limit : limits) {
    const auto [it, fresh] = strictest.emplace(limit.quantity, limit);
    if (!fresh && limit.percent > it->second.percent) it->second = limit;
  }
  for (const auto& [quantity, limit] : strictest) {
    if (quantity == "itl_ms") {
      for (const double gap : record.itl_ms) if (gap > limit.at_most_ms) return false;
    } else if (const std::optional<double> value = ValueOf(record, quantity); value && *value > limit.at_most_ms) {
      return false;
    }
  }
  return true;
}

Percentile PercentileOf(std::span<const Record> records, const std::string& quantity, double percent) {
  Percentile p{.quantity = quantity, .slice = "all", .percent = percent};
  if (quantity == "itl_ms") {
    const Bounded b = percent < 100 ? PooledQuantile(records, percent / 100) : PooledLargest(records);
    p.value = b.value, p.low = b.low, p.high = b.high, p.n = b.n;
    return p;
  }
  std::vector<double> values;
  for (const Record& r : records) if (const std::optional<double> value = ValueOf(r, quantity)) values.push_back(*value);
  std::sort(values.begin(), values.end());
  p.n = static_cast<int64_t>(values.size());
  if (values.empty()) return p;
  if (percent >= 100) return p.value = Finite(values.back()), p;
  const Bounded b = QuantileOf(values, percent / 100);
  p.value = b.value, p.low = b.low, p.high = b.high;
  return p;
}

Subject Summarize(const Measured& m, std::span<const Limit> limits, const Price& price) {
  Subject s{.name = m.name, .requests = static_cast<int64_t>(m.records.size()), .seconds = m.seconds, .busy_seconds = m.busy_s,
            .peak_rss_bytes = m.peak_bytes, .artifact_bytes = m.artifact_bytes};
  std::map<int64_t, std::pair<std::string, std::vector<Record>>> slices;   // by the shortest prompt: in order
  double lag = 0;
  int64_t good_tokens = 0;
  for (const Record& r : m.records) {
    lag = std::max(lag, r.lag_ms);
    if (!r.error.empty() && s.failed++ == 0) s.error = r.error;
    const int64_t tokens = r.error.empty() ? static_cast<int64_t>(r.itl_ms.size()) + 1 : 0;
    s.tokens += tokens;
    if (MeetsAll(r, limits)) ++s.good, good_tokens += tokens;
    const auto above = std::upper_bound(std::begin(kSliceEdges), std::end(kSliceEdges), r.prompt_tokens);
    auto& [name, records] = slices[above - std::begin(kSliceEdges)];
    name = SliceOf(r.prompt_tokens), records.push_back(r);
  }
  AddPercentiles(m.records, "all", s.percentiles);
  for (const auto& [at, slice] : slices) AddPercentiles(slice.second, slice.first, s.percentiles);
  s.samples = SamplesOf(m.records);
  for (const Limit& limit : limits) s.limits.push_back(CountOf(m.records, limit));
  if (!m.records.empty()) s.generator_lag_ms = lag;
  if (m.seconds > 0) s.goodput_per_s = static_cast<double>(s.good) / m.seconds;
  AddCosts(m, price, good_tokens, s);
  if (!m.load_ms.empty()) s.load_ms = *std::max_element(m.load_ms.begin(), m.load_ms.end());
  return s;
}

std::vector<Comparison> Compare(const Measured& candidate, const Measured& baseline, std::optional<double> ratio_max) {
  std::vector<Comparison> all;
  const size_t n = std::min(candidate.records.size(), baseline.records.size());
  for (const char* quantity : kQuantities) {
    if (std::string_view(quantity) == "itl_ms") continue;   // tpot_ms is its mean by request
    for (const double percent : kPercents) {
      const Percentile a = PercentileOf(candidate.records, quantity, percent), b = PercentileOf(baseline.records, quantity, percent);
      if (!a.value || !b.value || *b.value <= 0) continue;
      Comparison c{.quantity = quantity, .percent = percent, .ratio = *a.value / *b.value, .n = static_cast<int64_t>(n)};
      const Spread spread = PairedRatio(candidate.records, baseline.records, quantity, percent / 100, ratio_max.value_or(kInfinity));
      c.low = Finite(spread.low), c.high = Finite(spread.high), c.p_beyond = spread.p_beyond;
      all.push_back(std::move(c));
    }
  }
  return all;
}

}  // namespace hasten::load
