// ALiBi and two-sided windows at every edge of blocks, splits and row tiles, against
// the scalar row in bits, and what both promise: a bias is a function of the
// distance alone, wherever in a sequence a query stands.
#include <gtest/gtest.h>

#include "runtime/base/threads.h"
#include "tests/kernels/attention/attention_fixture.h"

namespace hasten {
namespace {

using testing::ArgsOf;
using testing::kKvTypes;
using testing::MakeSequence;
using testing::Name;
using testing::RunStep;
using testing::SameBits;
using testing::ScalarAppend;
using testing::ScalarAttend;
using testing::Shape;
using testing::TestSequence;

TEST(AttentionBias, EncodersGiveTheScalarBitsAroundEveryEdge) {
  struct Reach { int64_t window, ahead; };
  constexpr Reach kReaches[] = {{0, 0}, {1, 1}, {2, 1}, {1, 2}, {17, 16}, {64, 64}, {65, 65}, {129, 0}, {0, 130}};
  for (KvType kv : kKvTypes)
    for (int64_t length : {1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 129, 255, 256, 257, 321})
      for (const Reach& reach : kReaches)
        for (bool alibi : {false, true}) {
          AttentionShape s = Shape(4, 2, 8, 16, kv);
          s.causal = false;
          s.window = reach.window, s.ahead = reach.ahead;
          s.slopes = alibi ? testing::TestSlopes() : nullptr;
          TestSequence t = MakeSequence(s, length, static_cast<uint64_t>(length));
          const auto want = RunStep(s, {{&t}, {0}, {length}}, ScalarAppend(), &ScalarAttend(), 1);
          testing::ForEachFastRow(AttentionKernels(), ArgsOf(s), [&](const Kernel<AttentionArgs>& k) {
            EXPECT_TRUE(SameBits(want, RunStep(s, {{&t}, {0}, {length}}, ScalarAppend(), &k, 2))) << k.name << " " << Name(s) << " length " << length;
          });
          if (HasFailure()) return;
        }
}

// A slope of zero adds nothing: the bits are those without ALiBi.
TEST(AttentionBias, NoSlopeIsNoBias) {
  const std::vector<float> none(8, 0.0f);
  for (KvType kv : kKvTypes)
    for (const Kernel<AttentionArgs>& k : AttentionKernels()) {
      AttentionShape s = Shape(8, 2, 24, 24, kv);
      if (!IsaAvailable(k.isa) || (k.accepts && !k.accepts(ArgsOf(s)))) continue;
      TestSequence t = MakeSequence(s, 300, 4);
      const auto want = RunStep(s, {{&t}, {0}, {300}}, ScalarAppend(), &k, 1);
      s.slopes = none.data();
      const auto got = RunStep(s, {{&t}, {0}, {300}}, ScalarAppend(), &k, 1);
      // Over an INT8 cache the factor of log2(e) is applied at another place.
      if (kv != KvType::kI8) {
        EXPECT_TRUE(SameBits(want, got)) << k.name;
      }
      for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(want[i], got[i], 1e-2) << k.name << " " << i;
    }
}

// The same keys, 2^24 positions later in whole splits: the last positions that an
// ALiBi model may have (kAlibiPositions). Distances stay exact, so the bits stay.
TEST(AttentionBias, FarPositionsGiveTheBitsOfNearOnes) {
  constexpr int64_t kPast = 700, kRows = 68, kFar = kAlibiPositions - 768;  // 768 = 3 splits
  for (KvType kv : kKvTypes) {
    AttentionShape s = Shape(4, 2, 16, 16, kv);
    s.window = 300;
    s.slopes = testing::TestSlopes();
    TestSequence t = MakeSequence(s, kPast + kRows, 6);
    RunStep(s, {{&t}, {0}, {kPast}}, ScalarAppend(), nullptr, 1);
    const auto want = RunStep(s, {{&t}, {kPast}, {kPast + kRows}}, ScalarAppend(), &ScalarAttend(), 1);
    std::vector<std::byte*> pages(static_cast<size_t>(kFar / kKvPageTokens), nullptr);
    pages.insert(pages.end(), t.page_list.begin(), t.page_list.end());
    const SequenceView view{0, kRows, kFar + kPast, pages.data()};
    const int64_t width = s.heads * s.head_dim;
    for (const Kernel<AttentionArgs>& k : AttentionKernels()) {
      if (!IsaAvailable(k.isa) || (k.accepts && !k.accepts(ArgsOf(s)))) continue;
      std::vector<float> got(static_cast<size_t>(kRows * width));
      const AttentionArgs args{s, {&view, 1}, t.q.data() + kPast * width, width, got.data(), width};
      testing::RunShuffled(k, args, 3);
      EXPECT_TRUE(SameBits(want, got)) << k.name << " " << Name(s);
    }
  }
}

TEST(AttentionBias, ThreadsDoNotMatter) {
  for (KvType kv : kKvTypes)
    for (bool causal : {true, false}) {
      AttentionShape s = Shape(6, 3, 32, 32, kv);
      s.causal = causal, s.window = 40, s.ahead = causal ? 0 : 40;
      s.slopes = testing::TestSlopes();
      const int64_t length = 150, width = 6 * 32;
      TestSequence t = MakeSequence(s, length, 8);
      const auto want = RunStep(s, {{&t}, {0}, {length}}, ScalarAppend(), &ScalarAttend(), 1);
      const SequenceView view{0, length, 0, t.page_list.data()};
      for (int threads : {1, 2, 4}) {
        std::vector<float> got(static_cast<size_t>(length * width));
        const AttentionArgs args{s, {&view, 1}, t.q.data(), width, got.data(), width};
        const auto& k = *SelectKernel(AttentionKernels(), args, BestIsa());
        const auto pool = ThreadPool::Create(threads);
        ASSERT_TRUE(pool.ok());
        std::vector<testing::AlignedBytes> scratch;
        for (int i = 0; i < threads; ++i) scratch.emplace_back(k.scratch(args));
        (*pool)->Run(k.tiles(args), 1, [&](int64_t b, int64_t e, int i) { k.run(args, b, e, scratch[static_cast<size_t>(i)].data()); });
        EXPECT_TRUE(SameBits(want, got)) << threads << " threads " << Name(s);
      }
    }
}

}  // namespace
}  // namespace hasten
