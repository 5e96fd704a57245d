// The pool behind threads.h. A region is a gate: the caller opens it, workers
// that are awake walk in and take tiles, the caller closes it when the tiles are
// gone and waits only for those inside. A worker that sleeps through a short
// region therefore costs it nothing. Every thread has a stretch of tiles of its
// own, so that it reads weights in one stream, and takes pieces of the others'
// stretches when its own is done. No atomics on data, no state outside the pool;
// threads beyond the number of cores are merely useless.
#include "runtime/base/threads.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "runtime/base/fp_env.h"

namespace hasten {
namespace {

constexpr int kMaxThreads = 256;
// Decode leaves gaps of microseconds between regions: those are spun through.
// Sampling and the host's own work take longer: there the core is offered to
// others, and after two milliseconds the thread sleeps and costs nothing.
constexpr std::chrono::microseconds kSpin{50};
constexpr std::chrono::microseconds kYield{2000};

// The gate: region number in the high bits, then the open bit, then the number
// of workers inside.
constexpr uint64_t kInsideMask = 0xffff;
constexpr uint64_t kOpen = 0x10000;
constexpr uint64_t kRegion = 0x20000;

constexpr uint64_t RegionOf(uint64_t gate) { return gate / kRegion; }

// Spins, then yields; false once `limit` has passed.
class Backoff {
 public:
  bool Pause(std::chrono::microseconds limit) {
    if (++polls_ % 64 != 0) {
      _mm_pause();
      return true;
    }
    const auto waited = std::chrono::steady_clock::now() - start_;
    if (waited > kSpin) sched_yield();
    return waited < limit;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  unsigned polls_ = 0;
};

}  // namespace

// A thread's part of what WillRead names, fetched a little at a time.
class Fetcher {
 public:
  // Fetches some more; false when there is nothing left to fetch.
  bool Fetch(const std::byte* data, size_t bytes, size_t thread, size_t threads) {
    if (data != data_) data_ = data, done_ = 0;
    const size_t begin = bytes / threads * thread;
    const size_t end = std::min(bytes / threads, kMost);
    if (!data || done_ >= end) return false;
    for (int i = 0; i < kLinesAtOnce; ++i, done_ += kLine) __builtin_prefetch(data + begin + done_, 0, 2);
    return true;
  }

 private:
  static constexpr size_t kLine = 64, kMost = 256 << 10;   // a quarter of a second-level cache
  static constexpr int kLinesAtOnce = 8;                    // between two looks at the gate
  const std::byte* data_ = nullptr;
  size_t done_ = 0;
};

struct ThreadPool::State {
  // Each on its own cache line: a stretch's counter is written by its thread and,
  // at the end, by those that help it; the gate is polled by idle ones, the job
  // is only read.
  struct alignas(64) Stretch {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  alignas(64) std::atomic<uint64_t> gate{0};
  struct alignas(64) Job {
    int64_t chunk = 1;
    TileFn fn = nullptr;
    void* ctx = nullptr;
  } job;
  std::vector<Stretch> stretches;  // one a thread
  alignas(64) std::atomic<const std::byte*> next_data{nullptr};   // WillRead
  std::atomic<size_t> next_bytes{0};
  alignas(64) std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;

  void ShareOut(int64_t tiles) {
    const int64_t threads = static_cast<int64_t>(stretches.size());
    for (int64_t t = 0; t < threads; ++t) {
      Stretch& s = stretches[static_cast<size_t>(t)];
      s.next.store(tiles * t / threads, std::memory_order_relaxed);
      s.end = tiles * (t + 1) / threads;
    }
  }

  // The thread's own stretch, then what is left of the others'.
  void TakeTiles(int thread) {
    const Job j = job;
    const size_t own = static_cast<size_t>(thread);
    for (size_t i = 0; i < stretches.size(); ++i) {
      Stretch& s = stretches[(own + i) % stretches.size()];
      for (;;) {
        if (s.next.load(std::memory_order_relaxed) >= s.end) break;  // leaves a finished stretch's line alone
        const int64_t begin = s.next.fetch_add(j.chunk, std::memory_order_relaxed);
        if (begin >= s.end) break;
        j.fn(j.ctx, begin, std::min(begin + j.chunk, s.end), thread);
      }
    }
  }

