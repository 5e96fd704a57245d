// attention over an INT8 cache where few pairs' splits are a block each, and the same where
// a device has too few multiprocessors for that, against the scalar row in bits.
#include <algorithm>
#include <string>

#include "tests/device/attention_step.h"
#include "tests/device/pretend.h"

namespace hasten {
namespace {

using testing::DeviceStep;
using testing::HostStep;
using testing::Machine;
using testing::MakeStep;
using testing::Name;
using testing::OnDevice;
using testing::Part;
using testing::SameBits;
using testing::Shape;

constexpr Machine kLarge = {90, 132};

void Check(const HostStep& h, const Machine& machine = kLarge) {
  const testing::Pretend pretend({std::min(machine.arch, testing::TestDevice().Info().arch), machine.processors});   // of no later architecture
  const DeviceStep d(h);
  testing::ForEachDeviceRow(d.Args(nullptr, 0), [&](const DeviceKernel<AttentionArgs>& k) {
    const OnDevice<float> out(std::vector<float>(h.want.size(), -7.0f));
    testing::RunOnDevice(k, d.Args(out.get(), 0));
    std::string step;
    for (const Part& p : h.parts) step += StrCat(" ", p.past, "+", p.rows);
    EXPECT_TRUE(SameBits(h.want, out.Get())) << Name(h.s) << " steps" << step << " on " << testing::Of(machine);
  });
}
void Check(const AttentionShape& s, const std::vector<Part>& parts) { Check(MakeStep(s, parts)); }
AttentionShape Of(int64_t heads, int64_t kv_heads, int64_t head_dim, int64_t v_head_dim) {
  return Shape(heads, kv_heads, head_dim, v_head_dim, KvType::kI8);
}

TEST(AttentionSplitDevice, EdgesOfPagesAndSplits) {
  for (const int64_t past : {0, 1, 63, 64, 65, 127, 128, 191, 192, 254, 255, 256, 257, 511, 512, 600}) {
    const HostStep h = MakeStep(Of(4, 1, 16, 16), {{past, 1}});
    for (const Machine& m : {kLarge, Machine{90, 1}}) Check(h, m);
  }
}

TEST(AttentionSplitDevice, HeadsOfAllSizes) {
  const std::pair<int64_t, int64_t> dims[] = {{64, 64}, {96, 96}, {128, 128}, {200, 200}, {256, 256}, {64, 128}, {128, 72},
                                              {41, 24}, {8, 129}, {256, 16}, {16, 256}};
  for (const auto& [head_dim, v_head_dim] : dims) {
    Check(Of(2, 1, head_dim, v_head_dim), {{100, 1}});   // one split, whose sums are the result's
    Check(Of(2, 1, head_dim, v_head_dim), {{330, 1}});
  }
}

TEST(AttentionSplitDevice, DevicesOfLittleSharedMemory) {
  for (const int arch : {80, 86})
    for (const int64_t dim : {128, 256})
      for (const int64_t past : {200, 300}) Check(MakeStep(Of(2, 1, dim, dim), {{past, 1}}), {arch, 132});
}

TEST(AttentionSplitDevice, GroupsAndRowsOfAllSizes) {
  for (const int64_t group : {1, 3, 4, 8, 9, 16}) Check(Of(2 * group, 2, 32, 32), {{300, 1}});
  for (const int64_t rows : {2, 3, 4}) Check(Of(4, 1, 32, 32), {{254, rows}});   // they end in other pages and splits
  Check(Of(1, 1, 32, 32), {{120, 16}});
}

TEST(AttentionSplitDevice, SeveralSequences) {
  Check(Of(8, 2, 24, 40), {{600, 1}, {3, 1}, {0, 1}, {255, 1}, {0, 0}, {256, 2}});
  HostStep h = MakeStep(Of(4, 2, 24, 40), {{600, 2}, {3, 2}, {0, 2}, {255, 2}, {256, 2}});
  h.empty_tiles = 2;
  Check(h);
}

TEST(AttentionSplitDevice, EveryOption) {
  const AttentionShape plain = Of(4, 2, 16, 32);
  std::vector<AttentionShape> shapes;
  for (const int64_t window : {1, 64, 65, 100, 257, 300}) shapes.push_back(plain), shapes.back().window = window;
  shapes.push_back(plain), shapes.back().softcap = 5.0f;
  shapes.push_back(plain), shapes.back().causal = false;
  shapes.push_back(shapes.back()), shapes.back().window = 65, shapes.back().ahead = 2;
  for (const int64_t window : {0, 70}) {
    shapes.push_back(Of(3, 1, 16, 32));
    shapes.back().slopes = testing::TestSlopes(), shapes.back().window = window, shapes.back().softcap = window ? 5.0f : 0.0f;
  }
  for (const AttentionShape& s : shapes) Check(s, {{600, 1}}), Check(s, {{319, 3}});
}

}  // namespace
}  // namespace hasten
