// The fused runs' device rows against the scalar rows of their parts, one after another,
// in bits.
#include "runtime/kernels/fused/contract.h"
#include "tests/device/attention_step.h"
#include "tests/device/test_device.h"
#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using testing::OnDevice;
using testing::SameBits;

template <class Args>
void RunHere(std::span<const Kernel<Args>> table, const Args& a) {
  testing::RunShuffled(testing::ScalarRow(table, a), a, 1);
}

// Quantized rows in the host's memory and on the device.
struct Codes {
  QuantizedLayout layout;
  std::vector<std::byte> here;
  OnDevice<std::byte> there;
  int64_t rows;

  Codes(int64_t rows, int64_t cols, int64_t ga, bool residual)
      : layout(QuantizedRowLayout(cols, ga, residual)), here(static_cast<size_t>(rows) * layout.bytes_per_row, std::byte{0xff}),
        there(here.size()), rows(rows) {}
  QuantizedRows Here() { return QuantizedRowsAt(here.data(), rows, layout); }
  QuantizedRows There() { return QuantizedRowsAt(there.get(), rows, layout); }
  void Reset() { there.Set(std::vector<std::byte>(here.size(), std::byte{0xff})); }
};

struct NormCase {
  NormKind kind = NormKind::kRms;
  bool adds = true, kept = true;
  int64_t rows = 2, cols = 0;
  std::vector<int64_t> groups;   // of the quantizations
  bool residual = false;
};

void CheckNorm(const NormCase& c) {
  testing::Rng rng(static_cast<uint64_t>(c.cols));
  const int64_t stride = (c.cols + 15) / 16 * 16;
  const auto count = static_cast<size_t>(c.rows * stride);
  std::vector<float> x = rng.Normals(count, 2.0f), y = rng.Normals(count), w = rng.Normals(static_cast<size_t>(c.cols)), b = rng.Normals(static_cast<size_t>(c.cols));
  if (c.rows > 1) x[static_cast<size_t>(stride + c.cols / 2)] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> sum(count, 7.0f), out(count, 7.0f);
  FusedNormArgs a;
  a.adds = c.adds;
  if (c.adds) a.add = {.a = x.data(), .b = y.data(), .out = sum.data(), .a_stride = stride, .b_stride = stride, .out_stride = stride, .rows = c.rows, .cols = c.cols};
  a.norm = {c.kind, c.adds ? sum.data() : x.data(), w.data(), c.kind == NormKind::kLayer ? b.data() : nullptr, out.data(), stride, stride, c.rows, 1, c.cols, 1e-5f};
  std::vector<std::unique_ptr<Codes>> codes;
  for (const int64_t ga : c.groups) {
    codes.push_back(std::make_unique<Codes>(c.rows, c.cols, ga, c.residual));
    a.quantize[a.quantizes++] = {out.data(), stride, c.rows, c.cols, ga, codes.back()->Here()};
  }
  if (c.adds) RunHere(BinaryKernels(), a.add);
  RunHere(NormKernels(), a.norm);
  for (int i = 0; i < a.quantizes; ++i) RunHere(QuantizeKernels(), a.quantize[i]);

  const OnDevice<float> dw(w), db(b), dy(y);
  testing::ForEachDeviceRow(a, [&](const DeviceKernel<FusedNormArgs>& k) {
    const OnDevice<float> dx(x);
    OnDevice<float> dsum(std::vector<float>(count, 7.0f)), dout(std::vector<float>(count, 7.0f));
    FusedNormArgs d = a;
    d.add.a = dx.get(), d.add.b = dy.get(), d.add.out = dsum.get();
    d.norm.x = c.adds ? dsum.get() : dx.get(), d.norm.w = dw.get(), d.norm.b = a.norm.b ? db.get() : nullptr;
    d.norm.out = c.kept ? dout.get() : nullptr;
    for (int i = 0; i < a.quantizes; ++i) codes[static_cast<size_t>(i)]->Reset(), d.quantize[i].x = nullptr, d.quantize[i].out = codes[static_cast<size_t>(i)]->There();
    testing::RunOnDevice(k, d);
    const std::string what = StrCat(c.cols, " columns", c.adds ? ", added" : "", c.kept ? ", kept" : "");
    EXPECT_TRUE(SameBits(c.adds ? sum : std::vector<float>(count, 7.0f), dsum.Get())) << what;
    EXPECT_TRUE(SameBits(c.kept ? out : std::vector<float>(count, 7.0f), dout.Get())) << what;
    for (size_t i = 0; i < codes.size(); ++i) EXPECT_EQ(codes[i]->here, codes[i]->there.Get()) << what << ", group " << c.groups[i];
  });
}

