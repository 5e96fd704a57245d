// Checked arithmetic: exact inside 64 bits, invalid for good outside.
#include "runtime/base/checked.h"

#include <gtest/gtest.h>

namespace hasten {
namespace {

constexpr uint64_t kMax = ~uint64_t{0};

TEST(Checked, ComputesWhatFits) {
  EXPECT_EQ((Checked(6) * Checked(7) + Checked(1) - Checked(3)).value(), 40u);
  EXPECT_TRUE((Checked(kMax) + Checked(0)).ok());
  EXPECT_TRUE((Checked(uint64_t{1} << 32) * Checked((uint64_t{1} << 32) - 1)).ok());
  EXPECT_EQ((Checked(5) - Checked(5)).value(), 0u);
}

TEST(Checked, RefusesWhatWraps) {
  EXPECT_FALSE((Checked(kMax) + Checked(1)).ok());
  EXPECT_FALSE((Checked(uint64_t{1} << 32) * Checked(uint64_t{1} << 32)).ok());
  EXPECT_FALSE((Checked(4) - Checked(5)).ok());
  EXPECT_FALSE(Checked::FromSigned(-1).ok());
  EXPECT_EQ(Checked::FromSigned(7).value(), 7u);
}

TEST(Checked, StaysInvalid) {
  const Checked bad = Checked(kMax) * Checked(2);
  EXPECT_FALSE((bad - bad).ok());
  EXPECT_FALSE((bad * Checked(0)).ok());
  EXPECT_FALSE((Checked(1) + bad).ok());
  EXPECT_FALSE(bad.AlignUp(64).ok());
  EXPECT_FALSE(bad.AtMost(kMax));
  EXPECT_FALSE(bad.get().has_value());
}

TEST(Checked, AlignsUp) {
  EXPECT_EQ(Checked(0).AlignUp(64).value(), 0u);
  EXPECT_EQ(Checked(1).AlignUp(64).value(), 64u);
  EXPECT_EQ(Checked(64).AlignUp(64).value(), 64u);
  EXPECT_EQ(Checked(65).AlignUp(64).value(), 128u);
  EXPECT_EQ(Checked(10).AlignUp(3).value(), 12u);  // no power of two needed
  EXPECT_FALSE(Checked(kMax - 5).AlignUp(64).ok());
  EXPECT_FALSE(Checked(1).AlignUp(0).ok());
}

TEST(Checked, ComparesWithALimit) {
  EXPECT_TRUE(Checked(10).AtMost(10));
  EXPECT_FALSE(Checked(11).AtMost(10));
}

}  // namespace
}  // namespace hasten
