// Generation defaults: one id or many, what overrides what, and refusals by key.
#include "calib/compile/generation.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Generation, NothingGiven) {
  const auto g = ReadGenerationDefaults("", "");
  ASSERT_TRUE(g.ok());
  EXPECT_TRUE(g->eos_ids.empty());
  EXPECT_EQ(g->bos_id, -1);
  EXPECT_FALSE(g->do_sample);
  EXPECT_EQ(g->temperature, 1);
}

TEST(Generation, SeveralEndsEachOnce) {
  const auto g = ReadGenerationDefaults(R"({"eos_token_id": [2, 7, 2], "bos_token_id": 1, "do_sample": true, "temperature": 0.6,
                                            "top_k": 50, "top_p": 0.9})", R"({"eos_token_id": 9})");
  ASSERT_TRUE(g.ok());
  EXPECT_THAT(g->eos_ids, ElementsAre(2, 7));
  EXPECT_EQ(g->bos_id, 1);
  EXPECT_TRUE(g->do_sample);
  EXPECT_FLOAT_EQ(g->temperature, 0.6f);
  EXPECT_EQ(g->top_k, 50);
  EXPECT_FLOAT_EQ(g->top_p, 0.9f);
}

TEST(Generation, TheConfigurationFillsGaps) {
  const auto g = ReadGenerationDefaults("{}", R"({"eos_token_id": 9, "pad_token_id": null, "n_positions": 1024, "model_type": "gpt2"})");
  ASSERT_TRUE(g.ok());
  EXPECT_THAT(g->eos_ids, ElementsAre(9));
  EXPECT_EQ(g->pad_id, -1);
  EXPECT_EQ(g->max_positions, 1024u);
  EXPECT_EQ(g->architecture, "gpt2");
}

struct Bad {
  const char* generation;
  const char* names;
};

TEST(Generation, RefusesByKey) {
  const Bad cases[] = {
      {"[1]", "not a JSON object"},
      {"{\"eos_token_id\": 1", "not a JSON object"},
      {R"({"eos_token_id": "two"})", "eos_token_id"},
      {R"({"eos_token_id": -1})", "eos_token_id"},
      {R"({"eos_token_id": [[1]]})", "eos_token_id"},
      {R"({"eos_token_id": 4294967296})", "eos_token_id"},
      {R"({"eos_token_id": 1.5})", "eos_token_id"},
      {R"({"temperature": -1})", "temperature"},
      {R"({"temperature": 1e999})", "not a JSON object"},
      {R"({"top_p": 1.5})", "top_p"},
      {R"({"top_k": "many"})", "top_k"},
      {R"({"do_sample": 1})", "do_sample"},
  };
  for (const Bad& bad : cases) {
    const auto g = ReadGenerationDefaults(bad.generation, "");
    ASSERT_FALSE(g.ok()) << bad.generation;
    EXPECT_EQ(g.status().code(), Code::kBadInput);
    EXPECT_THAT(g.status().message(), HasSubstr(bad.names));
    EXPECT_THAT(g.status().message(), HasSubstr("generation_config.json"));
  }
}

}  // namespace
}  // namespace hasten::calib
