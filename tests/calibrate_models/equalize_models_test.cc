// Equalization of whole models: the function stays, the weights are the same with any
// number of threads, and a plan made again has the same layout.
#include "calib/equalize/equalize.h"
#include "calib/recipe/name_list.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "calib/eval/reference.h"
#include "compiler/interp/interp.h"
#include "compiler/onnx/import.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "passes/pass_runner.h"
#include "passes/recognize/roles.h"

namespace hasten::calib {
namespace {

using ::testing::HasSubstr;

const plan::PlanOptions kOptions = {.weights = Scheme::kI8G64, .head = Scheme::kI8G32, .embed = Scheme::kI8G32, .activation_group = 32};

struct Model {
  ImportedModel imported;
  plan::ProgramPlan plan;
  Chunks samples;
  std::vector<std::string> notes;
};

std::unique_ptr<Model> Load(const std::string& name) {
  auto m = std::make_unique<Model>();
  Result<ImportedModel> imported = ImportModel(std::string(HASTEN_BINARY_DIR) + "/fixtures/models/" + name);
  EXPECT_TRUE(imported.ok()) << imported.status().message();
  m->imported = *std::move(imported);
  passes::RunReport report;
  const std::vector<std::string> pipeline = {"compile"};
  EXPECT_TRUE(passes::RunPasses(*m->imported.graph, *passes::ResolvePasses(pipeline), {}, &report).ok());
  m->plan = *plan::MakePlan(*m->imported.graph, kOptions);
  m->samples.count = 3, m->samples.context = 24;
  std::mt19937 rng(7);
  for (int i = 0; i < 3 * 24; ++i) m->samples.tokens.push_back(static_cast<int32_t>(rng() % static_cast<uint32_t>(m->plan.vocab)));
  return m;
}

Status EqualizeAll(Model& m, int threads = 2) {
  EqualizeOptions options;
  for (const Equalizer& method : AllEqualizers()) options.methods.emplace_back(method.name);
  options.folder = HASTEN_BINARY_DIR;
  options.notes = &m.notes;
  return Equalize(*m.imported.graph, m.plan, m.samples, options, **ThreadPool::Create(threads));
}

std::vector<float> Outputs(Model& m) {
  const auto roles = recognize::AssignRoles(*m.imported.graph);
  const auto inputs = SequenceInputs(*m.imported.graph, *roles, m.samples.At(1));
  const auto out = interp::Run(*m.imported.graph, *inputs, {.compute_fp32 = true});
  EXPECT_TRUE(out.ok()) << out.status().message();
  return out.ok() ? (*out)[MainOutput(*m.imported.graph)].ToFloats() : std::vector<float>();
}

std::vector<std::pair<std::string, std::vector<float>>> Weights(const Model& m) {
  std::vector<std::pair<std::string, std::vector<float>>> all;
  for (const ir::Value* w : m.imported.graph->weights())
    if (w->weight().dtype() == DType::kF32) all.emplace_back(w->name, w->weight().ToFloats());
  std::sort(all.begin(), all.end());
  return all;
}

class Equalized : public ::testing::TestWithParam<const char*> {};

TEST_P(Equalized, ComputesWhatItDidInTheSameLayout) {
  const auto m = Load(GetParam());
  const std::vector<float> before = Outputs(*m);
  const auto weights = Weights(*m);
  ASSERT_TRUE(EqualizeAll(*m).ok());
  EXPECT_EQ(m->notes.size(), AllEqualizers().size());
  EXPECT_FALSE(Weights(*m) == weights);
  const std::vector<float> after = Outputs(*m);
  ASSERT_EQ(before.size(), after.size());
  double most = 0, worst = 0;
  for (size_t i = 0; i < after.size(); ++i) most = std::max(most, std::abs(static_cast<double>(before[i]))), worst = std::max(worst, std::abs(static_cast<double>(before[i]) - after[i]));
  EXPECT_LT(worst, 2e-5 * most);   // sums in another order, through all layers
  const auto plan = plan::MakePlan(*m->imported.graph, kOptions);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->weights_bytes, m->plan.weights_bytes);
  EXPECT_EQ(plan::SerializeProgram(*plan), plan::SerializeProgram(m->plan));
}

TEST_P(Equalized, WithAnyNumberOfThreadsTheSame) {
  const auto one = Load(GetParam()), four = Load(GetParam());
  ASSERT_TRUE(EqualizeAll(*one, 1).ok());
  ASSERT_TRUE(EqualizeAll(*four, 4).ok());
  EXPECT_TRUE(Weights(*one) == Weights(*four));
  EXPECT_EQ(one->notes, four->notes);
}

INSTANTIATE_TEST_SUITE_P(Models, Equalized, ::testing::Values("good", "encoder", "local_encoder", "classifier"));

TEST(Equalize, SaysWhereWeightsCannotBe) {
  const auto m = Load("good");
  EqualizeOptions options;
  options.methods = {"smooth"};
  options.folder = "/nonexistent";
  const Status status = Equalize(*m->imported.graph, m->plan, m->samples, options, **ThreadPool::Create(1));
  EXPECT_EQ(status.code(), Code::kResource);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent"));
}

TEST(Equalize, StopsWhenItIsTold) {
  const auto m = Load("good");
  const std::atomic<bool> cancel = true;
  EqualizeOptions options;
  options.methods = {"permute"};
  options.folder = HASTEN_BINARY_DIR;
  options.cancel = &cancel;
  EXPECT_EQ(Equalize(*m->imported.graph, m->plan, m->samples, options, **ThreadPool::Create(1)).code(), Code::kCancelled);
}

TEST(Equalize, MethodsByName) {
  EXPECT_THAT(*ParseNameList("equalize", "all", EqualizerNames()), ::testing::ElementsAre("rotate", "permute", "smooth"));
  EXPECT_THAT(*ParseNameList("equalize", "smooth,permute", EqualizerNames()), ::testing::ElementsAre("permute", "smooth"));
  EXPECT_THAT(*ParseNameList("equalize", "none", EqualizerNames()), ::testing::IsEmpty());
  EXPECT_EQ(NameList(*ParseNameList("equalize", "smooth,permute", EqualizerNames())), "permute,smooth");
  for (const char* wrong : {"", "smoth", "smooth,", "none,smooth", "all,rotate"}) {
    const auto parsed = ParseNameList("equalize", wrong, EqualizerNames());
    ASSERT_FALSE(parsed.ok()) << wrong;
    EXPECT_EQ(parsed.status().code(), Code::kUsage);
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("none, all, rotate, permute, smooth"));
  }
}

}  // namespace
}  // namespace hasten::calib
