// Sampling: the generator's published vectors, each filter against a slow sort,
// the drawn frequencies against the distribution, and bad input.
#include "runtime/kernels/sample/contract.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "runtime/kernels/sample/philox.h"
#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using Words = std::array<uint32_t, 4>;

// Random123 1.14.0, tests/kat_vectors, "philox4x32 10".
TEST(Philox, PublishedVectors) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Argmax, IsTheFirstOfTheLargestAtEverySize) {
  std::mt19937 rng(4);
  for (size_t n = 1; n < 70; ++n)
    for (int round = 0; round < 20; ++round) {
      std::vector<float> v(n);
      for (float& x : v) x = rng() % 9 == 0 ? NAN : static_cast<float>(static_cast<int>(rng() % 7) - 3);
      int32_t want = -1;
      for (size_t i = 0; i < n; ++i)
        if (v[i] == v[i] && (want < 0 || v[i] > v[static_cast<size_t>(want)])) want = static_cast<int32_t>(i);
      EXPECT_EQ(Argmax(v), want) << "size " << n;
    }
}

TEST(Argmax, LowestIndexWinsAndNaNNever) {
  EXPECT_EQ(Argmax({}), -1);
  EXPECT_EQ(Argmax(std::vector<float>{NAN, NAN}), -1);
  EXPECT_EQ(Argmax(std::vector<float>{1, 3, 3, 2}), 1);
  EXPECT_EQ(Argmax(std::vector<float>{NAN, -INFINITY, -INFINITY}), 1);
  EXPECT_EQ(Argmax(std::vector<float>{-5, NAN, -4, INFINITY}), 3);
  EXPECT_EQ(Argmax(std::vector<float>{0.0f, -0.0f}), 0);
  EXPECT_EQ(Argmax(std::vector<float>{-0.0f, 0.0f}), 0);
}

class Sampler {
 public:
  explicit Sampler(size_t vocab) : work_(SampleWorkBytes(vocab) / 8 + 1) {}
  Result<int32_t> Try(std::span<const float> logits, const SampleOptions& o, int64_t position, std::span<const int32_t> recent = {}) {
    return Sample(logits, recent, position, o, std::as_writable_bytes(std::span(work_)));
  }
  int32_t operator()(std::span<const float> logits, const SampleOptions& o, int64_t position, std::span<const int32_t> recent = {}) {
    const auto r = Try(logits, o, position, recent);
    EXPECT_TRUE(r.ok()) << r.status().message();
    return r.ok() ? *r : -1;
  }

 private:
  std::vector<uint64_t> work_;
};

// The tokens that the filters leave, by sorting, in double.
std::vector<int32_t> Kept(const std::vector<float>& logits, const SampleOptions& o) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)]; });
  const double top = logits[static_cast<size_t>(order[0])];
  const auto weight = [&](int32_t t) { return std::exp((logits[static_cast<size_t>(t)] - top) / o.temperature); };
  if (o.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(o.top_k)));
  double total = 0, sum = 0;
  for (int32_t t : order) total += weight(t);
  size_t n = 0;
  while (n < order.size() && (n == 0 || sum < o.top_p * total)) sum += weight(order[n++]);
  if (o.top_p < 1) order.resize(n);
  std::erase_if(order, [&](int32_t t) { return weight(t) < o.min_p; });
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<float> Logits(size_t n, uint64_t seed) {
  testing::Rng rng(seed);
  std::vector<float> v = rng.Normals(n, 2.0f);
  for (size_t i = 0; i + 1 < n; i += 5) v[i] = v[i + 1];  // ties
  return v;
}

TEST(Sample, FiltersKeepWhatASortWouldKeep) {
  const size_t n = 60;
  Sampler sample(n);
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const std::vector<float> logits = Logits(n, seed);
    for (float temperature : {0.5f, 1.0f, 1.7f})
      for (int32_t top_k : {0, 1, 2, 7, 59, 60, 1000})
        for (float top_p : {0.05f, 0.4f, 0.9f, 1.0f})
          for (float min_p : {0.0f, 0.03f, 0.4f}) {
            SampleOptions o{temperature, top_k, top_p, min_p, 1.0f, seed};
            const auto kept = Kept(logits, o);
            std::map<int32_t, int> seen;
            for (int64_t position = 0; position < 400; ++position) ++seen[sample(logits, o, position)];
            for (const auto& [token, count] : seen)
              EXPECT_TRUE(std::binary_search(kept.begin(), kept.end(), token)) << "token " << token << " k " << top_k << " p " << top_p << " min " << min_p << " T " << temperature;
            // All of a short list turn up: the rarest has weight above 1/100 of the best's.
            if (kept.size() <= 3 && min_p > 0) {
              EXPECT_EQ(seen.size(), kept.size());
            }
          }
  }
}

TEST(Sample, DrawsByProbability) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), -INFINITY, std::log(0.15f), std::log(0.05f)};
  const double p[] = {0.5, 0.3, 0, 0.15, 0.05};
  Sampler sample(logits.size());
  const int n = 100000;
  int count[5] = {};
  for (int64_t position = 0; position < n; ++position) ++count[sample(logits, {.seed = 42}, position)];
  // Five standard deviations of a binomial.
  for (int i = 0; i < 5; ++i) EXPECT_NEAR(count[i], p[i] * n, 5 * std::sqrt(n * p[i] * (1 - p[i])) + 1e-9) << i;
}