TEST(FusedDevice, NormsAgreeWithTheirPartsInBits) {
  for (const int64_t cols : {32, 100, 511, 512, 513, 1536, 2563}) {
    CheckNorm({.cols = cols, .groups = {64}});
    CheckNorm({.kind = NormKind::kLayer, .adds = cols % 2 == 0, .kept = false, .cols = cols, .groups = {32, 128}, .residual = cols % 3 == 0});
  }
  CheckNorm({.cols = 640, .groups = {}});                        // float linears read it
  CheckNorm({.adds = false, .rows = 1, .cols = 16384, .groups = {128}});
}

TEST(FusedDevice, NormsAreLeftToTheirPartsWhereTheyDoNotFit) {
  const auto taken = [](const FusedNormArgs& a) { return SelectKernel(testing::TestDevice().kernels().table<FusedNormArgs>(), a, 90) != nullptr; };
  FusedNormArgs a;
  a.norm.cols = a.quantize[0].cols = 1024, a.quantizes = 1, a.quantize[0].ga = 64;
  EXPECT_TRUE(taken(a));
  a.norm.groups = 4;
  EXPECT_FALSE(taken(a));
  a.norm.groups = 1, a.quantize[0].ga = 1024;
  EXPECT_FALSE(taken(a));
  a.quantizes = 0;
  EXPECT_FALSE(taken(a));   // one instruction
  a.quantizes = 1, a.quantize[0].ga = 64, a.norm.cols = a.quantize[0].cols = 16448;
  EXPECT_FALSE(taken(a));
}

void CheckActivation(Unary op, bool gated, bool kept, int64_t cols, int64_t ga, bool residual) {
  constexpr int64_t kRows = 2;
  testing::Rng rng(static_cast<uint64_t>(cols + ga));
  const int64_t x_stride = 2 * cols + 3, stride = (cols + 15) / 16 * 16;   // gate and up side by side, up anywhere
  const std::vector<float> x = rng.Normals(static_cast<size_t>(kRows * x_stride), 3.0f);
  std::vector<float> out(static_cast<size_t>(kRows * stride), 7.0f);
  const std::vector<float> before = out;
  Codes codes(kRows, cols, ga, residual);
  FusedActivationArgs a;
  a.gated = gated;
  if (gated) a.gate = {op, x.data(), x.data() + cols, out.data(), x_stride, x_stride, stride, kRows, cols};
  else a.unary = {op, x.data(), out.data(), x_stride, stride, kRows, cols};
  a.quantize = {out.data(), stride, kRows, cols, ga, codes.Here()};
  if (gated) RunHere(GatedKernels(), a.gate);
  else RunHere(UnaryKernels(), a.unary);
  RunHere(QuantizeKernels(), a.quantize);
  const OnDevice<float> dx(x);
  testing::ForEachDeviceRow(a, [&](const DeviceKernel<FusedActivationArgs>& k) {
    OnDevice<float> dout(before);
    codes.Reset();
    FusedActivationArgs d = a;
    d.gate.gate = d.unary.x = dx.get(), d.gate.up = dx.get() + cols;
    d.gate.out = d.unary.out = kept ? dout.get() : nullptr;
    d.quantize.x = nullptr, d.quantize.out = codes.There();
    testing::RunOnDevice(k, d);
    EXPECT_TRUE(SameBits(kept ? out : before, dout.Get())) << cols << " columns";
    EXPECT_EQ(codes.here, codes.there.Get()) << cols << " columns, group " << ga;
  });
}

