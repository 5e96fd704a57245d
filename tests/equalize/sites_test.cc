// A fold changes nothing that can be seen, on every kind of layer; and a place where
// something would see it is no place.
#include "calib/equalize/sites.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "calib/equalize/stream.h"
#include "compiler/interp/interp.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/equalize/tiny_model.h"

namespace hasten::calib {
namespace {

using ::testing::HasSubstr;

std::vector<float> Logits(const ir::Graph& graph) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < kTokens; ++i) ids.push_back(i * 17 % kVocab);
  const ir::Tensor input = ir::Tensor::From<int64_t>({1, kTokens}, ids);
  const auto out = interp::Run(graph, {&input, 1}, {.compute_fp32 = true});
  EXPECT_TRUE(out.ok()) << out.status().message();
  return out.ok() ? (*out)[0].ToFloats() : std::vector<float>();
}

void ExpectSame(const std::vector<float>& a, const std::vector<float>& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  double most = 0, worst = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(static_cast<double>(a[i]))), worst = std::max(worst, std::abs(static_cast<double>(a[i]) - b[i]));
  EXPECT_GT(most, 0);
  EXPECT_LT(worst, 1e-5 * most) << what;   // the order of sums, a few layers of it
}

std::vector<int32_t> Shuffled(int64_t begin, int64_t end, std::mt19937& rng) {
  std::vector<int32_t> order(static_cast<size_t>(end - begin));
  std::iota(order.begin(), order.end(), static_cast<int32_t>(begin));
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng() % i]);
  return order;
}

Change RandomOrder(const Site& site) {
  std::mt19937 rng(3);
  Change change;
  if (site.kind != SiteKind::kHeads) {
    change.from = Shuffled(0, site.channels, rng);
    return change;
  }
  for (int64_t h = 0; h < site.kv_heads; ++h) {
    const std::vector<int32_t> order = Shuffled(h * site.head_dim, (h + 1) * site.head_dim, rng);
    change.from.insert(change.from.end(), order.begin(), order.end());
  }
  return change;
}

Change RandomScale(const Site& site) {
  std::mt19937 rng(4);
  Change change;
  const int64_t count = site.kind == SiteKind::kHeads ? site.kv_heads * site.head_dim : site.channels;
  for (int64_t i = 0; i < count; ++i) change.scale.push_back(0.1f + 0.01f * static_cast<float>(rng() % 500));
  return change;
}

// What may be done at a site of each kind.
std::vector<Change> ChangesFor(const Site& site) {
  std::vector<Change> changes;
  if (site.kind != SiteKind::kNorm) changes.push_back(RandomOrder(site));
  if (site.kind != SiteKind::kActivated) changes.push_back(RandomScale(site));
  if (site.kind == SiteKind::kHeads) changes.push_back({.block = 4});
  return changes;
}

class EveryLayer : public ::testing::TestWithParam<Tiny> {};

TEST_P(EveryLayer, ComputesTheSameAfterEveryChange) {
  const std::unique_ptr<ir::Graph> graph = TinyBuilder(GetParam()).Build();
  const std::vector<float> before = Logits(*graph);
  const auto pool = *ThreadPool::Create(2);
  const std::unique_ptr<WeightFile> file = *WeightFile::Create(HASTEN_BINARY_DIR);
  Rewriter rewriter(*graph, *file, *pool);
  std::map<SiteKind, int> found;
  for (const Site& site : FindSites(*graph)) {
    ++found[site.kind];
    for (const Change& change : ChangesFor(site)) {
      const std::vector<float> weights = site.readers[0]->input(2)->weight().ToFloats();
      ASSERT_TRUE(ChangeSite(site, change, rewriter).ok());
      EXPECT_NE(site.readers[0]->input(2)->weight().ToFloats(), weights);
      ExpectSame(Logits(*graph), before, site.readers[0]->input(2)->name);
    }
  }
  EXPECT_EQ(found[SiteKind::kHeads], 1);
  EXPECT_EQ(found[SiteKind::kGated] + found[SiteKind::kActivated], 1);
  // A norm whose result is the stream itself cannot take scales; the head's norm can.
  EXPECT_EQ(found[SiteKind::kNorm], GetParam().post_norm ? 1 : 3);
}

TEST_P(EveryLayer, ComputesTheSameInAnotherOrderOfTheStream) {
  const std::unique_ptr<ir::Graph> graph = TinyBuilder(GetParam()).Build();
  const std::vector<float> before = Logits(*graph);
  const auto pool = *ThreadPool::Create(2);
  const std::unique_ptr<WeightFile> file = *WeightFile::Create(HASTEN_BINARY_DIR);
  Rewriter rewriter(*graph, *file, *pool);
  Stream stream;
  std::string why;
  ASSERT_TRUE(FindStream(*graph, &stream, &why)) << why;
  EXPECT_EQ(stream.channels, kWidth);
  std::map<const ir::Value*, ir::Value*> tied;
  if (GetParam().tied) tied[graph->FindValue("table")] = graph->FindValue("head");
  std::mt19937 rng(5);
  const std::vector<float> table = graph->FindValue("table")->weight().ToFloats();
  ASSERT_TRUE(ReorderStream(stream, {.from = Shuffled(0, kWidth, rng)}, tied, *graph, rewriter).ok());
  EXPECT_NE(graph->FindValue("table")->weight().ToFloats(), table);
  EXPECT_EQ(graph->FindValue("head") == nullptr, GetParam().tied);   // still one matrix
  ExpectSame(Logits(*graph), before, "stream");
}

