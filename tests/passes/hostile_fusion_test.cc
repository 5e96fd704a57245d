// Fusion over graphs that recognition did not make: valid by structure, wrong or
// unknown in what the passes would like to rely on. They are left as they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/ir/text.h"
#include "passes/opt.h"

namespace hasten::passes {
namespace {

using ::testing::HasSubstr;

// Runs one pass over "graph (%x: f32[B,S,8], %w: f32[8,4], %b: f32[4])" of these
// lines; weights @w8 f32[8,4], @v f32[4], @d f64[4].
std::string RunOn(const std::string& pass, const std::string& lines, const std::string& out) {
  const std::string text = "graph @main(%x: f32[B,S,8], %w: f32[8,4], %b: f32[4]) -> (y: f32[B,S,4]) {\n" + lines + "  return " + out +
                           "\n}\nweight @w8 : f32[8,4] = random(2)\nweight @v : f32[4] = [1, 2, 3, 4]\nweight @d : f64[4] = [1, 2, 3, 4]\n";
  const std::string names[] = {pass};
  OptOptions options;
  options.random_weights = true;
  const Result<std::string> made = RunOpt(text, names, options, nullptr);
  EXPECT_TRUE(made.ok()) << made.status().message();
  return made.ok() ? *made : "";
}

std::string Linear(const std::string& name, const std::string& operands, const std::string& type, const std::string& end = "4") {
  return "  %" + name + " = linear(" + operands + ") {begin = [0], end = [" + end + "], trans = [0]} : " + type + "\n";
}

// Two linears that would be joined but for `second`.
void ExpectNotJoined(const std::string& second) {
  const std::string text = RunOn("fuse_linears", Linear("p", "%x, @v, @w8", "f32[B,S,4]") + second + "  %y = add(%p, %q) : f32[B,S,4]\n", "%y");
  EXPECT_THAT(text, HasSubstr("add(%p, %q)")) << text;
}

TEST(FuseLinears, JoinsOnlyWhatItKnows) {
  EXPECT_THAT(RunOn("fuse_linears", Linear("p", "%x, _, @w8", "f32[B,S,4]") + Linear("q", "%x, @v, @w8", "f32[B,S,4]") + "  %y = add(%p, %q) : f32[B,S,4]\n", "%y"),
              HasSubstr("slice_cols"));
  for (const char* type : {"f32[*]", "f32[B,S,?]", "f32[B,S,N]", "f32[B,S,5]", "f32[4]"}) ExpectNotJoined(Linear("q", "%x, _, @w8", type));
  ExpectNotJoined(Linear("q", "%x, %b, @w8", "f32[B,S,4]"));    // the bias is computed
  ExpectNotJoined(Linear("q", "%x, @d, @w8", "f32[B,S,4]"));    // or of another type
  ExpectNotJoined(Linear("q", "%x, _, %w", "f32[B,S,4]"));      // the weights are computed
  ExpectNotJoined("  %n = neg(%w) : f32[8,4]\n" + Linear("q", "%x, _, %n", "f32[B,S,4]"));  // after the first linear
  ExpectNotJoined(Linear("q", "%x, _, @v", "f32[B,S,4]"));      // are no matrix
  // Eight gigabytes of zeros beside the other's bias, were the columns believed.
  ExpectNotJoined(Linear("q", "%x, _, @w8", "f32[B,S,2147483648]", "2147483648"));
}

TEST(FuseBias, TakesOnlyAVectorOfTheResult) {
  EXPECT_THAT(RunOn("fuse_bias", Linear("p", "%x, _, @w8", "f32[B,S,4]") + "  %y = add(%p, @v) : f32[B,S,4]\n", "%y"), HasSubstr("linear(%x, @v, @w8)"));
  for (const auto& [type, vector] : {std::pair{"f32[*]", "@v"}, {"f32[4]", "@v"}, {"f32[B,S,?]", "@v"}, {"f32[B,S,4]", "@d"}, {"f32[B,S,4]", "%b"}})
    EXPECT_THAT(RunOn("fuse_bias", Linear("p", "%x, _, @w8", type) + "  %y = add(%p, " + vector + ") : f32[B,S,4]\n", "%y"), HasSubstr("add(%p")) << type;
}

}  // namespace
}  // namespace hasten::passes