TEST(FusedDevice, ActivationsAgreeWithTheirPartsInBits) {
  for (const int64_t cols : {1, 31, 127, 128, 129, 511, 513, 1000})
    for (const int64_t ga : {32, 64, 128}) CheckActivation(Unary::kSilu, true, cols % 2 != 0, cols, ga, cols % 3 == 0);
  for (const Unary op : {Unary::kRelu, Unary::kGelu, Unary::kGeluTanh, Unary::kQuickGelu, Unary::kRelu2}) {
    CheckActivation(op, true, false, 200, 64, false);
    CheckActivation(op, false, true, 200, 32, true);
  }
}

TEST(FusedDevice, ActivationsThatHaveNoKernelAreLeftToTheirParts) {
  FusedActivationArgs a{.gated = true};
  a.gate.act = Unary::kSin, a.gate.cols = a.quantize.cols = 64, a.quantize.ga = 32;
  const auto table = testing::TestDevice().kernels().table<FusedActivationArgs>();
  EXPECT_EQ(SelectKernel(table, a, 90), nullptr);
  a.gate.act = Unary::kSilu;
  EXPECT_NE(SelectKernel(table, a, 90), nullptr);
  a.quantize.ga = 64 * 64;
  EXPECT_EQ(SelectKernel(table, a, 90), nullptr);
}

// Sequences whose splits are shared out and put together, and many rows, where they are not.
void CheckAttention(const AttentionShape& s, const std::vector<testing::Part>& parts, int64_t ga, bool residual) {
  const testing::HostStep h = testing::MakeStep(s, parts);
  const testing::DeviceStep step(h);
  const int64_t cols = s.heads * s.v_head_dim;
  Codes codes(h.rows, cols, ga, residual);
  RunHere(QuantizeKernels(), QuantizeArgs{h.want.data(), h.out_stride, h.rows, cols, ga, codes.Here()});
  OnDevice<float> out(h.want.size());
  FusedAttentionArgs a{step.Args(out.get(), 0), {out.get(), h.out_stride, h.rows, cols, ga, codes.There()}};
  testing::ForEachDeviceRow(a, [&](const DeviceKernel<FusedAttentionArgs>& k) {
    out.Set(std::vector<float>(h.want.size(), -7.0f));
    codes.Reset();
    testing::RunOnDevice(k, a);
    EXPECT_TRUE(SameBits(h.want, out.Get())) << k.name << " " << testing::Name(s);
    EXPECT_EQ(codes.here, codes.there.Get()) << k.name << " " << testing::Name(s) << ", group " << ga;
  });
}

TEST(FusedDevice, AttentionAgreesWithItsPartsInBits) {
  for (const KvType kv : testing::kKvTypes) {
    CheckAttention(testing::Shape(2, 1, 64, 64, kv), {{300, 1}, {20, 1}}, 32, kv == KvType::kI8);
    CheckAttention(testing::Shape(2, 2, 32, 192, kv), {{600, 1}}, 64, false);
  }
  CheckAttention(testing::Shape(4, 2, 64, 128, KvType::kI8), {{513, 2}}, 128, true);
  CheckAttention(testing::Shape(4, 2, 64, 64, KvType::kI8), {{0, 70}, {3, 1}}, 64, false);
}

TEST(FusedDevice, AttentionIsLeftToItsPartsWhereGroupsSpanHeads) {
  FusedAttentionArgs a;
  a.attention.shape = testing::Shape(2, 1, 64, 64, KvType::kI8);
  a.quantize.cols = 128, a.quantize.ga = 64;
  const auto table = testing::TestDevice().kernels().table<FusedAttentionArgs>();
  EXPECT_NE(SelectKernel(table, a, 90), nullptr);
  a.quantize.ga = 128;
  EXPECT_EQ(SelectKernel(table, a, 90), nullptr);
  a.attention.shape = testing::Shape(3, 1, 32, 32, KvType::kI8), a.quantize.cols = 96, a.quantize.ga = 32;
  EXPECT_EQ(SelectKernel(table, a, 90), nullptr);   // its codes are padded
}

}  // namespace
}  // namespace hasten
