// Instruction sets: names, order, and the refusal of what the machine lacks.
#include "runtime/base/isa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hasten {
namespace {

using ::testing::HasSubstr;

constexpr Isa kAll[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni};

TEST(Isa, ScalarIsAlwaysThere) {
  EXPECT_TRUE(IsaAvailable(Isa::kScalar));
  EXPECT_TRUE(IsaAvailable(BestIsa()));
  for (Isa isa : kAll) {
    if (isa <= BestIsa()) continue;
    EXPECT_FALSE(IsaAvailable(isa)) << IsaName(isa);
  }
}

TEST(Isa, AgreesWithTheCompilersDetection) {
  EXPECT_EQ(IsaAvailable(Isa::kAvx2), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  if (!__builtin_cpu_supports("avx512vnni")) {
    EXPECT_FALSE(IsaAvailable(Isa::kAvx512Vnni));
  }
}

TEST(Isa, ParsesTheNamesOfWhatIsThereAndRefusesTheRest) {
  for (Isa isa : kAll) {
    const Result<Isa> r = ParseIsa(IsaName(isa));
    ASSERT_EQ(r.ok(), IsaAvailable(isa)) << IsaName(isa);
    if (r.ok()) {
      EXPECT_EQ(*r, isa);
    }
  }
  for (std::string_view name : {"", "AVX2", "avx2 ", "neon", "scalar\n"}) {
    const Result<Isa> r = ParseIsa(name);
    ASSERT_FALSE(r.ok()) << name;
    EXPECT_EQ(r.status().code(), Code::kUsage);
    EXPECT_THAT(r.status().message(), HasSubstr("it has: scalar"));
  }
}

}  // namespace
}  // namespace hasten
