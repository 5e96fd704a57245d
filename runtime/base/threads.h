// The thread pool that runs kernels: a parallel region over tiles. Workers spin
// briefly after a region and then sleep; tiles are handed out in small pieces,
// so that a core busy elsewhere slows only its own share. The calling thread
// works too. Every worker runs in the canonical floating-point environment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/base/status.h"

namespace hasten {

class ThreadPool {
 public:
  // `threads` includes the caller; 1 starts no thread. kUsage outside [1, 256].
  static Result<std::unique_ptr<ThreadPool>> Create(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Calls fn(ctx, begin, end, thread) for disjoint ranges that cover [0, tiles),
  // from up to threads() threads, and returns when all are done. thread is in
  // [0, threads()). fn must not throw. One region at a time: callers of one pool
  // must not overlap. `grain`: the most tiles handed out at once (>= 1).
  using TileFn = void (*)(void* ctx, int64_t begin, int64_t end, int thread);
  void Run(int64_t tiles, int64_t grain, TileFn fn, void* ctx);

  // What a region to come will read: threads that wait meanwhile fetch the beginning
  // of what their stretch of tiles reads of it. Only a hint; null: nothing.
  void WillRead(const std::byte* data, size_t bytes);

  template <class F>
  void Run(int64_t tiles, int64_t grain, const F& f) {
    Run(tiles, grain, [](void* c, int64_t b, int64_t e, int t) { (*static_cast<const F*>(c))(b, e, t); },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

 private:
  ThreadPool();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hasten
