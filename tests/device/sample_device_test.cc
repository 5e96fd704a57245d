// sample's device rows against Sample(): the same token for every option, with ties,
// logits that are not finite, and rows that there is no token for.
#include "runtime/kernels/sample/contract.h"
#include "runtime/kernels/simd_scalar.h"
#include "tests/device/test_device.h"
#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using testing::OnDevice;
using testing::Rng;

struct Rows {
  int64_t vocab = 0, stride = 0;
  std::vector<float> logits;           // [..][stride]
  std::vector<SampleRow> params;
  std::vector<int32_t> recent;

  explicit Rows(int64_t vocab) : vocab(vocab), stride(vocab + 3) {}
  // Adds a row of logits; its number.
  int32_t Logits(std::vector<float> row) {
    row.resize(static_cast<size_t>(stride), kNaN);   // what is beyond the vocabulary is not looked at
    logits.insert(logits.end(), row.begin(), row.end());
    return static_cast<int32_t>(static_cast<int64_t>(logits.size()) / stride) - 1;
  }
  void Add(int32_t row, const SampleOptions& o, int64_t position, const std::vector<int32_t>& penalized = {}) {
    EXPECT_TRUE(CheckSampleOptions(o).ok());
    params.push_back({o, position, row, static_cast<int32_t>(recent.size()), static_cast<int32_t>(penalized.size())});
    recent.insert(recent.end(), penalized.begin(), penalized.end());
  }
};

std::vector<int32_t> Expected(const Rows& r) {
  const auto n = static_cast<size_t>(r.vocab);
  std::vector<uint64_t> work(SampleWorkBytes(n) / 8 + 1);
  std::vector<int32_t> tokens;
  for (const SampleRow& p : r.params) {
    const std::span logits(r.logits.data() + p.logits_row * r.stride, n);
    const std::span recent(r.recent.data() + p.first_recent, static_cast<size_t>(p.recent_count));
    const Result<int32_t> t = Sample(logits, recent, p.position, p.options, std::as_writable_bytes(std::span(work)));
    const bool nan = std::any_of(logits.begin(), logits.end(), [](float v) { return v != v; });
    tokens.push_back(t.ok() ? *t : nan ? kTokenNaN : kTokenNone);
  }
  return tokens;
}

void Check(const Rows& r) {
  const std::vector<int32_t> want = Expected(r);
  const OnDevice<float> logits(r.logits);
  const OnDevice<SampleRow> params(r.params);
  const OnDevice<int32_t> recent(r.recent);
  const SampleArgs a{logits.get(), r.stride, r.vocab, params.get(), recent.get(), nullptr, static_cast<int64_t>(r.params.size())};
  testing::ForEachDeviceRow(a, [&](const DeviceKernel<SampleArgs>& k) {
    const OnDevice<int32_t> tokens(want.size());
    SampleArgs d = a;
    d.tokens = tokens.get();
    testing::RunOnDevice(k, d);
    const std::vector<int32_t> got = tokens.Get();
    for (size_t i = 0; i < want.size(); ++i) {
      const SampleOptions& o = r.params[i].options;
      EXPECT_EQ(got[i], want[i]) << k.name << " vocabulary " << r.vocab << " row " << i << " T " << o.temperature << " k " << o.top_k << " p "
                                 << o.top_p << " min " << o.min_p << " penalty " << o.repetition_penalty;
    }
    EXPECT_EQ(logits.Get().size(), r.logits.size());
    EXPECT_TRUE(testing::SameBits(r.logits, logits.Get())) << "the logits were written";
  });
}

// Logits of a spread, every seventh a copy of its neighbour and some impossible.
std::vector<float> RandomLogits(Rng& rng, int64_t n, float spread) {
  std::vector<float> v = rng.Normals(static_cast<size_t>(n), spread);
  for (size_t i = 0; i + 1 < v.size(); i += 7) v[i] = v[i + 1];
  for (size_t i = 5; i < v.size(); i += 31) v[i] = -kInf;
  return v;
}

