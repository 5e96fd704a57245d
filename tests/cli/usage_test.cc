// What the command says to people who mistype, and what every command promises.
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/run_command.h"

namespace hasten::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> kCommands = {"compile", "run", "embed", "eval", "gate", "bench", "conform",
                                            "inspect", "verify", "diff", "opt", "kernels", "doctor"};

TEST(Usage, VersionGoesToStdout) {
  const Outcome r = RunHasten({"--version"});
  EXPECT_EQ(r.status, 0);
  EXPECT_THAT(r.out, HasSubstr("hasten "));
  EXPECT_EQ(r.err, "");
}

TEST(Usage, HelpListsEveryCommand) {
  const Outcome r = RunHasten({"--help"});
  EXPECT_EQ(r.status, 0);
  for (const std::string& name : kCommands) EXPECT_THAT(r.out, HasSubstr("\n  " + name + " "));
}

TEST(Usage, EveryCommandHasHelp) {
  for (const std::string& name : kCommands) {
    const Outcome r = RunHasten({name, "--help"});
    EXPECT_EQ(r.status, 0) << name;
    EXPECT_THAT(r.out, HasSubstr("--help")) << name;
  }
}

TEST(Usage, NoCommand) {
  const Outcome r = RunHasten({});
  EXPECT_EQ(r.status, 2);
  EXPECT_EQ(r.out, "");
}

TEST(Usage, MistypedCommandIsSuggested) {
  const Outcome r = RunHasten({"complie"});
  EXPECT_EQ(r.status, 2);
  EXPECT_THAT(r.err, AllOf(HasSubstr("no command \"complie\""), HasSubstr("did you mean compile?")));
}

TEST(Usage, AFarNameIsNoSuggestion) {
  EXPECT_THAT(RunHasten({"foo"}).err, Not(HasSubstr("did you mean")));
  const Outcome r = RunHasten({"run", "x.hst", "-chat", "hello"});
  EXPECT_EQ(r.status, 2);
  EXPECT_THAT(r.err, AllOf(HasSubstr("no option -chat"), HasSubstr("did you mean --chat?")));
}

// An option takes one list; what follows it is the command's own argument.
TEST(Usage, ListsDoNotSwallowWhatFollows) {
  const std::string folder = FreshFolder();
  std::ofstream(folder + "/in.ir") << "graph @main(%x: f32[4]) -> (y: f32[4]) {\n  %y = neg(%x) : f32[4]\n  return %y\n}\n";
  const Outcome opt = RunHasten({"opt", "--run", "dce,cse", folder + "/in.ir"});
  EXPECT_EQ(opt.status, 0) << opt.err;
  EXPECT_THAT(opt.out, HasSubstr("graph @main"));
  const Outcome compile = RunHasten({"compile", "--disable-pass", "cse", Fixture("good"), "-o", folder + "/x.hst"});
  EXPECT_EQ(compile.status, 0) << compile.err;
}

TEST(Usage, MistypedOptionIsSuggested) {
  const Outcome r = RunHasten({"run", "x.hst", "--promt", "hello"});
  EXPECT_EQ(r.status, 2);
  EXPECT_THAT(r.err, AllOf(HasSubstr("no option --promt"), HasSubstr("did you mean --prompt?"), HasSubstr("hasten run --help")));
}

TEST(Usage, BadValues) {
  const std::string good = Fixture("good");
  EXPECT_EQ(RunHasten({"compile"}).status, 2);
  EXPECT_EQ(RunHasten({"compile", good}).status, 2);
  const Outcome scheme = RunHasten({"compile", good, "-o", "x.hst", "--weights", "int3:64"});
  EXPECT_EQ(scheme.status, 2);
  EXPECT_THAT(scheme.err, AllOf(HasSubstr("int3:64"), HasSubstr("int4:64")));
  const Outcome kv = RunHasten({"compile", good, "-o", "x.hst", "--kv", "int3"});
  EXPECT_EQ(kv.status, 2);
  EXPECT_THAT(kv.err, HasSubstr("int8"));
  EXPECT_EQ(RunHasten({"run", "x.hst"}).status, 2);
  EXPECT_EQ(RunHasten({"run", "x.hst", "--prompt", "a", "--tokens", "1"}).status, 2);
  EXPECT_EQ(RunHasten({"run", "x.hst", "--prompt", "a", "--threads", "0"}).status, 2);
  EXPECT_EQ(RunHasten({"run", "x.hst", "--prompt", "a", "--isa", "mmx"}).status, 2);
  EXPECT_EQ(RunHasten({"run", "x.hst", "--tokens", "1,two,3"}).status, 2);
}

TEST(Usage, UnreadableFiles) {
  EXPECT_EQ(RunHasten({"run", "/nowhere/x.hst", "--prompt", "a"}).status, 4);
  EXPECT_EQ(RunHasten({"verify", "/nowhere/x.hst"}).status, 4);
  EXPECT_EQ(RunHasten({"compile", "/nowhere", "-o", FreshFolder() + "/x.hst"}).status, 4);
}

TEST(Usage, ForeignFilesAreBadInput) {
  for (const char* command : {"verify", "inspect"}) {
    const Outcome r = RunHasten({command, Fixture("good/config.json")});
    EXPECT_EQ(r.status, 3) << command;
    EXPECT_THAT(r.err, HasSubstr("config.json")) << command;
  }
}

TEST(Doctor, SaysWhatTheMachineHas) {
  const Outcome r = RunHasten({"doctor", "--json"});
  ASSERT_EQ(r.status, 0);
  const auto report = nlohmann::json::parse(r.out);
  EXPECT_TRUE(report["isa"]["scalar"].get<bool>());
  EXPECT_GE(report["cores"].get<int>(), 1);
  EXPECT_TRUE(report["kernels"].contains("linear"));
  EXPECT_EQ(RunHasten({"doctor"}).status, 0);
}

TEST(Kernels, EveryOpHasAScalarKernel) {
  const Outcome r = RunHasten({"kernels", "--json"});
  ASSERT_EQ(r.status, 0);
  const auto rows = nlohmann::json::parse(r.out);
  EXPECT_GE(rows.size(), 20u);
  for (const auto& row : rows) {
    EXPECT_TRUE(row["kernels"]["scalar"].is_string()) << row;
    EXPECT_NE(row["chosen"].get<std::string>(), "") << row;
    EXPECT_TRUE(row["kernels"]["cuda"].is_null() && row["cuda_on_trial"].is_null());
  }
  EXPECT_EQ(RunHasten({"kernels"}).status, 0);
}

}  // namespace
}  // namespace hasten::testing
