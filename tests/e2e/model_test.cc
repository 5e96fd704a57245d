// SmolLM2-135M-Instruct from ONNX to text: time of compiling, quality of every
// kind of weight against the original, and the same bits whatever the options.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
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

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class SmolLm2 : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists(HASTEN_MODEL "/model.onnx")) << "run ./dev setup, or leave these out with ctest -LE model";
    folder_ = FreshFolder();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Compile(std::vector<std::string> options) {
    std::vector<std::string> arguments = {"compile", HASTEN_MODEL, "-o", folder_ + "/model.hst"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome r = RunHasten(arguments);
    EXPECT_EQ(r.status, 0) << r.err;
    return folder_ + "/model.hst";
  }
  json Eval(const std::string& model) {
    const Outcome r = RunHasten({"eval", "--reference", HASTEN_MODEL, "--candidate", model, "--text", HASTEN_TEXT, "--context", "512",
                                 "--chunks", "2", "--json"});
    EXPECT_EQ(r.status, 0) << r.err;
    return r.status == 0 ? json::parse(r.out) : json();
  }
  std::string folder_;
};

TEST_F(SmolLm2, FloatWeightsAreTheOriginal) {
  const json fp32 = Eval(Compile({"--weights", "fp32", "--kv", "fp32"}));
  EXPECT_LE(fp32["kld_mean"].get<double>(), 1e-6);
  EXPECT_GE(fp32["top1_agreement"].get<double>(), 0.99);
  EXPECT_LE(Eval(Compile({"--weights", "fp16"}))["kld_mean"].get<double>(), 1e-4);
}

// Bounds of round to nearest on this model; calibration will tighten the second.
TEST_F(SmolLm2, IntegerWeightsStayClose) {
  EXPECT_LE(Eval(Compile({"--weights", "int8:32"}))["kld_mean"].get<double>(), 0.006);
  EXPECT_LE(Eval(Compile({"--weights", "int4:64"}))["kld_mean"].get<double>(), 0.4);
}

TEST_F(SmolLm2, CompilesQuicklyAndTheSame) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string first = Bytes(Compile({"--threads", "2"}));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_LE(seconds, 60) << "15 s on two idle cores";
  EXPECT_TRUE(first == Bytes(Compile({"--threads", "1"})));
}

TEST_F(SmolLm2, TheSameBitsWhateverTheOptions) {
  const std::string model = Compile({});
  std::string tokens = "504";
  for (int i = 0; i < 79; ++i) tokens += "," + std::to_string((i * 7919 + 13) % 49152);
  const auto logits = [&](std::vector<std::string> options) {
    std::vector<std::string> arguments = {"run", model, "--tokens", tokens, "--logits", folder_ + "/l.safetensors"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    EXPECT_EQ(RunHasten(arguments).status, 0);
    return Bytes(folder_ + "/l.safetensors");
  };
  const std::string expected = logits({});
  EXPECT_GT(expected.size(), 80u * 49152 * 4);
  for (const char* threads : {"1", "3", "4"}) EXPECT_TRUE(logits({"--threads", threads}) == expected) << threads;
  for (const char* chunk : {"1", "7", "64", "512"}) EXPECT_TRUE(logits({"--prefill-chunk", chunk}) == expected) << chunk;
  const json doctor = json::parse(RunHasten({"doctor", "--json"}).out);
  for (const auto& [isa, available] : doctor["isa"].items()) {
    if (!available.get<bool>() || isa == "scalar") continue;  // scalar: minutes; the tiny models have it
    EXPECT_TRUE(logits({"--isa", isa}) == expected) << isa;
  }
}

#if defined(HASTEN_ON_EMULATOR)
// All of the model, for a few tokens: seconds each.
TEST_F(SmolLm2, TheSameBitsOnAnEmulatedDevice) {
  const std::string model = Compile({"--weights", "int4:64"});
  const std::vector<std::string> command = {"run", model, "--tokens", "504,260,2776", "--logits", folder_ + "/l.safetensors"};
  EXPECT_EQ(RunHasten(command).status, 0);
  const std::string want = Bytes(folder_ + "/l.safetensors");
  std::vector<std::string> there = command;
  there.insert(there.end(), {"--device", "cuda"});
  const Outcome r = RunHasten(there, {.command = "hasten_on_emulator"});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_GT(want.size(), 3u * 49152 * 4);
  EXPECT_TRUE(Bytes(folder_ + "/l.safetensors") == want);
}
#endif

TEST_F(SmolLm2, AnswersAQuestion) {
  const std::string model = Compile({"--weights", "int8:32"});
  const Outcome r = RunHasten({"run", model, "--chat", "What is the capital of France?", "--greedy", "--max-tokens", "40", "--json"});
  ASSERT_EQ(r.status, 0) << r.err;
  EXPECT_THAT(json::parse(r.out)["text"].get<std::string>(), HasSubstr("Paris"));
}

}  // namespace
}  // namespace hasten::testing
