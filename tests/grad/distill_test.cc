// Training brings a quantized model's logits closer to the original's, and what it
// makes fits the artifact.
#include "calib/grad/distill.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/grad/decoder.h"

namespace hasten::calib {
namespace {

struct Outcome {
  Trained trained;
  std::vector<double> losses;
};

Chunks Samples() {
  Chunks samples;
  samples.context = kTokens, samples.count = 4;
  for (int64_t i = 0; i < samples.count * kTokens; ++i) samples.tokens.push_back(static_cast<int32_t>((i * 7 + i / 3) % kVocab));
  return samples;
}

// Codes nearest to the weights, and what is between them.
passes::OwnedCodes Nearest(const plan::TensorPlan& t) {
  std::vector<float> w(static_cast<size_t>(t.n * t.k)), rounded(static_cast<size_t>(t.k));
  t.GatherRows(0, t.n, w.data());
  passes::OwnedCodes codes;
  EXPECT_TRUE(passes::QuantizeRtn(t.scheme, t.n, t.k, w, &codes).ok());
  const int64_t groups = static_cast<int64_t>(codes.scale.size()) / t.n, group = (t.k + groups - 1) / groups;
  for (int64_t r = 0; r < t.n; ++r) {
    passes::DecodeRow(t.scheme, t.k, codes, r, rounded.data());
    for (int64_t i = 0; i < t.k; ++i) {
      const float miss = w[static_cast<size_t>(r * t.k + i)] - rounded[static_cast<size_t>(i)];
      codes.fraction.push_back(static_cast<int16_t>(std::clamp(miss / codes.scale[static_cast<size_t>(r * groups + i / group)], -0.5f, 0.5f) * 0x1p15f));
    }
  }
  return codes;
}

// `cancel_after`: of so many steps, as if killed there.
Outcome Train(Scheme scheme, int64_t steps, int threads, bool vectors, const std::string& checkpoint = {}, size_t cancel_after = 1000, double latent_rate = 0, double rate = 3e-3) {
  const auto graph = Decoder();
  plan::PlanOptions options;
  options.weights = scheme, options.head = options.embed = scheme;
  const plan::ProgramPlan plan = *plan::MakePlan(*graph, options);
  const std::unique_ptr<ThreadPool> pool = *ThreadPool::Create(threads);
  DistillOptions distill;
  distill.steps = steps, distill.rate = rate, distill.vectors = vectors;
  Outcome out;
  std::atomic<bool> cancel = false;
  distill.loss = [&](int64_t, double loss) { out.losses.push_back(loss), cancel = out.losses.size() > cancel_after; };
  distill.checkpoint = checkpoint, distill.cancel = &cancel;
  out.trained.codes.resize(plan.tensors.size());   // all rounded to nearest
  distill.latent_rate = latent_rate;
  for (const plan::InstrPlan& in : plan.instrs)
    if (latent_rate > 0 && in.kind == plan::InstrKind::kLinear) out.trained.codes[static_cast<size_t>(in.tensor)] = Nearest(plan.tensors[static_cast<size_t>(in.tensor)]);
  const Status status = Distill(*graph, plan, Samples(), distill, *pool, &out.trained);
  EXPECT_EQ(status.code(), cancel ? Code::kCancelled : Code::kOk) << status.message();
  for (size_t i = 0; i < plan.tensors.size(); ++i)
    for (const float s : out.trained.codes[i].scale) EXPECT_EQ(s, RoundScale(plan.tensors[i].scheme, s));
  return out;
}

TEST(Distill, TheLossFalls) {
  for (const bool vectors : {false, true}) {
    const Outcome out = Train(Scheme::kI4G32, 80, 2, vectors);
    ASSERT_EQ(out.losses.size(), 80u);
    double before = 0, after = 0;
    for (size_t i = 0; i < 4; ++i) before += out.losses[i] / 4, after += out.losses[76 + i] / 4;
    EXPECT_LT(after, 0.7 * before) << "norms too: " << vectors;
    size_t changed = 0;
    for (const std::vector<float>& v : out.trained.vectors) changed += !v.empty();
    EXPECT_EQ(changed, vectors ? 3u : 0u);
  }
}

TEST(Distill, ThreadsChangeNothing) {
  const Outcome one = Train(Scheme::kI4G32, 5, 1, true), two = Train(Scheme::kI4G32, 5, 2, true);
  EXPECT_EQ(one.losses, two.losses);
  EXPECT_EQ(one.trained.vectors, two.trained.vectors);
  for (size_t i = 0; i < one.trained.codes.size(); ++i) EXPECT_EQ(one.trained.codes[i].scale, two.trained.codes[i].scale);
}

TEST(Distill, GoesOnWhereItWasKilled) {
  const std::string path = testing::TempDir() + "distill_test." + std::to_string(getpid());
  const Outcome whole = Train(Scheme::kI4G32, 17, 2, true);
  EXPECT_EQ(Train(Scheme::kI4G32, 17, 2, true, path, 12).losses.size(), 13u);
  const Outcome rest = Train(Scheme::kI4G32, 17, 1, true, path);
  EXPECT_EQ(rest.losses, std::vector<double>(whole.losses.begin() + 10, whole.losses.end()));   // a state after 5 and 10
  EXPECT_EQ(rest.trained.vectors, whole.trained.vectors);
  for (size_t i = 0; i < whole.trained.codes.size(); ++i) EXPECT_EQ(rest.trained.codes[i].scale, whole.trained.codes[i].scale);
  EXPECT_FALSE(std::ifstream(path).good()) << "it is gone when all is done";
}

size_t Differences(const Trained& a, const Trained& b) {
  size_t count = 0;
  for (size_t i = 0; i < a.codes.size(); ++i)
    for (size_t j = 0; j < a.codes[i].codes.size(); ++j) count += a.codes[i].codes[j] != b.codes[i].codes[j];
  return count;
}

TEST(Distill, CodesAloneMakeTheLossFall) {
  const Outcome out = Train(Scheme::kI4G32, 80, 2, false, {}, 1000, 0.01, 0);
  double before = 0, after = 0;
  for (size_t i = 0; i < 4; ++i) before += out.losses[i], after += out.losses[76 + i];
  EXPECT_LT(after, 0.7 * before);
  for (const passes::OwnedCodes& c : out.trained.codes)
    for (const int8_t code : c.codes) ASSERT_TRUE(code >= 0 && code <= 15);
}

TEST(Distill, CodesMoveTheSameWithAnyThreadsAndAfterAKill) {
  const std::string path = testing::TempDir() + "distill_test_codes." + std::to_string(getpid());
  const Outcome whole = Train(Scheme::kI4G32, 17, 2, true, {}, 1000, 0.02);
  (void)Train(Scheme::kI4G32, 17, 2, true, path, 12, 0.02);
  const Outcome rest = Train(Scheme::kI4G32, 17, 1, true, path, 1000, 0.02);
  EXPECT_GT(Differences(whole.trained, Train(Scheme::kI4G32, 17, 1, true).trained), 10u);
  EXPECT_EQ(rest.losses, std::vector<double>(whole.losses.begin() + 10, whole.losses.end()));
  EXPECT_EQ(Differences(whole.trained, rest.trained), 0u);
  for (size_t i = 0; i < whole.trained.codes.size(); ++i) EXPECT_EQ(rest.trained.codes[i].fraction, whole.trained.codes[i].fraction);
}

TEST(Distill, AnotherTrainingsOrADamagedStateIsNotTaken) {
  const std::string path = testing::TempDir() + "distill_test_other." + std::to_string(getpid());
  (void)Train(Scheme::kI4G32, 17, 2, true, path, 6);
  EXPECT_EQ(Train(Scheme::kI4G64, 6, 2, true, path).losses.size(), 6u);
  (void)Train(Scheme::kI4G32, 17, 2, true, path, 6);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(100).put('x');
  file.close();
  EXPECT_EQ(Train(Scheme::kI4G32, 17, 2, true, path).losses.size(), 17u);
}

}  // namespace
}  // namespace hasten::calib