SampleOptions RandomOptions(Rng& rng, int64_t vocab) {
  constexpr float kTemperatures[] = {0.0f, 0.3f, 0.7f, 1.0f, 1.0f, 1.5f, 5.0f}, kTopP[] = {1.0f, 1.0f, 1e-6f, 0.1f, 0.5f, 0.9f, 0.999f, 0.99999994f};
  constexpr float kMinP[] = {0.0f, 0.0f, 0.01f, 0.3f, 1.0f}, kPenalty[] = {1.0f, 1.0f, 1.2f, 0.5f};
  const int32_t top_k[] = {0, 0, 1, 2, 40, static_cast<int32_t>(vocab / 2), static_cast<int32_t>(vocab), static_cast<int32_t>(vocab + 5)};
  return {kTemperatures[rng.Below(7)], top_k[rng.Below(8)], kTopP[rng.Below(8)], kMinP[rng.Below(5)], kPenalty[rng.Below(4)], rng.Next()};
}

void CheckRandom(int64_t vocab, int count) {
  Rng rng(static_cast<uint64_t>(vocab));
  Rows r(vocab);
  for (int i = 0; i < count; ++i) {
    constexpr float kSpreads[] = {0.0f, 0.5f, 2.0f, 8.0f};
    std::vector<int32_t> recent;
    for (int64_t j = rng.Below(20); j > 0; --j) recent.push_back(static_cast<int32_t>(rng.Below(vocab)));
    r.Add(r.Logits(RandomLogits(rng, vocab, kSpreads[i % 4])), RandomOptions(rng, vocab), static_cast<int64_t>(rng.Next() >> 20), recent);
  }
  Check(r);
}

TEST(SampleDevice, RandomOptionsChooseTheSameToken) {
  CheckRandom(1, 8);
  CheckRandom(17, 40);
  CheckRandom(1000, 60);
  CheckRandom(8193, 12);
  CheckRandom(50000, 8);
}

TEST(SampleDevice, EqualLogitsAreCutByTheirIds) {
  Rows r(2500);
  const int32_t flat = r.Logits(std::vector<float>(2500, 1.5f));
  std::vector<float> signs(2500, 0.0f);   // +0 and -0 tie
  for (size_t i = 0; i < signs.size(); i += 2) signs[i] = -0.0f;
  const int32_t zeros = r.Logits(signs);
  for (const int32_t row : {flat, zeros})
    for (int64_t position = 0; position < 3; ++position) {
      r.Add(row, {.seed = 3}, position);
      r.Add(row, {.top_k = 7, .seed = 3}, position);
      r.Add(row, {.top_p = 0.37f, .seed = 3}, position);
      r.Add(row, {.top_k = 900, .top_p = 0.5f, .seed = 3}, position);
    }
  Check(r);
}

TEST(SampleDevice, LogitsThatAreNotFinite) {
  Rows r(100);
  std::vector<float> v(100, 0.25f);
  v[99] = kNaN;
  const int32_t nan = r.Logits(v);
  v[99] = -kNaN;
  const int32_t negative_nan = r.Logits(v);
  v[98] = v[70] = kInf, v[99] = 0;
  const int32_t infinite = r.Logits(v);
  const int32_t none = r.Logits(std::vector<float>(100, -kInf));
  std::vector<float> one(100, -kInf);
  one[42] = -3e38f;
  const int32_t only = r.Logits(one);
  one[41] = 3e38f;
  const int32_t far = r.Logits(one);
  for (const int32_t row : {nan, negative_nan, infinite, none, only, far}) {
    r.Add(row, {}, 1);
    r.Add(row, {.temperature = 0}, 1);
    r.Add(row, {.temperature = 1e-30f, .top_k = 2, .top_p = 0.5f, .min_p = 0.5f}, 1);
    r.Add(row, {.temperature = 3e38f, .top_k = 1}, 1);
  }
  Check(r);
}

}  // namespace
}  // namespace hasten
