// hasten bench: the reports that machines read, and what it refuses.
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"
#include "tests/cli/run_command.h"

namespace hasten::testing {
namespace {

using nlohmann::json;

TEST(Bench, MachineReport) {
  const Outcome r = RunHasten({"bench", "--machine", "--threads", "2", "--json"});
  ASSERT_EQ(r.status, 0) << r.err;
  const json report = json::parse(r.out);
  EXPECT_EQ(report.at("read").size(), 2u);
  EXPECT_EQ(report.at("region").size(), 2u);
  EXPECT_GE(report.at("sweep_bytes").get<uint64_t>(), uint64_t{512} << 20);
  EXPECT_FALSE(report.at("cpu").get<std::string>().empty());
  EXPECT_TRUE(report.contains("cores") && report.contains("peak"));
}

TEST(Bench, CombinationsThatMakeNoSense) {
  const std::vector<std::vector<std::string>> wrong = {{"bench"}, {"bench", "--machine", "a.hst"}};
  for (const std::vector<std::string>& arguments : wrong) EXPECT_EQ(RunHasten(arguments).status, 2);
}

}  // namespace
}  // namespace hasten::testing
