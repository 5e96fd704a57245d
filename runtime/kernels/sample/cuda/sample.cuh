// sample on a device: a block of threads a row, which ref.cc's steps follow one by one.
// What each pass reads again, e = exp(...), is kept in scratch, and so are the ids of one
// bucket; the tokens with a penalty are bits in shared memory.
#pragma once

#include "runtime/kernels/math.h"
#include "runtime/kernels/sample/cuda/cut.cuh"

namespace hasten::cuda {

// The token of what is in: the range of ids in which the sum passes the drawn number is
// shared out among the warps, and becomes the one's that holds it, until it is 32 wide.
HST_DEVICE int Draw(const SampledRow& r, const SampleCut& cut, uint64_t seed, int64_t position, SampleShared& s) {
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  int begin = 0, end = r.n;
  uint64_t target = 0;
  for (bool first = true; first || end - begin > kWarp; first = false) {
    const int chunk = ((end - begin + kSampleWarps - 1) / kSampleWarps + kWarp - 1) / kWarp * kWarp;
    const int from = begin + warp * chunk, to = from + chunk < end ? from + chunk : end;
    uint64_t sum = 0;
    ForEach(r.e, from + lane, to, kWarp, [&](int id, float e) { sum += WeightIn(r, cut, id, e); });
    sum = WarpSum(sum);
    if (lane == 0) s.warps[warp] = sum;
    __syncthreads();
    if (first) {
      uint64_t total = 0;
      for (int w = 0; w < kSampleWarps; ++w) total += s.warps[w];
      target = DrawnOf(total, seed, position);
    }
    int w = 0;
    for (; w < kSampleWarps - 1 && s.warps[w] <= target; ++w) target -= s.warps[w];
    begin += w * chunk, end = begin + chunk < end ? begin + chunk : end;
    __syncthreads();
  }
  const int id = begin + lane;
  uint64_t upto = id < end ? WeightIn(r, cut, id, r.e[id]) : 0;
  HST_DEVICE_UNROLL
  for (int step = 1; step < kWarp; step *= 2) {
    const uint64_t below = __shfl_up_sync(kFullMask, upto, step);
    if (lane >= step) upto += below;
  }
  return begin + __ffs(static_cast<int>(__ballot_sync(kFullMask, upto > target))) - 1;
}

// Marks the tokens that the penalty is for.
HST_DEVICE void MarkRecent(const SampleArgs& a, const SampleRow& p, uint32_t* bits) {
  for (int64_t i = threadIdx.x; i < (a.vocab + 31) / 32; i += kSampleThreads) bits[i] = 0;
  __syncthreads();
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < p.recent_count; i += kSampleThreads) {
    const int32_t id = a.recent[p.first_recent + i];
    if (id >= 0 && id < a.vocab) atomicOr(&bits[id / 32], 1u << id % 32);
  }
  __syncthreads();
}

// e of all tokens, without those that weigh nothing; how many are left, and their weight.
struct Weighed {
  uint64_t count, weight;
};
HST_DEVICE Weighed WeighTokens(const SampledRow& r, float max, float temperature, SampleShared& s) {
  uint64_t count = 0, weight = 0;
  ForEachToken(r.logits, r.n, [&](int id, float logit) {
    float d = r.Y(id, logit) - max;
    if (temperature != 1.0f) d = d / temperature;
    const float e = Exp(d);
    const bool in = e >= kLeastWeighed;
    r.e[id] = in ? e : 0.0f;
    if (in) ++count, weight += Weight(e);
  });
  count = BlockSum(count, s);
  return {count, BlockSum(weight, s)};
}

HST_DEVICE int32_t SampleOne(const SampleRow& p, SampledRow& r, SampleShared& s) {
  uint64_t best = ~uint64_t{0};
  bool nan = false;
  ForEachToken(r.logits, r.n, [&](int id, float logit) {
    const float y = r.Y(id, logit);
    const uint64_t rank = Rank(y, static_cast<uint32_t>(id));
    if (IsNaN(y)) nan = true;
    else if (rank < best) best = rank;
  });
  if (__syncthreads_or(nan)) return kTokenNaN;
  best = BlockMin(best, s);
  if (best == ~uint64_t{0}) return kTokenNone;   // an empty row
  const int32_t first = static_cast<int32_t>(best & 0xffffffffu);
  const float max = r.Y(first, r.logits[first]);
  if (max == -kInf) return kTokenNone;
  const SampleOptions& o = p.options;
  if (o.temperature == 0.0f || max == kInf || o.top_k == 1) return first;
  const Weighed all = WeighTokens(r, max, o.temperature, s);
  SampleCut cut;
  uint64_t total = all.weight;
  if (o.top_k > 0 && static_cast<uint64_t>(o.top_k) < all.count) {
    cut = CutWhere(r, false, static_cast<uint64_t>(o.top_k), s);
    if (o.top_p < 1.0f) {
      uint64_t kept = 0;
      ForEachToken(r.e, r.n, [&](int id, float e) { kept += WeightIn(r, cut, id, e); });
      total = BlockSum(kept, s);
    }
  }
  // Of the tokens in order top_k kept the first, so that its cut and this one's are prefixes.
  if (o.top_p < 1.0f) cut = CutWhere(r, true, ShareOf(total, o.top_p), s);
  r.least = LeastWeight(o.min_p);
  return Draw(r, cut, o.seed, p.position, s);
}

// scratch: for each block, e and the list.
__global__ void __launch_bounds__(kSampleThreads) SampleKernel(SampleArgs a, std::byte* scratch) {
  HST_SHARED(SampleShared, shared, 1);
  HST_DYNAMIC_SHARED(bits);
  WaitForPrevious();
  float* e = reinterpret_cast<float*>(scratch) + 2 * a.vocab * blockIdx.x;
  for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
    const SampleRow p = a.params[row];
    const bool penalty = p.options.repetition_penalty != 1.0f && p.recent_count > 0;
    uint32_t* marks = reinterpret_cast<uint32_t*>(bits);
    if (penalty) MarkRecent(a, p, marks);
    SampledRow r{a.logits + p.logits_row * a.logits_stride, static_cast<int>(a.vocab), penalty ? marks : nullptr, p.options.repetition_penalty,
                 e, reinterpret_cast<uint32_t*>(e + a.vocab), 0};
    const int32_t token = SampleOne(p, r, shared[0]);
    if (threadIdx.x == 0) a.tokens[row] = token;
    __syncthreads();   // before the next row's marks
  }
}

}  // namespace hasten::cuda
