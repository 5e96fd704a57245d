// Encoders from the command, and conformance of whole models at every level.
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/run_command.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;
using nlohmann::json;

std::string Compile(const std::string& folder) {
  const Outcome r = RunHasten({"compile", Fixture("encoder"), "-o", folder + "/encoder.hst", "--weights", "fp32"});
  EXPECT_EQ(r.status, 0) << r.err;
  return folder + "/encoder.hst";
}

std::vector<std::vector<float>> Embed(const std::string& model, std::vector<std::string> options) {
  std::vector<std::string> arguments = {"embed", model, "--json"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const Outcome r = RunHasten(arguments);
  EXPECT_EQ(r.status, 0) << r.err;
  return json::parse(r.out)["embeddings"].get<std::vector<std::vector<float>>>();
}

TEST(Embed, PoolingsDiffer) {
  const std::string model = Compile(FreshFolder());
  const auto mean = Embed(model, {"--text", "the quick fox"}), cls = Embed(model, {"--text", "the quick fox", "--pooling", "cls"}),
             last = Embed(model, {"--text", "the quick fox", "--pooling", "last"});
  ASSERT_EQ(mean.size(), 1u);
  EXPECT_EQ(mean[0].size(), 48u);
  EXPECT_NE(mean, cls);
  EXPECT_NE(cls, last);
  EXPECT_EQ(RunHasten({"embed", model, "--text", "a", "--pooling", "max"}).status, 2);
}

TEST(Embed, ATextDoesNotDependOnItsNeighbours) {
  const std::string folder = FreshFolder(), model = Compile(folder);
  std::ofstream(folder + "/texts.txt") << "the lazy dog\r\na model\nthere was\n";
  const auto file = Embed(model, {"--text-file", folder + "/texts.txt"});
  ASSERT_EQ(file.size(), 3u);
  EXPECT_EQ(file[1], Embed(model, {"--text", "a model"})[0]);
  EXPECT_EQ(file[0], Embed(model, {"--text", "the lazy dog", "--threads", "1", "--isa", "scalar"})[0]);
}

TEST(Embed, TheKindOfModelIsChecked) {
  const std::string folder = FreshFolder(), encoder = Compile(folder), decoder = folder + "/decoder.hst";
  ASSERT_EQ(RunHasten({"compile", Fixture("good"), "-o", decoder}).status, 0);
  EXPECT_EQ(RunHasten({"embed", decoder, "--text", "a"}).status, 2);
  const Outcome r = RunHasten({"run", encoder, "--prompt", "a"});
  EXPECT_EQ(r.status, 2);
  EXPECT_THAT(r.err, HasSubstr("hasten embed"));
  EXPECT_EQ(RunHasten({"embed", encoder}).status, 2);
}

// Recorded by the ONNX reference evaluator: a prompt, tokens after cached ones, encoders,
// one of which scores the text as a whole.
TEST(Conform, WholeModelsAtEveryLevel) {
  for (const char* level : {"import", "passes", "runtime"}) {
    const Outcome r = RunHasten({"conform", Fixture("good"), Fixture("encoder"), Fixture("local_encoder"), Fixture("classifier"), "--through", level, "--json"});
    EXPECT_EQ(r.status, 0) << level << r.err << r.out;
    EXPECT_EQ(json::parse(r.out)["passed"], 4) << level << r.out;
  }
}

// A classifier's few scores: checked after packing, and given by embed.
TEST(Embed, GivesTheScoresOfAClassifier) {
  const std::string folder = FreshFolder(), out = folder + "/classifier.hst";
  for (const char* weights : {"fp32", "int8:32", "int4:64"}) {
    const Outcome r = RunHasten({"compile", Fixture("classifier"), "-o", out, "--weights", weights});
    ASSERT_EQ(r.status, 0) << weights << r.err;
    const Outcome e = RunHasten({"embed", out, "--text", "the cat sat", "--json"});
    ASSERT_EQ(e.status, 0) << e.err;
    EXPECT_NE(e.out.find("embedding"), std::string::npos) << e.out;
  }
}

// A window on the first layer and ALiBi on the second: told exactly, written as what
// needs format 1.1, while a model without them stays readable by 1.0.
TEST(Inspect, LocalWindowsAndAlibiNeedANewerFormat) {
  const std::string folder = FreshFolder(), plain = Compile(folder), local = folder + "/local.hst";
  ASSERT_EQ(RunHasten({"compile", Fixture("local_encoder"), "-o", local, "--weights", "fp32"}).status, 0);
  const json a = json::parse(RunHasten({"inspect", plain, "--json"}).out), b = json::parse(RunHasten({"inspect", local, "--json"}).out);
  EXPECT_EQ(a["format"], "1.0");
  EXPECT_EQ(b["format"], "1.1");
  EXPECT_EQ(b["layers"][0]["window"], 3);
  EXPECT_EQ(b["layers"][0]["ahead"], 3);
  EXPECT_EQ(b["layers"][0]["alibi"], false);
  EXPECT_EQ(b["layers"][1]["window"], 0);
  EXPECT_EQ(b["layers"][1]["alibi"], true);
}

TEST(Conform, ADifferenceIsExitOne) {
  const Outcome r = RunHasten({"conform", Fixture("wrong_record"), "--json"});
  EXPECT_EQ(r.status, 1) << r.err;
  EXPECT_EQ(json::parse(r.out)["failed"], 1);
  EXPECT_EQ(RunHasten({"conform", Fixture("empty")}).status, 3);
  EXPECT_EQ(RunHasten({"conform", Fixture("good"), "--through", "telepathy"}).status, 2);
}

}  // namespace
}  // namespace hasten::testing
