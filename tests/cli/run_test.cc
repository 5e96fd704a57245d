// Running an artifact: the same bits whatever the execution options, text that
// streams, and the reports that machines read.
#include <algorithm>
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

constexpr const char* kTokens = "17,300,42,8,9,10,11,250,251,3,4,5,6,7,99,98,97,96,95,94,93,92,91,90,89,88,87,86,85,84";

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string Compile(const std::string& folder, std::vector<std::string> options = {}) {
  std::vector<std::string> arguments = {"compile", Fixture("good"), "-o", folder + "/model.hst"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const Outcome r = RunHasten(arguments);
  EXPECT_EQ(r.status, 0) << r.err;
  return folder + "/model.hst";
}

std::vector<std::string> AvailableIsas() {
  std::vector<std::string> names;
  const json report = json::parse(RunHasten({"doctor", "--json"}).out);
  for (const auto& [name, available] : report["isa"].items()) {
    if (available.get<bool>()) names.push_back(name);
  }
  return names;
}

std::string Logits(const std::string& folder, const std::string& model, std::vector<std::string> options) {
  const std::string out = folder + "/logits.safetensors";
  std::vector<std::string> arguments = {"run", model, "--tokens", kTokens, "--logits", out};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const Outcome r = RunHasten(arguments);
  EXPECT_EQ(r.status, 0) << r.err;
  return Bytes(out);
}

class SameBits : public ::testing::TestWithParam<const char*> {};

TEST_P(SameBits, OverInstructionSetsThreadsAndChunks) {
  const std::string folder = FreshFolder();
  const std::string model = Compile(folder, {"--weights", GetParam()});
  const std::string expected = Logits(folder, model, {"--isa", "scalar", "--threads", "1"});
  const json header = json::parse(expected.substr(8, static_cast<size_t>(*reinterpret_cast<const uint64_t*>(expected.data()))));
  EXPECT_EQ(header["logits"]["dtype"], "F32");
  EXPECT_EQ(header["logits"]["shape"], json({30, 320}));
  for (const std::string& isa : AvailableIsas()) {
    for (const char* threads : {"1", "2", "3", "4"}) {
      EXPECT_TRUE(Logits(folder, model, {"--isa", isa, "--threads", threads}) == expected) << isa << " " << threads;
    }
  }
  for (const char* chunk : {"1", "7", "64", "512"}) {
    EXPECT_TRUE(Logits(folder, model, {"--prefill-chunk", chunk}) == expected) << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, SameBits,
                         ::testing::Values("int4:32", "int4:64", "int4:128", "int8", "int8:32", "int8:64", "int8:128", "fp16", "fp32"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), ':', '_');
                           return name;
                         });

TEST(Run, StreamsWhatJsonReports) {
  const std::string folder = FreshFolder(), model = Compile(folder);
  const std::vector<std::string> how = {"run", model, "--prompt", "the quick brown", "--max-tokens", "24"};
  const Outcome text = RunHasten(how);
  ASSERT_EQ(text.status, 0) << text.err;
  std::vector<std::string> with_json = how;
  with_json.push_back("--json");
  const json report = json::parse(RunHasten(with_json).out);
  EXPECT_EQ(report["text"].get<std::string>() + "\n", text.out);
  EXPECT_LE(report["tokens"].size(), 24u);
  EXPECT_TRUE(report["finish_reason"] == "length" || report["finish_reason"] == "stop");
  EXPECT_EQ(report["finish_reason"] == "length", report["tokens"].size() == 24u);
  EXPECT_GT(report["ttft_ms"].get<double>(), 0);
  EXPECT_TRUE(report.contains("itl_ms"));
}

TEST(Run, TheSeedDecides) {
  const std::string folder = FreshFolder(), model = Compile(folder);
  const auto sample = [&](const std::string& seed, const std::string& threads) {
    return json::parse(RunHasten({"run", model, "--prompt", "once", "--max-tokens", "20", "--temperature", "1.5", "--top-p", "0.95",
                                  "--seed", seed, "--threads", threads, "--json"}).out)["tokens"];
  };
  EXPECT_EQ(sample("1", "1"), sample("1", "2"));
  EXPECT_NE(sample("1", "1"), sample("2", "1"));
}

TEST(Run, EndsBeforeAStopText) {
  const std::string folder = FreshFolder(), model = Compile(folder);
  // The model is random, its text on this prompt holds words; the weights are fixed.
  const std::vector<std::string> how = {"run", model, "--prompt", "the quick brown", "--max-tokens", "24", "--greedy", "--json"};
  const std::string text = json::parse(RunHasten(how).out)["text"];
  // A stop text of two ASCII characters out of the middle.
  size_t at = 3;
  while (at + 2 < text.size() && !(text[at] > ' ' && text[at] < 127 && text[at + 1] >= ' ' && text[at + 1] < 127)) ++at;
  ASSERT_LT(at + 2, text.size()) << "choose a prompt on which this model writes two ASCII characters in a row: " << text;
  const std::string stop = text.substr(at, 2);
  std::vector<std::string> stopped = how;
  stopped.insert(stopped.end(), {"--stop", stop});
  const json cut = json::parse(RunHasten(stopped).out);
  EXPECT_EQ(cut["text"], text.substr(0, text.find(stop)));
  EXPECT_EQ(cut["finish_reason"], "stop");
}

