// What compile writes: the same bytes every time, everything inspect, verify and
// diff say about it, and what happens to damaged artifacts.
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

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void Write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

// Compiles the good model and gives the artifact's path.
std::string Compile(const std::string& folder, const std::string& name, std::vector<std::string> options = {}) {
  const std::string out = folder + "/" + name;
  std::vector<std::string> arguments = {"compile", Fixture("good"), "-o", out};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const Outcome r = RunHasten(arguments);
  EXPECT_EQ(r.status, 0) << r.err;
  return out;
}

TEST(Compile, ReportsWhatItDid) {
  const std::string folder = FreshFolder();
  const Outcome r = RunHasten({"compile", Fixture("good"), "-o", folder + "/a.hst", "--json"});
  ASSERT_EQ(r.status, 0) << r.err;
  const auto report = nlohmann::json::parse(r.out);
  EXPECT_EQ(report["weights"], "int4:64");
  EXPECT_EQ(report["head"], "int8:64");
  EXPECT_EQ(report["embed"], "int8:64");
  EXPECT_EQ(report["kv"], "int8");
  EXPECT_EQ(report["layers"], 2);
  EXPECT_EQ(report["artifact_bytes"].get<size_t>(), Bytes(folder + "/a.hst").size());
  EXPECT_EQ(List(folder), std::vector<std::string>{"a.hst"});
}

TEST(Compile, TheSameBytesWithAnyNumberOfThreads) {
  const std::string folder = FreshFolder();
  for (const char* scheme : {"int4:64", "int8:32", "fp16"}) {
    const std::string one = Bytes(Compile(folder, "1.hst", {"--weights", scheme, "--threads", "1"}));
    const std::string three = Bytes(Compile(folder, "3.hst", {"--weights", scheme, "--threads", "3"}));
    ASSERT_FALSE(one.empty());
    EXPECT_TRUE(one == three) << scheme;
  }
}

TEST(Compile, TakesTheFileAsWellAsItsFolder) {
  const std::string folder = FreshFolder();
  ASSERT_EQ(RunHasten({"compile", Fixture("good/model.onnx"), "-o", folder + "/file.hst"}).status, 0);
  EXPECT_TRUE(Bytes(Compile(folder, "folder.hst")) == Bytes(folder + "/file.hst"));
}

TEST(Compile, ATiedTableIsStoredOnce) {
  const std::string folder = FreshFolder();
  const Outcome r = RunHasten({"inspect", Compile(folder, "a.hst"), "--json"});
  ASSERT_EQ(r.status, 0);
  const auto report = nlohmann::json::parse(r.out);
  int tables = 0;
  for (const auto& tensor : report["tensors"]) tables += tensor["shape"][0] == report["vocab"];
  EXPECT_EQ(tables, 1);
}

TEST(Compile, EverySchemeAndCache) {
  const std::string folder = FreshFolder();
  for (const char* scheme : {"int4:32", "int4:64", "int4:128", "int8", "int8:32", "int8:64", "int8:128", "fp16", "fp32"}) {
    for (const char* kv : {"int8", "fp16", "fp32"}) Compile(folder, "a.hst", {"--weights", scheme, "--kv", kv});
  }
}

// Memory is bounded by the largest tensor, whatever the model's size: this one has
// 1.6 GB of weights (sparse on disk), its largest tensor 64 MB.
TEST(Compile, MemoryDoesNotGrowWithTheModel) {
  const std::string folder = FreshFolder();
  constexpr long kLargest = 8192L * 2048 * 4;
  const Outcome r = RunHasten({"compile", Fixture("large"), "-o", folder + "/a.hst", "--threads", "2"},
                              {.max_data_bytes = 3 * kLargest + 200'000'000});
  EXPECT_EQ(r.status, 0) << r.err;
  std::filesystem::remove_all(folder);
}

