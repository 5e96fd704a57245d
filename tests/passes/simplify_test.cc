// Rules of simplify that goldens cannot show, for their numbers are not the
// interpreter's to check.
#include <gtest/gtest.h>

#include "passes/opt.h"

namespace hasten::passes {
namespace {

TEST(Simplify, DropoutIsTheIdentityUnlessItTrainsOrItsMaskIsRead) {
  const std::string names[] = {"simplify", "dce"};
  const Result<std::string> made = RunOpt(R"(graph @main(%x: f32[4]) -> (a: f32[4], b: f32[4], c: f32[4], mask: bool[4]) {
  %a, %m = dropout(%x, @half, @no) : f32[4], bool[4]
  %b, %mask = dropout(%x, @half) : f32[4], bool[4]
  %c, %n = dropout(%x, @half, @yes) : f32[4], bool[4]
  return %a, %b, %c, %mask
}
weight @half : f32[] = 0.5
weight @no : bool[] = false
weight @yes : bool[] = true)", names, {}, nullptr);
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ(*made, R"(graph @main(%x: f32[4]) -> (a: f32[4], b: f32[4], c: f32[4], mask: bool[4]) {
  %b, %mask = dropout(%x, @half) : f32[4], bool[4]
  %c, %n = dropout(%x, @half, @yes) : f32[4], bool[4]
  return %x, %b, %c, %mask
}
weight @half : f32[] = 0.5
weight @yes : bool[] = true
)");
}

}  // namespace
}  // namespace hasten::passes
