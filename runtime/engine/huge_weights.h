// Weights on huge pages. A file is mapped in pages of 4 KiB, and decoding, which
// reads all weights for every token, then waits for page-table walks: measured on
// two Zen 4 cores of a virtual machine, a plain sweep reads 28 GB/s through small
// pages and 47 through huge ones. So once the weights have been read often enough
// for a copy to pay, a thread in the background moves them, 2 MiB at a time, into
// anonymous huge pages at the same addresses; kernels notice nothing. Opening a
// model costs nothing more, and a process that stops soon never pays.
//
// What it is not: needed. Where the system has no huge pages, or the machine or the
// container too little free memory for a copy, the weights stay where they are.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <thread>

namespace hasten {

class HugeWeights {
 public:
  static constexpr uint64_t kPageBytes = uint64_t{2} << 20;
  // The copy costs as much as 110 reads of SmolLM2's 87 MB then save (39 ms; 3.57 to 3.19 ms
  // a token): moved after as many, a run never loses more than it could have saved.
  static constexpr uint32_t kReadsBeforeMove = 128;
  // Smaller weights live in the caches' reach anyway.
  static constexpr uint64_t kLeastBytes = uint64_t{16} << 20;

  // `weights`: within a private read-only file mapping that outlives this object
  // and that nobody remaps. `reads`: how many CountRead calls start the move.
  explicit HugeWeights(std::span<const std::byte> weights, uint32_t reads = kReadsBeforeMove) : weights_(weights), reads_(reads) {}
  ~HugeWeights();   // stops the move and waits for its thread
  HugeWeights(const HugeWeights&) = delete;
  HugeWeights& operator=(const HugeWeights&) = delete;

  // The weights have been read once more. Thread-safe; throws std::bad_alloc.
  void CountRead() {
    if (count_.load(std::memory_order_relaxed) < reads_ && count_.fetch_add(1, std::memory_order_relaxed) + 1 == reads_) Start();
  }
  // Waits for a move that has begun (tests).
  void Wait();
  uint64_t moved_bytes() const { return moved_.load(std::memory_order_acquire); }

 private:
  void Start();
  void MoveAll();

  const std::span<const std::byte> weights_;
  const uint32_t reads_;
  std::atomic<uint32_t> count_{0};
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> moved_{0};
  std::mutex mutex_;   // of thread_
  std::thread thread_;
};

}  // namespace hasten
