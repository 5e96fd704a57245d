// Divergences predicted from gradients against those of models that were changed.
#include "calib/grad/predict.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <vector>

#include "calib/grad/loss.h"
#include "calib/grad/network.h"
#include "tests/grad/decoder.h"

namespace hasten::calib {
namespace {

Chunks Samples(int64_t count) {
  Chunks samples;
  samples.context = kTokens, samples.count = count;
  for (int64_t i = 0; i < count * kTokens; ++i) samples.tokens.push_back(static_cast<int32_t>((i * i * 7 + i * 5 + i / 3) % kVocab));
  return samples;
}

std::vector<WeightChange> Candidates(const plan::ProgramPlan& plan) {
  std::vector<WeightChange> all;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const plan::TensorPlan& t = plan.tensors[i];
    if (t.n == 1) continue;
    WeightChange c{i, Scheme::kI6G32, {}};
    std::vector<float> w(static_cast<size_t>(t.n * t.k));
    t.GatherRows(0, t.n, w.data());
    EXPECT_TRUE(passes::QuantizeRtn(c.scheme, t.n, t.k, w, &c.codes).ok());
    all.push_back(std::move(c));
  }
  return all;
}

double Measured(const ir::Graph& graph, const plan::ProgramPlan& plan, const WeightChange& candidate, const Chunks& samples, ThreadPool& pool) {
  plan::ProgramPlan changed = plan;
  changed.tensors[candidate.tensor].scheme = candidate.scheme;
  for (plan::BufferPlan& b : changed.buffers) b.group = 0;   // the weights alone
  std::vector<passes::OwnedCodes> codes(plan.tensors.size());
  codes[candidate.tensor] = candidate.codes;
  NetworkOptions options;
  const std::unique_ptr<Network> original = *Network::Create(graph, plan, options, pool);
  options.codes = &codes;
  const std::unique_ptr<Network> other = *Network::Create(graph, changed, options, pool);
  double sum = 0;
  for (int64_t s = 0; s < samples.count; ++s) {
    const std::vector<int64_t> ids(samples.At(s).begin(), samples.At(s).end());
    const std::vector<ir::Tensor> inputs = {ir::Tensor::From<int64_t>({1, kTokens}, ids)};
    const ir::Tensor wanted = *original->Forward(inputs, 0, false);
    ir::Tensor came = *other->Forward(inputs, 0, false);
    sum += KlDivergence(kTokens, kVocab, wanted.data<float>(), came.mutable_data<float>(), pool) / static_cast<double>(samples.count);
  }
  return sum;
}

TEST(Predict, PredictsWhatIsMeasured) {
  const auto graph = Decoder();
  plan::PlanOptions options;
  options.weights = options.head = options.embed = Scheme::kF32;
  options.kv = KvType::kF32;
  const plan::ProgramPlan plan = *plan::MakePlan(*graph, options);
  const std::unique_ptr<ThreadPool> pool = *ThreadPool::Create(2);
  const Chunks samples = Samples(256);
  const std::vector<WeightChange> candidates = Candidates(plan);
  ASSERT_GE(candidates.size(), 6u);
  const Result<std::vector<std::vector<double>>> predicted = PredictDivergence(*graph, plan, samples, candidates, {}, *pool);
  ASSERT_TRUE(predicted.ok()) << predicted.status().message();
  for (size_t c = 0; c < candidates.size(); ++c) {
    const double measured = Measured(*graph, plan, candidates[c], samples, *pool);
    const double sum = std::accumulate((*predicted)[c].begin(), (*predicted)[c].end(), 0.0);
    // A sample's estimate is spread like a square of a normal's; rows of one tensor hang together.
    EXPECT_LT(sum, 2 * measured) << plan.tensors[candidates[c].tensor].name;
    EXPECT_GT(sum, measured / 2) << plan.tensors[candidates[c].tensor].name;
  }
}

TEST(Predict, RefusesCodesOfAnotherSize) {
  const auto graph = Decoder();
  const plan::ProgramPlan plan = *plan::MakePlan(*graph, {});
  const std::unique_ptr<ThreadPool> pool = *ThreadPool::Create(1);
  const std::vector<WeightChange> wrong = {{0, Scheme::kI4G32, {{1, 2, 3}, {1.0f}, {0}}}};
  EXPECT_EQ(PredictDivergence(*graph, plan, Samples(1), wrong, {}, *pool).status().code(), Code::kUsage);
}

}  // namespace
}  // namespace hasten::calib
