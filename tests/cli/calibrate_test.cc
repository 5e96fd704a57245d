// compile --calibrate: the same bytes with any threads, what the artifact says of
// its text, and what is said of text that is none.
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

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string Write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string Text() {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "line " + std::to_string(i * 7919 % 1009) + " of a text that says little. ";
  return text;
}

// sha256sum of Text() less its last space, and of "Another one.".
constexpr char kTextDigest[] = "ff22dec5911248f9ef0771ffcbcd8af6ee71f7e096bceda4b835b311a52ca72f";
constexpr char kOtherDigest[] = "39307ba0137d6ecffcbd4f776a88db8c9ff09e90a2ac5b7adf4af069582f2fee";

Outcome Compile(const std::string& out, const std::string& text, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"compile", Fixture("good"), "-o", out, "--calibrate", text, "--samples", "5", "--context", "32"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return RunHasten(arguments);
}

TEST(Calibrate, TheSameBytesWithAnyNumberOfThreads) {
  const std::string folder = FreshFolder(), text = Write(folder + "/a.txt", Text());
  for (const char* scheme : {"int4:64", "int4:32", "int5:64", "int6:32", "int8"}) {
    ASSERT_EQ(Compile(folder + "/1.hst", text, {"--weights", scheme, "--threads", "1"}).status, 0);
    ASSERT_EQ(Compile(folder + "/3.hst", text, {"--weights", scheme, "--threads", "3"}).status, 0);
    EXPECT_TRUE(Bytes(folder + "/1.hst") == Bytes(folder + "/3.hst")) << scheme;
    ASSERT_EQ(RunHasten({"compile", Fixture("good"), "-o", folder + "/rtn.hst", "--weights", scheme}).status, 0);
    EXPECT_FALSE(Bytes(folder + "/1.hst") == Bytes(folder + "/rtn.hst")) << scheme;
  }
}

TEST(Calibrate, ACheckpointLeftBehindIsTakenOverAndGoes) {
  const std::string folder = FreshFolder(), text = Write(folder + "/a.txt", Text());
  ASSERT_EQ(Compile(folder + "/1.hst", text).status, 0);
  Write(folder + "/2.hst.calibration", "of something else");
  ASSERT_EQ(Compile(folder + "/2.hst", text).status, 0);
  EXPECT_TRUE(Bytes(folder + "/1.hst") == Bytes(folder + "/2.hst"));
  EXPECT_THAT(List(folder), ::testing::ElementsAre("1.hst", "2.hst", "a.txt"));
}

TEST(Calibrate, DistillationChangesValuesAndTheSameWithAnyNumberOfThreads) {
  const std::string folder = FreshFolder(), text = Write(folder + "/a.txt", Text());
  ASSERT_EQ(Compile(folder + "/plain.hst", text).status, 0);
  for (const std::string threads : {"1", "2", "4"})
    ASSERT_EQ(Compile(folder + "/" + threads + ".hst", text, {"--distill-steps", "7", "--threads", threads}).status, 0);
  EXPECT_TRUE(Bytes(folder + "/1.hst") == Bytes(folder + "/2.hst"));
  EXPECT_TRUE(Bytes(folder + "/1.hst") == Bytes(folder + "/4.hst"));
  EXPECT_FALSE(Bytes(folder + "/1.hst") == Bytes(folder + "/plain.hst"));
  EXPECT_THAT(List(folder), ::testing::ElementsAre("1.hst", "2.hst", "4.hst", "a.txt", "plain.hst"));   // no checkpoint stays
  const Outcome recipe = RunHasten({"inspect", folder + "/1.hst", "--recipe"});
  EXPECT_THAT(recipe.out, HasSubstr("distill_steps = 7"));
}

