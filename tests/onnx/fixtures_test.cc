// com.microsoft operators against ONNX Runtime's outputs (make_fixtures.py).
#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>

#include "calib/conform/conform.h"

namespace hasten::conform {
namespace {

TEST(Fixtures, EqualOnnxRuntime) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(HASTEN_SOURCE_DIR "/tests/onnx/fixtures")) {
    const CaseResult r = RunCase(entry.path().string(), [](const std::string& p) { return LoadThroughImport(p); }, kModelTolerance);
    EXPECT_EQ(r.outcome, Outcome::kPassed) << r.dir << ": " << r.reason;
    EXPECT_LT(r.max_error, 1e-5) << r.dir;
    ++count;
  }
  EXPECT_GE(count, 39);
}

TEST(Compare, SaysWhereAndHowMuch) {
  const ir::Tensor a = ir::Tensor::From<float>({2}, std::vector<float>{1, 2});
  const ir::Tensor b = ir::Tensor::From<float>({2}, std::vector<float>{1, 2.5f});
  double error = 0;
  const Status s = Compare(a, b, kNodeTolerance, &error);
  EXPECT_NE(s.message().find("element 1: needed 2.5, came 2"), std::string::npos) << s.message();
  EXPECT_EQ(error, 0.5);
  EXPECT_TRUE(Compare(a, a, kNodeTolerance, nullptr).ok());
  const ir::Tensor other = ir::Tensor::From<float>({1, 2}, std::vector<float>{1, 2});
  EXPECT_NE(Compare(a, other, kNodeTolerance, nullptr).message().find("needed f32[1,2], came f32[2]"), std::string::npos);
  const ir::Tensor nan = ir::Tensor::From<float>({1}, std::vector<float>{NAN});
  EXPECT_TRUE(Compare(nan, nan, kNodeTolerance, nullptr).ok());
  const ir::Tensor one = ir::Tensor::Scalar(1.0f).Reshaped({1});
  EXPECT_FALSE(Compare(nan, one, kNodeTolerance, nullptr).ok());
  EXPECT_FALSE(Compare(nan, one, kModelTolerance, nullptr).ok());
}

TEST(RunCase, ReportsFoldersThatAreNoTests) {
  const CaseResult r = RunCase("/nonexistent", [](const std::string& p) { return LoadThroughImport(p); }, kModelTolerance);
  EXPECT_EQ(r.outcome, Outcome::kFailed);
  EXPECT_FALSE(r.reason.empty());
}

}  // namespace
}  // namespace hasten::conform
