// The shortest decimals against std::to_chars.
#include "runtime/base/decimal.h"

#include <bit>
#include <charconv>
#include <cstdint>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace hasten {
namespace {

template <class T>
std::string ToChars(T v) {
  char buffer[512];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr};
}

TEST(Decimal, TextIsThatOfToChars) {
  for (const double v : {0.0, -0.0, 1.0, -1.0, 0.1, 0.5, 20.0, 100.0, 1000.0, 10000.0, 100000.0, 123456.0, 1e6, 1e21, 1e22, 1.5e300, 0.001, 0.0001, 0.00001, 0.00012,
                         123.456, 4.9e-324, 2.2250738585072014e-308, 1.7976931348623157e308, std::numeric_limits<double>::infinity(),
                         -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(ShortestText(v), ToChars(v));
    EXPECT_EQ(ShortestText(static_cast<float>(v)), ToChars(static_cast<float>(v)));
  }
  std::mt19937_64 rng(7);
  for (int i = 0; i < 20000; ++i) {
    const auto d = std::bit_cast<double>(rng());
    const auto f = std::bit_cast<float>(static_cast<uint32_t>(rng()));
    const double few = static_cast<double>(static_cast<int64_t>(rng() % 2000000) - 1000000) / 1000;
    EXPECT_EQ(ShortestText(d), ToChars(d));
    EXPECT_EQ(ShortestText(f), ToChars(f));
    EXPECT_EQ(ShortestText(few), ToChars(few));
  }
}

TEST(Decimal, DigitsAndExponent) {
  const Decimal d = ShortestDecimal(-0.00125);
  EXPECT_TRUE(d.negative);
  EXPECT_EQ(d.digits, "125");
  EXPECT_EQ(d.exponent, -3);
  EXPECT_EQ(ShortestDecimal(0.0).digits, "0");
  EXPECT_EQ(ShortestDecimal(0.1f).digits, "1");
}

}  // namespace
}  // namespace hasten
