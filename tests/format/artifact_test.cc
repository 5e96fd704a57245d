// The reader against intact, foreign, truncated, rearranged and bit-flipped
// files. Mutations re-sign the digests where the point is what lies behind them.
#include "runtime/format/artifact.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <random>

#include "tests/format/raw_artifact.h"
#include "tests/format/tiny_model.h"

namespace hasten::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;
using Bytes = std::vector<char>;

class ArtifactTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(::testing::TempDir()) / StrCat("hst-format-", getpid(), "-", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(dir_);
    TinyConfig c;
    c.hidden = 32, c.inter = 32, c.vocab = 20, c.layers = 1;
    ASSERT_TRUE(WriteTinyModel(MakeTinyModel(c), Path("good.hst")).ok());
    good_ = RawArtifact::Read(Path("good.hst"));
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string Path(const std::string& name) const { return (dir_ / name).string(); }
  Result<std::shared_ptr<const ArtifactFile>> OpenBytes(const Bytes& b) {
    EXPECT_TRUE(memory_.Set(b));
    return ArtifactFile::Open(memory_.path());
  }
  // Refused, naming the file; returns the message.
  std::string Refused(const Bytes& b) {
    const Status s = OpenBytes(b).status();
    EXPECT_FALSE(s.ok());
    EXPECT_THAT(s.message(), HasSubstr(memory_.path()));
    EXPECT_TRUE(ExitStatus(s.code()) == 3) << s.message();
    return s.message();
  }
  std::string RefusedEntry(uint32_t i, const std::function<void(SectionEntry&)>& change) {
    RawArtifact b = good_;
    SectionEntry e = b.Entry(i);
    change(e);
    b.SetEntry(i, e);
    b.Sign();
    return Refused(b.bytes);
  }
  std::string RefusedHeader(const std::function<void(FileHeader&)>& change) {
    RawArtifact b = good_;
    FileHeader h = b.Header();
    change(h);
    b.SetHeader(h);
    b.Sign();
    return Refused(b.bytes);
  }

  fs::path dir_;
  RawArtifact good_;
  MemoryFile memory_;
};

TEST_F(ArtifactTest, OpensAndVerifies) {
  auto r = ArtifactFile::Open(Path("good.hst"));
  ASSERT_TRUE(r.ok()) << r.status().message();
  EXPECT_EQ((*r)->sections().size(), 3u);
  EXPECT_EQ((*r)->program().vocab(), 20u);
  EXPECT_EQ((*r)->model_info().provenance()->architecture()->str(), "tiny");
  EXPECT_EQ(reinterpret_cast<uintptr_t>((*r)->weights().data()) % kPageAlignment, 0u);
  EXPECT_TRUE((*r)->VerifyDigests().ok());
  const std::atomic<bool> cancel{true};
  EXPECT_EQ((*r)->VerifyDigests(&cancel).code(), Code::kCancelled);
}

TEST_F(ArtifactTest, TruncationAtEveryByteOfHeaderTableAndAroundSections) {
  const FileHeader h = good_.Header();
  const Bytes& all = good_.bytes;
  std::vector<size_t> cuts;
  for (size_t i = 1; i <= sizeof h; ++i) cuts.push_back(i);
  for (size_t i = h.table_offset; i < all.size(); ++i) cuts.push_back(i);
  for (uint32_t i = 0; i < h.sections; ++i)
    for (int d = -1; d <= 1; ++d) {
      cuts.push_back(good_.Entry(i).offset + static_cast<size_t>(d));
      cuts.push_back(good_.Entry(i).offset + good_.Entry(i).size + static_cast<size_t>(d));
    }
  for (size_t cut : cuts) EXPECT_THAT(Refused(Bytes(all.begin(), all.begin() + static_cast<long>(cut))), HasSubstr("truncated")) << cut;
}

TEST_F(ArtifactTest, EveryHeaderAndTableBitFlipIsRefused) {
  Bytes b = good_.bytes;
  for (size_t i = 0; i < b.size(); i = i + 1 == sizeof(FileHeader) ? good_.Header().table_offset : i + 1)
    for (int bit = 0; bit < 8; ++bit) {
      b[i] = static_cast<char>(b[i] ^ (1 << bit));
      Refused(b);
      b[i] = good_.bytes[i];
    }
}

