// Every golden of tests/ir: the passes turn each input into its expectation and
// keep the numbers (interpreted on seeded inputs, within what they declare).
#include "golden.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "passes/pass.h"

namespace hasten::passes {
namespace {

const std::string kFolder = HASTEN_SOURCE_DIR "/tests/ir";

class PassGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(PassGolden, PassesMakeWhatIsExpected) {
  const GoldenFile file = ParseGolden(ReadFile(GetParam()));
  ASSERT_FALSE(file.cases.empty()) << "no \"// run:\" in the file";
  for (const GoldenCase& c : file.cases) {
    SCOPED_TRACE(GetParam() + ":" + std::to_string(c.line));
    const Result<std::string> made = RunGolden(c);
    ASSERT_TRUE(made.ok()) << made.status().message();
    // Weights that print as digests cannot be read back: their text is compared as it stands.
    const std::string text = c.expected.substr(0, c.expected.find_last_not_of('\n') + 1) + "\n";
    if (*made == text) continue;
    const Result<std::string> expected = Normalized(c.expected);
    ASSERT_TRUE(expected.ok()) << expected.status().message();
    EXPECT_EQ(*made, *expected) << "to accept it: ninja regenerate_goldens";
  }
}

TEST(Golden, EveryPassHasOne) {
  const std::vector<std::string> files = GoldenFiles(kFolder);
  for (const PassInfo& pass : AllPasses())
    EXPECT_EQ(std::count(files.begin(), files.end(), kFolder + "/" + std::string(pass.name) + ".ir"), 1) << pass.name;
}

std::string TestName(const ::testing::TestParamInfo<std::string>& info) {
  const size_t slash = info.param.rfind('/') + 1;
  return info.param.substr(slash, info.param.size() - slash - 3);
}
INSTANTIATE_TEST_SUITE_P(Files, PassGolden, ::testing::ValuesIn(GoldenFiles(kFolder)), TestName);

}  // namespace
}  // namespace hasten::passes
