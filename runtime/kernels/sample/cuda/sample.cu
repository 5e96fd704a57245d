// sample's rows for CUDA devices.
#include <algorithm>

#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/sample/cuda/sample.cuh"

namespace hasten::cuda {
namespace {

// A bit a token in shared memory, beside the block's own: what the least device has.
constexpr int64_t kMostVocab = int64_t{90} * 1024 * 8;
bool Takes(const SampleArgs& a) { return a.vocab <= kMostVocab; }

// Of a block, in scratch: a float and a list entry a token.
int64_t BlockBytes(const SampleArgs& a) { return a.vocab * 2 * static_cast<int64_t>(sizeof(float)); }
// Rows take turns where there are more than multiprocessors, or than scratch is spent on.
constexpr int64_t kMostScratch = int64_t{64} << 20;
int64_t Blocks(const SampleArgs& a, const DeviceQueue& q) {
  return std::min({a.rows, int64_t{q.processors}, std::max<int64_t>(kMostScratch / std::max<int64_t>(BlockBytes(a), 1), 1)});
}
size_t Scratch(const SampleArgs& a, const DeviceQueue& q) { return static_cast<size_t>(Blocks(a, q) * BlockBytes(a)); }

void RunSample(const SampleArgs& a, DeviceQueue& q) {
  const size_t bits = static_cast<size_t>((a.vocab + 31) / 32) * sizeof(uint32_t);
  Launch(q, "sample_cuda", {static_cast<unsigned>(Blocks(a, q)), kSampleThreads, bits}, SampleKernel, a, q.scratch);
}

constexpr DeviceKernel<SampleArgs> kTable[] = {{"sample_cuda", 75, Takes, Scratch, RunSample}};

}  // namespace

Table<SampleArgs> SampleTable() { return kTable; }

}  // namespace hasten::cuda