TEST_F(ArtifactTest, EveryOtherBitFlipIsFoundByVerify) {
  std::mt19937 rng(3);
  for (int n = 0; n < 600; ++n) {
    Bytes b = good_.bytes;
    const size_t at = sizeof(FileHeader) + rng() % (b.size() - sizeof(FileHeader));
    b[at] = static_cast<char>(b[at] ^ (1 << rng() % 8));
    auto r = OpenBytes(b);
    EXPECT_FALSE(r.ok() && (*r)->VerifyDigests().ok()) << at;
  }
}

TEST_F(ArtifactTest, TrailingBytes) {
  Bytes b = good_.bytes;
  b.push_back(0);
  EXPECT_THAT(Refused(b), HasSubstr("appended"));
}

TEST_F(ArtifactTest, HeaderFields) {
  EXPECT_THAT(RefusedHeader([](FileHeader& h) { h.major = 2; }), HasSubstr("format version 2.0"));
  EXPECT_THAT(RefusedHeader([](FileHeader& h) { h.minor = 9; }), HasSubstr("use a newer hasten"));
  EXPECT_THAT(RefusedHeader([](FileHeader& h) { h.major = 0; }), HasSubstr("no longer read"));
  EXPECT_THAT(RefusedHeader([](FileHeader& h) { h.sections = 0; }), HasSubstr("0 sections"));
  EXPECT_THAT(RefusedHeader([](FileHeader& h) { h.sections = 0xffffffff; }), HasSubstr("sections"));
  EXPECT_THAT(RefusedHeader([](FileHeader& h) { h.table_offset = ~0ull - 63; }), HasSubstr("does not end with the file"));
  EXPECT_THAT(RefusedHeader([](FileHeader& h) { h.table_offset = 0; }), HasSubstr("does not end with the file"));
  EXPECT_THAT(RefusedHeader([](FileHeader& h) { h.entry_bytes = 0; }), HasSubstr("table entries of 0 bytes"));
  EXPECT_THAT(RefusedHeader([](FileHeader& h) { h.reserved[5] = 1; }), HasSubstr("reserved bytes"));
}

// Minor 0 is written and read as long as nothing newer is used; a file that hides
// newer fields behind it would be misread by older readers, so nobody takes it.
TEST_F(ArtifactTest, MinorVersionFollowsTheFieldsInUse) {
  EXPECT_EQ(good_.Header().minor, 0u);
  RawArtifact newer = good_;
  FileHeader h = newer.Header();
  h.minor = kFormatMinor;
  newer.SetHeader(h);
  newer.Sign();
  EXPECT_TRUE(OpenBytes(newer.bytes).ok());
  TinyConfig c;
  c.hidden = 32, c.inter = 32, c.vocab = 20, c.layers = 1, c.alibi = true;
  ASSERT_TRUE(WriteTinyModel(MakeTinyModel(c), Path("alibi.hst")).ok());
  RawArtifact alibi = RawArtifact::Read(Path("alibi.hst"));
  h = alibi.Header();
  EXPECT_EQ(h.minor, kMinorAlibi);
  EXPECT_TRUE(OpenBytes(alibi.bytes).ok());
  h.minor = 0;
  alibi.SetHeader(h);
  alibi.Sign();
  EXPECT_THAT(Refused(alibi.bytes), HasSubstr("format version 1.0, but the program uses what came with 1.1"));
}

