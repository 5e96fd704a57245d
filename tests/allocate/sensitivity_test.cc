// A measured probe is what a whole run of the graph with that weight replaced says,
// with any number of threads; and items name what rules can name.
#include "calib/allocate/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "calib/allocate/allocate.h"
#include "calib/allocate/knapsack.h"
#include "calib/allocate/remeasure.h"
#include "calib/eval/reference.h"
#include "calib/metrics/score.h"
#include "calib/stats/random.h"
#include "compiler/interp/interp.h"
#include "compiler/onnx/import.h"
#include "passes/pass_runner.h"
#include "passes/quant/rtn.h"
#include "passes/recognize/roles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

constexpr int64_t kContext = 24, kSamples = 3;
constexpr uint32_t kVocab = 300;

ImportedModel Model(const std::string& name) {
  auto model = ImportModel(std::string(HASTEN_BINARY_DIR) + "/fixtures/models/" + name);
  EXPECT_TRUE(model.ok()) << model.status().message();
  const std::vector<std::string> pipeline = {"compile"};
  const auto list = passes::ResolvePasses(pipeline);
  EXPECT_TRUE(list.ok());
  passes::RunReport report;
  const Status passed = passes::RunPasses(*model->graph, *list, {}, &report);
  EXPECT_TRUE(passed.ok()) << passed.message();
  return *std::move(model);
}

Chunks Samples(uint32_t vocab) {
  stats::Random random(3);
  Chunks chunks;
  chunks.count = kSamples, chunks.context = kContext;
  for (int64_t i = 0; i < kSamples * kContext; ++i) chunks.tokens.push_back(static_cast<int32_t>(random.Below(vocab)));
  return chunks;
}

std::vector<Item> Measured(ir::Graph& graph, int threads, uint32_t vocab = kVocab, SensitivityMethod method = SensitivityMethod::kProbe) {
  auto items = ItemsOf(graph);
  EXPECT_TRUE(items.ok()) << items.status().message();
  auto pool = ThreadPool::Create(threads);
  const Status status = MeasureSensitivity(graph, Samples(vocab), {.method = method, .samples = kSamples, .context = kContext, .stride = 2}, **pool, &*items);
  EXPECT_TRUE(status.ok()) << status.message();
  return *std::move(items);
}

const Choice& ChoiceOf(const Item& item, Scheme scheme) {
  return *std::find_if(item.choices.begin(), item.choices.end(), [&](const Choice& c) { return c.scheme == scheme; });
}

// The weights of an item as int4:64 holds them, by packing and unpacking.
std::vector<float> Packed(const Item& item) {
  std::vector<float> w(static_cast<size_t>(item.n * item.k)), out(w.size());
  item.rows.GatherRows(0, item.n, w.data());
  std::vector<std::byte> packed(*PackedBytes(Scheme::kI4G64, item.n, item.k));
  EXPECT_TRUE(passes::QuantizeAndPack(Scheme::kI4G64, item.n, item.k, 0, w, packed).ok());
  for (int64_t r = 0; r < item.n; ++r) UnpackRow(Scheme::kI4G64, item.n, item.k, packed.data(), r, out.data() + r * item.k);
  return out;
}

std::vector<ir::Tensor> Logits(ir::Graph& graph) {
  const Chunks samples = Samples(kVocab);
  auto roles = recognize::AssignRoles(graph);
  std::vector<ir::Tensor> all;
  for (int64_t s = 0; s < samples.count; ++s) {
    auto inputs = SequenceInputs(graph, *roles, samples.At(s));
    auto out = interp::Run(graph, *inputs);
    EXPECT_TRUE(out.ok()) << out.status().message();
    all.push_back((*out)[MainOutput(graph)]);
  }
  return all;
}