TEST(Sample, SeedAndPositionDecide) {
  const std::vector<float> logits(1000, 0.0f);
  Sampler sample(1000);
  std::map<int32_t, int> by_seed, by_position;
  for (uint64_t seed = 0; seed < 200; ++seed) ++by_seed[sample(logits, {.seed = seed}, 5)];
  for (int64_t position = 0; position < 200; ++position) ++by_position[sample(logits, {.seed = 9}, position)];
  EXPECT_GT(by_seed.size(), 150u);
  EXPECT_GT(by_position.size(), 150u);
  EXPECT_EQ(sample(logits, {.seed = 9}, 77), sample(logits, {.seed = 9}, 77));
  // Seeds and positions beyond 32 bits count in full.
  EXPECT_NE(sample(logits, {.seed = uint64_t{1} << 40}, 0), sample(logits, {.seed = 0}, 0));
  EXPECT_NE(sample(logits, {.seed = 1}, int64_t{1} << 40), sample(logits, {.seed = 1}, 0));
}

TEST(Sample, TemperatureZeroIsArgmaxAfterThePenalty) {
  const std::vector<float> logits = {1.0f, 2.0f, -1.0f, 1.9f};
  Sampler sample(4);
  SampleOptions o;
  o.temperature = 0;
  EXPECT_EQ(sample(logits, o, 0), 1);
  o.repetition_penalty = 1.5f;
  const int32_t twice[] = {1, 1};
  EXPECT_EQ(sample(logits, o, 0, twice), 3);  // 2 / 1.5 once; squared it would still be 3, so:
  const std::vector<float> close = {1.0f, 2.0f, -1.0f, 1.0f};
  EXPECT_EQ(sample(close, o, 0, twice), 1);   // 1.33 > 1; penalized twice it would be 0.89
  const std::vector<float> negative = {-1.0f, -1.2f};
  const int32_t first[] = {0};
  EXPECT_EQ(sample(negative, o, 0, first), 1);  // -1 * 1.5
}

TEST(Sample, ExtremeLogits) {
  Sampler sample(3);
  EXPECT_EQ(sample(std::vector<float>{-INFINITY, 3e38f, -3e38f}, {}, 0), 1);
  EXPECT_EQ(sample(std::vector<float>{-INFINITY, INFINITY, INFINITY}, {}, 0), 1);
  EXPECT_EQ(sample(std::vector<float>{0.0f, 1.0f, 0.0f}, {.temperature = 1e-30f}, 0), 1);
  EXPECT_EQ(sample(std::vector<float>{0.0f, 1.0f, 0.0f}, {.top_p = 1e-30f}, 0), 1);
  EXPECT_EQ(sample(std::vector<float>{0.0f, 1.0f, 0.0f}, {.min_p = 1.0f}, 0), 1);
  const int32_t t = sample(std::vector<float>{-3e38f, 3e38f, 3e38f}, {.temperature = 1e30f}, 0);
  EXPECT_TRUE(t == 1 || t == 2);
}

TEST(Sample, LeavesLogitsAlone) {
  const std::vector<float> logits = Logits(100, 1), before = logits;
  Sampler sample(100);
  const int32_t recent[] = {1, 2, 3};
  sample(logits, {.top_k = 5, .top_p = 0.5f, .min_p = 0.1f, .repetition_penalty = 1.3f}, 3, recent);
  EXPECT_EQ(logits, before);
}

TEST(Sample, RefusesBadInput) {
  Sampler sample(3);
  const auto code = [](const Result<int32_t>& r) { return r.ok() ? Code::kOk : r.status().code(); };
  EXPECT_EQ(code(sample.Try(std::vector<float>{0, NAN, 1}, {}, 0)), Code::kBadInput);
  EXPECT_EQ(code(sample.Try(std::vector<float>{-INFINITY, -INFINITY}, {}, 0)), Code::kBadInput);
  EXPECT_EQ(code(sample.Try({}, {}, 0)), Code::kBadInput);
  const int32_t outside[] = {3}, negative[] = {-1};
  const std::vector<float> logits = {0, 1, 2};
  EXPECT_EQ(code(sample.Try(logits, {.repetition_penalty = 2}, 0, outside)), Code::kBadInput);
  EXPECT_EQ(code(sample.Try(logits, {.repetition_penalty = 2}, 0, negative)), Code::kBadInput);
  EXPECT_EQ(code(Sample(logits, {}, 0, {}, {})), Code::kUsage);
}

TEST(Sample, ChecksOptions) {
  EXPECT_TRUE(CheckSampleOptions({}).ok());
  EXPECT_TRUE(CheckSampleOptions({0, 1, 0.5f, 1, 0.5f}).ok());
  for (const SampleOptions& o : {SampleOptions{.temperature = -1}, SampleOptions{.temperature = NAN}, SampleOptions{.temperature = INFINITY},
                                 SampleOptions{.top_k = -1}, SampleOptions{.top_p = 0}, SampleOptions{.top_p = 1.5f}, SampleOptions{.top_p = NAN},
                                 SampleOptions{.min_p = -0.1f}, SampleOptions{.min_p = 1.1f}, SampleOptions{.min_p = NAN},
                                 SampleOptions{.repetition_penalty = 0}, SampleOptions{.repetition_penalty = NAN}})
    EXPECT_EQ(CheckSampleOptions(o).code(), Code::kUsage);
}

}  // namespace
}  // namespace hasten
