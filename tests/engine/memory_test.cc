// Guarded memory: zeroed, aligned, and fatal one byte beyond.
#include "runtime/engine/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hasten {
namespace {

TEST(Pages, ZeroedAlignedAndFenced) {
  for (uint64_t bytes : {uint64_t{64}, uint64_t{4096}, uint64_t{4160}, uint64_t{1} << 20}) {
    auto p = Pages::Allocate(bytes, "a test");
    ASSERT_TRUE(p.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p->data()) % 64, 0u);
    EXPECT_EQ(p->size(), bytes);
    for (uint64_t i = 0; i < bytes; ++i) ASSERT_EQ(p->data()[i], std::byte{0});
    p->data()[bytes - 1] = std::byte{1};
    volatile std::byte* past = p->data() + bytes;
    EXPECT_DEATH(*past = std::byte{1}, ::testing::_);
  }
}

TEST(Pages, RefusesWhatDoesNotFit) {
  EXPECT_EQ(Pages::Allocate(~uint64_t{0}, "a test").status().code(), Code::kResource);
  EXPECT_EQ(Pages::Allocate(uint64_t{1} << 62, "a test").status().code(), Code::kResource);
  auto none = Pages::Allocate(0, "a test");
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->data(), nullptr);
}

}  // namespace
}  // namespace hasten
