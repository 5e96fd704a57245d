// The pool: every tile once, in any number of threads; results ordered after
// Run; the canonical floating-point environment in workers and caller; idle
// workers use no CPU.
#include "runtime/base/threads.h"

#include <sys/resource.h>
#include <xmmintrin.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace hasten {
namespace {

std::unique_ptr<ThreadPool> Pool(int threads) {
  auto pool = ThreadPool::Create(threads);
  EXPECT_TRUE(pool.ok()) << pool.status().message();
  return *std::move(pool);
}

TEST(ThreadPool, RefusesCountsOutOfRange) {
  for (int n : {-1, 0, 257}) {
    const auto pool = ThreadPool::Create(n);
    ASSERT_FALSE(pool.ok()) << n;
    EXPECT_EQ(pool.status().code(), Code::kUsage);
  }
}

TEST(ThreadPool, RunsEveryTileOnce) {
  for (int threads : {1, 2, 3, 4, 9}) {
    const auto pool = Pool(threads);
    EXPECT_EQ(pool->threads(), threads);
    for (int64_t tiles : {0, 1, 2, 3, 7, 64, 1000}) {
      for (int64_t grain : {1, 3, 100}) {
        std::vector<int> hits(static_cast<size_t>(tiles), 0);  // plain: a race would show under TSan
        pool->Run(tiles, grain, [&](int64_t b, int64_t e, int t) {
          ASSERT_LT(b, e);
          ASSERT_LE(e - b, std::max<int64_t>(grain, tiles == e - b ? tiles : grain));
          ASSERT_GE(t, 0);
          ASSERT_LT(t, threads);
          for (int64_t i = b; i < e; ++i) ++hits[static_cast<size_t>(i)];
        });
        for (int h : hits) ASSERT_EQ(h, 1) << threads << " threads, " << tiles << " tiles";
      }
    }
  }
}

TEST(ThreadPool, ManyShortRegionsSeeEachOthersWrites) {
  const auto pool = Pool(4);
  std::vector<int64_t> v(64, 0);
  for (int round = 0; round < 3000; ++round)
    pool->Run(64, 4, [&](int64_t b, int64_t e, int) {
      for (int64_t i = b; i < e; ++i) v[static_cast<size_t>(i)] = v[static_cast<size_t>(63 - i)] * 0 + round + 1;
    });
  for (int64_t x : v) EXPECT_EQ(x, 3000);
}

TEST(ThreadPool, WakesWorkersThatSleep) {
  const auto pool = Pool(3);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> inside{0};
    std::atomic<bool> met{false};
    // Each of two tiles waits for the other: only a second thread can end this.
    pool->Run(2, 1, [&](int64_t, int64_t, int) {
      ++inside;
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (inside.load() < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
      if (inside.load() == 2) met = true;
    });
    EXPECT_TRUE(met.load());
  }
}

TEST(ThreadPool, EveryTileRunsInTheCanonicalFpEnvironment) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040u);  // flush to zero, denormals are zero
  const unsigned flushing = _mm_getcsr();
  {
    const auto pool = Pool(4);
    for (int64_t tiles : {1, 64}) {
      std::vector<unsigned> seen(static_cast<size_t>(tiles));
      pool->Run(tiles, 1, [&](int64_t b, int64_t, int) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
        seen[static_cast<size_t>(b)] = _mm_getcsr() & 0xffc0u;
      });
      for (unsigned csr : seen) EXPECT_EQ(csr, 0x1f80u);
    }
  }
  EXPECT_EQ(_mm_getcsr(), flushing);
  _mm_setcsr(before);
}

TEST(ThreadPool, IdleWorkersUseNoCpu) {
  const auto pool = Pool(4);
  pool->Run(64, 1, [](int64_t, int64_t, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto cpu_us = [] {
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000LL + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
  };
  const long long start = cpu_us();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  // Three spinning workers would have used up to 600 ms on an idle machine.
  EXPECT_LT(cpu_us() - start, 20000);
}

}  // namespace
}  // namespace hasten