INSTANTIATE_TEST_SUITE_P(Tiny, EveryLayer, ::testing::ValuesIn(AllTiny()), [](const auto& info) { return info.param.name; });

// The kinds of places that a graph has.
std::vector<SiteKind> Kinds(const ir::Graph& graph) {
  std::vector<SiteKind> kinds;
  for (const Site& site : FindSites(graph)) kinds.push_back(site.kind);
  return kinds;
}

ir::Node* First(const ir::Graph& graph, std::string_view op) {
  for (const auto& node : graph.nodes())
    if (node->op == op) return node.get();
  return nullptr;
}

using enum SiteKind;

TEST(Sites, AreNoneWhereSomethingElseReadsTheChannels) {
  const auto graph = TinyBuilder({}).Build();
  EXPECT_THAT(Kinds(*graph), ::testing::ElementsAre(kNorm, kHeads, kNorm, kGated, kNorm));
  graph->AddOutput(First(*graph, "gated_act")->output(), "extra");
  EXPECT_THAT(Kinds(*graph), ::testing::ElementsAre(kNorm, kHeads, kNorm, kNorm));
  graph->AddNode("act", {First(*graph, "attention")->output()}, 1, {{"kind", std::string("relu")}}, "reader");
  EXPECT_THAT(Kinds(*graph), ::testing::ElementsAre(kNorm, kNorm, kNorm));
}

TEST(Sites, AreNoneWhereTheCacheIsReadByANode) {
  const auto graph = TinyBuilder({}).Build();
  ir::Node* attention = First(*graph, "attention");
  ir::Node* other = graph->AddNode("attention", attention->inputs(), 3, attention->attrs, "cached", attention);
  graph->ReplaceAllUses(attention->output(), other->output());
  graph->EraseNode(attention);
  ASSERT_TRUE(ir::InferTypes(*graph).ok());
  EXPECT_THAT(Kinds(*graph), ::testing::Contains(kHeads));
  graph->AddNode("act", {other->output(2)}, 1, {{"kind", std::string("relu")}}, "reader");
  EXPECT_THAT(Kinds(*graph), ::testing::Not(::testing::Contains(kHeads)));
}

TEST(Sites, AreNoneWhereAWeightHasAnotherReader) {
  const auto graph = TinyBuilder({}).Build();
  ir::Node* norm = First(*graph, "rms_norm");
  norm->SetInput(1, graph->FindValue("norm_1"));   // two norms of one vector
  EXPECT_THAT(Kinds(*graph), ::testing::ElementsAre(kHeads, kGated, kNorm));
  ir::Node* head = std::prev(graph->nodes().end())->get();
  head->SetInput(2, graph->FindValue("table"));
  head->attrs["end"] = std::vector<int64_t>{kVocab};
  EXPECT_THAT(Kinds(*graph), ::testing::ElementsAre(kHeads, kGated));
}

TEST(Sites, AreNoneWhereColumnsAreReadTwice) {
  const auto graph = TinyBuilder({}).Build();
  ir::Node* gated = First(*graph, "gated_act");
  ir::Node* up = gated->input(1)->def();
  graph->AddNode("slice_cols", {up->input(0)}, 1, {{"begin", kMlp + 1}, {"end", kMlp + 2}}, "again");
  EXPECT_THAT(Kinds(*graph), ::testing::Not(::testing::Contains(kGated)));
}

TEST(Stream, IsNoneWhereAnOutputOrANodeSeesItsOrder) {
  for (const char* op : {"output", "slice"}) {
    const auto graph = TinyBuilder({}).Build();
    ir::Value* h = First(*graph, "add")->output();
    if (std::string(op) == "output") graph->AddOutput(h, "hidden");
    else graph->AddNode("slice_cols", {h}, 1, {{"begin", int64_t{0}}, {"end", int64_t{2}}}, "cut");
    Stream stream;
    std::string why;
    EXPECT_FALSE(FindStream(*graph, &stream, &why));
    EXPECT_THAT(why, HasSubstr("the order of its channels"));
  }
}

TEST(Stream, IsNoneWhereAVectorIsReadElsewhere) {
  const auto graph = TinyBuilder({}).Build();
  ir::Node* qkv = First(*graph, "linear");
  graph->AddNode("add", {qkv->output(), First(*graph, "rms_norm")->input(1)}, 1, {}, "elsewhere");
  Stream stream;
  std::string why;
  EXPECT_FALSE(FindStream(*graph, &stream, &why));
  EXPECT_THAT(why, HasSubstr("other readers"));
}

TEST(WeightFile, SaysWhereItCannotBe) {
  const auto file = WeightFile::Create("/nonexistent");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), Code::kResource);
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("/nonexistent"));
}

TEST(Change, UndoesItself) {
  std::mt19937 rng(1);
  const Change changes[] = {{.from = Shuffled(0, 12, rng)}, {.scale = std::vector<float>(12, 0.3f)}, {.block = 4}};
  for (const Change& change : changes) {
    std::vector<float> x, w, scratch;
    for (int i = 0; i < 12; ++i) x.push_back(static_cast<float>(i) - 3.5f), w.push_back(1.0f / static_cast<float>(i + 1));
    const float before = std::inner_product(x.begin(), x.end(), w.begin(), 0.0f);
    Apply(change, 12, x.data(), scratch), Undo(change, 12, w.data(), scratch);
    EXPECT_NEAR(std::inner_product(x.begin(), x.end(), w.begin(), 0.0f), before, 1e-5f);
  }
}

}  // namespace
}  // namespace hasten::calib
