// attention's device rows against the scalar row in bits: over a cache of pages in blocks
// at shuffled numbers, for sequences of all kinds in one step.
#include <algorithm>
#include <cmath>
#include <string>

#include "tests/device/attention_step.h"

namespace hasten {
namespace {

using testing::DeviceStep;
using testing::HostStep;
using testing::kKvTypes;
using testing::MakeStep;
using testing::Name;
using testing::OnDevice;
using testing::Part;
using testing::SameBits;
using testing::Shape;
using testing::TestQueue;
using testing::TestSequence;

void Check(const HostStep& h, int64_t most_keys = 0) {
  const DeviceStep d(h);
  testing::ForEachDeviceRow(d.Args(nullptr, 0), [&](const DeviceKernel<AttentionArgs>& k) {
    const OnDevice<float> out(std::vector<float>(h.want.size(), -7.0f));
    testing::RunOnDevice(k, d.Args(out.get(), most_keys));
    std::string step;
    for (const Part& p : h.parts) step += StrCat(" ", p.past, "+", p.rows);
    EXPECT_TRUE(SameBits(h.want, out.Get())) << k.name << " " << Name(h.s) << " steps" << step;
  });
}
void Check(const AttentionShape& s, const std::vector<Part>& parts) { Check(MakeStep(s, parts)); }

TEST(AttentionDevice, DecodingAgreesWithTheReferenceInBits) {
  for (const KvType kv : kKvTypes) {
    for (const int64_t past : {0, 1, 62, 63, 64, 254, 255, 256, 257}) Check(Shape(2, 1, 16, 16, kv), {{past, 1}});
    Check(Shape(4, 2, 64, 64, kv), {{1100, 1}});
    Check(Shape(8, 1, 128, 128, kv), {{600, 1}});
    Check(Shape(9, 3, 80, 80, kv), {{255, 1}, {64, 1}, {0, 1}});
    Check(Shape(2, 1, 40, 200, kv), {{300, 1}});
    Check(Shape(1, 1, 256, 24, kv), {{70, 1}, {513, 1}});
  }
}

TEST(AttentionDevice, ChunksAgreeWithTheReferenceInBits) {
  for (const KvType kv : kKvTypes) {
    for (const Part& part : {Part{0, 2}, {63, 7}, {250, 7}}) Check(Shape(4, 4, 8, 8, kv), {part});
    for (const int64_t rows : {16, 17, 64, 65}) Check(Shape(1, 1, 8, 8, kv), {{10, rows}});   // edges of tiles and chunks
    Check(Shape(8, 1, 41, 24, kv), {{120, 10}});
    Check(Shape(9, 3, 64, 80, kv), {{255, 9}});
    Check(Shape(20, 1, 16, 130, kv), {{0, 4}, {250, 1}});
    Check(Shape(2, 1, 96, 256, kv), {{30, 17}});
    Check(Shape(71, 1, 16, 16, kv), {{63, 2}});
  }
}

TEST(AttentionDevice, SequencesOfAllKindsInOneStep) {
  for (const KvType kv : kKvTypes) {
    HostStep h = MakeStep(Shape(4, 2, 32, 32, kv), {{0, 5}, {300, 1}, {0, 0}, {63, 2}, {64, 66}, {1, 1}, {257, 3}});
    h.empty_tiles = 2;
    Check(h);
  }
}

TEST(AttentionDevice, EveryOptionAgreesWithTheReferenceInBits) {
  const std::vector<Part> chunk = {{250, 9}, {0, 3}}, decode = {{460, 1}, {3, 1}};
  for (const KvType kv : kKvTypes) {
    const AttentionShape plain = Shape(2, 1, 8, 16, kv);
    std::vector<AttentionShape> shapes;
    for (const int64_t window : {1, 64, 300}) shapes.push_back(plain), shapes.back().window = window;
    shapes.push_back(plain), shapes.back().softcap = 5.0f;
    shapes.push_back(plain), shapes.back().causal = false;
    for (const auto& [window, ahead] : {std::pair<int64_t, int64_t>{20, 0}, {20, 20}, {0, 8}, {65, 64}, {1, 1}}) {
      shapes.push_back(plain);
      shapes.back().causal = false, shapes.back().window = window, shapes.back().ahead = ahead;
    }
    for (const bool causal : {true, false}) {
      shapes.push_back(Shape(3, 1, 8, 16, kv));
      shapes.back().slopes = testing::TestSlopes(), shapes.back().causal = causal;
      shapes.push_back(shapes.back());
      shapes.back().window = 70, shapes.back().softcap = 5.0f, shapes.back().ahead = causal ? 0 : 33;
    }
    for (const AttentionShape& s : shapes) Check(s, chunk), Check(s, decode);
  }
}

// The grid follows a bound, not what the sequences have: a graph is replayed with others.
// Nor does it matter whether splits are shared out.
TEST(AttentionDevice, MoreKeysThanThereAreDoNotMatter) {
  for (const KvType kv : kKvTypes)
    for (const int64_t rows : {1, 18}) {
      const HostStep h = MakeStep(Shape(2, 1, 8, 8, kv), {{520, rows}});
      for (const int64_t most_keys : {0, 4000, 1 << 24}) Check(h, most_keys);
    }
}

// An earlier architecture's blocks hold fewer pairs or pages.
TEST(AttentionDevice, SmallSharedMemoryDoesNotMatter) {
  int& arch = TestQueue().launches().arch;
  const int own = arch;
  for (const int earlier : {80, 89})
    for (const int64_t rows : {1, 18}) {
      arch = std::min(earlier, own);
      for (const int64_t dim : {128, 256}) Check(Shape(2, 1, dim, dim, KvType::kI8), {{60, rows}});
      arch = own;
    }
}

TEST(AttentionDevice, BrokenAndTinyValuesAgreeWithTheReference) {
  for (const KvType kv : kKvTypes)
    for (const std::vector<Part>& parts : {std::vector<Part>{{290, 1}}, {{280, 18}}})
      for (const int kind : {0, 1, 2, 3, 4, 5}) {
        const AttentionShape s = Shape(2, 1, 16, 16, kv);
        Check(MakeStep(s, parts, [&](std::vector<TestSequence>& t) {
          const size_t broken = 16 * 283 + 3;   // seen by some of the chunk's rows; all keys of the block before are whole
          switch (kind) {
            case 0: t[0].q[2 * 16 * 290 + 5] = NAN; break;
            case 1: t[0].v[broken] = NAN, t[0].v[16 * 20] = -INFINITY; break;
            case 2: t[0].k[broken] = NAN; break;
            case 3: std::fill(t[0].k.begin(), t[0].k.begin() + 16 * 70, NAN); break;   // a whole block, and of fp16 a split's begin
            case 4: for (float& x : t[0].v) x *= 0x1p-110f; break;
            case 5: for (float& x : t[0].q) x *= 1e7f; break;   // scores beyond 2^22
          }
        }));
      }
}

TEST(AttentionPlan, EveryRowIsInOneTile) {
  const std::vector<PagedSequence> sequences = {{0, 5, 0, 0},  {5, 0, 9, 0},    {5, 64, 100, 0},
                                                {69, 1, 7, 0}, {70, 129, 3, 0}, {199, 65, 0, 0}};
  for (const int64_t most : {int64_t{1}, int64_t{7}, cuda::kPagedTileRows}) {
    std::vector<PagedTile> tiles(3);   // what they held before is gone
    cuda::PlanTiles(sequences, most, tiles);
    std::vector<int> seen(264);
    int32_t keys = INT32_MAX;
    for (const PagedTile& t : tiles) {
      const PagedSequence& s = sequences[static_cast<size_t>(t.sequence)];
      ASSERT_TRUE(t.rows > 0 && t.rows <= most && t.first >= 0 && t.first + t.rows <= s.rows);
      for (int32_t r = t.first; r < t.first + t.rows; ++r) ++seen[static_cast<size_t>(s.row + r)];
      EXPECT_LE(s.past + t.first + t.rows, keys) << "the longest come first";
      keys = s.past + t.first + t.rows;
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), 264);
  }
  std::vector<PagedTile> tiles(1);
  cuda::PlanTiles({}, 64, tiles);
  EXPECT_TRUE(tiles.empty());
}

}  // namespace
}  // namespace hasten
