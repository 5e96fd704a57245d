// The stored form of reference logits is as exact as it says, and the store gives back
// what was put or nothing.
#include "calib/eval/rows.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <unistd.h>

#include "calib/eval/store.h"
#include "calib/metrics/metric.h"
#include "calib/stats/distributions.h"
#include "calib/stats/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> Logits(stats::Random& random, int64_t n, double spread) {
  std::vector<float> row;
  for (int64_t i = 0; i < n; ++i) row.push_back(static_cast<float>(spread * stats::NormalQuantile(random.Unit())));
  return row;
}

TEST(StoredRows, AreOffByLessThanStated) {
  stats::Random random(3);
  double kld = 0, nll = 0;
  constexpr int kRows = 50;
  for (int r = 0; r < kRows; ++r) {
    const std::vector<float> row = Logits(random, 5000, 4);
    const std::vector<int32_t> next = {static_cast<int32_t>(random.Below(5000))};
    const auto stored = StoredRows::From(row.data(), 1, 5000, next);
    std::vector<float> back(5000);
    stored->Row(0, back);
    for (size_t i = 0; i < row.size(); ++i) ASSERT_LE(std::abs(row[i] - back[i]), 40.0 / 65534 / 2 + 4e-6) << i;   // and fp32's rounding
    EXPECT_EQ(back[static_cast<size_t>(next[0])], row[static_cast<size_t>(next[0])]);
    const TokenScore exact = ScoreToken(row, row, next[0]), kept = ScoreToken(back, row, next[0]);
    EXPECT_EQ(kept.reference_top, exact.reference_top);
    kld += kept.kld / kRows;
    nll += (kept.reference_nll - exact.reference_nll) / kRows;
  }
  EXPECT_LT(kld, 1.6e-8);   // step^2 / 24
  EXPECT_LT(std::abs(nll), 1e-5);
}

TEST(StoredRows, SurviveBytes) {
  stats::Random random(4);
  std::vector<float> rows = Logits(random, 2 * 40, 1e3);
  rows[3] = -kInf;
  rows[50] = std::nanf("");
  const auto stored = StoredRows::From(rows.data(), 2, 40, std::vector<int32_t>{1, 2});
  const auto back = StoredRows::Parse(stored->Bytes());
  ASSERT_TRUE(back.ok());
  std::vector<float> a(40), b(40);
  stored->Row(0, a);
  (*back)->Row(0, b);
  EXPECT_EQ(std::memcmp(a.data(), b.data(), 160), 0);
  EXPECT_EQ(a[3], -kInf);
  // A broken row stays broken: its KL divergence is NaN, which no criterion passes.
  (*back)->Row(1, b);
  EXPECT_TRUE(std::isnan(ScoreToken(b, a, 0).kld));
}

TEST(StoredRows, DamagedBytesAreRefused) {
  const std::vector<float> row = {1, 2, 3};
  const std::vector<std::byte> bytes = StoredRows::From(row.data(), 1, 3, std::vector<int32_t>{1})->Bytes();
  for (size_t cut = 0; cut < bytes.size(); ++cut) EXPECT_FALSE(StoredRows::Parse(std::span(bytes).first(cut)).ok()) << cut;
  for (const size_t at : {size_t{0}, size_t{8}, size_t{15}, size_t{16}, size_t{22}, size_t{33}}) {
    std::vector<std::byte> bad = bytes;
    bad[at] ^= std::byte{0x55};
    EXPECT_FALSE(StoredRows::Parse(bad).ok()) << at;
  }
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() : folder_(::testing::TempDir() + "store" + std::to_string(getpid()) + "/below") {}
  ~StoreTest() override { std::filesystem::remove_all(folder_.substr(0, folder_.size() - 6)); }
  static std::vector<std::byte> Bytes(size_t n, int value = 7) { return std::vector<std::byte>(n, std::byte(value)); }
  std::string folder_;
};

TEST_F(StoreTest, GivesBackWhatWasPut) {
  const auto store = Store::Open(folder_);
  ASSERT_TRUE(store.ok());
  EXPECT_FALSE(store->Get("a"));
  store->Put("a", Bytes(100));
  ASSERT_TRUE(store->Get("a"));
  EXPECT_EQ(*store->Get("a"), Bytes(100));
  EXPECT_FALSE(Store::Open("")->Get("a"));
}

TEST_F(StoreTest, DamageCountsAsAbsent) {
  const auto store = Store::Open(folder_);
  store->Put("a", Bytes(100));
  std::fstream(folder_ + "/a.result", std::ios::in | std::ios::out | std::ios::binary).seekp(50).put('x');
  EXPECT_FALSE(store->Get("a"));
  std::filesystem::resize_file(folder_ + "/a.result", 10);
  EXPECT_FALSE(store->Get("a"));
}

TEST_F(StoreTest, StaysWithinItsLimit) {
  const auto store = Store::Open(folder_, 1000);
  for (int i = 0; i < 20; ++i) store->Put(std::to_string(i), Bytes(168));   // 200 with the digest
  uint64_t total = 0;
  for (const auto& e : std::filesystem::directory_iterator(folder_)) total += e.file_size();
  EXPECT_LE(total, 1000u);
  EXPECT_TRUE(store->Get("19"));
  EXPECT_FALSE(store->Get("0"));
  store->Put("huge", Bytes(2000));
  EXPECT_FALSE(store->Get("huge"));
}

TEST(Store, KeysTellPartsApart) {
  EXPECT_NE(KeyBuilder("a").Add("b").Finish(), KeyBuilder("ab").Finish());
  EXPECT_NE(KeyBuilder("a").Add(1).Finish(), KeyBuilder("a").Add(2).Finish());
}

}  // namespace
}  // namespace hasten::calib