TEST(Sensitivity, AProbeIsWhatAWholeRunSays) {
  const ImportedModel model = Model("good");
  const std::vector<Item> items = Measured(*model.graph, 2);
  const std::vector<ir::Tensor> clean = Logits(*model.graph);
  std::set<std::string> seen;
  for (const Item& item : items) {
    const std::unique_ptr<ir::Graph> graph = model.graph->Clone();
    const std::vector<float> w = Packed(item);
    for (const Use& use : item.uses) {   // as each stores it
      size_t at = 1;
      bool trans = true;
      if (use.node->op == "linear") {
        while (!use.node->input(at + 1) || use.node->input(at + 1)->weight().dim(0) * use.node->input(at + 1)->weight().dim(1) != item.n * item.k ||
               (item.uses.size() == 1 && use.node->input(at + 1) != item.rows.parts[0].value)) ++at;
        trans = use.node->Ints("trans")[at - 1] != 0;
        ++at;
      }
      ir::Value* old = graph->FindValue(use.node->input(at)->name);
      std::vector<float> stored(w.size());
      for (int64_t r = 0; r < item.n; ++r)
        for (int64_t i = 0; i < item.k; ++i) stored[static_cast<size_t>(trans ? r * item.k + i : i * item.n + r)] = w[static_cast<size_t>(r * item.k + i)];
      graph->ReplaceAllUses(old, graph->AddWeight("replaced", ir::Tensor::From<float>(old->weight().dims(), stored)));
    }
    const std::vector<ir::Tensor> changed = Logits(*graph);
    double sum = 0;
    int64_t rows = 0;
    for (size_t s = 0; s < clean.size(); ++s) {
      const int64_t cols = clean[s].dim(-1);
      for (int64_t r = kContext / 2; r < kContext; r += 2, ++rows)
        sum += ScoreToken({clean[s].data<float>() + r * cols, static_cast<size_t>(cols)}, {changed[s].data<float>() + r * cols, static_cast<size_t>(cols)}, 0).kld;
    }
    const double expected = sum / static_cast<double>(rows);
    EXPECT_GT(expected, 0) << item.name;
    EXPECT_NEAR(ChoiceOf(item, Scheme::kI4G64).kld, expected, 1e-3 * expected) << item.name;
    EXPECT_LT(ChoiceOf(item, Scheme::kI8G32).kld, 0.05 * expected) << item.name;
    EXPECT_TRUE(seen.insert(item.name).second) << item.name;
  }
  EXPECT_EQ(seen.size(), 2u * 7 + 1);   // q k v o gate up down in two layers, and the tied table
}

TEST(Sensitivity, TheSameWithAnyNumberOfThreads) {
  const ImportedModel model = Model("good");
  const std::vector<Item> one = Measured(*model.graph, 1), three = Measured(*model.graph, 3);
  for (size_t i = 0; i < one.size(); ++i)
    for (size_t c = 0; c < one[i].choices.size(); ++c) {
      EXPECT_EQ(one[i].choices[c].kld, three[i].choices[c].kld) << one[i].name;
      EXPECT_EQ(one[i].choices[c].error, three[i].choices[c].error) << one[i].name;
    }
}

// An estimate from few tokens: what it is good for is the order of the tensors.
TEST(Sensitivity, GradientsPredictProbes) {
  const ImportedModel model = Model("good");
  const std::vector<Item> probes = Measured(*model.graph, 2);
  const std::vector<Item> one = Measured(*model.graph, 1, kVocab, SensitivityMethod::kGradient), two = Measured(*model.graph, 2, kVocab, SensitivityMethod::kGradient);
  double log_sum = 0;
  for (size_t i = 0; i < probes.size(); ++i) {
    const double measured = ChoiceOf(probes[i], Scheme::kI4G64).kld, predicted = ChoiceOf(one[i], Scheme::kI4G64).kld;
    EXPECT_GT(predicted, measured / 8) << probes[i].name;
    EXPECT_LT(predicted, measured * 8) << probes[i].name;
    EXPECT_EQ(predicted, ChoiceOf(two[i], Scheme::kI4G64).kld) << probes[i].name;
    log_sum += std::log(predicted / measured);
  }
  EXPECT_NEAR(log_sum / static_cast<double>(probes.size()), 0, 0.7);
}

TEST(Sensitivity, GradientsNeedLogits) {
  const ImportedModel model = Model("encoder");
  auto items = ItemsOf(*model.graph);
  const Status status = MeasureSensitivity(*model.graph, Samples(70), {.method = SensitivityMethod::kGradient}, **ThreadPool::Create(1), &*items);
  EXPECT_EQ(status.code(), Code::kUsage);
}

