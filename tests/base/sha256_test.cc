// SHA-256 against the published examples (FIPS 180-4 / NIST example values) and
// the portable rounds against the processor's, at every length around a block.
#include "runtime/base/sha256.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace hasten {
namespace {

std::string HashOf(const std::string& text, bool portable) {
  Sha256 h(portable);
  h.Update(text.data(), text.size());
  return HexDigest(h.Finish());
}

TEST(Sha256, NistExamples) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
      {std::string(1000000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
  for (const auto& [text, want] : cases)
    for (bool portable : {true, false}) EXPECT_EQ(HashOf(text, portable), want) << text.size() << " portable " << portable;
}

TEST(Sha256, SplitsAndImplementationsAgree) {
  std::mt19937 rng(7);
  for (size_t size = 0; size < 300; ++size) {
    std::vector<uint8_t> data(size);
    for (uint8_t& b : data) b = static_cast<uint8_t>(rng());
    Sha256 plain(true), split(false);
    plain.Update(data.data(), size);
    size_t at = 0;
    while (at < size) {
      const size_t n = std::min<size_t>(1 + rng() % 70, size - at);
      split.Update(data.data() + at, n);
      at += n;
    }
    EXPECT_EQ(plain.Finish(), split.Finish()) << size;
  }
}

}  // namespace
}  // namespace hasten
