// One step of the program as its instructions see it: M token rows of several
// sequences, R <= M of which are output rows, in an arena; and the runner that
// spreads a kernel's tiles over the threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/threads.h"
#include "runtime/device/device.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/kernel.h"

namespace hasten {

class Runner {
 public:
  explicit Runner(std::unique_ptr<ThreadPool> pool);

  int threads() const { return pool_->threads(); }
  void WillRead(std::span<const std::byte> data) { pool_->WillRead(data.data(), data.size()); }

  // Runs all tiles of the work. Scratch grows when a kernel asks for more than
  // ever before; afterwards nothing is allocated.
  template <class Args>
  void Run(const Kernel<Args>& kernel, const Args& args) {
    const int64_t tiles = kernel.tiles(args);
    if (tiles <= 0) return;
    Reserve(kernel.scratch(args));
    if (tiles == 1 || threads() == 1) {
      kernel.run(args, 0, tiles, scratch_[0].get());
      return;
    }
    pool_->Run(tiles, Grain(tiles), [&](int64_t begin, int64_t end, int thread) {
      kernel.run(args, begin, end, scratch_[static_cast<size_t>(thread)].get());
    });
  }
  // Memory that all threads of a kernel see, 64-byte aligned, until the next call.
  // Grows like scratch.
  std::byte* Shared(size_t bytes);

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  // Small enough that a slow core does not hold up the region, large enough that
  // the shared counter is not the work.
  int64_t Grain(int64_t tiles) const { return std::max<int64_t>(1, tiles / (int64_t{8} * threads())); }
  void Reserve(size_t bytes);

  std::unique_ptr<ThreadPool> pool_;
  std::vector<std::unique_ptr<std::byte, Free>> scratch_;  // one a thread, 64-byte aligned
  size_t scratch_bytes_ = 0;
  std::unique_ptr<std::byte, Free> shared_;
  size_t shared_bytes_ = 0;
};

struct Step {
  std::byte* arena = nullptr;
  int64_t rows = 0;                       // M
  int64_t outputs = 0;                    // R
  const int32_t* ids = nullptr;           // [M], checked against the vocabulary
  const int32_t* positions = nullptr;     // [M]
  const int32_t* types = nullptr;         // [M], null when the program has no token types
  const int32_t* output_rows = nullptr;   // [R], ascending token rows
  std::span<const SequenceView> sequences;  // [layers][sequences of the step]
  int64_t sequence_count = 0;
  std::span<const float* const> rope;     // tables, by index
  Runner* runner = nullptr;
  // On a device every address above is of its memory, and in place of `sequences` there are:
  Queue* queue = nullptr;
  PagedStep paged;
  std::span<const PagedCache> caches;     // by layer

  std::span<const SequenceView> Sequences(uint32_t layer) const {
    return sequences.subspan(static_cast<size_t>(layer * sequence_count), static_cast<size_t>(sequence_count));
  }
};

}  // namespace hasten