TEST(Calibrate, EqualizationIsTheSameWithAnyNumberOfThreadsAndByTheArtifactsRecipe) {
  const std::string folder = FreshFolder(), text = Write(folder + "/a.txt", Text());
  ASSERT_EQ(Compile(folder + "/plain.hst", text, {"--weights", "int8:32", "--equalize", "none"}).status, 0);
  for (const std::string threads : {"1", "2", "4"})
    ASSERT_EQ(Compile(folder + "/" + threads + ".hst", text, {"--weights", "int8:32", "--equalize", "all", "--threads", threads}).status, 0);
  EXPECT_TRUE(Bytes(folder + "/1.hst") == Bytes(folder + "/2.hst"));
  EXPECT_TRUE(Bytes(folder + "/1.hst") == Bytes(folder + "/4.hst"));
  EXPECT_FALSE(Bytes(folder + "/1.hst") == Bytes(folder + "/plain.hst"));
  const Outcome recipe = RunHasten({"inspect", folder + "/1.hst", "--recipe"});
  EXPECT_THAT(recipe.out, HasSubstr("equalize = \"rotate,permute,smooth\""));
  EXPECT_THAT(RunHasten({"inspect", folder + "/1.hst"}).out, HasSubstr("\"calibration.equalize\":\"rotate,permute,smooth\""));
  const nlohmann::json tensors = nlohmann::json::parse(RunHasten({"inspect", folder + "/1.hst", "--json"}).out)["tensors"];
  size_t smoothed = 0;
  for (const nlohmann::json& t : tensors) smoothed += t["folds"].get<std::string>().find("smooth") != std::string::npos;
  EXPECT_GT(smoothed, 4u);
  EXPECT_LT(smoothed, tensors.size());   // the shared table is none
  EXPECT_FALSE(nlohmann::json::parse(RunHasten({"inspect", folder + "/plain.hst", "--json"}).out)["tensors"][0].contains("folds"));
  ASSERT_EQ(RunHasten({"compile", Fixture("good"), "-o", folder + "/again.hst", "--recipe", Write(folder + "/r.toml", recipe.out), "--calibrate", text}).status, 0);
  EXPECT_TRUE(Bytes(folder + "/1.hst") == Bytes(folder + "/again.hst"));
  const Outcome wrong = Compile(folder + "/wrong.hst", text, {"--equalize", "smoth"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("none, all, rotate, permute, smooth"));
  Write(folder + "/r.toml", "[calibration]\nequalize = \"smoth\"\n");
  const Outcome recipes = RunHasten({"compile", Fixture("good"), "-o", folder + "/wrong.hst", "--recipe", folder + "/r.toml", "--calibrate", text});
  EXPECT_EQ(recipes.status, 2);
  EXPECT_THAT(recipes.err, HasSubstr("calibration.equalize"));
}

TEST(Calibrate, StepsOfTheChainAreLeftOutOneByOne) {
  const std::string folder = FreshFolder(), text = Write(folder + "/a.txt", Text());
  std::vector<std::string> made;
  for (const std::string steps : {"all", "gptaq,stream", "gptaq", "descent", "none"}) {
    ASSERT_EQ(Compile(folder + "/" + steps + ".hst", text, {"--chain", steps}).status, 0);
    const std::string codes = nlohmann::json::parse(RunHasten({"inspect", folder + "/" + steps + ".hst", "--json"}).out)["tensors"].dump();   // with errors
    EXPECT_EQ(std::count(made.begin(), made.end(), codes), 0) << steps;
    made.push_back(codes);
  }
  EXPECT_THAT(RunHasten({"inspect", folder + "/gptaq.hst", "--recipe"}).out, HasSubstr("chain = \"gptaq\""));
  const Outcome wrong = Compile(folder + "/wrong.hst", text, {"--chain", "gptq"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("none, all, gptaq, stream, descent"));
}

TEST(Calibrate, LearnedRoundingChangesValuesAndTheSameWithAnyNumberOfThreads) {
  const std::string folder = FreshFolder(), text = Write(folder + "/a.txt", Text());
  ASSERT_EQ(Compile(folder + "/plain.hst", text, {"--distill-steps", "0"}).status, 0);
  for (const std::string threads : {"1", "2", "4"})
    ASSERT_EQ(Compile(folder + "/" + threads + ".hst", text, {"--distill-steps", "0", "--round-steps", "7", "--threads", threads}).status, 0);
  EXPECT_TRUE(Bytes(folder + "/1.hst") == Bytes(folder + "/2.hst"));
  EXPECT_TRUE(Bytes(folder + "/1.hst") == Bytes(folder + "/4.hst"));
  EXPECT_FALSE(Bytes(folder + "/1.hst") == Bytes(folder + "/plain.hst"));
  EXPECT_THAT(List(folder), ::testing::ElementsAre("1.hst", "2.hst", "4.hst", "a.txt", "plain.hst"));   // no checkpoint stays
  EXPECT_THAT(RunHasten({"inspect", folder + "/1.hst", "--recipe"}).out, HasSubstr("round_steps = 7"));
}

TEST(Calibrate, TheArtifactNamesEveryDocument) {
  const std::string folder = FreshFolder();
  const std::string lines = nlohmann::json{{"text", "  " + Text() + "\n"}}.dump() + "\n\n" + nlohmann::json{{"text", "Another one."}}.dump() + "\n";
  ASSERT_EQ(Compile(folder + "/a.hst", Write(folder + "/a.jsonl", lines)).status, 0);
  const Outcome r = RunHasten({"inspect", folder + "/a.hst", "--json"});
  ASSERT_EQ(r.status, 0);
  EXPECT_THAT(r.out, HasSubstr(kTextDigest));
  EXPECT_THAT(r.out, HasSubstr(kOtherDigest));
  EXPECT_THAT(r.out, HasSubstr("gptq"));
}

TEST(Calibrate, RefusesWhatIsNoText) {
  const std::string folder = FreshFolder(), out = folder + "/a.hst";
  struct Case {
    const char *name, *bytes, *says;
  };
  const Case cases[] = {{"empty.txt", " \n", "is empty"},
                        {"short.txt", "Too short.", "whole chunks of 32"},
                        {"bad.jsonl", "{\"text\": \"a\"}\n{\"txt\": 1}\n", "line 2"},
                        {"array.jsonl", "[1]\n", "line 1"}};
  for (const Case& c : cases) {
    const Outcome r = Compile(out, Write(folder + "/" + c.name, c.bytes));
    EXPECT_EQ(r.status, 3) << c.name;
    EXPECT_THAT(r.err, HasSubstr(c.says));
    EXPECT_THAT(r.err, HasSubstr(c.name));
  }
  EXPECT_THAT(Compile(out, Write(folder + "/binary.txt", std::string("a\0b", 3))).err, HasSubstr("NUL"));
  EXPECT_EQ(Compile(out, folder + "/none.txt").status, 4);
  EXPECT_EQ(Compile(out, Write(folder + "/a.txt", Text()), {"--no-tokenizer"}).status, 2);
  EXPECT_EQ(RunHasten({"compile", Fixture("good"), "-o", out, "--samples", "4"}).status, 2);   // without --calibrate
}

}  // namespace
}  // namespace hasten::testing
