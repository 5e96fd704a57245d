// compile --budget-mb and hasten sensitivity.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/run_command.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;
using nlohmann::json;

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string WriteText(const std::string& folder) {
  std::ofstream out(folder + "/a.txt");
  for (int i = 0; i < 400; ++i) out << "line " << i * 7919 % 1009 << " of a text that says little. ";
  return folder + "/a.txt";
}

Outcome Compile(const std::string& folder, const std::string& model, const std::string& budget, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"compile", Fixture(model), "-o", folder + "/a.hst", "--calibrate", folder + "/a.txt", "--budget-mb", budget,
                                        "--effort", "fast", "--samples", "4", "--context", "64", "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return RunHasten(arguments);
}

TEST(Budget, IsNeverExceededAndNearlySpent) {
  const std::string folder = FreshFolder();
  WriteText(folder);
  double agreement = 0;
  for (const double budget : {0.118, 0.13, 0.15, 0.18, 0.21}) {
    const Outcome r = Compile(folder, "good", std::to_string(budget));
    ASSERT_EQ(r.status, 0) << r.err;
    const double bytes = static_cast<double>(Bytes(folder + "/a.hst").size());
    EXPECT_LE(bytes, budget * 1e6);
    EXPECT_GE(bytes, budget * 1e6 - 5000);   // a rule and the instructions it splits off: 300 bytes, and there are 15 tensors
    agreement = json::parse(r.out)["check_cosine"].get<double>();
  }
  EXPECT_GT(agreement, 0.99);
}

TEST(Budget, TheArtifactsRecipeMakesItWithoutMeasuring) {
  const std::string folder = FreshFolder();
  WriteText(folder);
  ASSERT_EQ(Compile(folder, "good", "0.15", {"--threads", "1"}).status, 0);
  const std::string first = Bytes(folder + "/a.hst");
  ASSERT_EQ(Compile(folder, "good", "0.15", {"--threads", "3"}).status, 0);
  EXPECT_TRUE(Bytes(folder + "/a.hst") == first);
  const Outcome recipe = RunHasten({"inspect", folder + "/a.hst", "--recipe"});
  EXPECT_THAT(recipe.out, ::testing::Not(HasSubstr("budget")));
  std::ofstream(folder + "/r.toml") << recipe.out;
  ASSERT_EQ(RunHasten({"compile", Fixture("good"), "-o", folder + "/b.hst", "--recipe", folder + "/r.toml", "--calibrate", folder + "/a.txt"}).status, 0);
  EXPECT_TRUE(Bytes(folder + "/b.hst") == first);
  std::ofstream(folder + "/budget.toml") << "budget_mb = 0.15\neffort = \"fast\"\n[calibration]\ntext = \"a.txt\"\nsamples = 4\ncontext = 64\n";
  ASSERT_EQ(RunHasten({"compile", Fixture("good"), "-o", folder + "/c.hst", "--recipe", folder + "/budget.toml"}).status, 0);
  EXPECT_TRUE(Bytes(folder + "/c.hst") == first);
}

TEST(Budget, ATargetForTheDivergenceTakesTheBytesItNeeds) {
  const std::string folder = FreshFolder();
  WriteText(folder);
  const auto with = [&](const std::string& target, const std::string& out) {
    return RunHasten({"compile", Fixture("good"), "-o", folder + "/" + out, "--calibrate", folder + "/a.txt", "--target-kld", target, "--effort", "fast", "--samples", "4", "--context", "64"});
  };
  size_t last = 0;
  for (const std::string target : {"10", "0.05", "0.006"}) {
    const Outcome r = with(target, "t.hst");
    ASSERT_EQ(r.status, 0) << target << r.err;
    EXPECT_GT(Bytes(folder + "/t.hst").size(), last) << target;
    last = Bytes(folder + "/t.hst").size();
  }
  EXPECT_THAT(RunHasten({"inspect", folder + "/t.hst", "--recipe"}).out, ::testing::Not(HasSubstr("target_kld")));
  std::ofstream(folder + "/t.toml") << "target_kld = 0.006\neffort = \"fast\"\n[calibration]\ntext = \"a.txt\"\nsamples = 4\ncontext = 64\n";
  ASSERT_EQ(RunHasten({"compile", Fixture("good"), "-o", folder + "/u.hst", "--recipe", folder + "/t.toml"}).status, 0);
  EXPECT_TRUE(Bytes(folder + "/u.hst") == Bytes(folder + "/t.hst"));
  const Outcome never = with("0.000000002", "never.hst");
  EXPECT_EQ(never.status, 2);
  EXPECT_THAT(never.err, HasSubstr("are predicted"));
  EXPECT_EQ(Compile(folder, "good", "0.2", {"--target-kld", "1"}).status, 2);
}

