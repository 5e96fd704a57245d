// How a text becomes chunks, and which of their positions are scored.
#include "calib/data/chunks.h"

#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<int32_t> Ascending(int32_t n) {
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

TEST(Chunks, AreContiguousAndWhole) {
  const auto chunks = CutChunks(Ascending(11), 4, 0, std::nullopt);
  ASSERT_TRUE(chunks.ok());
  EXPECT_EQ(chunks->count, 2);
  EXPECT_THAT(chunks->At(0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(chunks->At(1), ElementsAre(4, 5, 6, 7));
  EXPECT_EQ(chunks->first_scored(), 2);
  EXPECT_EQ(chunks->scored(), 1);
}

TEST(Chunks, TheSecondHalfIsScored) {
  const auto chunks = CutChunks(Ascending(512), 512, 1, std::nullopt);
  ASSERT_TRUE(chunks.ok());
  EXPECT_EQ(chunks->first_scored(), 256);
  EXPECT_EQ(chunks->scored(), 255);   // position 511 has no next token
}

TEST(Chunks, BosReplacesTheFirstOfEach) {
  const auto chunks = CutChunks(Ascending(8), 4, 2, 99);
  ASSERT_TRUE(chunks.ok());
  EXPECT_THAT(chunks->tokens, ElementsAre(99, 1, 2, 3, 99, 5, 6, 7));
}

TEST(Chunks, TooShort) {
  for (const auto& chunks : {CutChunks(Ascending(3), 4, 0, std::nullopt), CutChunks(Ascending(8), 4, 3, std::nullopt)}) {
    ASSERT_FALSE(chunks.ok());
    EXPECT_EQ(chunks.status().code(), Code::kBadInput);
    EXPECT_THAT(chunks.status().message(), HasSubstr("--context"));
  }
  EXPECT_EQ(CutChunks(Ascending(8), 3, 1, std::nullopt).status().code(), Code::kUsage);
}

}  // namespace
}  // namespace hasten::calib
