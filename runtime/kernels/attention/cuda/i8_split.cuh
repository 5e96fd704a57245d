// attention over an INT8 cache for few pairs (decoding), a split of 256 keys a block: all
// its pages come at once, and a team of threads scores and weighs each. What the definition
// does in order, taking one page in after the other, is left for the end: a short chain for
// a pair's lanes, and one for its values, of integer sums that a thread has of all four
// pages. So a block waits once for memory and four times for its threads, where one that
// goes page by page waits for each page.
#pragma once

#include "runtime/kernels/attention/cuda/i8_products.cuh"

namespace hasten::cuda {

// kRuns: of 128 columns, 8 of each for a warp. A block has one split: no more is launched.
template <int kRuns>
struct I8Split {
  static constexpr int kKeys = static_cast<int>(kBlockKeys), kSplit = static_cast<int>(kSplitKeys), kPages = kSplit / kKeys;
  using Threads = I8Threads<1, 4, kPages>;
  using Softmax = I8Softmax<1, 4, kPages>;
  static constexpr int kPairs = Threads::kPairs, kThreads = Threads::kThreads * kPages, kMostColumns = 128 * kRuns;
  static_assert(kThreads / kWarp * 8 * kRuns == kMostColumns);

  // The split's values come to lie where the pages were.
  static HST_HOST_DEVICE I8Shared SharedOf(const AttentionShape& shape) {
    I8Shared at = I8SharedOf(shape, kPairs, kPages, false, kPages);
    at.sums = at.pages;
    return at;
  }
  static_assert(kPairs * (kI8MostDim + 4) * 4 <= kPages * (8 * 256 + 16 * 128 + 512));   // of the smallest heads

  using Dots = int32_t[kRuns][kPages][4];

  // Whether the block has any key of a page.
  static HST_DEVICE bool Has(const BlockKeys& keys, int page_key) { return page_key + kKeys > keys.begin && page_key < keys.end; }
  static HST_DEVICE int FirstColumn(int thread, int run) { return run * 128 + thread / kWarp * 8; }

  // The pages' sums of weighted values, in 8 columns a run.
  static HST_DEVICE void SumValues(const I8Shared& at, const std::byte* shared, const BlockKeys& keys, int split,
                                   Dots& dots) {
    const int thread = static_cast<int>(threadIdx.x), g = Threads::Lane() / 4, t = Threads::Lane() % 4;
    HST_DEVICE_UNROLL
    for (int i = 0; i < kPages; ++i) {
      if (!Has(keys, split + i * kKeys)) continue;   // of all threads alike
      uint32_t weights[2][4];
      LoadWeights(shared + at.u + i * kPairs * kUStride, g, t, weights);
      HST_DEVICE_UNROLL
      for (int run = 0; run < kRuns; ++run) {
        const int first = FirstColumn(thread, run), column = first + g;
        if (first >= at.sum_stride - 4) continue;   // of the warp's lanes alike
        HST_DEVICE_UNROLL
        for (int n = 0; n < 4; ++n) dots[run][i][n] = kDotOrigin;
        HST_DEVICE_UNROLL
        for (int step = 0; step < 2; ++step) {
          const int row = 8 * step + 2 * t, piece = Exchanged(column / 4, row);
          const std::byte* from = shared + at.pages + i * at.page + at.v + row * at.v_stride + piece * 16 + column % 4 * 4;
          const uint32_t columns[2] = {*reinterpret_cast<const uint32_t*>(from), *reinterpret_cast<const uint32_t*>(from + at.v_stride)};
          MmaU8S8(dots[run][i], weights[step], columns);
        }
      }
    }
  }

  // A half warp takes the pages in for its pair, leaves what the values need, and ends the split.
  static HST_DEVICE void TakePages(const AttentionCut& cut, const Chunk& c, float* y, int split, const I8Pairs& p) {
    const int pair = static_cast<int>(threadIdx.x) / 16, j = Threads::Lane() % 16;
    if (pair / 2 * 2 >= c.pairs) return;   // of the warp's lanes alike
    float m = -kInf, lane = 0.0f;
    HST_DEVICE_UNROLL
    for (int i = 0; i < kPages; ++i) {
      const int key = split + i * kKeys;
      float* page = y + (i * kPairs + pair) * kYStride;
      const Weighed w{page[j], page[kPageReference], page[kPageDown], Sees(p.begin[pair] - key, p.end[pair] - key)};
      const PageScales scales = TakePage(w, m, lane);
      if (j == 0) page[kPageScales] = scales.old, page[kPageScales + 1] = scales.down;
    }
    Softmax::EndSplit(cut, c, split, true, pair, m, lane, p);
  }

