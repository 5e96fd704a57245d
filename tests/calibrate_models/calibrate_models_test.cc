// Calibration of whole models: the same codes whatever the threads, wherever the
// samples' values lie and wherever it was killed; for decoders and encoders alike.
#include "calib/calibrate/calibrate.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compiler/onnx/import.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "passes/pass_runner.h"

namespace hasten::calib {
namespace {

using ::testing::HasSubstr;

struct Model {
  ImportedModel imported;
  plan::ProgramPlan plan;
  Chunks samples;
};

Model Load(const std::string& name, plan::PlanOptions options = {}, int64_t count = 6, int64_t context = 24) {
  Model m;
  Result<ImportedModel> imported = ImportModel(std::string(HASTEN_BINARY_DIR) + "/fixtures/models/" + name);
  EXPECT_TRUE(imported.ok()) << imported.status().message();
  m.imported = *std::move(imported);
  passes::RunReport report;
  const std::vector<std::string> pipeline = {"compile"};
  const auto list = passes::ResolvePasses(pipeline);
  EXPECT_TRUE(passes::RunPasses(*m.imported.graph, *list, {}, &report).ok());
  Result<plan::ProgramPlan> plan = plan::MakePlan(*m.imported.graph, options);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  m.plan = *std::move(plan);
  m.samples.count = count, m.samples.context = context;
  std::mt19937 rng(7);
  for (int64_t i = 0; i < count * context; ++i) m.samples.tokens.push_back(static_cast<int32_t>(rng() % static_cast<uint32_t>(m.plan.vocab)));
  return m;
}

using AllCodes = std::vector<passes::OwnedCodes>;

AllCodes Codes(const Model& m, const CalibrateOptions& options = {}, int threads = 2) {
  Result<AllCodes> codes = Calibrate(*m.imported.graph, m.plan, m.samples, options, **ThreadPool::Create(threads));
  EXPECT_TRUE(codes.ok()) << codes.status().message();
  return codes.ok() ? *std::move(codes) : AllCodes();
}

void ExpectEqual(const AllCodes& a, const AllCodes& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].codes, b[i].codes) << i;
    EXPECT_EQ(a[i].scale, b[i].scale) << i;
    EXPECT_EQ(a[i].zero, b[i].zero) << i;
  }
}

std::string FreshPath() {
  std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
  std::replace(name.begin(), name.end(), '/', '_');
  const std::string path = std::string(HASTEN_BINARY_DIR) + "/" + name + ".calibration";
  std::filesystem::remove(path);
  return path;
}

std::unique_ptr<Checkpoint> OpenAt(const std::string& path, const Model& m, const CalibrateOptions& options = {}) {
  Result<std::unique_ptr<Checkpoint>> c = Checkpoint::Open(path, CheckpointKey({}, m.plan, m.samples, options), m.plan, options.descent.fractions);
  EXPECT_TRUE(c.ok()) << c.status().message();
  return c.ok() ? *std::move(c) : nullptr;
}

size_t Found(const std::unique_ptr<Checkpoint>& c) {
  size_t found = 0;
  for (const passes::OwnedCodes& codes : c->TakeFound()) found += !codes.codes.empty();
  return found;
}