TEST(Compile, WithoutATokenizer) {
  const std::string folder = FreshFolder(), out = folder + "/a.hst";
  ASSERT_EQ(RunHasten({"compile", Fixture("no_tokenizer"), "-o", out, "--no-tokenizer"}).status, 0);
  EXPECT_EQ(RunHasten({"run", out, "--prompt", "text"}).status, 3);
  const Outcome r = RunHasten({"run", out, "--tokens", "5,6,7", "--max-tokens", "4"});
  EXPECT_EQ(r.status, 0) << r.err;
}

TEST(Inspect, ShowsProvenanceAndSections) {
  const std::string folder = FreshFolder(), out = Compile(folder, "a.hst", {"--weights", "int8:32"});
  const Outcome people = RunHasten({"inspect", out});
  EXPECT_EQ(people.status, 0);
  for (const char* word : {"int8:32", "weights", "tokenizer", "program"}) EXPECT_THAT(people.out, HasSubstr(word));
  const auto report = nlohmann::json::parse(RunHasten({"inspect", out, "--json"}).out);
  EXPECT_EQ(report["provenance"]["recipe"]["weights"], "int8:32");
  EXPECT_EQ(report["provenance"]["source_sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(report["provenance"]["licence"], "Made by a test; public domain.\n");
  EXPECT_EQ(report["generation"]["eos_ids"], nlohmann::json({2, 0}));
  EXPECT_EQ(report["max_positions"], 512);
}

TEST(Artifact, HoldsNoPathAndNoHost) {
  const std::string bytes = Bytes(Compile(FreshFolder(), "a.hst"));
  for (const char* trace : {HASTEN_BINARY_DIR, "fixtures/models", "/home/", "/tmp/"}) {
    EXPECT_EQ(bytes.find(trace), std::string::npos) << trace;
  }
}

TEST(Diff, SameAndNotSame) {
  const std::string folder = FreshFolder();
  const std::string a = Compile(folder, "a.hst"), b = Compile(folder, "b.hst"), c = Compile(folder, "c.hst", {"--kv", "fp16"});
  EXPECT_EQ(RunHasten({"diff", a, b}).status, 0);
  const Outcome r = RunHasten({"diff", a, c});
  EXPECT_EQ(r.status, 1);
  EXPECT_THAT(r.out, HasSubstr("kv"));
  EXPECT_EQ(nlohmann::json::parse(RunHasten({"diff", a, c, "--json"}).out)["same"], false);
}

TEST(Verify, DamageIsFoundAndNamed) {
  const std::string folder = FreshFolder();
  const std::string good = Compile(folder, "good.hst"), bytes = Bytes(good), bad = folder + "/bad.hst";
  EXPECT_EQ(RunHasten({"verify", good}).status, 0);
  for (const size_t keep : {size_t{0}, size_t{7}, size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    Write(bad, bytes.substr(0, keep));
    const Outcome r = RunHasten({"verify", bad});
    EXPECT_EQ(r.status, 3) << keep << r.err;
    EXPECT_THAT(r.err, HasSubstr("bad.hst"));
  }
  // A flipped bit anywhere, in weights and padding too.
  for (size_t at = 0; at < bytes.size(); at += bytes.size() / 97) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    Write(bad, flipped);
    const Outcome r = RunHasten({"verify", bad});
    EXPECT_EQ(r.status, 3) << "byte " << at << r.err;
    EXPECT_THAT(r.err, HasSubstr("bad.hst"));
  }
  Write(bad, bytes + "x");
  EXPECT_EQ(RunHasten({"verify", bad}).status, 3);
}

TEST(Passes, CanBeLookedInto) {
  const std::string folder = FreshFolder();
  const Outcome r = RunHasten({"compile", Fixture("good"), "-o", folder + "/a.hst", "--stats", "--dump-ir", folder + "/ir", "--verify", "numeric"});
  ASSERT_EQ(r.status, 0) << r.err;
  EXPECT_THAT(r.err, HasSubstr("recognize"));
  EXPECT_GE(List(folder + "/ir").size(), 3u);
  EXPECT_EQ(RunHasten({"compile", Fixture("good"), "-o", folder + "/b.hst", "--disable-pass", "no_such_pass"}).status, 2);
  EXPECT_EQ(RunHasten({"opt", "--list"}).status, 0);
}

}  // namespace
}  // namespace hasten::testing
