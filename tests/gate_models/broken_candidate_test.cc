// A candidate whose weights hold a NaN fails, whatever the policy asks about; one whose
// bytes are not those that were written is refused.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "calib/compile/driver.h"
#include "calib/gate/gate.h"
#include "calib/gate/judge.h"
#include "calib/load/surface.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/sha256.h"
#include "runtime/format/layout.h"

namespace hasten::gate {
namespace {

using ::testing::HasSubstr;

std::string Fixture(const std::string& name) { return StrCat(HASTEN_BINARY_DIR, "/fixtures/models/", name); }

// Digests that hold again after a change, as if a compiler had written these bytes.
void Seal(std::string& file) {
  FileHeader header;
  std::memcpy(&header, file.data(), sizeof header);
  for (uint32_t i = 0; i < header.sections; ++i) {
    SectionEntry entry;
    char* at = file.data() + header.table_offset + i * sizeof entry;
    std::memcpy(&entry, at, sizeof entry);
    const Sha256Digest digest = Sha256Of(std::as_bytes(std::span(file).subspan(entry.offset, entry.size)));
    std::memcpy(entry.digest, digest.data(), sizeof entry.digest);
    std::memcpy(at, &entry, sizeof entry);
  }
  std::memset(header.digest, 0, sizeof header.digest);
  Sha256 sha;
  sha.Update(&header, sizeof header);
  sha.Update(file.data() + header.table_offset, file.size() - header.table_offset);
  const Sha256Digest digest = sha.Finish();
  std::memcpy(header.digest, digest.data(), sizeof header.digest);
  std::memcpy(file.data(), &header, sizeof header);
}

class BrokenCandidate : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = StrCat(HASTEN_BINARY_DIR, "/broken_candidate_", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    calib::CompileOptions options;
    options.model = Fixture("good");
    options.output = folder_ + "/model.hst";
    options.recipe.weights = Scheme::kF32;
    calib::CompileReport report;
    const Status status = calib::CompileModel(options, &report);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A NaN amid the weights, which are most of the file.
  void PlantNan(bool sealed) {
    std::ifstream in(folder_ + "/model.hst", std::ios::binary);
    std::string file{std::istreambuf_iterator<char>(in), {}};
    const float nan = std::nanf("");
    std::memcpy(file.data() + file.size() / 8 * 4, &nan, sizeof nan);
    if (sealed) Seal(file);
    std::ofstream(folder_ + "/model.hst", std::ios::binary) << file;
  }

  Result<Report> Gate(const std::string& policy) {
    std::ofstream(folder_ + "/gate.toml") << "[data]\ntext = \"" << Fixture("gate") << "/text.jsonl\"\ncontext = 64\nchunks = 40\n[data.tasks]\nchoices = \""
                                          << Fixture("gate") << "/choices.jsonl\"\n[surface.a]\n" << policy << "\n";
    GateOptions options{.reference = Fixture("good"), .candidate = folder_ + "/model.hst", .policy = folder_ + "/gate.toml", .threads = 1};
    options.latency = [&](const Policy& p, const Surface& surface, Report& report) {
      return load::AddSurface(p, surface, {.candidate = options.candidate, .threads = 1}, report);
    };
    return RunGate(options);
  }
  std::string folder_;
};

TEST_F(BrokenCandidate, FailsWhateverIsAsked) {
  PlantNan(/*sealed=*/true);
  const char* const policies[] = {
      "quality.top1_min = 0",
      "quality.kld_mean_max = 1e9",
      "quality.kld_max_max = 1e9",
      "quality.task.choices = { margin_pp = 99, items = 40 }",
      "quality.generation.length_ratio_min = 0",
      "workload = { arrivals_per_s = 100, prompt_tokens = [4, 8], output_tokens = 4, requests = 20, warmup = 0 }\nttft_ms = { p50 = 60000 }",
      "artifact_mb_max = 1000",
  };
  for (const char* policy : policies) {
    const Result<Report> report = Gate(policy);
    ASSERT_TRUE(report.ok()) << policy << report.status().message();
    EXPECT_EQ(report->verdict, Verdict::kFail) << policy << ": " << report->reason;
    EXPECT_TRUE(report->reason.find("NaN") != std::string::npos || report->reason.find("failed") != std::string::npos) << policy << ": " << report->reason;
  }
}

TEST_F(BrokenCandidate, TheSoundOnePassesTheSame) {
  for (const char* policy : {"quality.top1_min = 0", "quality.generation.length_ratio_min = 0", "artifact_mb_max = 1000"}) {
    const Result<Report> report = Gate(policy);
    ASSERT_TRUE(report.ok()) << policy << report.status().message();
    EXPECT_EQ(report->verdict, Verdict::kPass) << policy << ": " << report->reason;
  }
}

TEST_F(BrokenCandidate, DamagedBytesAreRefused) {
  PlantNan(/*sealed=*/false);
  const Result<Report> report = Gate("quality.kld_mean_max = 1");
  EXPECT_EQ(report.status().code(), Code::kBadInput);
  EXPECT_THAT(report.status().message(), HasSubstr("the file is damaged"));
}

}  // namespace
}  // namespace hasten::gate
