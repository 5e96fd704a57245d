// What `hasten gate` leaves behind, on a model of a few kilobytes: reports, the quality
// card, comparisons, and the CI sample that uses them all.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>
#include <sys/wait.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/run_command.h"

namespace hasten::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using nlohmann::json;

std::string Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// 40 documents of words that the model's tokenizer knows.
void WriteText(const std::string& path) {
  const char* const words[] = {"the", "of", "and", "to", "in", "is", "was", "he", "for", "it"};
  std::ofstream out(path);
  uint32_t state = 1;
  for (int document = 0; document < 40; ++document) {
    for (int i = 0; i < 60; ++i) out << words[(state = state * 1664525 + 1013904223) >> 28 & 7] << ' ';
    out << document << "\n\n";
  }
}

// A policy with limits that hold, or (strict) that do not.
std::string WritePolicy(const std::string& folder, bool strict) {
  WriteText(folder + "/text.txt");
  const std::string path = folder + (strict ? "/strict.toml" : "/gate.toml");
  std::ofstream(path) << "[data]\ntext = \"text.txt\"\ncontext = 16\nchunks = 40\n[surface.chat]\n"
                         "workload = { arrivals_per_s = 50, prompt_tokens = [2, 8], output_tokens = 4, requests = 20, warmup = 1 }\n"
                         "ttft_ms = { p50 = 60000 }\npeak_rss_mb_max = 2000\n[surface.chat.quality]\nkld_mean_max = "
                      << (strict ? "1e-9" : "1.0") << "\n";
  return path;
}

std::string Compiled(const std::string& folder) {
  const std::string artifact = folder + "/a.hst";
  EXPECT_EQ(RunHasten({"compile", Fixture("good"), "-o", artifact, "--weights", "int8"}).status, 0);
  return artifact;
}

TEST(GateOutputs, ReportsAndCard) {
  const std::string folder = FreshFolder(), artifact = Compiled(folder), before = Read(artifact);
  const Outcome r = RunHasten({"gate", "--reference", Fixture("good"), "--candidate", artifact, "--policy", WritePolicy(folder, false), "--no-cache", "--report",
                               folder + "/report", "--write-card", folder + "/card.hst", "--baseline", artifact});
  ASSERT_EQ(r.status, 0) << r.err << r.out;
  EXPECT_THAT(r.out, HasSubstr("PASS: all"));
  EXPECT_EQ(List(folder + "/report"), (std::vector<std::string>{"junit.xml", "report.html", "report.json", "report.md"}));
  const json report = json::parse(Read(folder + "/report/report.json"));
  EXPECT_EQ(report.at("latency").at("subjects").size(), 2u);
  EXPECT_GT(report["latency"]["subjects"][0].at("peak_rss_bytes").get<int64_t>(), 0);
  EXPECT_FALSE(report["latency"].at("comparisons").empty());
  EXPECT_GT(report.at("seconds").at("latency").get<double>(), 0);
  EXPECT_THAT(Read(folder + "/report/report.html"), HasSubstr("Distribution of ttft_ms"));
  // The card names the file that was gated, which has not changed.
  EXPECT_EQ(Read(artifact), before);
  const Outcome inspect = RunHasten({"inspect", folder + "/card.hst"});
  EXPECT_THAT(inspect.out, HasSubstr("PASS, all"));
  EXPECT_THAT(inspect.out, HasSubstr("sha256:" + report.at("files").at(0).at("sha256").get<std::string>()));
  EXPECT_THAT(RunHasten({"inspect", artifact}).out, HasSubstr("never gated"));
  EXPECT_EQ(RunHasten({"verify", folder + "/card.hst"}).status, 0);
}

TEST(GateOutputs, CompareSaysWhatGotWorse) {
  const std::string folder = FreshFolder(), artifact = Compiled(folder);
  for (const bool strict : {false, true}) {
    const Outcome r = RunHasten({"gate", "--reference", Fixture("good"), "--candidate", artifact, "--policy", WritePolicy(folder, strict), "--no-cache", "--report",
                                 folder + (strict ? "/new" : "/old")});
    EXPECT_EQ(r.status, strict ? 1 : 0) << r.err << r.out;
  }
  const std::string old = folder + "/old/report.json", fresh = folder + "/new/report.json";
  const Outcome worse = RunHasten({"gate", "--compare", old, fresh, "--report", folder + "/both"});
  EXPECT_EQ(worse.status, 1) << worse.err;
  EXPECT_THAT(worse.out, HasSubstr("PASS became FAIL"));
  EXPECT_THAT(worse.out, HasSubstr("not the same policy"));
  EXPECT_TRUE(fs::exists(folder + "/both/report.html"));
  EXPECT_EQ(RunHasten({"gate", "--compare", old, old}).status, 0);
  EXPECT_TRUE(json::parse(RunHasten({"gate", "--compare", old, fresh, "--json"}).out).at("worse").get<bool>());
  EXPECT_EQ(RunHasten({"gate", "--compare", old}).status, 2);
  EXPECT_EQ(RunHasten({"gate", "--compare", old, artifact}).status, 3);
  EXPECT_EQ(RunHasten({"gate", "--compare", old, folder + "/none.json"}).status, 4);
  EXPECT_EQ(RunHasten({"gate", "--compare", old, old, "--write-card", folder + "/card.hst"}).status, 2);
}

