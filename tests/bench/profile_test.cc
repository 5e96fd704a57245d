// The work that a profile divides by: counted by hand here.
#include "calib/profile/profile.h"

#include <vector>

#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

TEST(Work, ALinearReadsItsWeightOnceAStep) {
  hst_instruction_info linear = HST_INSTRUCTION_INFO_INIT;
  linear.weight_bytes = 1000, linear.row_bytes = 10, linear.row_multiply_adds = 7;
  const Work w = WorkOf(linear, std::vector<StepShape>{{3, 0, 0}, {2, 1, 3}});
  EXPECT_EQ(w.calls, 2u);
  EXPECT_EQ(w.bytes, 2 * 1000 + 5 * 10);
  EXPECT_EQ(w.multiply_adds, 5 * 7);
}

TEST(Work, AHeadRunsForWantedRowsOnly) {
  hst_instruction_info head = HST_INSTRUCTION_INFO_INIT;
  head.output_rows = 1, head.weight_bytes = 1000, head.row_bytes = 10, head.row_multiply_adds = 7;
  const Work w = WorkOf(head, std::vector<StepShape>{{3, 0, 0}, {2, 1, 3}});
  EXPECT_EQ(w.calls, 1u);
  EXPECT_EQ(w.bytes, 1010);
  EXPECT_EQ(w.multiply_adds, 7);
}

TEST(Work, AttentionSeesKeysUpToItsOwn) {
  hst_instruction_info attention = HST_INSTRUCTION_INFO_INIT;
  attention.key_bytes = 100, attention.key_multiply_adds = 1;
  // Rows at positions 4, 5, 6 see 5, 6 and 7 keys; the step reads 7.
  Work w = WorkOf(attention, std::vector<StepShape>{{3, 1, 4}});
  EXPECT_EQ(w.bytes, 700);
  EXPECT_EQ(w.multiply_adds, 18);
  // A window of 4: 4 keys each, from position 1 on.
  attention.window = 4;
  w = WorkOf(attention, std::vector<StepShape>{{3, 1, 4}});
  EXPECT_EQ(w.bytes, 600);
  EXPECT_EQ(w.multiply_adds, 12);
  // A window that is not full yet: 1, 2, 3 keys.
  w = WorkOf(attention, std::vector<StepShape>{{3, 1, 0}});
  EXPECT_EQ(w.bytes, 300);
  EXPECT_EQ(w.multiply_adds, 6);
}

TEST(Work, RooflineIsTheLongerOfReadingAndMultiplying) {
  Machine m;
  m.reads.push_back({2, {10, 9}, Figure{12, 11}, Figure{11, 11}});                             // GB/s
  m.peaks.push_back({Isa::kAvx2, 2, Figure{100, 90}, Figure{50, 40}});         // GOPS
  m.peaks.push_back({Isa::kAvx512Vnni, 2, Figure{400, 300}, std::nullopt});
  const Work work{1, 12e6, 50e6};
  Roofline r = RooflineOf(work, HST_ARITHMETIC_I8, m, 2, Isa::kAvx2);
  EXPECT_DOUBLE_EQ(r.ms, 1);            // 12 MB at 12 GB/s; 0.1 G operations at 100 GOPS
  r = RooflineOf({1, 6e6, 100e6}, HST_ARITHMETIC_I8, m, 2, Isa::kAvx2);
  EXPECT_DOUBLE_EQ(r.ms, 2);
  EXPECT_FALSE(r.memory);
  r = RooflineOf({1, 6e6, 100e6}, HST_ARITHMETIC_I8, m, 2, Isa::kAvx512Vnni);
  EXPECT_DOUBLE_EQ(r.ms, 0.5);
  EXPECT_TRUE(r.memory);
  r = RooflineOf({1, 6e6, 100e6}, HST_ARITHMETIC_F32, m, 2, Isa::kAvx512Vnni);
  EXPECT_DOUBLE_EQ(r.ms, 4);
  EXPECT_EQ(RooflineOf(work, HST_ARITHMETIC_I8, m, 1, Isa::kAvx2).ms, 0);      // nothing measured with 1 thread
}

}  // namespace
}  // namespace hasten::calib
