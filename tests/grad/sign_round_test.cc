// Learned rounding brings a block's output closer to the original's, block by block, and
// what it makes is the same with any threads and after a kill.
#include "calib/grad/sign_round.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "calib/grad/blocks.h"
#include "tests/grad/decoder.h"

namespace hasten::calib {
namespace {

struct Outcome {
  Trained trained, begun;
  std::vector<double> before, after;
};

Chunks Samples() {
  Chunks samples;
  samples.context = kTokens, samples.count = 4;
  for (int64_t i = 0; i < samples.count * kTokens; ++i) samples.tokens.push_back(static_cast<int32_t>((i * 7 + i / 3) % kVocab));
  return samples;
}

plan::ProgramPlan PlanOf(const ir::Graph& graph) {
  plan::PlanOptions options;
  options.weights = options.head = options.embed = Scheme::kI4G32;
  return *plan::MakePlan(graph, options);
}

// Linears rounded to nearest, as if they lay in the middle of their codes.
std::vector<passes::OwnedCodes> CodesOf(const plan::ProgramPlan& plan) {
  std::vector<passes::OwnedCodes> codes(plan.tensors.size());
  for (const plan::InstrPlan& in : plan.instrs) {
    if (in.kind != plan::InstrKind::kLinear) continue;
    const plan::TensorPlan& t = plan.tensors[static_cast<size_t>(in.tensor)];
    std::vector<float> w(static_cast<size_t>(t.n * t.k));
    t.GatherRows(0, t.n, w.data());
    EXPECT_TRUE(passes::QuantizeRtn(t.scheme, t.n, t.k, w, &codes[static_cast<size_t>(in.tensor)]).ok());
    codes[static_cast<size_t>(in.tensor)].fraction.assign(w.size(), 0);
  }
  return codes;
}

// `killed`: once the first block is on disk.
Outcome Learn(int threads, uint64_t resident_bytes = 1 << 20, const std::string& checkpoint = {}, bool killed = false) {
  const auto graph = Decoder();
  const plan::ProgramPlan plan = PlanOf(*graph);
  const std::unique_ptr<ThreadPool> pool = *ThreadPool::Create(threads);
  SignRoundOptions options;
  options.steps = 60, options.reach = 0.9;
  options.resident_bytes = resident_bytes, options.folder = testing::TempDir(), options.checkpoint = checkpoint;
  Outcome out;
  std::atomic<bool> cancel = false;
  options.cancel = &cancel;
  options.update = [&](uint64_t, uint64_t) { cancel = killed; };
  options.error = [&](int64_t, double before, double after) { out.before.push_back(before), out.after.push_back(after); };
  out.trained.codes = CodesOf(plan);
  const Status status = SignRound(*graph, plan, Samples(), options, *pool, &out.trained);
  EXPECT_EQ(status.code(), killed ? Code::kCancelled : Code::kOk) << status.message();
  out.begun.codes = CodesOf(plan);
  for (size_t i = 0; i < plan.tensors.size(); ++i)
    for (const float s : out.trained.codes[i].scale) EXPECT_EQ(s, RoundScale(plan.tensors[i].scheme, s));
  return out;
}

void ExpectSame(const Trained& a, const Trained& b) {
  for (size_t i = 0; i < a.codes.size(); ++i) {
    EXPECT_EQ(a.codes[i].codes, b.codes[i].codes);
    EXPECT_EQ(a.codes[i].scale, b.codes[i].scale);
    EXPECT_EQ(a.codes[i].fraction, b.codes[i].fraction);
  }
}

TEST(SignRound, TheBlocksErrorFalls) {
  const Outcome out = Learn(2);
  ASSERT_EQ(out.before.size(), 1u);   // one layer, less the head
  EXPECT_LT(out.after[0], 0.8 * out.before[0]);
  size_t changed = 0;
  for (size_t i = 0; i < out.begun.codes.size(); ++i) changed += out.begun.codes[i].codes.size() && out.begun.codes[i].codes != out.trained.codes[i].codes;
  EXPECT_EQ(changed, 4u) << "all linears but the head";
}

TEST(SignRound, ThreadsAndMemoryChangeNothing) {
  const Outcome one = Learn(1), two = Learn(2, 100);
  EXPECT_EQ(one.after, two.after);
  ExpectSame(one.trained, two.trained);
}

TEST(SignRound, GoesOnWhereItWasKilled) {
  const std::string path = testing::TempDir() + "sign_round_test." + std::to_string(getpid());
  const Outcome whole = Learn(2);
  (void)Learn(2, 1 << 20, path, true);
  const Outcome rest = Learn(1, 1 << 20, path);
  EXPECT_TRUE(rest.after.empty()) << "the block that was done is not trained again";
  ExpectSame(whole.trained, rest.trained);
  EXPECT_FALSE(std::ifstream(path).good()) << "it is gone when all is done";
}

TEST(Blocks, AreCutWhereOneValuePasses) {
  const auto graph = Decoder();
  const plan::ProgramPlan plan = PlanOf(*graph);
  const std::unique_ptr<ThreadPool> pool = *ThreadPool::Create(1);
  const auto network = *Network::Create(*graph, plan, {}, *pool);
  const std::vector<Block> blocks = BlocksOf(*graph, plan, *network, CodesOf(plan));
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(blocks[0].in, nullptr);
  EXPECT_EQ(blocks[0].out->def()->op, "rms_norm");   // the one before the head
  EXPECT_EQ(blocks[0].tensors.size(), 4u);
}

}  // namespace
}  // namespace hasten::calib
