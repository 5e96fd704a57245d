// The writer: deterministic bytes, and whatever goes wrong (cancel, a full or
// read-only disk, kill -9, two writers) the target is the old file or the new
// one, and no temporary stays.
#include "compiler/artifact/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "runtime/format/artifact.h"
#include "tests/format/tiny_model.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::string Contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

class WriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(::testing::TempDir()) / StrCat("hst-writer-", getpid(), "-", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(dir_);
    TinyConfig c;
    c.hidden = 32, c.inter = 32, c.vocab = 20, c.layers = 1;
    model_ = MakeTinyModel(c);
  }
  void TearDown() override {
    fs::permissions(dir_, fs::perms::owner_all);
    fs::remove_all(dir_);
  }
  std::string Path(const std::string& name) const { return (dir_ / name).string(); }
  size_t Files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(dir_), {})); }

  fs::path dir_;
  TinyModel model_;
};

TEST_F(WriterTest, SameBytesEveryTime) {
  ASSERT_TRUE(WriteTinyModel(model_, Path("a.hst")).ok());
  ASSERT_TRUE(WriteTinyModel(model_, Path("b.hst")).ok());
  EXPECT_EQ(Contents(Path("a.hst")), Contents(Path("b.hst")));
  EXPECT_EQ(Files(), 2u);
}

TEST_F(WriterTest, PiecesOfAnySizeGiveTheSameBytes) {
  std::string first;
  for (size_t piece : {1u << 21, 1u << 20, 100000u, 4097u}) {
    auto w = ArtifactWriter::Create(Path("p.hst"));
    ASSERT_TRUE(w.ok());
    std::vector<std::byte> data(3'000'001);
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 7 >> 3);
    ASSERT_TRUE((*w)->BeginSection(SectionKind::kWeights, 4096).ok());
    for (size_t at = 0; at < data.size(); at += piece)
      ASSERT_TRUE((*w)->Append(std::span(data).subspan(at, std::min(piece, data.size() - at))).ok());
    ASSERT_TRUE((*w)->Align(64).ok());
    EXPECT_EQ((*w)->section_bytes() % 64, 0u);
    ASSERT_TRUE((*w)->EndSection().ok());
    ASSERT_TRUE((*w)->Commit().ok());
    if (first.empty()) first = Contents(Path("p.hst"));
    EXPECT_EQ(Contents(Path("p.hst")), first) << piece;
  }
}

TEST_F(WriterTest, WithoutCommitNothingStays) {
  {
    auto w = ArtifactWriter::Create(Path("x.hst"));
    ASSERT_TRUE(w.ok());
    ASSERT_TRUE((*w)->AddSection(SectionKind::kWeights, std::vector<std::byte>(100)).ok());
    ASSERT_TRUE((*w)->Finish().ok());
  }
  EXPECT_EQ(Files(), 0u);
}

TEST_F(WriterTest, FinishedButUncommittedFileCanBeChecked) {
  auto w = ArtifactWriter::Create(Path("x.hst"));
  ASSERT_TRUE(w.ok());
  ASSERT_TRUE((*w)->AddSection(SectionKind::kProgram, PackProgram(model_.program)).ok());
  ASSERT_TRUE((*w)->AddSection(SectionKind::kModelInfo, PackModelInfo(model_.info)).ok());
  ASSERT_TRUE((*w)->AddSection(SectionKind::kWeights, model_.weights).ok());
  ASSERT_TRUE((*w)->Finish().ok());
  auto file = ArtifactFile::Open((*w)->pending_path());
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_TRUE((*file)->VerifyDigests().ok());
  EXPECT_FALSE(fs::exists(Path("x.hst")));
  ASSERT_TRUE((*w)->Commit().ok());
  EXPECT_TRUE(fs::exists(Path("x.hst")));
}

TEST_F(WriterTest, CancelStopsAndCleans) {
  std::atomic<bool> cancel{false};
  {
    auto w = ArtifactWriter::Create(Path("x.hst"), &cancel);
    ASSERT_TRUE(w.ok());
    ASSERT_TRUE((*w)->BeginSection(SectionKind::kWeights).ok());
    cancel = true;
    EXPECT_EQ((*w)->Append(std::vector<std::byte>(10)).code(), Code::kCancelled);
  }
  EXPECT_EQ(Files(), 0u);
}

TEST_F(WriterTest, FullDisk) {
  // A limit on the file's size stands in for a full disk: the same failing write.
  ASSERT_TRUE(WriteTinyModel(model_, Path("old.hst")).ok());
  const std::string before = Contents(Path("old.hst"));
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    const Status s = WriteTinyModel(model_, Path("old.hst"));
    _exit(s.code() == Code::kResource && s.message().find("old.hst") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Contents(Path("old.hst")), before);
  EXPECT_EQ(Files(), 1u);
}

TEST_F(WriterTest, BadTargets) {
  EXPECT_THAT(WriteTinyModel(model_, dir_.string()).message(), HasSubstr("is a folder"));
  EXPECT_THAT(WriteTinyModel(model_, "/dev/null").message(), HasSubstr("not a regular file"));
  EXPECT_THAT(WriteTinyModel(model_, "").message(), HasSubstr("not a file name"));
  const Status missing = WriteTinyModel(model_, Path("no/such/x.hst"));
  EXPECT_EQ(missing.code(), Code::kResource);
  EXPECT_THAT(missing.message(), HasSubstr("no/such/x.hst"));
}

TEST_F(WriterTest, ReadOnlyFolder) {
  if (geteuid() == 0) {  // root writes anywhere on disk, but not here
    EXPECT_EQ(WriteTinyModel(model_, "/proc/x.hst").code(), Code::kResource);
    return;
  }
  fs::permissions(dir_, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(WriteTinyModel(model_, Path("x.hst")).code(), Code::kResource);
}

TEST_F(WriterTest, TwoWritersOfOneTargetBothSucceed) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) good += WriteTinyModel(model_, Path("x.hst")).ok();
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(good, 40);
  EXPECT_EQ(Files(), 1u);
  EXPECT_TRUE(ArtifactFile::Open(Path("x.hst")).ok());
}

TEST_F(WriterTest, KilledAtAnyMomentLeavesOldOrNew) {
  ASSERT_TRUE(WriteTinyModel(model_, Path("x.hst")).ok());
  TinyModel other = model_;
  std::mt19937 rng(5);
  for (int i = 0; i < 60; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      for (;;)
        if (!WriteTinyModel(other, Path("x.hst")).ok()) _exit(1);
    }
    usleep(rng() % 4000);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    auto file = ArtifactFile::Open(Path("x.hst"));
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_TRUE((*file)->VerifyDigests().ok());
  }
}

}  // namespace
}  // namespace hasten::testing
