// attention and kv_append: a row against double, every row against the
// scalar row in bits, and the promise itself: a row's bits depend neither on
// chunks, nor on neighbours in the batch, nor on the order of tiles.
#include "runtime/kernels/attention/contract.h"

#include <cmath>

#include <gtest/gtest.h>

#include "runtime/base/threads.h"
#include "tests/kernels/attention/attention_fixture.h"

namespace hasten {
namespace {

using testing::ArgsOf;
using testing::InDouble;
using testing::kKvTypes;
using testing::MakeSequence;
using testing::Name;
using testing::RunChunks;
using testing::SameBits;
using testing::ScalarAppend;
using testing::ScalarAttend;
using testing::Shape;
using testing::Step;
using testing::TestSequence;

// A query of error e in int8 (half a step of 1/127 of its largest value) moves
// scores by about that; u8 probabilities add half a step of 1/255. In fp32 a
// score of 10 is off by 1e-6 already, and exp makes that relative.
double Tolerance(KvType kv) { return kv == KvType::kI8 ? 0.03 : 3e-6; }

KvAppendArgs AppendArgsOf(const AttentionShape& s) {
  KvAppendArgs a;
  a.shape = s;
  return a;
}

std::vector<AttentionShape> Shapes() {
  std::vector<AttentionShape> shapes;
  for (KvType kv : kKvTypes) {
    for (auto [heads, kv_heads] : {std::pair<int64_t, int64_t>{9, 3}, {4, 4}, {4, 1}, {8, 2}}) shapes.push_back(Shape(heads, kv_heads, 64, 64, kv));
    for (int64_t dim : {1, 8, 16, 32, 40, 41, 80, 96, 128}) shapes.push_back(Shape(2, 1, dim, dim, kv));
    shapes.push_back(Shape(3, 1, 48, 24, kv));
    shapes.push_back(Shape(40, 1, 16, 70, kv));
    for (int64_t window : {1, 8, 64, 300}) {
      shapes.push_back(Shape(4, 2, 32, 32, kv));
      shapes.back().window = window;
    }
    shapes.push_back(Shape(4, 2, 32, 32, kv));
    shapes.back().softcap = 5.0f;
    shapes.push_back(Shape(4, 2, 32, 32, kv));
    shapes.back().causal = false;
    for (auto [window, ahead] : {std::pair<int64_t, int64_t>{20, 0}, {20, 20}, {0, 8}, {65, 64}, {1, 1}}) {
      shapes.push_back(Shape(4, 2, 32, 32, kv));
      shapes.back().causal = false;
      shapes.back().window = window, shapes.back().ahead = ahead;
    }
    for (bool causal : {true, false})  // ALiBi: over all keys, and within a window and a soft cap
      for (AttentionShape s : {Shape(4, 4, 32, 32, kv), Shape(9, 3, 16, 24, kv)}) {
        s.slopes = testing::TestSlopes();
        s.causal = causal;
        shapes.push_back(s);
        s.window = 70, s.softcap = 5.0f, s.ahead = s.causal ? 0 : 33;
        shapes.push_back(s);
      }
  }
  return shapes;
}

TEST(Attention, MatchesDouble) {
  for (const AttentionShape& s : Shapes()) {
    for (int64_t length : {1, 65, 330}) {
      TestSequence t = MakeSequence(s, length, 11);
      // The best row: the scalar one gives the same bits, slowly (next test).
      const auto got = testing::RunStep(s, {{&t}, {0}, {length}}, ScalarAppend(), SelectKernel(AttentionKernels(), ArgsOf(s), BestIsa()), 1);
      const int64_t width = s.heads * s.v_head_dim;
      for (int64_t p = 0; p < length; p += 1 + length / 9) {
        const auto want = InDouble(s, t, p);
        double error = 0, size = 1;  // values are about 1; a sum that cancels has no digits of its own
        for (int64_t i = 0; i < width; ++i) {
          error = std::max(error, std::fabs(want[static_cast<size_t>(i)] - got[static_cast<size_t>(p * width + i)]));
          size = std::max(size, std::fabs(want[static_cast<size_t>(i)]));
        }
        EXPECT_LE(error, Tolerance(s.kv) * size) << Name(s) << " position " << p << " of " << length;
      }
    }
  }
}

TEST(Attention, EveryRowGivesTheScalarBits) {
  for (const AttentionShape& s : Shapes()) {
    for (const auto& step : {std::pair<int64_t, int64_t>{0, 1}, {0, 2}, {0, 9}, {0, 65}, {1, 7}, {63, 1}, {63, 3}, {64, 1}, {65, 64},
                              {255, 1}, {255, 4}, {256, 1}, {257, 5}, {700, 1}, {700, 33}}) {
      const int64_t past = step.first, rows = step.second;
      // Nothing new there, and the scalar row is slow.
      if (past + rows > 60 && rows > 5 && (s.head_dim > 64 || s.heads > 9)) continue;
      TestSequence t = MakeSequence(s, past + rows, static_cast<uint64_t>(past * 100 + rows));
      if (past > 0) testing::RunStep(s, {{&t}, {0}, {past}}, ScalarAppend(), nullptr, 1);
      const auto want = testing::RunStep(s, {{&t}, {past}, {past + rows}}, ScalarAppend(), &ScalarAttend(), 1);
      testing::ForEachFastRow(AttentionKernels(), ArgsOf(s), [&](const Kernel<AttentionArgs>& k) {
        for (int threads : {1, 16}) {
          const auto got = testing::RunStep(s, {{&t}, {past}, {past + rows}}, ScalarAppend(), &k, 2, threads);
          EXPECT_TRUE(SameBits(want, got)) << k.name << " " << Name(s) << " past " << past << " rows " << rows << " threads " << threads;
        }
      });
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(Attention, RandomShapesGiveTheScalarBits) {
  testing::Rng rng(2024);
  for (int i = 0; i < 150; ++i) {
    const int64_t kv_heads = 1 + rng.Below(3);
    AttentionShape s = Shape(kv_heads * (1 + rng.Below(5)), kv_heads, 1 + rng.Below(70), 1 + rng.Below(70), kKvTypes[rng.Below(3)]);
    s.causal = rng.Below(4) != 0;
    s.window = rng.Below(2) ? 0 : 1 + rng.Below(400);
    s.softcap = rng.Below(3) ? 0 : 2.0f;
    if (!s.causal && rng.Below(2)) s.ahead = 1 + rng.Below(100);
    if (rng.Below(2)) s.slopes = testing::TestSlopes();
    s.scale = rng.Below(5) ? s.scale : 40.0f;  // one key takes all
    const int64_t past = rng.Below(2) ? rng.Below(600) : 0, rows = 1 + rng.Below(past > 0 ? 6 : 40);
    TestSequence t = MakeSequence(s, past + rows, static_cast<uint64_t>(i));
    if (past > 0) testing::RunStep(s, {{&t}, {0}, {past}}, ScalarAppend(), nullptr, 1);
    const auto want = testing::RunStep(s, {{&t}, {past}, {past + rows}}, ScalarAppend(), &ScalarAttend(), 1);
    testing::ForEachFastRow(AttentionKernels(), ArgsOf(s), [&](const Kernel<AttentionArgs>& k) {
      EXPECT_TRUE(SameBits(want, testing::RunStep(s, {{&t}, {past}, {past + rows}}, ScalarAppend(), &k, 2, 1 + i % 40))) << k.name << " " << Name(s) << " past " << past << " rows " << rows;
    });
  }
}

// Every byte of the page, and nothing else, as the scalar row writes it.
TEST(KvAppend, EveryRowWritesTheScalarBytes) {
  for (const AttentionShape& s : Shapes()) {
    TestSequence t = MakeSequence(s, 131, 3);
    t.k[5] = 0x1p-120f;
    for (int64_t i = 0; i < s.head_dim * s.kv_heads; ++i) t.k[static_cast<size_t>(7 * s.kv_heads * s.head_dim + i)] = 0x1p-110f;
    for (int64_t i = 0; i < s.v_head_dim; ++i) t.v[static_cast<size_t>(9 * s.kv_heads * s.v_head_dim + i)] = -0.0f;
    t.v[static_cast<size_t>(20 * s.kv_heads * s.v_head_dim)] = INFINITY;
    t.k[static_cast<size_t>(21 * s.kv_heads * s.head_dim)] = NAN;
    testing::RunStep(s, {{&t}, {2}, {131}}, ScalarAppend(), nullptr, 1);
    testing::ForEachFastRow(KvAppendKernels(), AppendArgsOf(s), [&](const Kernel<KvAppendArgs>& k) {
      TestSequence u = MakeSequence(s, 131, 3);
      u.k = t.k;
      u.v = t.v;
      testing::RunStep(s, {{&u}, {2}, {131}}, k, nullptr, 5);
      for (size_t p = 0; p < t.pages.size(); ++p)
        EXPECT_EQ(std::memcmp(t.page_list[p], u.page_list[p], KvPageBytes(s)), 0) << k.name << " " << Name(s) << " page " << p;
    });
  }
}

TEST(Attention, ChunksDoNotMatter) {
  for (const AttentionShape& s : Shapes()) {
    if (!s.causal) continue;
    testing::ForEachFastRow(AttentionKernels(), ArgsOf(s), [&](const Kernel<AttentionArgs>& k) {
      const Kernel<KvAppendArgs>& append = *SelectKernel(KvAppendKernels(), AppendArgsOf(s), k.isa);
      for (int64_t from : {0, 250}) {
        TestSequence t = MakeSequence(s, from + 70, 17);
        const auto once = RunChunks(s, t, from, 70, append, k);
        for (int64_t chunk : {1, 7, 64}) {
          TestSequence u = MakeSequence(s, from + 70, 17);
          EXPECT_TRUE(SameBits(once, RunChunks(s, u, from, chunk, append, k))) << k.name << " " << Name(s) << " chunk " << chunk;
        }
      }
    });
  }
}

TEST(Attention, NeighboursDoNotMatter) {
  for (const AttentionShape& s : Shapes()) {
    const Kernel<AttentionArgs>& k = *SelectKernel(AttentionKernels(), ArgsOf(s), BestIsa());
    const int64_t past[] = {0, 1, 63, 64, 300}, rows[] = {5, 1, 2, 70, 1};
    std::vector<TestSequence> alone, batch;
    Step step;
    for (size_t i = 0; i < 5; ++i) {
      alone.push_back(MakeSequence(s, past[i] + rows[i], 40 + i));
      batch.push_back(MakeSequence(s, past[i] + rows[i], 40 + i));
    }
    std::vector<float> want;
    for (size_t i = 0; i < 5; ++i) {
      const auto r = RunChunks(s, alone[i], past[i], rows[i], ScalarAppend(), k);
      want.insert(want.end(), r.begin(), r.end());
      if (past[i] > 0) testing::RunStep(s, {{&batch[i]}, {0}, {past[i]}}, ScalarAppend(), nullptr, 1);
      step.sequences.push_back(&batch[i]);
      step.begin.push_back(past[i]);
      step.end.push_back(past[i] + rows[i]);
    }
    for (uint64_t seed : {1, 2, 3}) EXPECT_TRUE(SameBits(want, testing::RunStep(s, step, ScalarAppend(), &k, seed))) << Name(s);
  }
}

// Several threads at once, each with its own scratch; under the thread sanitizer
// this also shows that tiles share nothing.
TEST(Attention, ThreadsDoNotMatter) {
  for (KvType kv : kKvTypes) {
    const AttentionShape s = Shape(6, 3, 32, 32, kv);
    const int64_t length = 150, qw = 6 * 32, kw = 3 * 32;
    TestSequence t = MakeSequence(s, length, 8);
    const SequenceView view{0, length, 0, t.page_list.data()};
    const KvAppendArgs append{s, {&view, 1}, t.k.data(), t.v.data(), kw, kw};
    std::vector<float> want, got(static_cast<size_t>(length * qw));
    const AttentionArgs attend{s, {&view, 1}, t.q.data(), qw, got.data(), qw};
    const auto& ka = *SelectKernel(KvAppendKernels(), append, BestIsa());
    const auto& kb = *SelectKernel(AttentionKernels(), attend, BestIsa());
    for (int threads : {1, 2, 4}) {
      const auto pool = ThreadPool::Create(threads);
      ASSERT_TRUE(pool.ok());
      std::vector<testing::AlignedBytes> scratch;
      for (int i = 0; i < threads; ++i) scratch.emplace_back(kb.scratch(attend));
      (*pool)->Run(ka.tiles(append), 8, [&](int64_t b, int64_t e, int) { ka.run(append, b, e, nullptr); });
      (*pool)->Run(kb.tiles(attend), 1, [&](int64_t b, int64_t e, int i) { kb.run(attend, b, e, scratch[static_cast<size_t>(i)].data()); });
      if (threads == 1) want = got;
      EXPECT_TRUE(SameBits(want, got)) << threads << " threads, kv " << static_cast<int>(kv);
      std::fill(got.begin(), got.end(), 0.0f);
    }
  }
}

// Rows before a broken token keep their bits; rows that see it are NaN.
TEST(Attention, NotANumberReachesThoseWhoSeeIt) {
  for (KvType kv : kKvTypes)
    for (bool in_value : {false, true}) {
      const AttentionShape s = Shape(3, 1, 64, 64, kv);
      for (const Kernel<AttentionArgs>& k : AttentionKernels()) {
        if (!IsaAvailable(k.isa) || (k.accepts && !k.accepts(ArgsOf(s)))) continue;
        TestSequence clean = MakeSequence(s, 80, 5), broken = MakeSequence(s, 80, 5);
        (in_value ? broken.v : broken.k)[40 * 64 + 3] = NAN;
        const auto want = RunChunks(s, clean, 0, 80, ScalarAppend(), k), got = RunChunks(s, broken, 0, 80, ScalarAppend(), k);
        const size_t split = 40 * 3 * 64;
        EXPECT_TRUE(SameBits(std::span(want).first(split), std::span(got).first(split))) << k.name;
        // A value's NaN stays in its column where columns have no common scale.
        for (size_t i = split + 3; i < got.size(); i += 64) ASSERT_TRUE(std::isnan(got[i])) << k.name << " " << i;
      }
    }
}

TEST(Attention, ReadTokenGivesBackWhatTheCacheHolds) {
  for (KvType kv : kKvTypes) {
    const AttentionShape s = Shape(4, 2, 40, 24, kv);
    TestSequence t = MakeSequence(s, 70, 9);
    testing::RunStep(s, {{&t}, {0}, {70}}, ScalarAppend(), nullptr, 1);
    std::vector<float> k(80), v(48);
    for (int64_t p : {0, 63, 64, 69}) {
      KvReadToken(s, t.page_list[static_cast<size_t>(p / 64)], p % 64, k.data(), v.data());
      // Half a step of the type at values up to about 4.
      const double tolerance = kv == KvType::kI8 ? 0.02 : kv == KvType::kF16 ? 0.002 : 0;
      for (int64_t i = 0; i < 80; ++i) EXPECT_NEAR(k[static_cast<size_t>(i)], t.k[static_cast<size_t>(p * 80 + i)], tolerance);
      for (int64_t i = 0; i < 48; ++i) EXPECT_NEAR(v[static_cast<size_t>(i)], t.v[static_cast<size_t>(p * 48 + i)], tolerance);
    }
  }
}

}  // namespace
}  // namespace hasten
