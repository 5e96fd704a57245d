// The vectorized loops give the bits of the plain ones, whatever the instruction set.
#include "passes/quant/wide.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace hasten::passes::wide {
namespace {

template <class T>
std::vector<T> Normal(int64_t count, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<T> normal(0, 1);
  std::vector<T> v(static_cast<size_t>(count));
  for (T& x : v) x = normal(rng);
  return v;
}

template <class T>
void ExpectPlainBits(int64_t lanes) {
  for (const int64_t n : {0, 1, 7, 8, 9, 33}) {
    const std::vector<T> a = Normal<T>(n, 1), x = Normal<T>(n * lanes, 2), e = Normal<T>(lanes, 3);
    std::vector<T> sum = e, wanted = e, y = x, wanted_y = x;
    Dot(n, a.data(), x.data(), sum.data());
    Outer(n, a.data(), e.data(), y.data());
    for (int64_t j = 0; j < n; ++j)
      for (int64_t r = 0; r < lanes; ++r) {
        const size_t at = static_cast<size_t>(j * lanes + r);
        wanted[static_cast<size_t>(r)] += a[static_cast<size_t>(j)] * x[at];
        wanted_y[at] += a[static_cast<size_t>(j)] * e[static_cast<size_t>(r)];
      }
    EXPECT_EQ(sum, wanted) << n;
    EXPECT_EQ(y, wanted_y) << n;
  }
}

TEST(Wide, DotAndOuterAreThePlainLoops) {
  ExpectPlainBits<float>(kLanes);
  ExpectPlainBits<double>(kDoubles);
}

TEST(Wide, SumTakesEightLanesAndTheRestFirst) {
  for (const int64_t n : {0, 1, 7, 8, 9, 33}) {
    const std::vector<double> a = Normal<double>(n, 4), b = Normal<double>(n, 5);
    double lanes[kDoubles] = {}, wanted = 0;
    for (int64_t i = 0; i < n / 8 * 8; ++i) lanes[i % 8] += a[static_cast<size_t>(i)] * b[static_cast<size_t>(i)];
    for (int64_t i = n / 8 * 8; i < n; ++i) wanted += a[static_cast<size_t>(i)] * b[static_cast<size_t>(i)];
    for (const double lane : lanes) wanted += lane;
    EXPECT_EQ(Sum(n, a.data(), b.data()), wanted) << n;
  }
}

}  // namespace
}  // namespace hasten::passes::wide
