// --device where there is no GPU: what cannot be used is said, with its own exit status, and
// "auto" goes on with the CPU. On a machine with a GPU these have nothing to show.
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/run_command.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using nlohmann::json;

class DeviceOption : public ::testing::Test {
 protected:
  void SetUp() override {
    const Outcome doctor = RunHasten({"doctor", "--json"});
    ASSERT_EQ(doctor.status, 0) << doctor.err;
    report_ = json::parse(doctor.out)["cuda"];
    if (!report_["devices"].empty()) GTEST_SKIP() << "this machine has a CUDA device";
    model_ = FreshFolder() + "/m.hst";
    ASSERT_EQ(RunHasten({"compile", Fixture("good"), "-o", model_, "--weights", "int4:32"}).status, 0);
  }
  Outcome Generate(const std::vector<std::string>& options) {
    std::vector<std::string> command = {"run", model_, "--prompt", "once upon", "--max-tokens", "4", "--greedy"};
    command.insert(command.end(), options.begin(), options.end());
    return RunHasten(command);
  }
  json report_;
  std::string model_;
};

TEST_F(DeviceOption, CudaThatCannotBeUsedEndsWithTheReason) {
  const Outcome r = Generate({"--device", "cuda"});
  EXPECT_EQ(r.status, 4);
  EXPECT_THAT(r.err, HasSubstr("no CUDA device can be used: "));
  EXPECT_THAT(r.err, HasSubstr(report_["built"].get<bool>() ? "driver" : "cmake --preset cuda"));
  EXPECT_EQ(r.out, "");
  EXPECT_EQ(Generate({"--device", "cuda:1"}).status, 4);
}

TEST_F(DeviceOption, EveryCommandThatRunsAnArtifactHasIt) {
  const std::string text = Fixture("gate") + "/text.jsonl";
  const std::vector<std::vector<std::string>> commands = {
      {"run", model_, "--prompt", "once upon"},
      {"bench", model_, "--rounds", "1"},
      {"embed", model_, "--text", "a"},
      {"eval", "--reference", Fixture("good"), "--candidate", model_, "--text", text},
      {"gate", "--reference", Fixture("good"), "--candidate", model_, "--policy", Fixture("gate") + "/gate.toml", "--no-cache"}};
  for (std::vector<std::string> command : commands) {
    command.insert(command.end(), {"--device", "cuda", "--device-memory", "1.5GiB"});
    const Outcome r = RunHasten(command);
    EXPECT_EQ(r.status, 4) << command[0] << ": " << r.err;
    EXPECT_THAT(r.err, HasSubstr("no CUDA device can be used: "));
    command.back() = "much";
    EXPECT_EQ(RunHasten(command).status, 2) << command[0];
  }
}

TEST_F(DeviceOption, SizesThatAreNoneAreUsageErrors) {
  for (const char* size : {"8X", "G", "8GG", "8Gi8", "-1G", "0", "0.1", "1e9", "nan", "9999999T", "8 G"}) {
    const Outcome r = Generate({"--device", "cuda", "--device-memory", size});
    EXPECT_EQ(r.status, 2) << size;
    EXPECT_THAT(r.err, HasSubstr("such as 8G or 512M")) << size;
  }
  for (const char* size : {"8G", "512M", "70000000000", "1.5GB", "24GiB", "3Ki"}) EXPECT_EQ(Generate({"--device", "cuda", "--device-memory", size}).status, 4) << size;
  const Outcome nowhere = Generate({"--device-memory", "8G"});
  EXPECT_EQ(nowhere.status, 2);
  EXPECT_THAT(nowhere.err, HasSubstr("give --device with it"));
}

TEST_F(DeviceOption, AGateGoesOnWithTheCpuAndSaysSo) {
  const Outcome r = RunHasten({"gate", "--reference", Fixture("good"), "--candidate", model_, "--policy", Fixture("gate") + "/gate.toml", "--no-cache",
                               "--device", "auto", "--json"});
  EXPECT_THAT(r.err, HasSubstr("running on the CPU"));
  EXPECT_THAT(json::parse(r.out)["instruction_set"].get<std::string>(), ::testing::Not(HasSubstr("cpu")));
  EXPECT_EQ(r.status, json::parse(r.out)["verdict"] == "PASS" ? 0 : json::parse(r.out)["verdict"] == "FAIL" ? 1 : 5);
}

TEST_F(DeviceOption, AutoSaysWhyAndRunsOnTheCpu) {
  const Outcome here = Generate({}), r = Generate({"--device", "auto"});
  EXPECT_EQ(r.status, 0);
  EXPECT_THAT(r.err, StartsWith("no CUDA device can be used: "));
  EXPECT_THAT(r.err, HasSubstr("running on the CPU"));
  EXPECT_EQ(r.out, here.out);
  EXPECT_EQ(here.err, "");
  EXPECT_EQ(json::parse(Generate({"--json"}).out)["device"], "cpu");
}

TEST_F(DeviceOption, NamesThatAreNoDeviceAreUsageErrors) {
  for (const char* name : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x"}) {
    const Outcome r = Generate({"--device", name});
    EXPECT_EQ(r.status, 2) << name;
    EXPECT_THAT(r.err, HasSubstr("cpu, cuda, cuda:N and auto are"));
  }
  EXPECT_EQ(RunHasten({"bench", model_, "--device", "cuda", "--profile"}).status, 2);
}

TEST_F(DeviceOption, DoctorSaysWhatIsMissing) {
  EXPECT_NE(report_["problem"].get<std::string>(), "");
  EXPECT_THAT(RunHasten({"doctor"}).out, HasSubstr(report_["problem"].get<std::string>()));
}

}  // namespace
}  // namespace hasten::testing
