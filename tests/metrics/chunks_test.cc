// How a text becomes documents and chunks, and which of their positions are scored.
#include "calib/data/chunks.h"

#include <numeric>

#include "calib/data/documents.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<int32_t> Ascending(int32_t n, int32_t from = 0) {
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  std::iota(tokens.begin(), tokens.end(), from);
  return tokens;
}

Result<Chunks> Cut(const std::vector<std::vector<int32_t>>& documents, int64_t context, int64_t count, std::optional<int32_t> bos = std::nullopt) {
  return CutChunks(documents, context, count, bos);
}

TEST(Chunks, OfOneDocumentAreContiguousAndWhole) {
  const auto chunks = Cut({Ascending(11)}, 4, 0);
  ASSERT_TRUE(chunks.ok());
  EXPECT_EQ(chunks->count, 2);
  EXPECT_THAT(chunks->At(0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(chunks->At(1), ElementsAre(4, 5, 6, 7));
  EXPECT_EQ(chunks->first_scored, 2);
  EXPECT_EQ(chunks->scored(), 1);
}

TEST(Chunks, TheSecondHalfIsScored) {
  const auto chunks = Cut({Ascending(512)}, 512, 1);
  ASSERT_TRUE(chunks.ok());
  EXPECT_EQ(chunks->first_scored, 256);
  EXPECT_EQ(chunks->scored(), 255);   // position 511 has no next token
}

TEST(Chunks, AreSpreadOverDocuments) {
  const std::vector<std::vector<int32_t>> documents = {Ascending(13), Ascending(3, 100), Ascending(4, 200), Ascending(9, 300), Ascending(4, 400)};
  // One of each that has one, before a second of any; none crosses documents.
  EXPECT_THAT(Cut(documents, 4, 4)->document, ElementsAre(0, 2, 3, 4));
  EXPECT_THAT(Cut(documents, 4, 6)->document, ElementsAre(0, 0, 2, 3, 3, 4));
  EXPECT_THAT(Cut(documents, 4, 2)->document, ElementsAre(0, 3));   // evenly spaced
  EXPECT_THAT(Cut(documents, 4, 0)->document, ElementsAre(0, 0, 0, 2, 3, 3, 4));
  EXPECT_THAT(Cut(documents, 4, 6)->At(4), ElementsAre(304, 305, 306, 307));
}

TEST(Chunks, BosReplacesTheFirstOfEach) {
  const auto chunks = Cut({Ascending(8)}, 4, 2, 99);
  ASSERT_TRUE(chunks.ok());
  EXPECT_THAT(chunks->tokens, ElementsAre(99, 1, 2, 3, 99, 5, 6, 7));
}

TEST(Chunks, TooShort) {
  for (const auto& chunks : {Cut({Ascending(3)}, 4, 0), Cut({Ascending(8)}, 4, 3), Cut({Ascending(3), Ascending(3)}, 4, 1), Cut({}, 4, 0)}) {
    ASSERT_FALSE(chunks.ok());
    EXPECT_EQ(chunks.status().code(), Code::kBadInput);
    EXPECT_THAT(chunks.status().message(), HasSubstr("--context"));
  }
  EXPECT_EQ(Cut({Ascending(8)}, 3, 1).status().code(), Code::kUsage);
}

TEST(Documents, ArticlesOfWikiText) {
  const auto d = SplitDocuments(" \n = One = \n \n text\n \n = = Section = = \n \n more\n \n = Two = \n \n end\n = no title = \n", "wiki.txt");
  ASSERT_TRUE(d.ok());
  ASSERT_EQ(d->size(), 2u);
  EXPECT_THAT((*d)[0], HasSubstr("Section"));
  EXPECT_THAT((*d)[1], HasSubstr("no title"));
}

TEST(Documents, ParagraphsLinesAndTheWhole) {
  EXPECT_THAT(*SplitDocuments("a\nb\n\nc\n \n\n", "x.txt"), ElementsAre("a\nb\n", "\nc\n"));
  EXPECT_THAT(*SplitDocuments("a\nb\n", "x.txt"), ElementsAre("a\nb\n"));
  EXPECT_THAT(*SplitDocuments("{\"text\": \"a\\nb\"}\n\n\"c\"\n", "x.jsonl"), ElementsAre("a\nb", "c"));
  EXPECT_THAT(*SplitDocuments(" \n\t", "x.txt"), IsEmpty());
  EXPECT_THAT(*SplitDocuments("", "x.jsonl"), IsEmpty());
}

TEST(Documents, WhatIsWrongIsNamedByLine) {
  EXPECT_THAT(SplitDocuments("{\"text\": \"a\"}\n\x01\xff\n", "x.jsonl").status().message(), HasSubstr("line 2: is not JSON"));
  EXPECT_THAT(SplitDocuments("{\"body\": \"a\"}\n", "x.jsonl").status().message(), HasSubstr("line 1: neither"));
  EXPECT_THAT(SplitDocuments("\"" + std::string(100, 'a') + "\"", "x.jsonl", 50).status().message(), HasSubstr("102 bytes"));
}

TEST(Documents, DigestIgnoresWhiteSpaceAround) {
  EXPECT_EQ(DocumentDigest(" \n text \r\n"), DocumentDigest("text"));
  EXPECT_NE(DocumentDigest("te xt"), DocumentDigest("text"));
  EXPECT_EQ(DocumentDigest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace hasten::calib
