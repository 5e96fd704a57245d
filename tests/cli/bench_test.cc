// hasten bench: the reports that machines read, and what it refuses.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/statvfs.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/run_command.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;
using nlohmann::json;

std::vector<std::string> Tiny(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"bench", "--synthetic", "tiny", "--prompt-tokens", "20", "--new-tokens", "4", "--rounds", "2", "--threads", "2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Bench, ProfileHasEveryInstructionOfBothPhases) {
  const Outcome r = RunHasten(Tiny({"--profile", "--json", "--prefill-chunk", "8"}));
  ASSERT_EQ(r.status, 0) << r.err;
  const json report = json::parse(r.out);
  for (const char* key : {"prefill_tokens_per_s", "decode_tokens_per_s", "load_ms", "time_to_first_token_ms", "peak_rss_mb", "artifact_bytes"}) {
    EXPECT_GT(report.at(key).at("median").get<double>(), 0) << key;
    EXPECT_EQ(report.at(key).at("rounds").size(), 2u) << key;
  }
  const json& profile = report.at("profile");
  EXPECT_GT(profile.at("machine").at("read").at(0).at("small_pages_gb_per_s").at("best").get<double>(), 0);
  ASSERT_EQ(profile.at("phases").size(), 2u);
  const json &prefill = profile["phases"][0], &decode = profile["phases"][1];
  EXPECT_EQ(prefill.at("phase"), "prefill");
  EXPECT_EQ(prefill.at("steps"), 3);   // 20 tokens by 8
  EXPECT_EQ(prefill.at("tokens"), 20);
  EXPECT_EQ(decode.at("steps"), 4);
  double total = 0, instructions = 0;
  for (const json& row : decode.at("instructions")) {
    EXPECT_GT(row.at("bytes").get<double>(), 0) << row;
    EXPECT_EQ(row.at("calls").get<int>(), 4 * row.at("instructions").get<int>()) << row;
    total += row.at("ms").get<double>(), instructions += row.at("instructions").get<double>();
    for (const char* key : {"kernel", "share", "gb_per_s", "gops", "limit", "roofline_ms", "roofline_share", "weight_bytes"}) EXPECT_TRUE(row.contains(key));
  }
  EXPECT_NEAR(total, decode.at("instructions_ms").get<double>(), 1e-6);
  EXPECT_NEAR(decode["evaluate_ms"].get<double>() - total, decode.at("outside_ms").get<double>(), 1e-6);
  EXPECT_GE(decode["outside_ms"].get<double>(), 0);
  EXPECT_GT(decode.at("sampling_ms").get<double>(), 0);
  EXPECT_GT(instructions, 20);
}

// Multiply-adds of one decoded token, from the shape alone.
TEST(Bench, ProfileCountsTheShapesMultiplyAdds) {
  const Outcome r = RunHasten(Tiny({"--profile", "--json"}));
  ASSERT_EQ(r.status, 0) << r.err;
  double linear = 0, attention = 0;
  const json report = json::parse(r.out);
  for (const json& row : report["profile"]["phases"][1]["instructions"]) {
    if (row["op"] == "Linear") linear += row["multiply_adds"].get<double>();
    if (row["op"] == "Attention") attention += row["multiply_adds"].get<double>();
  }
  const double layer = 72 * (64 + 32 + 32) + 64 * 72 + 72 * 208 + 104 * 72;
  EXPECT_EQ(linear, 4 * (2 * layer + 250 * 72));
  EXPECT_EQ(attention, 2.0 * 4 * (16 + 16) * (21 + 22 + 23 + 24));   // layers, heads, q k and p v, keys
}