TEST(Sensitivity, AnEncoderIsJudgedByItsOutputs) {
  const ImportedModel model = Model("encoder");
  for (const Item& item : Measured(*model.graph, 2, 70)) {
    EXPECT_GT(ChoiceOf(item, Scheme::kI4G64).kld, 0) << item.name;
    EXPECT_LT(ChoiceOf(item, Scheme::kI4G64).kld, 1) << item.name;
  }
}

// An allocation in which one item alone has few bits is that item's probe, and the
// sum of small errors is near what they do together.
TEST(Remeasure, IsTheProbeOfASingleItemAndAboutTheSumOfMany) {
  const ImportedModel model = Model("good");
  auto pool = ThreadPool::Create(2);
  Chunks samples = Samples(kVocab);   // halves that are the same
  const std::vector<Item> items = Measured(*model.graph, 2);
  const SensitivityOptions options{.samples = kSamples, .context = kContext, .stride = 2};
  auto remeasure = Remeasure::Create(*model.graph, samples, options, **pool, items);
  ASSERT_TRUE(remeasure.ok()) << remeasure.status().message();
  const auto at = [](const Item& item, Scheme scheme) { return static_cast<size_t>(&ChoiceOf(item, scheme) - item.choices.data()); };
  std::vector<size_t> fine;
  for (const Item& item : items) fine.push_back(at(item, Scheme::kI8G32));
  const auto all = (*remeasure)->Of(fine);
  ASSERT_TRUE(all.ok());
  const double sum = PredictedKld(items, fine);
  EXPECT_GT(*all, 0.4 * sum);
  EXPECT_LT(*all, 2.5 * sum);
  for (const size_t i : {size_t{0}, size_t{3}, items.size() - 1}) {
    std::vector<size_t> one = fine;
    one[i] = at(items[i], Scheme::kI4G64);
    const auto measured = (*remeasure)->Of(one);
    ASSERT_TRUE(measured.ok());
    EXPECT_NEAR(*measured, items[i].choices[one[i]].kld, 0.35 * items[i].choices[one[i]].kld + 2 * *all) << items[i].name;
  }
}

// Of several readings the one that measures best, each within the budget.
TEST(Allocate, KeepsWhatMeasuresBest) {
  const ImportedModel model = Model("good");
  const std::vector<Item> items = Measured(*model.graph, 2);
  const uint64_t budget = LeastBytes(items) * 3 / 2;
  const Recipe smallest = RecipeOf({}, items, std::vector<size_t>(items.size(), 0));
  const ArtifactSize size = [&](const Recipe& r) -> Result<uint64_t> { return r == smallest ? LeastBytes(items) : budget; };
  std::vector<double> scores = {3, 1, 2};
  size_t asked = 0;
  std::vector<std::vector<size_t>> seen;
  const auto chosen = AllocateBest({}, items, budget, size, 3, [&](std::span<const size_t> c) -> Result<double> {
    seen.emplace_back(c.begin(), c.end());
    return scores[asked++];
  });
  ASSERT_TRUE(chosen.ok()) << chosen.status().message();
  ASSERT_GE(seen.size(), 2u);
  EXPECT_EQ(*chosen, seen[1]);
  EXPECT_LE(BytesOf(items, *chosen), budget);
}

// A recipe with one scheme for everything has no rule, one with a single exception one.
TEST(Allocate, ARecipeSaysNoMoreThanItMust) {
  const ImportedModel model = Model("good");
  const auto items = ItemsOf(*model.graph);
  ASSERT_TRUE(items.ok());
  std::vector<size_t> chosen(items->size(), 1);
  const Recipe plain = RecipeOf({}, *items, chosen);
  EXPECT_TRUE(plain.rules.empty());
  EXPECT_EQ(plain.embed, plain.head);
  for (size_t i = 0; i < items->size(); ++i) {
    if ((*items)[i].embed) continue;
    chosen[i] = 0;
    const Recipe one = RecipeOf({}, *items, chosen);
    ASSERT_EQ(one.rules.size(), 1u) << (*items)[i].name;
    EXPECT_EQ(one.rules[0].tensor, (*items)[i].name);
    chosen[i] = 1;
  }
}

}  // namespace
}  // namespace hasten::calib