TEST(Run, Chat) {
  const std::string model = Compile(FreshFolder());
  const Outcome r = RunHasten({"run", model, "--chat", "hello", "--system", "be brief", "--max-tokens", "8", "--json"});
  ASSERT_EQ(r.status, 0) << r.err;
  EXPECT_GT(json::parse(r.out)["prompt_tokens"].get<int>(), 10);
}

TEST(Run, TokensFromAFileAreTheSameTokens) {
  const std::string folder = FreshFolder(), model = Compile(folder);
  std::ofstream(folder + "/ids.txt") << "17 300\n42,8\n";
  const auto tokens = [&](std::vector<std::string> input) {
    std::vector<std::string> arguments = {"run", model, "--max-tokens", "6", "--json"};
    arguments.insert(arguments.end(), input.begin(), input.end());
    const Outcome r = RunHasten(arguments);
    EXPECT_EQ(r.status, 0) << r.err;
    return json::parse(r.out)["tokens"];
  };
  EXPECT_EQ(tokens({"--tokens-file", folder + "/ids.txt"}), tokens({"--tokens", "17,300,42,8"}));
  EXPECT_EQ(RunHasten({"run", model, "--tokens", "320"}).status, 2);   // the vocabulary ends at 319
}

TEST(Run, EndsWhenTheContextIsFull) {
  const std::string model = Compile(FreshFolder());
  const json report = json::parse(RunHasten({"run", model, "--tokens", "17", "--max-tokens", "600", "--json"}).out);
  EXPECT_LE(report["tokens"].size(), 512u);
}

TEST(Run, AnInterruptLeavesNoLogits) {
  const std::string folder = FreshFolder(), model = Compile(folder);
  std::string ids = "1";
  for (int i = 0; i < 500; ++i) ids += ",7";
  const Outcome r = RunHasten({"run", model, "--tokens", ids, "--logits", folder + "/l.safetensors", "--isa", "scalar", "--threads", "1"},
                              {.interrupt_after = std::chrono::milliseconds(30)});
  if (r.status == 0) return;  // it was quicker
  EXPECT_TRUE(r.status == 130 || r.status == 1002) << r.status << r.err;
  EXPECT_EQ(List(folder), std::vector<std::string>{"model.hst"});
}

TEST(Eval, FloatWeightsAreTheOriginal) {
  const std::string model = Compile(FreshFolder(), {"--weights", "fp32", "--kv", "fp32"});
  const Outcome r = RunHasten({"eval", "--reference", Fixture("good"), "--candidate", model, "--text", Fixture("text.txt"),
                               "--context", "64", "--chunks", "4", "--json"});
  ASSERT_EQ(r.status, 0) << r.err;
  const json report = json::parse(r.out);
  EXPECT_EQ(report["tokens"], 4 * 31);
  EXPECT_LE(report["kld_mean"].get<double>(), 1e-6);
  EXPECT_LE(report["kld_max"].get<double>(), 1e-5);
  EXPECT_EQ(report["top1_agreement"], 1.0);
  EXPECT_NEAR(report["perplexity"].get<double>(), report["reference_perplexity"].get<double>(), 1e-3 * report["perplexity"].get<double>());
}

TEST(Eval, ATextThatIsTooShortIsBadInput) {
  const std::string folder = FreshFolder(), model = Compile(folder);
  std::ofstream(folder + "/short.txt") << "hello";
  const Outcome r = RunHasten({"eval", "--reference", Fixture("good"), "--candidate", model, "--text", folder + "/short.txt"});
  EXPECT_EQ(r.status, 3);
  EXPECT_THAT(r.err, HasSubstr("short.txt"));
}

TEST(Bench, ReportsEveryFigure) {
  const std::string model = Compile(FreshFolder());
  const Outcome r = RunHasten({"bench", model, "--prompt-tokens", "32", "--new-tokens", "8", "--rounds", "2", "--json"});
  ASSERT_EQ(r.status, 0) << r.err;
  const json report = json::parse(r.out);
  for (const char* key : {"prefill_tokens_per_s", "decode_tokens_per_s", "load_ms", "time_to_first_token_ms", "peak_rss_mb", "artifact_bytes"}) {
    ASSERT_TRUE(report.contains(key)) << key;
    EXPECT_EQ(report[key]["rounds"].size(), 2u);
    EXPECT_GT(report[key]["best"].get<double>(), 0) << key;
    EXPECT_TRUE(report[key].contains("median"));
  }
}

}  // namespace
}  // namespace hasten::testing
