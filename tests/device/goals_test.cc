// How gpu-check judges figures.
#include "tests/device/gpu/goals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hasten::check {
namespace {

Json Figure(std::vector<double> rounds) { return {{"median", rounds[rounds.size() / 2]}, {"rounds", rounds}}; }
Json Report(double prefill, double decode) {
  return {{"prefill_tokens_per_s", Figure({prefill})}, {"decode_tokens_per_s", Figure({decode})}, {"load_ms", Figure({900, 120, 110})}, {"time_to_first_token_ms", Figure({40, 30, 35})}};
}
const Json kTensors = Json::parse(R"([{"name": "embed_tokens.weight", "shape": [1000, 100], "bytes": 1e6}, {"name": "norm.weight", "shape": [1, 100], "bytes": 0},
  {"name": "layers.0.mlp.down_proj.weight", "shape": [100, 500], "bytes": 2e6}, {"name": "lm_head.weight", "shape": [1000, 100], "bytes": 3e6}])");

TEST(Goals, AreOfTheSameRun) {
  const Json kernels = {{"ceilings", {{"read_gb_per_s", 1.0}, {"cublaslt_int8_tops", 1e-3}}}};
  ModelFigures small, large;
  small.one = Report(0, 100), small.tensors = kTensors;
  large.one = Report(0, 180), large.eight = Report(0, 1200), large.many = Report(0, 3000), large.prompt = Report(6500, 0), large.tensors = kTensors;
  const Json goals = Goals(kernels, small, large);
  ASSERT_EQ(goals.size(), 6u);
  const double want[] = {0.9, 0.5, 1200.0 / 180, 3000.0 / 180, 0.65, 140};   // 5 MB a step; 100,000 operations a token
  const bool met[] = {true, false, true, false, true, true};
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(goals[i].at("value").get<double>(), want[i], 1e-9) << goals[i];
    EXPECT_EQ(goals[i].at("met").get<bool>(), met[i]) << goals[i];
  }
  EXPECT_THAT(GoalsText(goals), ::testing::HasSubstr("NOT MET       0.50  needed   0.60  1B"));
}

TEST(Goals, AreNotKnownWhereFiguresAreMissing) {
  ModelFigures small, large;
  large.one = Report(0, 180), large.eight = Report(0, 1200);
  const Json goals = Goals(Json(), small, large);
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(goals[i].at("met").is_null(), i != 2) << goals[i];
}

}  // namespace
}  // namespace hasten::check
