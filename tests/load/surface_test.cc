// What the shipped policies ask of the load generator.
#include "calib/load/surface.h"

#include "gtest/gtest.h"

namespace hasten::load {
namespace {

double LastArrival(const gate::Surface& surface) {
  const gate::Workload& w = *surface.workload;
  const auto requests = MakeRequests({.arrivals_per_s = w.arrivals_per_s, .prompt_min = w.prompt_tokens_min, .prompt_max = w.prompt_tokens_max,
                                      .output_tokens = w.output_tokens, .requests = RequestsFor(surface), .warmup = w.warmup}, 1000, 8192);
  return requests.ok() ? requests->back().at_s : -1;
}

TEST(Surface, TheDefaultPolicyTakesThreeMinutesAtMost) {
  const auto policy = gate::ParsePolicy(gate::DefaultPolicy(), "");
  ASSERT_TRUE(policy.ok()) << policy.status().message();
  ASSERT_EQ(policy->surfaces.size(), 1u);
  EXPECT_TRUE(HasLoad(policy->surfaces[0]));
  EXPECT_EQ(RequestsFor(policy->surfaces[0]), 39);   // p90 needs 29
  const double last = LastArrival(policy->surfaces[0]);
  EXPECT_GT(last, 60);
  EXPECT_LT(last, 170);   // and the last request takes its time
}

TEST(Surface, TheP99ExampleHasRequestsEnough) {
  const auto policy = gate::ReadPolicy(std::string(HASTEN_SOURCE_DIR) + "/samples/ci/gate-p99.toml");
  ASSERT_TRUE(policy.ok()) << policy.status().message();
  EXPECT_EQ(RequestsFor(policy->surfaces.at(0)), 399);
  const double last = LastArrival(policy->surfaces[0]);
  EXPECT_GT(last, 200);
  EXPECT_LT(last, 330);
}

TEST(Surface, WithoutBudgetsAFewRequestsAreSentAll) {
  gate::Surface surface;
  EXPECT_FALSE(HasLoad(surface));
  surface.workload.emplace();
  EXPECT_EQ(RequestsFor(surface), 20);
  surface.workload->requests = 7;
  EXPECT_EQ(RequestsFor(surface), 7);
}

}  // namespace
}  // namespace hasten::load
