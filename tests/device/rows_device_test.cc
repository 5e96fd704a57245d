// The device rows of rope, embed and copy against the scalar rows in bits.
#include "runtime/kernels/copy/contract.h"
#include "runtime/kernels/embed/contract.h"
#include "runtime/kernels/rope/contract.h"
#include "tests/device/test_device.h"
#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using testing::OnDevice;
using testing::SameBits;

void CheckRope(int64_t rows, int64_t heads, int64_t head_dim, int64_t rotary_dim, bool interleaved, bool in_place) {
  testing::Rng rng(static_cast<uint64_t>(heads * head_dim + rotary_dim));
  const int64_t stride = heads * head_dim + 3, positions = 40;
  const std::vector<float> x = rng.Normals(static_cast<size_t>(rows * stride)), table = rng.Normals(static_cast<size_t>(positions * rotary_dim));
  std::vector<int32_t> at;
  for (int64_t r = 0; r < rows; ++r) at.push_back(static_cast<int32_t>(rng.Below(positions)));
  std::vector<float> want = in_place ? x : std::vector<float>(x.size(), -7.0f);
  const std::vector<float> before = want;
  RopeArgs a{in_place ? want.data() : x.data(), want.data(), stride, stride, rows, heads, head_dim, rotary_dim, interleaved, table.data(), at.data()};
  testing::RunShuffled(testing::ScalarRow(RopeKernels(), a), a, 1);
  const OnDevice<float> dx(x), dtable(table);
  const OnDevice<int32_t> dat(at);
  testing::ForEachDeviceRow(a, [&](const DeviceKernel<RopeArgs>& k) {
    const OnDevice<float> out(before);
    RopeArgs d = a;
    d.x = in_place ? out.get() : dx.get(), d.out = out.get(), d.table = dtable.get(), d.positions = dat.get();
    testing::RunOnDevice(k, d);
    EXPECT_TRUE(SameBits(want, out.Get())) << k.name << " heads " << heads << " dims " << rotary_dim << " of " << head_dim
                                           << (interleaved ? " interleaved" : "") << (in_place ? " in place" : "");
  });
}

TEST(RopeDevice, AgreesInBits) {
  for (const bool interleaved : {false, true})
    for (const bool in_place : {false, true}) {
      CheckRope(3, 1, 2, 2, interleaved, in_place);
      CheckRope(2, 3, 80, 32, interleaved, in_place);
      CheckRope(1, 4, 128, 128, interleaved, in_place);    // 256 pairs: a block's
      CheckRope(1, 5, 128, 104, interleaved, in_place);    // 260
      CheckRope(1, 2, 512, 64, interleaved, in_place);
    }
}

TEST(RopeDevice, WithoutAPairCopies) { CheckRope(2, 3, 10, 0, false, false); }

// A packed table of random codes, scales and zero-points, or floats.
std::vector<std::byte> RandomTable(Scheme scheme, int64_t vocab, int64_t cols) {
  testing::Rng rng(static_cast<uint64_t>(scheme) + 5);
  const SchemeInfo& info = GetScheme(scheme);
  std::vector<std::byte> out(*PackedBytes(scheme, vocab, cols));
  const size_t n = static_cast<size_t>(vocab * cols), groups = info.integer ? static_cast<size_t>(vocab * (info.group ? (cols + info.group - 1) / info.group : 1)) : 0;
  if (!info.integer) {
    EXPECT_TRUE(PackFloats(scheme, vocab, cols, rng.Normals(n), out).ok());
    return out;
  }
  std::vector<int8_t> codes(n);
  for (int8_t& c : codes) c = static_cast<int8_t>(info.zero_point ? rng.Below(info.max_code + 1) : rng.Below(2 * info.max_code + 1) - info.max_code);
  std::vector<float> scale(groups);
  for (float& s : scale) s = RoundScale(scheme, 0.01f * rng.Normal());
  std::vector<uint8_t> zero(info.zero_point ? groups : 0);
  for (uint8_t& z : zero) z = static_cast<uint8_t>(rng.Below(info.max_code + 1));
  EXPECT_TRUE(PackCodes(scheme, vocab, cols, {codes, scale, zero}, out).ok());
  return out;
}

TEST(EmbedDevice, EverySchemeAgreesInBits) {
  constexpr int64_t kVocab = 37;
  const std::vector<int32_t> ids = {33, 0, -2, 5, 13, 14};   // with an offset of 2
  const OnDevice<int32_t> dids(ids);
  for (const SchemeInfo& info : AllSchemes())
    for (const int64_t cols : {31, 129, 1030}) {
      const int64_t stride = cols + 3, rows = static_cast<int64_t>(ids.size());
      const std::vector<std::byte> table = RandomTable(info.scheme, kVocab, cols);
      std::vector<float> want(static_cast<size_t>(rows * stride), -7.0f);
      const std::vector<float> before = want;
      const EmbedArgs a{info.scheme, kVocab, cols, table.data(), ids.data(), 2, rows, want.data(), stride};
      testing::RunShuffled(testing::ScalarRow(EmbedKernels(), a), a, 1);
      std::vector<float> row(static_cast<size_t>(cols));
      UnpackRow(info.scheme, kVocab, cols, table.data(), ids[3] + 2, row.data());
      EXPECT_TRUE(SameBits(row, std::span(want).subspan(static_cast<size_t>(3 * stride), row.size()))) << "offset";
      const OnDevice<std::byte> dtable(table);
      testing::ForEachDeviceRow(a, [&](const DeviceKernel<EmbedArgs>& k) {
        const OnDevice<float> out(before);
        EmbedArgs d = a;
        d.table = dtable.get(), d.ids = dids.get(), d.out = out.get();
        testing::RunOnDevice(k, d);
        EXPECT_TRUE(SameBits(want, out.Get())) << k.name << " " << info.name << " cols " << cols;
      });
    }
}

TEST(CopyDevice, AgreesInBits) {
  const std::vector<int32_t> from = {4, 0, 0, 6};
  const OnDevice<int32_t> dfrom(from);
  for (const int64_t cols : {1, 127, 128, 1024, 1025})
    for (const bool listed : {false, true}) {
      testing::Rng rng(static_cast<uint64_t>(cols));
      const int64_t x_stride = cols + 1, out_stride = cols + 2, rows = 4;
      const std::vector<float> x = rng.Normals(static_cast<size_t>(7 * x_stride)), before(static_cast<size_t>(rows * out_stride), -7.0f);
      std::vector<float> want = before;
      const CopyArgs a{x.data(), want.data(), x_stride, out_stride, rows, cols, listed ? from.data() : nullptr};
      testing::RunShuffled(testing::ScalarRow(CopyKernels(), a), a, 1);
      for (int64_t r = 0; r < rows; ++r)   // the scalar row is the one that the engine runs
        EXPECT_TRUE(SameBits(std::span(x).subspan(static_cast<size_t>((listed ? from[static_cast<size_t>(r)] : r) * x_stride), static_cast<size_t>(cols)),
                             std::span(want).subspan(static_cast<size_t>(r * out_stride), static_cast<size_t>(cols))));
      const OnDevice<float> dx(x);
      testing::ForEachDeviceRow(a, [&](const DeviceKernel<CopyArgs>& k) {
        const OnDevice<float> out(before);
        CopyArgs d = a;
        d.x = dx.get(), d.out = out.get(), d.from = listed ? dfrom.get() : nullptr;
        testing::RunOnDevice(k, d);
        EXPECT_TRUE(SameBits(want, out.Get())) << k.name << " cols " << cols << (listed ? " listed" : "");
      });
    }
}

}  // namespace
}  // namespace hasten
