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
#include <bit>

#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/sample/contract.h"
#include "runtime/kernels/sample/philox.h"
#include "runtime/kernels/simd_scalar.h"

namespace hasten {
namespace {

constexpr float kOne = 0x1p40f;  // fixed-point 1: 2^23 tokens still sum below 2^63

uint64_t Weight(float e) { return static_cast<uint64_t>(e * kOne); }
// Buckets of weights of one power of two: order among buckets is order of y.
constexpr int kBuckets = 42;
int BucketOf(uint64_t weight) { return static_cast<int>(std::bit_width(weight)); }

// Ascending in (y descending, id ascending).
uint64_t Rank(float y, size_t id) {
  const uint32_t bits = Bits(y + 0.0f);  // -0 becomes +0: they tie
  const uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(~ascending) << 32 | static_cast<uint32_t>(id);
}

// The caller's work area: y and e of every token, and room for ranks.
struct Candidates {
  std::span<float> y, e;
  std::span<uint64_t> ranks;
  uint64_t cut = ~uint64_t{0};  // tokens of rank <= cut and weight > 0 are in

  uint64_t WeightOf(size_t id) const {
    const uint64_t w = Weight(e[id]);
    return w != 0 && Rank(y[id], id) <= cut ? w : 0;
  }
  uint64_t WeightOfRank(uint64_t rank) const { return Weight(e[rank & 0xffffffffu]); }

  // Copies the ranks of the tokens in `bucket` to the work area.
  std::span<uint64_t> RanksIn(int bucket) {
    size_t n = 0;
    for (size_t i = 0; i < e.size(); ++i) {
      const uint64_t w = WeightOf(i);
      if (w != 0 && BucketOf(w) == bucket) ranks[n++] = Rank(y[i], i);
    }
    return ranks.first(n);
  }

  void KeepTopK(uint64_t k) {
    uint64_t count[kBuckets] = {};
    for (size_t i = 0; i < e.size(); ++i) ++count[BucketOf(WeightOf(i))];
    for (int b = kBuckets - 1; b >= 1; --b) {
      if (count[b] < k) {
        k -= count[b];
        continue;
      }
      const auto r = RanksIn(b);
      std::nth_element(r.begin(), r.begin() + static_cast<ptrdiff_t>(k - 1), r.end());
      cut = r[k - 1];
      return;
    }
  }

  void KeepTopP(float top_p) {
    uint64_t sum[kBuckets] = {}, total = 0;
    for (size_t i = 0; i < e.size(); ++i) {
      const uint64_t w = WeightOf(i);
      sum[BucketOf(w)] += w;
      total += w;
    }
    const uint64_t p = static_cast<uint64_t>(top_p * 0x1p32f);
    uint64_t need = static_cast<uint64_t>(((unsigned __int128){total} * p + 0xffffffffu) >> 32);
    need = std::max<uint64_t>(need, 1);
    for (int b = kBuckets - 1; b >= 1; --b) {
      if (sum[b] < need) {
        need -= sum[b];
        continue;
      }
      cut = ShortestPrefix(RanksIn(b), need);
      return;
    }
  }

  // The last rank of the shortest prefix, in order, that weighs `need`; halves
  // the range instead of sorting it.
  uint64_t ShortestPrefix(std::span<uint64_t> r, uint64_t need) const {
    while (r.size() > 1) {
      const size_t half = r.size() / 2;
      std::nth_element(r.begin(), r.begin() + static_cast<ptrdiff_t>(half), r.end());
      uint64_t weight = 0;
      for (uint64_t rank : r.first(half)) weight += WeightOfRank(rank);
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

// e[i] = exp((y[i] - max) / temperature), with the fastest exp of this machine:
// its bits are the definition's.
void Weigh(Candidates& c, float max, float temperature) {
  for (size_t i = 0; i < c.y.size(); ++i) c.e[i] = (c.y[i] - max) / temperature;
  UnaryArgs exp;
  exp.op = Unary::kExp;
  exp.x = exp.out = c.e.data();
  exp.rows = 1;
  exp.cols = static_cast<int64_t>(c.e.size());
  const Kernel<UnaryArgs>* kernel = SelectKernel(UnaryKernels(), exp, BestIsa());
  kernel->run(exp, 0, kernel->tiles(exp), nullptr);
}

int32_t Draw(const Candidates& c, uint64_t least, uint64_t seed, int64_t position) {
  const auto in = [&](size_t i) {
    const uint64_t w = c.WeightOf(i);
    return w >= least ? w : 0;
  };
  uint64_t total = 0;
  for (size_t i = 0; i < c.e.size(); ++i) total += in(i);
  const uint64_t at = static_cast<uint64_t>(position);
  const auto random = Philox4x32({static_cast<uint32_t>(at), static_cast<uint32_t>(at >> 32), 0, 0},
                                 {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  const uint64_t r = static_cast<uint64_t>(random[1]) << 32 | random[0];
  const uint64_t target = static_cast<uint64_t>(((unsigned __int128){r} * total) >> 64);
  uint64_t sum = 0;
  for (size_t i = 0; i < c.e.size(); ++i) {
    sum += in(i);
    if (sum > target) return static_cast<int32_t>(i);
  }
  return -1;  // not reached: target < total
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
    y[static_cast<size_t>(id)] = x > 0 ? x / penalty : x * penalty;
  }
  return {};
}

}  // namespace

int32_t Argmax(std::span<const float> logits) {
  int32_t best = -1;
  float top = -kInf;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > top || (best < 0 && logits[i] == top)) {
      best = static_cast<int32_t>(i);
      top = logits[i];
    }
  }
  return best;
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

size_t SampleWorkBytes(size_t vocab) { return 16 * vocab; }

Result<int32_t> Sample(std::span<const float> logits, std::span<const int32_t> recent, int64_t position,
                       const SampleOptions& options, std::span<std::byte> work) {
  HST_RETURN_IF_ERROR(CheckSampleOptions(options));
  const size_t n = logits.size();
  if (work.size() < SampleWorkBytes(n) || reinterpret_cast<uintptr_t>(work.data()) % alignof(uint64_t) != 0)
    return UsageError("sample: needs 8-byte aligned work memory of ", SampleWorkBytes(n), " bytes, got ", work.size());
  Candidates c;
  c.ranks = {reinterpret_cast<uint64_t*>(work.data()), n};
  c.y = {reinterpret_cast<float*>(work.data() + 8 * n), n};
  c.e = {c.y.data() + n, n};
  HST_RETURN_IF_ERROR(Penalize(logits, recent, options.repetition_penalty, c.y));
  for (size_t i = 0; i < n; ++i)
    if (IsNaN(c.y[i])) return BadInput("sample: the logit of token ", i, " is not a number");
  const int32_t best = Argmax(c.y);
  if (best < 0 || c.y[static_cast<size_t>(best)] == -kInf)
    return BadInput("sample: no token is possible: all ", n, " logits are -inf");
  const float max = c.y[static_cast<size_t>(best)];
  if (options.temperature == 0 || max == kInf) return best;
  Weigh(c, max, options.temperature);
  if (options.top_k > 0 && static_cast<size_t>(options.top_k) < n) c.KeepTopK(static_cast<uint64_t>(options.top_k));
  if (options.top_p < 1) c.KeepTopP(options.top_p);
  const uint64_t least = std::max<uint64_t>(static_cast<uint64_t>(options.min_p * kOne), 1);
  return Draw(c, least, options.seed, position);
}

}  // namespace hasten