TEST(Budget, SaysWhatIsWrong) {
  const std::string folder = FreshFolder();
  WriteText(folder);
  const Outcome small = Compile(folder, "good", "0.1");
  EXPECT_EQ(small.status, 2);
  EXPECT_THAT(small.err, HasSubstr("the smallest artifact of this model has"));
  EXPECT_EQ(Compile(folder, "good", "0.2", {"--weights", "int8"}).status, 2);
  EXPECT_EQ(RunHasten({"compile", Fixture("good"), "-o", folder + "/a.hst", "--budget-mb", "1"}).status, 2);   // no text
  std::ofstream(folder + "/r.toml") << "budget_mb = 1\n[calibration]\ntext = \"a.txt\"\n[[tensor]]\nname = \"*\"\nscheme = \"int8\"\n";
  const Outcome rules = RunHasten({"compile", Fixture("good"), "-o", folder + "/a.hst", "--recipe", folder + "/r.toml"});
  EXPECT_EQ(rules.status, 2);
  EXPECT_THAT(rules.err, HasSubstr("[[tensor]]"));
  std::ofstream(folder + "/r.toml") << "effort = \"fats\"\n";
  const Outcome effort = RunHasten({"compile", Fixture("good"), "-o", folder + "/a.hst", "--recipe", folder + "/r.toml"});
  EXPECT_EQ(effort.status, 2);
  EXPECT_THAT(effort.err, HasSubstr("fast, standard, max"));
  EXPECT_FALSE(std::filesystem::exists(folder + "/a.hst"));
}

TEST(Budget, AnEncoderHasOneToo) {
  const std::string folder = FreshFolder();
  WriteText(folder);
  const Outcome least = Compile(folder, "encoder", "0.001");
  const size_t at = least.err.find("model has ");
  ASSERT_NE(at, std::string::npos) << least.err;
  const double bytes = std::stod(least.err.substr(at + 10));
  ASSERT_EQ(Compile(folder, "encoder", std::to_string(bytes * 1.2 / 1e6)).status, 0);
  EXPECT_LE(static_cast<double>(Bytes(folder + "/a.hst").size()), bytes * 1.2);
}

TEST(SensitivityCommand, WritesItsReport) {
  const std::string folder = FreshFolder(), text = WriteText(folder), report = folder + "/report";
  const Outcome r = RunHasten({"sensitivity", Fixture("good"), "--calibrate", text, "--effort", "fast", "--report", report});
  ASSERT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(List(report), (std::vector<std::string>{"frontier.svg", "sensitivity.json", "sensitivity.md"}));
  const json found = json::parse(Bytes(report + "/sensitivity.json"));
  EXPECT_EQ(found["tensors"].size(), 15u);
  double before = 1e9;
  for (const json& point : found["frontier"]) {
    EXPECT_LE(point["kld"].get<double>(), before);
    before = point["kld"].get<double>();
  }
  EXPECT_THAT(Bytes(report + "/sensitivity.md"), HasSubstr("down_proj"));
  EXPECT_THAT(Bytes(report + "/frontier.svg"), HasSubstr("xmlns"));
  EXPECT_EQ(RunHasten({"sensitivity", Fixture("good"), "--calibrate", text, "--effort", "fast", "--method", "gradient"}).status, 0);
  EXPECT_EQ(RunHasten({"sensitivity", Fixture("encoder"), "--calibrate", text, "--effort", "fast", "--method", "gradient"}).status, 2);
  EXPECT_EQ(RunHasten({"sensitivity", Fixture("good"), "--calibrate", folder + "/none.txt"}).status, 4);
  EXPECT_EQ(RunHasten({"sensitivity", Fixture("good")}).status, 2);
}

}  // namespace
}  // namespace hasten::testing
