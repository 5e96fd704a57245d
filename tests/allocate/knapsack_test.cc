// The knapsack against every combination, and at its edges.
#include "calib/allocate/knapsack.h"

#include <limits>
#include <vector>

#include "calib/allocate/allocate.h"
#include "calib/stats/random.h"
#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

std::vector<Item> RandomItems(stats::Random& random, size_t count) {
  std::vector<Item> items(count);
  for (Item& item : items) {
    uint64_t bytes = 64 * (1 + random.Below(40));
    double kld = random.Unit();
    for (uint32_t i = 0; i <= random.Below(4); ++i) {
      item.choices.push_back({.bytes = bytes, .kld = kld});
      bytes += 64 * random.Below(30);
      kld *= random.Unit() * 1.1;   // now and then a larger one is worse
    }
  }
  return items;
}

double BestOfAll(const std::vector<Item>& items, uint64_t budget, size_t i = 0, uint64_t bytes = 0, double kld = 0) {
  if (bytes > budget) return std::numeric_limits<double>::infinity();
  if (i == items.size()) return kld;
  double best = std::numeric_limits<double>::infinity();
  for (const Choice& c : items[i].choices) best = std::min(best, BestOfAll(items, budget, i + 1, bytes + c.bytes, kld + c.kld));
  return best;
}

TEST(Knapsack, IsTheBestOfAllCombinations) {
  stats::Random random(5);
  for (int trial = 0; trial < 300; ++trial) {
    const std::vector<Item> items = RandomItems(random, 1 + random.Below(7));
    const uint64_t budget = LeastBytes(items) + random.Below(6000);
    const auto chosen = Knapsack(items, budget);
    ASSERT_TRUE(chosen.has_value());
    EXPECT_LE(BytesOf(items, *chosen), budget);
    EXPECT_DOUBLE_EQ(PredictedKld(items, *chosen), BestOfAll(items, budget)) << trial;
  }
}

TEST(Knapsack, AtTheEdges) {
  stats::Random random(6);
  const std::vector<Item> items = RandomItems(random, 20);
  const uint64_t least = LeastBytes(items);
  EXPECT_FALSE(Knapsack(items, least - 1).has_value());
  const auto smallest = Knapsack(items, least);
  ASSERT_TRUE(smallest.has_value());
  EXPECT_EQ(BytesOf(items, *smallest), least);
  EXPECT_EQ(Knapsack({}, 0), std::vector<size_t>());
}

double LeastBytesFor(const std::vector<Item>& items, double most, size_t i = 0, uint64_t bytes = 0, double kld = 0) {
  if (kld > most) return std::numeric_limits<double>::infinity();
  if (i == items.size()) return static_cast<double>(bytes);
  double best = std::numeric_limits<double>::infinity();
  for (const Choice& c : items[i].choices) best = std::min(best, LeastBytesFor(items, most, i + 1, bytes + c.bytes, kld + c.kld));
  return best;
}

TEST(Knapsack, ATargetTakesTheLeastBytes) {
  stats::Random random(8);
  int within = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const std::vector<Item> items = RandomItems(random, 1 + random.Below(7));
    const double target = random.Unit() * 4;
    const auto chosen = AllocateForKld(items, target);
    ASSERT_EQ(chosen.ok(), LeastBytesFor(items, target) < std::numeric_limits<double>::infinity()) << trial;
    if (!chosen.ok()) continue;
    ++within;
    EXPECT_LE(PredictedKld(items, *chosen), target);
    EXPECT_EQ(static_cast<double>(BytesOf(items, *chosen)), LeastBytesFor(items, target)) << trial;
  }
  EXPECT_GT(within, 50);
}

// A large budget has cells of many bytes: never above it, and near the best.
TEST(Knapsack, NeverExceedsALargeBudget) {
  stats::Random random(7);
  std::vector<Item> items = RandomItems(random, 200);
  for (Item& item : items)
    for (Choice& c : item.choices) c.bytes = c.bytes * 997 + random.Below(64);
  for (Item& item : items) std::stable_sort(item.choices.begin(), item.choices.end(), [](const Choice& a, const Choice& b) { return a.bytes < b.bytes; });
  uint64_t most = 0;
  for (const Item& item : items) most += item.choices.back().bytes;
  double before = std::numeric_limits<double>::infinity();
  for (uint64_t budget = LeastBytes(items); budget <= most + most / 50; budget += (most - LeastBytes(items)) / 9) {
    const auto chosen = Knapsack(items, budget);
    ASSERT_TRUE(chosen.has_value());
    EXPECT_LE(BytesOf(items, *chosen), budget);
    EXPECT_LE(PredictedKld(items, *chosen), before);
    before = PredictedKld(items, *chosen);
  }
}

}  // namespace
}  // namespace hasten::calib
