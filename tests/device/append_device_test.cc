// kv_append's device rows against the scalar row, page by page, in bits: sequences of a
// step whose blocks lie anywhere in the cache, and a padded row. The fused run that turns
// queries and keys first, likewise.
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/fused/contract.h"
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

// The step's tables on the host.
struct Step {
  std::vector<SequenceView> views;
  std::vector<std::vector<std::byte*>> pages;
  std::vector<PagedSequence> sequences;
  std::vector<int32_t> row_sequence, positions, blocks = {-1};
  int32_t rows = 0;   // without the padded one

  Step(std::byte* cache, int64_t page) {
    for (const Part& p : kParts) {
      sequences.push_back({rows, p.rows, p.past, static_cast<int32_t>(blocks.size())});
      pages.emplace_back();
      for (int32_t i = 0; i * kKvPageTokens < p.past + p.rows; ++i) blocks.push_back(p.first - i), pages.back().push_back(cache + (p.first - i) * page);
      for (int32_t r = 0; r < p.rows; ++r) row_sequence.push_back(static_cast<int32_t>(sequences.size()) - 1), positions.push_back(p.past + r);
      rows += p.rows;
    }
    for (size_t i = 0; i < sequences.size(); ++i) views.push_back({sequences[i].row, sequences[i].rows, sequences[i].past, pages[i].data()});
    row_sequence.push_back(-1), positions.push_back(0);   // padding
  }
};

// A row is a key, a value and the queries; the columns between rows belong to nobody.
struct Rows {
  int64_t k_width, v_width, q_width, stride;
  std::vector<float> x;

  Rows(const AttentionShape& s, int64_t rows)
      : k_width(s.kv_heads * s.head_dim), v_width(s.kv_heads * s.v_head_dim), q_width(s.heads * s.head_dim), stride(k_width + v_width + q_width + 3) {
    testing::Rng rng(static_cast<uint64_t>(k_width));
    x = rng.Normals(static_cast<size_t>((rows + 1) * stride), 2.0f);
    const float strange[] = {kNaN, kInf, -kInf, 0x1p-149f, -0.0f, 70000.0f};
    for (int64_t r = 4; r < 10; ++r) x[static_cast<size_t>(r * stride)] = x[static_cast<size_t>(r * stride + k_width)] = strange[r - 4];
    for (int64_t i = 0; i < stride; ++i) x[static_cast<size_t>(11 * stride + i)] *= 0x1p-104f;   // no codes
  }
  KvAppendArgs Append(const AttentionShape& s, const float* at) const { return {s, {}, at, at + k_width, stride, stride, {}, {}}; }
  RopeArgs Rope(const AttentionShape& s, float* at, int64_t heads, int64_t rotary_dim, int64_t rows) const {
    return {.x = at, .out = at, .x_stride = stride, .out_stride = stride, .rows = rows, .heads = heads, .head_dim = s.head_dim, .rotary_dim = rotary_dim};
  }
};

// What every row of the device's table leaves in a cache that starts as 0xff.
template <class Args>
void ExpectAppends(const Args& args, const Step& step, const std::vector<std::byte>& want, const AttentionShape& s,
                   const std::function<void(Args&, const PagedStep&, PagedCache)>& fill, const std::function<void()>& check = {}) {
  const OnDevice<PagedSequence> sequences(step.sequences);
  const OnDevice<int32_t> rows(step.row_sequence), blocks(step.blocks);
  PagedStep paged;
  paged.sequences = sequences.get(), paged.row_sequence = rows.get(), paged.blocks = blocks.get(), paged.rows = step.rows + 1;
  testing::ForEachDeviceRow(args, [&](const DeviceKernel<Args>& k) {
    const OnDevice<std::byte> cache(std::vector<std::byte>(want.size(), std::byte{0xff}));
    Args d = args;
    fill(d, paged, {cache.get(), static_cast<int64_t>(KvPageBytes(s))});
    testing::RunOnDevice(k, d);
    ExpectSamePages(s, want, cache.Get(), k.name);
    if (check) check();
  });
}

