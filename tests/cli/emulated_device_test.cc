// The command on a device from end to end: compiled models on the emulator, which has the
// name of the first CUDA device in a build of the command for tests.
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

using nlohmann::json;

#if defined(HASTEN_ON_EMULATOR)

class EmulatedDevice : public ::testing::Test {
 protected:
  void SetUp() override { folder_ = FreshFolder(); }
  void Compile(const std::string& model, const std::vector<std::string>& options) {
    std::vector<std::string> command = {"compile", Fixture(model), "-o", Artifact()};
    command.insert(command.end(), options.begin(), options.end());
    const Outcome r = RunHasten(command);
    ASSERT_EQ(r.status, 0) << r.err;
  }
  std::string Artifact() const { return folder_ + "/m.hst"; }
  // Standard output of a command on the device.
  static std::string There(std::vector<std::string> command) {
    command.insert(command.end(), {"--device", "cuda"});
    const Outcome r = RunHasten(command, {.command = "hasten_on_emulator"});
    EXPECT_EQ(r.status, 0) << r.err;
    return r.out;
  }
  static std::string Here(const std::vector<std::string>& command) {
    const Outcome r = RunHasten(command);
    EXPECT_EQ(r.status, 0) << r.err;
    return r.out;
  }
  std::string TakeLogits() const {
    std::ifstream in(folder_ + "/l.safetensors", std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), {}};
    in.close();
    std::remove((folder_ + "/l.safetensors").c_str());
    return bytes;
  }
  std::string folder_;
};

TEST_F(EmulatedDevice, LogitsOfCompiledModelsAreThoseOfTheCpu) {
  std::string tokens = "3";
  for (int i = 4; i < 70; ++i) tokens += "," + std::to_string(i);   // beyond a page of the cache
  const std::vector<std::vector<std::string>> ways = {{"--weights", "int4:64"}, {"--weights", "int8:32", "--activation-residual", "*"}, {"--weights", "fp16"}};
  for (const char* model : {"good", "encoder"})
    for (const auto& way : ways) {
      Compile(model, way);
      const std::vector<std::string> command = {"run", Artifact(), "--tokens", tokens, "--logits", folder_ + "/l.safetensors"};
      Here(command);
      const std::string want = TakeLogits();
      EXPECT_GT(want.size(), 66u * 4);
      There(command);
      EXPECT_TRUE(TakeLogits() == want) << model << " " << way[1];
      if (model != std::string("good")) continue;
      std::vector<std::string> chunks = command;
      chunks.insert(chunks.end(), {"--prefill-chunk", "7"});
      There(chunks);
      EXPECT_TRUE(TakeLogits() == want) << way[1] << " in chunks";
    }
}

TEST_F(EmulatedDevice, TextIsThatOfTheCpu) {
  Compile("good", {"--weights", "int8:32"});
  for (const char* temperature : {"0", "0.9"}) {
    const std::vector<std::string> command = {"run", Artifact(), "--prompt", "once upon", "--max-tokens", "8", "--temperature", temperature, "--seed", "5",
                                              "--repetition-penalty", "1.2"};
    EXPECT_EQ(There(command), Here(command)) << temperature;
  }
}

TEST_F(EmulatedDevice, BenchCountsTheTokensOfAllSequences) {
  const json report = json::parse(There({"bench", "--synthetic", "tiny", "--sequences", "3", "--prompt-tokens", "9", "--new-tokens", "3", "--rounds", "1", "--json"}));
  EXPECT_GT(report.at("decode_tokens_per_s").at("median").get<double>(), 0);
  EXPECT_GT(report.at("upload_ms").at("median").get<double>(), 0);
  EXPECT_GT(report.at("device_mb").at("median").get<double>(), 0);
}

#endif

}  // namespace
}  // namespace hasten::testing