TEST(GateOutputs, RefusesACardOverTheCandidateAndTwoBaselines) {
  const std::string folder = FreshFolder(), artifact = Compiled(folder), before = Read(artifact);
  const std::vector<std::string> gate = {"gate", "--reference", Fixture("good"), "--candidate", artifact, "--policy", WritePolicy(folder, false), "--no-cache"};
  std::vector<std::string> same = gate, both = gate;
  same.insert(same.end(), {"--write-card", artifact});
  std::vector<std::string> file = gate;
  file.insert(file.end(), {"--report", artifact});
  EXPECT_EQ(RunHasten(file).status, 2);
  both.insert(both.end(), {"--baseline", artifact, "--baseline-cmd", "true"});
  EXPECT_EQ(RunHasten(same).status, 2);
  EXPECT_EQ(Read(artifact), before);
  EXPECT_EQ(RunHasten(both).status, 2);
  std::vector<std::string> broken = gate;
  broken.insert(broken.end(), {"--baseline-cmd", "exit 7"});
  const Outcome r = RunHasten(broken);
  EXPECT_EQ(r.status, 4) << r.out;
  EXPECT_THAT(r.err, HasSubstr("baseline command"));
}

// Load time, memory and size need no load, which an encoder cannot have.
TEST(GateOutputs, AnEncoderHasResources) {
  const std::string folder = FreshFolder(), artifact = folder + "/e.hst";
  ASSERT_EQ(RunHasten({"compile", Fixture("encoder"), "-o", artifact, "--weights", "int8"}).status, 0);
  const auto gate = [&](const std::string& surface) {
    std::ofstream(folder + "/e.toml") << "[surface.a]\n" << surface << "\n";
    return RunHasten({"gate", "--reference", Fixture("encoder"), "--candidate", artifact, "--policy", folder + "/e.toml", "--no-cache"});
  };
  const Outcome r = gate("load_ms_max = 60000\npeak_rss_mb_max = 2000\nartifact_mb_max = 0.000001");
  EXPECT_EQ(r.status, 1) << r.out << r.err;
  EXPECT_THAT(r.out, HasSubstr("FAIL     a artifact_mb_max"));
  EXPECT_THAT(r.out, HasSubstr("PASS     a load_ms_max"));
  EXPECT_THAT(r.out, HasSubstr("PASS     a peak_rss_mb_max"));
  const Outcome load = gate("workload = { arrivals_per_s = 10, prompt_tokens = [2, 4], output_tokens = 2 }\nttft_ms = { p50 = 1 }");
  EXPECT_EQ(load.status, 2) << load.out;
  EXPECT_THAT(load.err, HasSubstr("is an encoder"));
}

// samples/ci/gate.sh leaves a release only when the gate passes.
TEST(GateOutputs, TheCiSampleReleasesOnlyWhatPasses) {
  const std::string folder = FreshFolder();
  const auto run = [&](const std::string& policy, const std::string& extra) {
    const std::string command = "cd '" + folder + "' && XDG_CACHE_HOME='" + folder + "/cache' HASTEN='" + HASTEN_BINARY_DIR + "/bin/hasten' " + extra + " '" +
                                HASTEN_SOURCE_DIR + "/samples/ci/gate.sh' '" + Fixture("good") + "' '" + policy + "' out --weights int8 >log 2>&1";
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  EXPECT_EQ(run(WritePolicy(folder, false), "GITHUB_STEP_SUMMARY=summary.md"), 0) << Read(folder + "/log");
  EXPECT_TRUE(fs::exists(folder + "/out/release/model.hst"));
  EXPECT_THAT(Read(folder + "/summary.md"), HasSubstr("## hasten gate: PASS"));
  EXPECT_THAT(RunHasten({"inspect", folder + "/out/release/model.hst"}).out, HasSubstr("PASS, all"));
  fs::copy(folder + "/out/report/report.json", folder + "/previous.json");
  EXPECT_EQ(run(WritePolicy(folder, true), "PREVIOUS=previous.json"), 1) << Read(folder + "/log");
  EXPECT_FALSE(fs::exists(folder + "/out/release"));
  EXPECT_FALSE(fs::exists(folder + "/out/with-card.hst"));
  EXPECT_TRUE(fs::exists(folder + "/out/report/report.html"));
  EXPECT_THAT(Read(folder + "/log"), HasSubstr("PASS became FAIL"));
  EXPECT_EQ(run(folder + "/none.toml", ""), 4) << Read(folder + "/log");
  EXPECT_FALSE(fs::exists(folder + "/out/release"));
}

}  // namespace
}  // namespace hasten::testing
