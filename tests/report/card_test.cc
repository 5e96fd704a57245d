// The quality card: in a copy that differs from the original in nothing else.
#include "calib/report/card.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "calib/abi/artifact.h"
#include "calib/synthetic/write.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/sha256.h"
#include "runtime/format/artifact.h"
#include "tests/report/sample_report.h"

namespace hasten::report {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string Digest(const std::string& bytes) { return HexDigest(Sha256Of({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()})); }

class Card : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("hasten-card-test-" + std::to_string(getpid()));  // tests run side by side
    fs::create_directories(folder_);
    calib::SyntheticOptions options;
    options.shape = "tiny", options.target = Path("a.hst"), options.tool_version = "test";
    const auto writer = calib::WriteSynthetic(options);
    ASSERT_TRUE(writer.ok() && (*writer)->Commit().ok());
    report_ = FullReport();
    report_.files[0].sha256 = Digest(Bytes(Path("a.hst")));
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string Path(const char* name) const { return folder_ / name; }

  fs::path folder_;
  gate::Report report_;
};

TEST_F(Card, GoesIntoACopyThatIsTheSameOtherwise) {
  const std::string before = Bytes(Path("a.hst"));
  const Status status = WriteCard(report_, Path("a.hst"), Path("b.hst"));
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(Bytes(Path("a.hst")), before);
  const auto a = ArtifactFile::Open(Path("a.hst")), b = ArtifactFile::Open(Path("b.hst"));
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_TRUE((*b)->VerifyDigests().ok());
  EXPECT_EQ((*a)->header().minor, (*b)->header().minor);
  ASSERT_EQ((*a)->sections().size(), (*b)->sections().size());
  for (size_t i = 0; i < (*a)->sections().size(); ++i) {
    const Section &x = (*a)->sections()[i], &y = (*b)->sections()[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.alignment, y.alignment);
    EXPECT_EQ(x.digest == y.digest, x.name != "model_info") << x.name;
  }
  // The public interface shows it, with the digest of what was gated.
  const auto opened = calib::Artifact::Open(Path("b.hst"));
  ASSERT_TRUE(opened.ok());
  const char* data = nullptr;
  size_t size = 0;
  ASSERT_EQ(hst_model_get_string((*opened)->get(), HST_STRING_CARD, &data, &size, nullptr), HST_OK);
  const auto card = nlohmann::json::parse(std::string(data, size));
  EXPECT_EQ(card.at("gated_sha256"), Digest(before));
  EXPECT_EQ(card.at("verdict"), "FAIL");
  EXPECT_EQ(card.at("criteria").size(), report_.criteria.size());
  EXPECT_EQ(card.at("metrics").at("kld_mean"), 0.301);
  EXPECT_TRUE(card.at("metrics").at("kld_max").is_null());
  ASSERT_EQ(hst_model_get_string((*opened)->get(), HST_STRING_TOOL_VERSION, &data, &size, nullptr), HST_OK);
  EXPECT_EQ(std::string(data, size), "test");   // the rest of model_info is kept
}

TEST_F(Card, TheSameReportGivesTheSameBytesAndAnotherCardReplacesIt) {
  ASSERT_TRUE(WriteCard(report_, Path("a.hst"), Path("b.hst")).ok());
  ASSERT_TRUE(WriteCard(report_, Path("a.hst"), Path("c.hst")).ok());
  EXPECT_EQ(Bytes(Path("b.hst")), Bytes(Path("c.hst")));
  gate::Report again = report_;
  again.files[0].sha256 = Digest(Bytes(Path("b.hst")));
  again.verdict = gate::Verdict::kPass;
  ASSERT_TRUE(WriteCard(again, Path("b.hst"), Path("c.hst")).ok());
  EXPECT_THAT(Bytes(Path("c.hst")), HasSubstr("\"verdict\":\"PASS\""));
}

TEST_F(Card, RefusesAnotherFileAndTheSameFile) {
  EXPECT_EQ(WriteCard(report_, Path("a.hst"), Path("a.hst")).code(), Code::kUsage);
  report_.files[0].sha256[0] ^= 1;
  const Status other = WriteCard(report_, Path("a.hst"), Path("b.hst"));
  EXPECT_EQ(other.code(), Code::kUsage);
  EXPECT_THAT(other.message(), HasSubstr("is not what was gated"));
  EXPECT_FALSE(fs::exists(Path("b.hst")));
}

}  // namespace
}  // namespace hasten::report
