// A whole decoder: values as the interpreter's, gradients as PyTorch's, and the same
// bits with any threads and however few values are kept.
#include "calib/grad/network.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "calib/grad/loss.h"
#include "tests/grad/decoder.h"

namespace hasten::calib {
namespace {

using ir::Tensor;

// Whole gradients, by tensor.
class Collect : public WeightSink {
 public:
  explicit Collect(const plan::ProgramPlan& plan) : plan_(plan) {
    for (const plan::TensorPlan& t : plan.tensors) all[t.name].assign(static_cast<size_t>(t.n * t.k), 0.0f);
  }
  bool Wants(int tensor) const override { return tensor >= 0; }
  void Rows(int tensor, int64_t first, int64_t count, const float* dw) override {
    const plan::TensorPlan& t = plan_.tensors[static_cast<size_t>(tensor)];
    float* to = all[t.name].data() + first * t.k;
    for (int64_t i = 0; i < count * t.k; ++i) to[i] += dw[i];
  }
  std::map<std::string, std::vector<float>> all;

 private:
  const plan::ProgramPlan& plan_;
};

struct Outcome {
  std::vector<float> logits;
  double loss = 0;
  std::map<std::string, std::vector<float>> gradients;
};

Outcome Differentiate(const ir::Graph& graph, int threads, uint64_t segment_bytes) {
  plan::PlanOptions options;
  options.weights = options.head = options.embed = Scheme::kF32;
  options.kv = KvType::kF32;
  const plan::ProgramPlan plan = *plan::MakePlan(graph, options);
  const std::unique_ptr<ThreadPool> pool = *ThreadPool::Create(threads);
  NetworkOptions network;
  network.segment_bytes = segment_bytes;
  const std::unique_ptr<Network> made = *Network::Create(graph, plan, network, *pool);
  const std::vector<Tensor> inputs = {Tensor::From<int64_t>({1, kTokens}, kIds)};
  Result<Tensor> y = made->Forward(inputs, 0, true);
  EXPECT_TRUE(y.ok()) << y.status().message();
  Outcome out;
  out.logits = y->ToFloats();
  std::vector<float> wanted;
  for (int64_t i = 0; i < kTokens * kVocab; ++i) wanted.push_back(Formula(i, kLogitsSeed, 2.0, 0));
  out.loss = KlDivergence(kTokens, kVocab, wanted.data(), y->mutable_data<float>(), *pool);
  Collect sink(plan);
  const Status status = made->Backward(*std::move(y), sink);
  EXPECT_TRUE(status.ok()) << status.message();
  out.gradients = sink.all;
  return out;
}

TEST(Network, ValuesAreTheInterpreters) {
  const auto graph = Decoder();
  const std::vector<Tensor> inputs = {Tensor::From<int64_t>({1, kTokens}, kIds)};
  const std::vector<float> wanted = (*interp::Run(*graph, inputs))[0].ToFloats(), came = Differentiate(*graph, 1, 1 << 30).logits;
  ASSERT_EQ(wanted.size(), came.size());
  for (size_t i = 0; i < came.size(); ++i) EXPECT_NEAR(came[i], wanted[i], 1e-5);   // sums in another order
}

TEST(Network, GradientsArePyTorchs) {
  std::ifstream file(HASTEN_SOURCE_DIR "/tests/grad/fixtures/decoder.txt");
  const Outcome came = Differentiate(*Decoder(), 2, 1 << 30);
  std::string line, name;
  size_t seen = 0;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    words >> name;
    std::vector<double> wanted;
    for (double x; words >> x;) wanted.push_back(x);
    if (name == "loss") {
      EXPECT_NEAR(came.loss, wanted.at(0), 1e-5);
      continue;
    }
    ++seen;
    const std::vector<float>& d = came.gradients.at(name);
    ASSERT_EQ(d.size(), wanted.size()) << name;
    for (size_t i = 0; i < d.size(); ++i) EXPECT_NEAR(d[i], wanted[i], 2e-6 + 1e-4 * std::abs(wanted[i])) << name << " " << i;   // fp32 beside double
  }
  EXPECT_EQ(seen, kDecoderWeights.size());
}

TEST(Network, FewerKeptValuesAndMoreThreadsGiveTheSameBits) {
  const auto graph = Decoder();
  const Outcome wanted = Differentiate(*graph, 1, 1 << 30);
  for (const uint64_t bytes : {uint64_t{1}, uint64_t{2000}})
    for (const int threads : {1, 2, 4}) {
      const Outcome came = Differentiate(*graph, threads, bytes);
      EXPECT_EQ(came.loss, wanted.loss);
      EXPECT_EQ(came.gradients, wanted.gradients) << bytes << " bytes, " << threads << " threads";
    }
}

}  // namespace
}  // namespace hasten::calib