TEST(Bench, SyntheticIsKeptOnlyWhenAsked) {
  const std::string folder = FreshFolder();
  ::setenv("TMPDIR", folder.c_str(), 1);
  const Outcome gone = RunHasten(Tiny({"--json"}));
  ::unsetenv("TMPDIR");
  ASSERT_EQ(gone.status, 0) << gone.err;
  EXPECT_TRUE(List(folder).empty());
  ASSERT_EQ(RunHasten(Tiny({"--keep", folder + "/a.hst"})).status, 0);
  std::vector<std::string> one = Tiny({"--keep", folder + "/b.hst"});
  *(std::find(one.begin(), one.end(), "--threads") + 1) = "1";
  ASSERT_EQ(RunHasten(one).status, 0);
  EXPECT_EQ(Bytes(folder + "/a.hst"), Bytes(folder + "/b.hst"));
  EXPECT_EQ(RunHasten({"verify", folder + "/a.hst"}).status, 0);
  EXPECT_THAT(RunHasten({"inspect", folder + "/a.hst"}).out, HasSubstr("from nothing"));   // no source, so no digest of one
  EXPECT_EQ(List(folder), (std::vector<std::string>{"a.hst", "b.hst"}));
}

TEST(Bench, SyntheticLeavesNothingWhenInterrupted) {
  const std::string folder = FreshFolder();
  RunHow how;
  how.interrupt_after = std::chrono::milliseconds(150);
  const Outcome r = RunHasten({"bench", "--synthetic", "qwen3-0.6b", "--rounds", "1000", "--keep", folder + "/a.hst", "--weights", "int8"}, how);
  EXPECT_EQ(r.status, 130) << r.err;
  EXPECT_TRUE(List(folder).empty());
}

TEST(Bench, RefusesADiskThatIsTooSmall) {
  struct statvfs fs = {};
  if (statvfs("/dev/shm", &fs) != 0 || fs.f_bavail * fs.f_frsize > 30'000'000'000) GTEST_SKIP() << "needs a small /dev/shm";
  const Outcome r = RunHasten({"bench", "--synthetic", "llama-8b", "--weights", "fp32", "--keep", "/dev/shm/hasten-test.hst"});
  EXPECT_EQ(r.status, 4);
  EXPECT_THAT(r.err, HasSubstr("needs 32"));
  EXPECT_FALSE(std::filesystem::exists("/dev/shm/hasten-test.hst"));
}

TEST(Bench, MachineReport) {
  const Outcome r = RunHasten({"bench", "--machine", "--threads", "2", "--json"});
  ASSERT_EQ(r.status, 0) << r.err;
  const json report = json::parse(r.out);
  EXPECT_EQ(report.at("read").size(), 2u);
  EXPECT_EQ(report.at("region").size(), 2u);
  EXPECT_GE(report.at("sweep_bytes").get<uint64_t>(), uint64_t{512} << 20);
  EXPECT_FALSE(report.at("cpu").get<std::string>().empty());
  EXPECT_TRUE(report.contains("cores") && report.contains("peak"));
}

TEST(Bench, SequencesAreDecodedTogether) {
  const Outcome r = RunHasten(Tiny({"--sequences", "3", "--json"}));
  ASSERT_EQ(r.status, 0) << r.err;
  const json report = json::parse(r.out);
  EXPECT_EQ(report.at("sequences"), 3);
  // 60 tokens of prompts within the time to the first tokens.
  const double seconds = report.at("time_to_first_token_ms").at("rounds").at(0).get<double>() / 1e3;
  EXPECT_NEAR(report.at("prefill_tokens_per_s").at("rounds").at(0).get<double>() * seconds, 60, 1e-6);
  EXPECT_GT(report.at("decode_tokens_per_s").at("median").get<double>(), 0);
}

TEST(Bench, CombinationsThatMakeNoSense) {
  const std::vector<std::vector<std::string>> wrong = {
      {"bench"}, {"bench", "--machine", "a.hst"}, {"bench", "--machine", "--profile"}, {"bench", "a.hst", "--synthetic", "tiny"},
      {"bench", "--synthetic", "tiny", "--profile", "--sequences", "2"}, {"bench", "--synthetic", "tiny", "--sequences", "0"},
      {"bench", "a.hst", "--keep", "b.hst"}, {"bench", "--synthetic", "gpt-9"}, {"bench", "--synthetic", "tiny", "--kv", "int3"}};
  for (const std::vector<std::string>& arguments : wrong) EXPECT_EQ(RunHasten(arguments).status, 2);
}

}  // namespace
}  // namespace hasten::testing