TEST_F(ArtifactTest, SectionTable) {
  EXPECT_THAT(RefusedEntry(1, [](SectionEntry& e) { e.alignment = 0; }), HasSubstr("alignment 0"));
  EXPECT_THAT(RefusedEntry(1, [](SectionEntry& e) { e.alignment = 1ull << 31; }), HasSubstr("alignment 2147483648"));
  EXPECT_THAT(RefusedEntry(1, [](SectionEntry& e) { e.alignment = 65; }), HasSubstr("alignment 65"));
  EXPECT_THAT(RefusedEntry(1, [](SectionEntry& e) { e.offset += 1; }), HasSubstr("no multiple"));
  EXPECT_THAT(RefusedEntry(1, [](SectionEntry& e) { e.offset += 64; }), HasSubstr("unused bytes"));
  EXPECT_THAT(RefusedEntry(1, [](SectionEntry& e) { e.offset -= 64; }), HasSubstr("before the previous section ends"));
  EXPECT_THAT(RefusedEntry(0, [](SectionEntry& e) { e.offset = 0; }), HasSubstr("before the previous section ends"));
  EXPECT_THAT(RefusedEntry(2, [](SectionEntry& e) { e.size = 0; }), HasSubstr("it is empty"));
  EXPECT_THAT(RefusedEntry(2, [](SectionEntry& e) { e.size = 1ull << 63; }), HasSubstr("reach past"));
  EXPECT_THAT(RefusedEntry(2, [](SectionEntry& e) { e.size = ~0ull; }), HasSubstr("reach past"));
  EXPECT_THAT(RefusedEntry(2, [](SectionEntry& e) { e.size += 64; }), HasSubstr("reach past"));
  EXPECT_THAT(RefusedEntry(2, [](SectionEntry& e) { e.size -= 64; }), HasSubstr("unused bytes"));
  EXPECT_THAT(RefusedEntry(2, [](SectionEntry& e) { e.kind = 99; }), HasSubstr("kind 99"));
  EXPECT_THAT(RefusedEntry(2, [](SectionEntry& e) { e.kind = 32; }), HasSubstr("draft_head"));
  EXPECT_THAT(RefusedEntry(2, [](SectionEntry& e) { e.flags = 2; }), HasSubstr("flags 2"));
  EXPECT_THAT(RefusedEntry(2, [](SectionEntry& e) { e.kind = 1; }), HasSubstr("exists already"));
  EXPECT_THAT(RefusedEntry(2, [](SectionEntry& e) { std::memcpy(e.name, "program", 8); }), HasSubstr("exists already"));
  EXPECT_THAT(RefusedEntry(0, [](SectionEntry& e) { e.name[0] = '\0'; }), HasSubstr("entry 0: the name"));
  EXPECT_THAT(RefusedEntry(0, [](SectionEntry& e) { std::memset(e.name, 'a', 32); }), HasSubstr("entry 0: the name"));
  EXPECT_THAT(RefusedEntry(0, [](SectionEntry& e) { e.name[2] = '/'; }), HasSubstr("entry 0: the name"));
  EXPECT_THAT(RefusedEntry(0, [](SectionEntry& e) { e.kind = 99, e.flags = 1; }), HasSubstr("no program section"));
  EXPECT_THAT(RefusedEntry(0, [](SectionEntry& e) { e.digest[0] ^= 1; }), HasSubstr("section \"program\""));
}

TEST_F(ArtifactTest, SignedMetadataBitFlipsNeverCrash) {
  std::mt19937 rng(11);
  int refused = 0;
  for (int n = 0; n < 4000; ++n) {
    RawArtifact b = good_;
    const uint32_t section = n % 2;  // program, model_info
    for (uint32_t flips = 1 + rng() % 3; flips > 0; --flips) {
      char& c = b.Section(section)[rng() % b.Section(section).size()];
      c = static_cast<char>(rng() % 2 ? c ^ (1 << rng() % 8) : rng());
    }
    b.SignSection(section);
    const Status s = OpenBytes(b.bytes).status();
    refused += !s.ok();
    if (s.ok()) continue;
    EXPECT_THAT(s.message(), AnyOf(HasSubstr("program"), HasSubstr("model_info")));
  }
  EXPECT_GT(refused, 1000);
}

TEST_F(ArtifactTest, ForeignFiles) {
  const auto message = [&](const std::string& text) { return Refused(Bytes(text.begin(), text.end())); };
  EXPECT_THAT(message(""), HasSubstr("empty"));
  EXPECT_THAT(message("GGUF\3\0\0\0"), HasSubstr("GGUF"));
  EXPECT_THAT(message("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"), HasSubstr("git lfs pull"));
  EXPECT_THAT(message(std::string("\x08\x0a\x12\x07pytorch", 11)), HasSubstr("hasten compile"));
  EXPECT_THAT(message(std::string("PK\x03\x04xxxx", 8)), HasSubstr("ZIP"));
  EXPECT_THAT(message(std::string("\x10\0\0\0\0\0\0\0{\"a\":1}", 15)), HasSubstr("safetensors"));
  EXPECT_THAT(message("\x89HST\n\x1a\n\n and more"), HasSubstr("text mode"));
  EXPECT_THAT(message("hello"), HasSubstr("magic number"));
}

TEST_F(ArtifactTest, NotRegularFiles) {
  const auto message = [](const std::string& path) {
    auto r = ArtifactFile::Open(path);
    EXPECT_FALSE(r.ok());
    EXPECT_THAT(r.status().message(), HasSubstr(path));
    return r.status().message();
  };
  EXPECT_THAT(message(dir_.string()), HasSubstr("folder"));
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_THAT(message(Path("fifo")), HasSubstr("pipe"));
  EXPECT_THAT(message("/dev/null"), HasSubstr("device"));
  EXPECT_THAT(message(Path("absent.hst")), HasSubstr("No such file"));
}

}  // namespace
}  // namespace hasten::testing