// A process of its own that calibrates and is killed when half of the work is done.
void CalibrateAndBeKilled(const Model& m, const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    const std::unique_ptr<Checkpoint> checkpoint = OpenAt(path, m);
    CalibrateOptions options;
    options.checkpoint = checkpoint.get();
    options.update = [](uint64_t done, uint64_t total) { if (2 * done >= total) raise(SIGKILL); };
    Codes(m, options);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

class Everywhere : public ::testing::TestWithParam<const char*> {};

TEST_P(Everywhere, ThreadsAndPlacesDoNotChangeABit) {
  for (const Scheme scheme : {Scheme::kI4G64, Scheme::kI8G32}) {
    const Model m = Load(GetParam(), {.weights = scheme, .head = scheme, .embed = scheme});
    const AllCodes one = Codes(m, {}, 1);
    size_t made = 0;
    for (const passes::OwnedCodes& c : one) made += !c.codes.empty();
    EXPECT_GT(made, 2u);
    ExpectEqual(one, Codes(m, {}, 2));
    ExpectEqual(one, Codes(m, {}, 4));
    CalibrateOptions on_disk;
    on_disk.resident_bytes = 0;
    on_disk.folder = HASTEN_BINARY_DIR;
    ExpectEqual(one, Codes(m, on_disk, 3));
    on_disk.resident_bytes = 40'000;   // some samples here, some there
    ExpectEqual(one, Codes(m, on_disk, 3));
  }
}

TEST_P(Everywhere, GoesOnWhereItWasKilled) {
  const Model m = Load(GetParam(), {.weights = Scheme::kI4G64, .head = Scheme::kI4G64, .embed = Scheme::kI4G64});
  const std::string path = FreshPath();
  CalibrateAndBeKilled(m, path);
  EXPECT_GT(Found(OpenAt(path, m)), 0u);
  const std::unique_ptr<Checkpoint> checkpoint = OpenAt(path, m);
  CalibrateOptions options;
  options.checkpoint = checkpoint.get();
  ExpectEqual(Codes(m, options), Codes(m));
  checkpoint->Remove();
  EXPECT_FALSE(std::filesystem::exists(path));
}

INSTANTIATE_TEST_SUITE_P(Models, Everywhere, ::testing::Values("good", "encoder", "local_encoder", "classifier"));

// Gives the first norm weights of `value` in channel 5, and 1 elsewhere.
void SetNormChannel(Model& m, float value) {
  for (const auto& node : m.imported.graph->nodes()) {
    if (node->op != "rms_norm" && node->op != "layer_norm") continue;
    std::vector<float> w(static_cast<size_t>(node->input(1)->weight().elements()), 1.0f);
    w[5] = value;
    node->SetInput(1, m.imported.graph->AddWeight("test.norm", ir::Tensor::From<float>({static_cast<int64_t>(w.size())}, w)));
    return;
  }
  FAIL() << "no norm";
}

TEST(Calibration, SaysWhichInputsNeverCame) {
  Model m = Load("good");
  SetNormChannel(m, 0);
  std::vector<std::string> notes;
  CalibrateOptions options;
  options.notes = &notes;
  Codes(m, options);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("calibration: 1 of the "));
}

TEST(Calibration, NamesTheNodeWhoseInputsAreNotFinite) {
  Model m = Load("good");
  SetNormChannel(m, std::numeric_limits<float>::quiet_NaN());
  const auto codes = Calibrate(*m.imported.graph, m.plan, m.samples, {}, **ThreadPool::Create(2));
  ASSERT_FALSE(codes.ok());
  EXPECT_EQ(codes.status().code(), Code::kBadInput);
  EXPECT_THAT(std::string(codes.status().message()), HasSubstr("are not all finite"));
}

TEST(Calibration, SaysWhereValuesCannotBeKept) {
  const Model m = Load("good");
  CalibrateOptions options;
  options.folder = "/nonexistent";
  const auto codes = Calibrate(*m.imported.graph, m.plan, m.samples, options, **ThreadPool::Create(2));
  ASSERT_FALSE(codes.ok());
  EXPECT_EQ(codes.status().code(), Code::kResource);
  EXPECT_THAT(std::string(codes.status().message()), HasSubstr("/nonexistent"));
}

TEST(Checkpoint, AHalfWrittenRecordIsCutOff) {
  const Model m = Load("good");
  const std::string path = FreshPath();
  CalibrateAndBeKilled(m, path);
  const size_t whole = Found(OpenAt(path, m));
  const auto size = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, size - 5);
  EXPECT_EQ(Found(OpenAt(path, m)), whole - 1);
  std::ofstream(path, std::ios::binary | std::ios::app) << std::string(100, 'x');
  EXPECT_EQ(Found(OpenAt(path, m)), whole - 1);
  const std::unique_ptr<Checkpoint> checkpoint = OpenAt(path, m);
  CalibrateOptions options;
  options.checkpoint = checkpoint.get();
  ExpectEqual(Codes(m, options), Codes(m));
}

TEST(Checkpoint, OfOtherInputsStartsAnew) {
  Model m = Load("good");
  const std::string path = FreshPath();
  CalibrateAndBeKilled(m, path);
  ++m.samples.tokens[3];
  EXPECT_EQ(Found(OpenAt(path, m)), 0u);
  std::ofstream(path, std::ios::binary) << "not a checkpoint";
  EXPECT_EQ(Found(OpenAt(path, m)), 0u);
  CalibrateAndBeKilled(m, path);
  CalibrateOptions other;
  other.gptaq.strength = 0.25;
  EXPECT_EQ(Found(OpenAt(path, m, other)), 0u);
}

TEST(Checkpoint, IsOneProcesssAlone) {
  const Model m = Load("good");
  const std::string path = FreshPath();
  const std::unique_ptr<Checkpoint> first = OpenAt(path, m);
  const auto second = Checkpoint::Open(path, CheckpointKey({}, m.plan, m.samples, {}), m.plan, false);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::kResource);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another compilation"));
}

}  // namespace
}  // namespace hasten::calib
