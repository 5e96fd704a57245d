// The machine probe: it measures what the machine has, and the figures hang together.
#include "calib/machine/machine.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

#include "calib/machine/probe.h"
#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

constexpr uint64_t kSmall = uint64_t{4} << 20;

TEST(Machine, ThreadCountsEndWithAll) {
  EXPECT_EQ(ThreadCounts(1), (std::vector<int>{1}));
  EXPECT_EQ(ThreadCounts(2), (std::vector<int>{1, 2}));
  EXPECT_EQ(ThreadCounts(6), (std::vector<int>{1, 2, 4, 6}));
}

TEST(Machine, MeasuresEveryAvailableInstructionSet) {
  const Result<Machine> m = MeasureMachine({.threads = {1, 2}, .sweep_bytes = kSmall});
  ASSERT_TRUE(m.ok()) << m.status().message();
  ASSERT_EQ(m->reads.size(), 2u);
  ASSERT_EQ(m->regions.size(), 2u);
  EXPECT_EQ(m->file_note, "");
  for (const ReadRate& r : m->reads) {
    EXPECT_GE(r.small.best, r.small.median);
    EXPECT_GT(r.small.median, 0);
    EXPECT_NE(r.huge.has_value(), !m->huge_note.empty());   // a figure or a reason
    EXPECT_GE(m->ReadGbPerS(r.threads), std::max(r.small.best, r.huge ? r.huge->best : 0));
    ASSERT_TRUE(r.file.has_value());
    EXPECT_GT(r.file->median, 0);
  }
  EXPECT_GT(m->regions[1].us.best, 0);
  size_t expected = 0;
  for (Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni}) expected += IsaAvailable(isa) ? 2 : 0;
  EXPECT_EQ(m->peaks.size(), expected);
  for (const Peak& p : m->peaks) {
    EXPECT_TRUE(IsaAvailable(p.isa));
    ASSERT_TRUE(p.int8.has_value());
    EXPECT_GT(p.int8->median, 0);
    // A loop whose work the compiler removed would be faster than any core:
    // 2 x 64 multiply-adds a cycle at 6 GHz, by two threads.
    EXPECT_LT(p.int8->best, 2 * 2 * 2 * 64 * 6.0);
  }
  EXPECT_EQ(m->Int8Gops(1, Isa::kScalar), 0);
  EXPECT_EQ(m->ReadGbPerS(7), 0);   // not measured
  EXPECT_EQ(m->Fp32Gflops(2, Isa::kAvx2) > 0, IsaAvailable(Isa::kAvx2));
}

TEST(Machine, CanBeInterrupted) {
  const std::atomic<bool> cancel{true};
  const Result<Machine> m = MeasureMachine({.threads = {1}, .sweep_bytes = kSmall, .cancel = &cancel});
  ASSERT_FALSE(m.ok());
  EXPECT_EQ(m.status().code(), Code::kCancelled);
}

// Every byte reaches the result: a sweep that skips memory would measure too much.
TEST(Machine, ReadersReadEveryByte) {
  constexpr size_t kBytes = 4096;
  const std::unique_ptr<std::byte, void (*)(std::byte*)> memory(new (std::align_val_t{64}) std::byte[kBytes],
                                                                [](std::byte* p) { ::operator delete[](p, std::align_val_t{64}); });
  for (const Probe& probe : AllProbes()) {
    if (!IsaAvailable(probe.isa)) continue;
    std::memset(memory.get(), 0, kBytes);
    EXPECT_EQ(probe.read(memory.get(), kBytes), 0u);
    for (size_t at = 0; at < kBytes; ++at) {
      memory.get()[at] = std::byte{1};
      EXPECT_NE(probe.read(memory.get(), kBytes), 0u) << IsaName(probe.isa) << " at " << at;
      memory.get()[at] = std::byte{0};
    }
  }
}

}  // namespace
}  // namespace hasten::calib