  // Walks in if a region newer than `seen` is open; then works and leaves.
  bool TryRegion(uint64_t* seen, int thread) {
    uint64_t g = gate.load(std::memory_order_acquire);
    while ((g & kOpen) && RegionOf(g) != *seen) {
      if (!gate.compare_exchange_weak(g, g + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      *seen = RegionOf(g);
      TakeTiles(thread);
      gate.fetch_sub(1, std::memory_order_release);
      return true;
    }
    return false;
  }

  bool HasNews(uint64_t seen) const {
    const uint64_t g = gate.load(std::memory_order_seq_cst);
    return stop.load(std::memory_order_seq_cst) || ((g & kOpen) && RegionOf(g) != seen);
  }

  void Sleep(uint64_t seen) {
    std::unique_lock<std::mutex> lock(mutex);
    // Counted before the check: the opener looks at the count after it opened
    // the gate, so one of the two always sees the other.
    sleepers.fetch_add(1, std::memory_order_seq_cst);
    wake.wait(lock, [&] { return HasNews(seen); });
    sleepers.fetch_sub(1, std::memory_order_seq_cst);
  }

  void Work(int thread) {
    const ScopedFpEnv env;
    uint64_t seen = 0;
    Backoff backoff;
    Fetcher fetcher;
    const auto fetch = [&] {
      return fetcher.Fetch(next_data.load(std::memory_order_relaxed), next_bytes.load(std::memory_order_relaxed),
                           static_cast<size_t>(thread), stretches.size());
    };
    while (!stop.load(std::memory_order_acquire)) {
      if (TryRegion(&seen, thread)) {
        backoff = Backoff();
      } else if (fetch()) {
        continue;
      } else if (!backoff.Pause(kYield)) {
        Sleep(seen);
        backoff = Backoff();
      }
    }
  }

  void WakeSleepers() {
    if (sleepers.load(std::memory_order_seq_cst) == 0) return;
    { const std::lock_guard<std::mutex> lock(mutex); }
    wake.notify_all();
  }
};

ThreadPool::ThreadPool() : state_(std::make_unique<State>()) {}

Result<std::unique_ptr<ThreadPool>> ThreadPool::Create(int threads) {
  if (threads < 1 || threads > kMaxThreads)
    return UsageError("threads: needs 1 to ", kMaxThreads, ", got ", threads);
  std::unique_ptr<ThreadPool> pool(new ThreadPool());
  // Workers take no signals: handlers of the host run on the host's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Status status;
  pool->state_->stretches = std::vector<State::Stretch>(static_cast<size_t>(threads));
  try {
    pool->state_->workers.reserve(static_cast<size_t>(threads - 1));
    for (int i = 1; i < threads; ++i)
      pool->state_->workers.emplace_back([s = pool->state_.get(), i] { s->Work(i); });
  } catch (const std::system_error& e) {
    status = ResourceError("threads: could not start thread ", pool->state_->workers.size() + 1, " of ", threads,
                           " (", e.what(), "); ask for fewer");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!status.ok()) return status;
  return pool;
}

ThreadPool::~ThreadPool() {
  state_->stop.store(true, std::memory_order_seq_cst);
  { const std::lock_guard<std::mutex> lock(state_->mutex); }
  state_->wake.notify_all();
  for (std::thread& t : state_->workers) t.join();
}

void ThreadPool::WillRead(const std::byte* data, size_t bytes) {
  state_->next_bytes.store(bytes, std::memory_order_relaxed);
  state_->next_data.store(data, std::memory_order_relaxed);
}

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::Run(int64_t tiles, int64_t grain, TileFn fn, void* ctx) {
  if (tiles <= 0) return;
  const ScopedFpEnv env;
  State& s = *state_;
  // Four pieces a thread, so that a core busy elsewhere slows only its own share.
  const int64_t chunk = std::clamp<int64_t>(tiles / (4 * threads()), 1, std::max<int64_t>(grain, 1));
  if (s.workers.empty() || tiles <= chunk) return fn(ctx, 0, tiles, 0);
  s.job = {chunk, fn, ctx};
  s.ShareOut(tiles);
  s.gate.fetch_add(kRegion + kOpen, std::memory_order_seq_cst);
  s.WakeSleepers();
  s.TakeTiles(0);
  uint64_t g = s.gate.fetch_sub(kOpen, std::memory_order_acq_rel) - kOpen;
  for (Backoff backoff; g & kInsideMask; g = s.gate.load(std::memory_order_acquire)) backoff.Pause(kYield);
}

}  // namespace hasten
