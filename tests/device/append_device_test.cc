// kv_append's device rows against the scalar row, page by page, in bits: sequences of a
// step whose blocks lie anywhere in the cache, and a padded row.
#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/attention/page.h"
#include "tests/device/test_device.h"
#include "tests/kernels/attention/attention_fixture.h"
#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using testing::OnDevice;

// Rows and past tokens of the step's sequences, and the block in which each begins; a
// sequence's further blocks lie below it.
struct Part {
  int32_t rows, past, first;
};
constexpr Part kParts[] = {{1, 63, 8}, {3, 62, 6}, {2, 0, 4}, {70, 3, 3}};
constexpr int64_t kBlocks = 9;

// NaNs have no payload of their own, so scales are compared as numbers and the rest as bytes.
void ExpectSamePages(const AttentionShape& s, std::vector<std::byte> want, std::vector<std::byte> got, const char* kernel) {
  const KvLayout l = LayoutOf(s);
  for (int64_t b = 0; b < kBlocks; ++b) {
    std::byte* pages[] = {want.data() + b * l.page_bytes, got.data() + b * l.page_bytes};
    const size_t n = static_cast<size_t>(l.k_begin / 4);
    EXPECT_TRUE(testing::SameBits({reinterpret_cast<const float*>(pages[0]), n}, {reinterpret_cast<const float*>(pages[1]), n}))
        << kernel << " block " << b << " " << testing::Name(s);
    for (std::byte* p : pages) std::memset(p, 0, n * 4);
  }
  const auto at = std::mismatch(want.begin(), want.end(), got.begin()).first - want.begin();
  EXPECT_EQ(static_cast<size_t>(at), want.size()) << kernel << " byte " << at << " " << testing::Name(s);
}

void Check(const AttentionShape& s) {
  const int64_t page = static_cast<int64_t>(KvPageBytes(s)), k_width = s.kv_heads * s.head_dim, v_width = s.kv_heads * s.v_head_dim;
  std::vector<std::byte> want(static_cast<size_t>(kBlocks * page), std::byte{0xff});
  std::vector<SequenceView> views;
  std::vector<std::vector<std::byte*>> pages;
  std::vector<PagedSequence> sequences;
  std::vector<int32_t> row_sequence, blocks = {-1};
  int32_t m = 0;
  for (const Part& p : kParts) {
    sequences.push_back({m, p.rows, p.past, static_cast<int32_t>(blocks.size())});
    pages.emplace_back();
    for (int32_t i = 0; i * kKvPageTokens < p.past + p.rows; ++i) blocks.push_back(p.first - i), pages.back().push_back(want.data() + (p.first - i) * page);
    row_sequence.insert(row_sequence.end(), static_cast<size_t>(p.rows), static_cast<int32_t>(sequences.size()) - 1);
    m += p.rows;
  }
  for (size_t i = 0; i < sequences.size(); ++i) views.push_back({sequences[i].row, sequences[i].rows, sequences[i].past, pages[i].data()});
  row_sequence.push_back(-1);   // padding
  testing::Rng rng(static_cast<uint64_t>(k_width));
  const int64_t stride = k_width + v_width + 3;
  std::vector<float> x = rng.Normals(static_cast<size_t>((m + 1) * stride), 2.0f);
  const float strange[] = {kNaN, kInf, -kInf, 0x1p-149f, -0.0f, 70000.0f};
  for (int64_t r = 4; r < 10; ++r) x[static_cast<size_t>(r * stride)] = x[static_cast<size_t>(r * stride + k_width)] = strange[r - 4];
  for (int64_t i = 0; i < stride; ++i) x[static_cast<size_t>(11 * stride + i)] *= 0x1p-104f;   // no codes
  KvAppendArgs a{s, views, x.data(), x.data() + k_width, stride, stride};
  testing::RunShuffled(testing::ScalarAppend(), a, 1);
  const OnDevice<float> dx(x);
  const OnDevice<PagedSequence> dsequences(sequences);
  const OnDevice<int32_t> drows(row_sequence), dblocks(blocks);
  testing::ForEachDeviceRow(a, [&](const DeviceKernel<KvAppendArgs>& k) {
    const OnDevice<std::byte> cache(std::vector<std::byte>(want.size(), std::byte{0xff}));
    KvAppendArgs d = a;
    d.sequences = {}, d.k = dx.get(), d.v = dx.get() + k_width;
    d.paged.sequences = dsequences.get(), d.paged.row_sequence = drows.get(), d.paged.blocks = dblocks.get(), d.paged.rows = m + 1;
    d.cache = {cache.get(), page};
    testing::RunOnDevice(k, d);
    ExpectSamePages(s, want, cache.Get(), k.name);
  });
}

TEST(KvAppendDevice, AgreesInBits) {
  for (const KvType kv : testing::kKvTypes) {
    Check(testing::Shape(2, 2, 64, 64, kv));
    Check(testing::Shape(5, 5, 30, 17, kv));
    Check(testing::Shape(1, 1, 130, 132, kv));
  }
}

}  // namespace
}  // namespace hasten
