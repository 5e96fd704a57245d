// Models that are wrong in one way each: the exit status, a message that names
// the place, and nothing left behind.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/run_command.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Case {
  std::string fixture;
  int status;
  std::vector<std::string> says;   // all of them, in the message
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.fixture; }

class BadInput : public ::testing::TestWithParam<Case> {};

TEST_P(BadInput, IsRefusedByName) {
  const Case& c = GetParam();
  const std::string folder = FreshFolder();
  const Outcome r = RunHasten({"compile", Fixture(c.fixture), "-o", folder + "/out.hst"});
  EXPECT_EQ(r.status, c.status) << r.err;
  EXPECT_EQ(r.out, "");
  for (const std::string& text : c.says) EXPECT_THAT(r.err, HasSubstr(text));
  EXPECT_THAT(List(folder), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    All, BadInput,
    ::testing::Values(Case{"no_tokenizer", 3, {"tokenizer.json", "--no-tokenizer"}},
                      Case{"bad_tokenizer", 3, {"tokenizer.json", "Quantum"}},
                      Case{"missing_data", 3, {"model.onnx.data"}},
                      Case{"escaping_data", 3, {"../good/model.onnx.data"}},
                      Case{"absolute_data", 3, {"model.onnx.data"}},
                      Case{"linked_data", 3, {"model.onnx.data"}},
                      Case{"short_data", 3, {"model.onnx.data"}},
                      Case{"unsupported_op", 3, {"Squish", "Squash", "layers.0/mlp/act_fn", "layers.1/mlp/act_fn"}},
                      Case{"quantized", 3, {"MatMulNBits"}},
                      Case{"wrong_shape", 3, {"layers.0/self_attn/q_proj"}},
                      Case{"cycle", 3, {"cycle"}},
                      Case{"nan_weight", 3, {"model.layers.1.mlp.down_proj.weight"}},
                      Case{"inf_weight", 3, {"model.layers.1.mlp.down_proj.weight"}},
                      Case{"truncated", 3, {"model.onnx"}},
                      Case{"garbage", 3, {"model.onnx"}},
                      Case{"lfs_pointer", 3, {"model.onnx", "git lfs pull"}},
                      Case{"lfs_data", 3, {"model.onnx.data", "git lfs pull"}},
                      Case{"lfs_tokenizer", 3, {"tokenizer.json", "git lfs pull"}},
                      Case{"empty", 3, {"onnx"}},
                      Case{"two_models", 3, {"first.onnx", "other.onnx"}}),
    [](const ::testing::TestParamInfo<Case>& info) { return info.param.fixture; });

TEST(Output, AFullDiskIsAResourceErrorAndLeavesNothing) {
  const std::string folder = FreshFolder();
  const Outcome r = RunHasten({"compile", Fixture("good"), "-o", folder + "/out.hst", "--weights", "fp32"}, {.max_file_bytes = 100'000});
  EXPECT_EQ(r.status, 4) << r.err;
  EXPECT_THAT(r.err, HasSubstr("out.hst"));
  EXPECT_THAT(List(folder), IsEmpty());
}

TEST(Output, AnUnwritableFolderIsNamed) {
  const Outcome r = RunHasten({"compile", Fixture("good"), "-o", "/nowhere/out.hst"});
  EXPECT_EQ(r.status, 4) << r.err;
  EXPECT_THAT(r.err, HasSubstr("/nowhere"));
}

TEST(Output, AFolderIsNoTarget) {
  const std::string folder = FreshFolder();
  EXPECT_EQ(RunHasten({"compile", Fixture("good"), "-o", folder}).status, 2);
}

TEST(Output, AnEarlierArtifactSurvivesAFailedCompile) {
  const std::string folder = FreshFolder(), target = folder + "/out.hst";
  ASSERT_EQ(RunHasten({"compile", Fixture("good"), "-o", target}).status, 0);
  ASSERT_EQ(RunHasten({"compile", Fixture("nan_weight"), "-o", target}).status, 3);
  EXPECT_EQ(RunHasten({"verify", target}).status, 0);
  EXPECT_EQ(List(folder), std::vector<std::string>{"out.hst"});
}

// Whenever the interrupt comes, the target is whole or absent and the status
// says which.
TEST(Output, AnInterruptLeavesNothingOrTheWhole) {
  for (const int milliseconds : {1, 5, 20, 50, 100, 200}) {
    const std::string folder = FreshFolder(), target = folder + "/out.hst";
    const Outcome r = RunHasten({"compile", Fixture("good"), "-o", target}, {.interrupt_after = std::chrono::milliseconds(milliseconds)});
    if (r.status == 0) {
      EXPECT_EQ(RunHasten({"verify", target}).status, 0);
    } else {
      EXPECT_TRUE(r.status == 130 || r.status == 1002) << r.status << r.err;  // 1002: before the handler stood
      EXPECT_THAT(List(folder), IsEmpty());
    }
  }
}

}  // namespace
}  // namespace hasten::testing
