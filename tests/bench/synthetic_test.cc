// Made-up weights: the program is that of a real model of the shape, the bytes do
// not depend on threads, and logits come out finite.
#include "calib/synthetic/write.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "calib/abi/artifact.h"
#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

struct Made {
  std::unique_ptr<ArtifactWriter> writer;
  std::string bytes;
};

Made Make(SyntheticOptions options) {
  options.target = ::testing::TempDir() + "/synthetic.hst";
  Result<std::unique_ptr<ArtifactWriter>> writer = WriteSynthetic(options);
  EXPECT_TRUE(writer.ok()) << writer.status().message();
  if (!writer.ok()) return {};
  std::ifstream in((*writer)->pending_path(), std::ios::binary);
  Made made{*std::move(writer), {std::istreambuf_iterator<char>(in), {}}};
  return made;
}

TEST(Synthetic, EverySchemeGivesFiniteLogitsAndTheSameBytes) {
  for (const SchemeInfo& info : AllSchemes()) {
    SyntheticOptions options{.shape = "tiny", .weights = info.scheme, .head = info.scheme, .embed = info.scheme};
    const Made one = Make(options);
    options.threads = 2;
    const Made two = Make(options);
    ASSERT_FALSE(one.bytes.empty());
    EXPECT_EQ(one.bytes, two.bytes) << info.name;
    const auto artifact = Artifact::Open(one.writer->pending_path());
    ASSERT_TRUE(artifact.ok()) << artifact.status().message();
    EXPECT_EQ((*artifact)->info().vocab, 250);
    const auto session = Session::Create(**artifact, {.threads = 1, .capacity = 64});
    ASSERT_TRUE(session.ok()) << session.status().message();
    const std::vector<int32_t> tokens = {1, 2, 3, 249};
    const Result<RowBlock> rows = (*session)->Evaluate(tokens, Rows::kAll);
    ASSERT_TRUE(rows.ok()) << rows.status().message();
    float largest = 0;
    for (int64_t r = 0; r < rows->rows; ++r)
      for (float x : rows->At(r)) {
        ASSERT_TRUE(std::isfinite(x)) << info.name;
        largest = std::max(largest, std::abs(x));
      }
    EXPECT_GT(largest, 0.1f) << info.name;
    EXPECT_LT(largest, 100.0f) << info.name;
  }
}

TEST(Synthetic, NothingIsLeftUnlessKept) {
  const std::string target = ::testing::TempDir() + "/synthetic.hst";
  std::filesystem::remove(target);
  { const Made made = Make({.shape = "tiny"}); }
  EXPECT_FALSE(std::filesystem::exists(target));
  {
    const Made made = Make({.shape = "tiny"});
    ASSERT_TRUE(made.writer->Commit().ok());
  }
  EXPECT_TRUE(std::filesystem::remove(target));
}

TEST(Synthetic, ShapesAreNamed) {
  for (const SyntheticShape& s : AllShapes()) {
    ASSERT_TRUE(FindShape(s.name).ok());
    EXPECT_EQ(*FindShape(s.name), &s);
    EXPECT_EQ(s.heads % s.kv_heads, 0) << s.name;
  }
  const auto wrong = FindShape("llama-70b");
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.status().code(), Code::kUsage);
  EXPECT_NE(wrong.status().message().find("llama-8b"), std::string::npos);
}

}  // namespace
}  // namespace hasten::calib
