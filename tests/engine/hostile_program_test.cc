// What the checker lets through must run: programs with random damage, signed
// again by the writer, either fail to open with a message or evaluate tokens
// without touching memory that is not theirs (meant for the asan build).
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "tests/engine/try_artifact.h"
#include "tests/format/raw_artifact.h"
#include "tests/format/tiny_model.h"

namespace hasten::testing {
namespace {

TEST(HostileProgram, AcceptedMeansHarmless) {
  const std::string path = (std::filesystem::path(::testing::TempDir()) / StrCat("hst-hostile-", getpid(), ".hst")).string();
  MemoryFile memory;
  int accepted = 0;
  for (int kind = 0; kind < 3; ++kind) {
    TinyConfig c;
    c.hidden = 32, c.inter = 32, c.vocab = 20, c.layers = 1, c.heads = 2, c.kv_heads = 1, c.qk_norm = kind == 0;
    c.weights = c.head = kind == 1 ? Scheme::kI4G32 : Scheme::kF32;
    c.kv = kind == 1 ? KvType::kI8 : KvType::kF32;
    c.encoder = c.layer_norm = c.learned_positions = kind == 2;
    c.alibi = kind > 0, c.window = kind == 2 ? 5 : 0, c.ahead = kind == 2 ? 4 : 0;
    c.max_positions = 32;
    ASSERT_TRUE(WriteTinyModel(MakeTinyModel(c), path).ok());
    const RawArtifact good = RawArtifact::Read(path);
    std::mt19937 rng(17 + static_cast<unsigned>(kind));
    for (int n = 0; n < 1500; ++n) {
      RawArtifact bad = good;
      const std::span<char> program = bad.Section(0);
      for (uint32_t flips = 1 + rng() % 3; flips > 0; --flips) {
        char& b = program[rng() % program.size()];
        // Small changes of small numbers pass most checks; whole random bytes find the rest.
        b = static_cast<char>(rng() % 2 ? b ^ (1 << rng() % 4) : rng());
      }
      bad.SignSection(0);
      ASSERT_TRUE(memory.Set(bad.bytes));
      accepted += TryArtifact(memory.path());
    }
  }
  EXPECT_GT(accepted, 200);  // else the test tests nothing
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace hasten::testing
