// The definition of sampling. In this order, as transformers and llama.cpp users
// expect:
//   1. repetition penalty on the logits of `recent`: y > 0 ? y / r : y * r;
//   2. temperature: e = exp((y - max y) / T), weight w = floor(e * 2^40) as u64;
//      tokens of weight 0 (below 1e-12 of the best) are gone from here on;
//   3. top_k: the first k by (y descending, id ascending);
//   4. top_p: of those, the shortest prefix whose weight reaches top_p * total;
//   5. min_p: of those, w >= min_p * 2^40 (2^40 is the best token's weight);
//   6. of the r in [0, 2^64) that Philox gives for (seed, position), the token
//      where the running sum of w over ascending ids passes r * total / 2^64.
// Sums are of integers: no order, no rounding. A token whose logit is +inf is
// taken at once (the first, if several).
#include <algorithm>

#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/sample/contract.h"
#include "runtime/kernels/sample/numerics.h"

namespace hasten {
namespace {

// The tokens that are still in, in ascending order of id, in the caller's work
// area; each filter compacts them.
struct Candidates {
  size_t n = 0;
  uint64_t* ranks;  // room for n
  float* y;
  float* e;
  uint32_t* id;

  template <class Keep>
  void Compact(Keep keep) {
    size_t to = 0;
    for (size_t i = 0; i < n; ++i) {
      const bool in = keep(i);
      y[to] = y[i];
      e[to] = e[i];
      id[to] = id[i];
      to += in;
    }
    n = to;
  }

  // The ranks of the tokens in `bucket`, and the weight that goes with each id.
  std::span<uint64_t> RanksIn(uint32_t bucket) {
    size_t found = 0;
    for (size_t i = 0; i < n; ++i) {
      ranks[found] = Rank(y[i], static_cast<uint32_t>(i));
      found += BucketOf(e[i]) == bucket;
    }
    return {ranks, found};
  }

  // Keeps the heavier buckets, and of `bucket` the tokens up to rank `cut`.
  // Ranks here are of (y, index): indices ascend with ids.
  void CutAt(uint32_t bucket, uint64_t cut) {
    Compact([&](size_t i) {
      const uint32_t b = BucketOf(e[i]);
      return b > bucket || (b == bucket && Rank(y[i], static_cast<uint32_t>(i)) <= cut);
    });
  }

  void KeepTopK(size_t k) {
    if (k >= n) return;
    size_t count[kBuckets] = {};
    for (size_t i = 0; i < n; ++i) ++count[BucketOf(e[i])];
    uint32_t b = kBuckets - 1;
    for (; count[b] < k; --b) k -= count[b];
    const auto r = RanksIn(b);
    std::nth_element(r.begin(), r.begin() + static_cast<ptrdiff_t>(k - 1), r.end());
    CutAt(b, r[k - 1]);
  }

  void KeepTopP(float top_p) {
    uint64_t sum[kBuckets] = {}, total = 0;
    for (size_t i = 0; i < n; ++i) sum[BucketOf(e[i])] += Weight(e[i]);
    for (uint64_t s : sum) total += s;
    uint64_t need = ShareOf(total, top_p);
    uint32_t b = kBuckets - 1;
    for (; sum[b] < need; --b) need -= sum[b];
    CutAt(b, ShortestPrefix(RanksIn(b), need));
  }