void Check(const AttentionShape& s) {
  std::vector<std::byte> want(static_cast<size_t>(kBlocks) * KvPageBytes(s), std::byte{0xff});
  const Step step(want.data(), static_cast<int64_t>(KvPageBytes(s)));
  const Rows rows(s, step.rows);
  KvAppendArgs a = rows.Append(s, rows.x.data());
  a.sequences = step.views;
  testing::RunShuffled(testing::ScalarAppend(), a, 1);
  const OnDevice<float> dx(rows.x);
  ExpectAppends<KvAppendArgs>(a, step, want, s, [&](KvAppendArgs& d, const PagedStep& paged, PagedCache cache) {
    d = rows.Append(s, dx.get()), d.paged = paged, d.cache = cache;
  });
}

void CheckFused(const AttentionShape& s, int64_t rotary_dim, bool interleaved, bool queries) {
  std::vector<std::byte> want(static_cast<size_t>(kBlocks) * KvPageBytes(s), std::byte{0xff});
  const Step step(want.data(), static_cast<int64_t>(KvPageBytes(s)));
  const Rows rows(s, step.rows);
  std::vector<float> frequencies(static_cast<size_t>(rotary_dim / 2)), table(static_cast<size_t>(256 * rotary_dim));
  for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] = 1.0f / static_cast<float>(i + 1);
  BuildRopeTable(frequencies, 1.0f, 256, table);
  std::vector<float> x = rows.x;
  const int64_t query_at = rows.k_width + rows.v_width, all = step.rows + 1;
  FusedAppendArgs a{rows.Rope(s, x.data(), s.kv_heads, rotary_dim, all), queries, rows.Rope(s, x.data() + query_at, s.heads, rotary_dim, all),
                    rows.Append(s, x.data())};
  for (RopeArgs* r : {&a.key, &a.query}) r->interleaved = interleaved, r->table = table.data(), r->positions = step.positions.data();
  a.append.sequences = step.views;
  testing::RunShuffled(testing::ScalarRow(RopeKernels(), a.key), a.key, 1);
  if (queries) testing::RunShuffled(testing::ScalarRow(RopeKernels(), a.query), a.query, 1);
  testing::RunShuffled(testing::ScalarAppend(), a.append, 1);
  const OnDevice<float> dtable(table);
  const OnDevice<int32_t> dpositions(step.positions);
  OnDevice<float> dx(rows.x);
  ExpectAppends<FusedAppendArgs>(
      a, step, want, s,
      [&](FusedAppendArgs& d, const PagedStep& paged, PagedCache cache) {
        dx.Set(rows.x);
        d.key.x = d.key.out = dx.get(), d.query.x = d.query.out = dx.get() + query_at;
        for (RopeArgs* r : {&d.key, &d.query}) r->table = dtable.get(), r->positions = dpositions.get();
        d.append = rows.Append(s, dx.get()), d.append.paged = paged, d.append.cache = cache;
      },
      [&] { EXPECT_TRUE(testing::SameBits(x, dx.Get())) << testing::Name(s); });
}

TEST(KvAppendDevice, AgreesInBits) {
  for (const KvType kv : testing::kKvTypes) {
    Check(testing::Shape(2, 2, 64, 64, kv));
    Check(testing::Shape(5, 5, 30, 17, kv));
    Check(testing::Shape(1, 1, 130, 132, kv));
  }
}

TEST(KvAppendDevice, WithItsRopesAgreesInBits) {
  for (const KvType kv : testing::kKvTypes) {
    CheckFused(testing::Shape(6, 2, 64, 64, kv), 64, false, true);
    CheckFused(testing::Shape(5, 5, 30, 17, kv), 20, true, true);
    CheckFused(testing::Shape(1, 1, 130, 132, kv), 130, false, false);
  }
}

}  // namespace
}  // namespace hasten