  // The same for the values, which go to `sums`, or to the records.
  static HST_DEVICE void TakeValues(const AttentionCut& cut, const Chunk& c, const I8Shared& at, std::byte* shared,
                                    const BlockKeys& keys, int split, const I8Pairs& p, const Dots& dots) {
    const int thread = NotBefore(static_cast<int>(threadIdx.x)), g = thread % kWarp / 4;
    const float* y = reinterpret_cast<const float*>(shared + at.y);
    HST_DEVICE_UNROLL
    for (int run = 0; run < kRuns; ++run) {
      if (FirstColumn(thread, run) >= at.sum_stride - 4) continue;
      float values[4] = {};   // two columns of a pair, and of the one 8 below it
      HST_DEVICE_UNROLL
      for (int i = 0; i < kPages; ++i) {
        if (!Has(keys, split + i * kKeys)) continue;
        HST_DEVICE_UNROLL
        for (int n = 0; n < 4; ++n) {
          const float2 scales = *reinterpret_cast<const float2*>(y + (i * kPairs + g + n / 2 * 8) * kYStride + kPageScales);
          values[n] = TakenIn(DotFromOrigin(dots[run][i][n]), scales.y, values[n], scales.x);
        }
      }
      const int column = FirstColumn(thread, run) + thread % 4 * 2;
      HST_DEVICE_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int pair = g + 8 * half;
        const float low = values[2 * half], high = values[2 * half + 1];
        if (pair >= c.pairs) continue;
        if (cut.sums) {
          float* record = RecordOf(c, cut, split / kSplit, pair);
          *reinterpret_cast<float2*>(record + column) = make_float2(low, high);
        } else {
          const float old = p.split_old[pair], fresh = p.split_fresh[pair];
          *reinterpret_cast<float2*>(shared + at.sums + (pair * at.sum_stride + column) * 4) =
              make_float2(TakenIn(low, fresh, 0.0f, old), TakenIn(high, fresh, 0.0f, old));
        }
      }
    }
  }

  static HST_DEVICE void Run(const AttentionArgs& a, const AttentionCut& cut, std::byte* shared) {
    const Chunk c = ChunkOfBlock(a, cut);
    const BlockKeys keys = KeysOfBlock(c, cut);
    if (keys.empty()) return;
    const I8Shared at = SharedOf(a.shape);
    const int team = Threads::Team(), split = keys.begin / kSplit * kSplit, key = split + team * kKeys;
    const bool live = Has(keys, key);
    const I8Pairs p = I8PairsAt(shared, kPairs);
    std::byte *page = shared + at.pages + team * at.page, *u = shared + at.u + team * kPairs * kUStride;
    float* y = reinterpret_cast<float*>(shared + at.y) + team * kPairs * kYStride;
    if (live) {
      const PageHead<const std::byte> head = I8PageOf(a, c, key);
      FetchKeys<Threads>(a.shape, head, page);
      FetchValues<Threads>(a.shape, at, head, page);
    }
    CommitCopies();
    Queries<kPairs, kThreads>(a, c, at, shared + at.q, p);
    WaitCopies<0>();
    __syncthreads();   // the pages and the queries are there for all
    if (live) Scores<Threads>(at, page, shared + at.q, y, p, c.pairs);
    __syncthreads();
    if (live) {
      Softmax::Weigh(a, c, page + at.scales, key, y, u, p, [&](int pair, const Weighed& w) {
        float* to = y + pair * kYStride;   // each lane has read its scores
        const int j = Threads::Lane() % 16;
        to[j] = w.lane;
        if (j == 0) to[kPageReference] = w.e, to[kPageDown] = w.down;
      });
    }
    __syncthreads();
    Dots dots = {};
    SumValues(at, shared, keys, split, dots);
    TakePages(cut, c, reinterpret_cast<float*>(shared + at.y), split, p);
    __syncthreads();
    TakeValues(cut, c, at, shared, keys, split, p, dots);
    if (!cut.sums) WriteRows<kPairs, kThreads>(a, c, at, reinterpret_cast<const float*>(shared + at.sums), p);
  }
};

template <int kRuns>
__global__ void __launch_bounds__(512, 1) I8SplitKernel(AttentionArgs a, AttentionCut cut) {
  HST_DYNAMIC_SHARED(shared);
  WaitForPrevious();
  I8Split<kRuns>::Run(a, cut, shared);
}

}  // namespace hasten::cuda