  // The last rank of the shortest prefix, in order, that weighs `need`; halves
  // the range instead of sorting it.
  uint64_t ShortestPrefix(std::span<uint64_t> r, uint64_t need) const {
    while (r.size() > 1) {
      const size_t half = r.size() / 2;
      std::nth_element(r.begin(), r.begin() + static_cast<ptrdiff_t>(half), r.end());
      uint64_t weight = 0;
      for (uint64_t rank : r.first(half)) weight += Weight(e[rank & 0xffffffffu]);
      if (weight >= need) {
        r = r.first(half);
      } else {
        need -= weight;
        r = r.subspan(half);
      }
    }
    return r[0];
  }
};

// Runs an elementwise kernel over one row with the fastest instruction set of
// this machine: its bits are the definition's.
template <class Args>
void RunRow(std::span<const Kernel<Args>> table, const Args& args) {
  const Kernel<Args>* kernel = SelectKernel(table, args, BestIsa());
  kernel->run(args, 0, kernel->tiles(args), nullptr);
}

// e = exp((y - max) / temperature); what weighs nothing is out.
void Weigh(Candidates& c, float max, float temperature) {
  BinaryArgs step;
  step.op = Binary::kSub;
  step.b_kind = Operand::kScalar;
  step.a = c.y;
  step.scalar = max;
  step.out = c.e;
  step.rows = 1;
  step.cols = static_cast<int64_t>(c.n);
  RunRow(BinaryKernels(), step);
  step.op = Binary::kDiv;
  step.a = c.e;
  step.scalar = temperature;
  if (temperature != 1.0f) RunRow(BinaryKernels(), step);
  UnaryArgs exp;
  exp.op = Unary::kExp;
  exp.x = exp.out = c.e;
  exp.rows = 1;
  exp.cols = step.cols;
  RunRow(UnaryKernels(), exp);
  for (size_t i = 0; i < c.n; ++i) c.id[i] = static_cast<uint32_t>(i);
  c.Compact([&](size_t i) { return c.e[i] >= kLeastWeighed; });
}

int32_t Draw(const Candidates& c, uint64_t seed, int64_t position) {
  uint64_t total = 0;
  for (size_t i = 0; i < c.n; ++i) total += Weight(c.e[i]);
  const uint64_t target = DrawnOf(total, seed, position);
  uint64_t sum = 0;
  size_t i = 0;
  while ((sum += Weight(c.e[i])) <= target) ++i;  // ends: target < total
  return static_cast<int32_t>(c.id[i]);
}

// Copies the logits with the penalty applied; each id counts once, however
// often it stands in `recent`.
Status Penalize(std::span<const float> logits, std::span<const int32_t> recent, float penalty, std::span<float> y) {
  std::copy(logits.begin(), logits.end(), y.begin());
  if (penalty == 1.0f) return {};
  for (const int32_t id : recent) {
    if (id < 0 || static_cast<size_t>(id) >= logits.size())
      return BadInput("sample: recent token ", id, " is outside the vocabulary of ", logits.size());
    const float x = logits[static_cast<size_t>(id)];
    y[static_cast<size_t>(id)] = Penalized(x, penalty);
  }
  return {};
}

}  // namespace

// Blocks of 16 apart, which compilers turn into vectors: first the largest value,
// then the first block and the first place in it that hold it.
int32_t Argmax(std::span<const float> logits) {
  constexpr size_t kLanes = 16;
  float lane[kLanes];
  std::fill(lane, lane + kLanes, -kInf);
  const size_t n = logits.size(), whole = n / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes)
    for (size_t j = 0; j < kLanes; ++j) lane[j] = logits[i + j] > lane[j] ? logits[i + j] : lane[j];
  float top = -kInf;
  for (float v : lane) top = v > top ? v : top;
  for (size_t i = whole; i < n; ++i) top = logits[i] > top ? logits[i] : top;
  for (size_t i = 0; i < whole; i += kLanes) {
    int hits = 0;
    for (size_t j = 0; j < kLanes; ++j) hits |= logits[i + j] == top;
    for (size_t j = 0; hits && j < kLanes; ++j)
      if (logits[i + j] == top) return static_cast<int32_t>(i + j);
  }
  for (size_t i = whole; i < n; ++i)
    if (logits[i] == top) return static_cast<int32_t>(i);
  return -1;
}

Status CheckSampleOptions(const SampleOptions& o) {
  if (!(o.temperature >= 0 && o.temperature < kInf))
    return UsageError("temperature: needs a finite number of at least 0, got ", o.temperature);
  if (o.top_k < 0) return UsageError("top_k: needs 0 (off) or more, got ", o.top_k);
  if (!(o.top_p > 0 && o.top_p <= 1)) return UsageError("top_p: needs more than 0 and at most 1 (off), got ", o.top_p);
  if (!(o.min_p >= 0 && o.min_p <= 1)) return UsageError("min_p: needs 0 (off) to 1, got ", o.min_p);
  if (!(o.repetition_penalty > 0 && o.repetition_penalty < kInf))
    return UsageError("repetition_penalty: needs a finite number above 0 (1 is off), got ", o.repetition_penalty);
  return {};
}

size_t SampleWorkBytes(size_t vocab) { return 20 * vocab; }

Result<int32_t> Sample(std::span<const float> logits, std::span<const int32_t> recent, int64_t position,
                       const SampleOptions& options, std::span<std::byte> work) {
  HST_RETURN_IF_ERROR(CheckSampleOptions(options));
  const size_t n = logits.size();
  if (work.size() < SampleWorkBytes(n) || reinterpret_cast<uintptr_t>(work.data()) % alignof(uint64_t) != 0)
    return UsageError("sample: needs 8-byte aligned work memory of ", SampleWorkBytes(n), " bytes, got ", work.size());
  Candidates c{n, reinterpret_cast<uint64_t*>(work.data()), nullptr, nullptr, nullptr};
  c.y = reinterpret_cast<float*>(c.ranks + n);
  c.e = c.y + n;
  c.id = reinterpret_cast<uint32_t*>(c.e + n);
  HST_RETURN_IF_ERROR(Penalize(logits, recent, options.repetition_penalty, {c.y, n}));
  int broken = 0;   // without an exit from the loop, which becomes vectors
  for (size_t i = 0; i < n; ++i) broken |= c.y[i] != c.y[i];
  for (size_t i = 0; broken && i < n; ++i)
    if (IsNaN(c.y[i])) return BadInput("sample: the logit of token ", i, " is not a number");
  const int32_t best = Argmax({c.y, n});
  if (best < 0 || c.y[static_cast<size_t>(best)] == -kInf)
    return BadInput("sample: no token is possible: all ", n, " logits are -inf");
  const float max = c.y[static_cast<size_t>(best)];
  if (options.temperature == 0 || max == kInf) return best;
  Weigh(c, max, options.temperature);
  if (options.top_k > 0) c.KeepTopK(static_cast<size_t>(options.top_k));
  if (options.top_p < 1) c.KeepTopP(options.top_p);
  const uint64_t least = LeastWeight(options.min_p);
  if (least > 0) c.Compact([&](size_t i) { return Weight(c.e[i]) >= least; });
  return Draw(c, options.seed, position);
}

}  // namespace hasten
