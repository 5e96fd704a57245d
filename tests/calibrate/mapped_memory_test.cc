// Memory that a file stands behind.
#include "calib/calibrate/mapped_memory.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "passes/quant/rtn.h"

namespace hasten::calib {
namespace {

constexpr size_t kMegabyte = size_t{1} << 20;

TEST(MappedMemory, WhatIsLargeLiesInTheFileAndGivesItBack) {
  MappedMemory memory(HASTEN_BINARY_DIR);
  std::pmr::vector<int8_t> small(1000, &memory);
  EXPECT_EQ(memory.mapped(), 0u);
  {
    std::pmr::vector<int8_t> a(3 * kMegabyte + 1, &memory), b(kMegabyte, &memory);
    EXPECT_GE(memory.mapped(), 4 * kMegabyte);
    EXPECT_LE(memory.mapped(), 5 * kMegabyte);
    std::iota(a.begin(), a.end(), int8_t{0});
    std::fill(b.begin(), b.end(), int8_t{7});
    EXPECT_EQ(a[3 * kMegabyte], static_cast<int8_t>(3 * kMegabyte));   // nobody wrote over it
    EXPECT_EQ(a[kMegabyte - 1], static_cast<int8_t>(kMegabyte - 1));
  }
  EXPECT_EQ(memory.mapped(), 0u);
}

TEST(MappedMemory, CodesThatAreAssignedStayInIt) {
  MappedMemory memory(HASTEN_BINARY_DIR);
  std::vector<passes::OwnedCodes> all;
  all.reserve(2);
  for (int i = 0; i < 2; ++i) all.push_back({.codes = std::pmr::vector<int8_t>(&memory)});
  passes::OwnedCodes made;
  made.codes.assign(2 * kMegabyte, int8_t{5});
  all[1] = std::move(made);
  EXPECT_GE(memory.mapped(), 2 * kMegabyte);
  const std::vector<passes::OwnedCodes> taken = std::move(all);
  EXPECT_EQ(taken[1].codes.back(), 5);
  EXPECT_GE(memory.mapped(), 2 * kMegabyte);
}

TEST(MappedMemory, WithoutAFolderItIsTheProcesssOwn) {
  MappedMemory memory("/no/such/folder");
  std::pmr::vector<int8_t> a(2 * kMegabyte, int8_t{3}, &memory);
  EXPECT_EQ(memory.mapped(), 0u);
  EXPECT_EQ(a.back(), 3);
}

}  // namespace
}  // namespace hasten::calib
