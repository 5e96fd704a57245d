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

// Recorded by the ONNX reference evaluator: a prompt, tokens after cached ones, an encoder.
TEST(Conform, WholeModelsAtEveryLevel) {
  for (const char* level : {"import", "passes", "runtime"}) {
    const Outcome r = RunHasten({"conform", Fixture("good"), Fixture("encoder"), "--through", level, "--json"});
    EXPECT_EQ(r.status, 0) << level << r.err << r.out;
    EXPECT_EQ(json::parse(r.out)["passed"], 2) << level;
  }
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
