// What a policy may say, and what is said about one that may not.
#include "calib/gate/policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::gate {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Error(std::string_view text) {
  const Result<Policy> policy = ParsePolicy(text, "");
  if (policy.ok()) return "accepted";
  EXPECT_EQ(policy.status().code(), Code::kUsage) << policy.status().message();
  return policy.status().message();
}

TEST(Policy, TheDefaultIsReadWhole) {
  const Result<Policy> p = ParsePolicy(DefaultPolicy(), "/some/folder");
  ASSERT_TRUE(p.ok()) << p.status().message();
  EXPECT_EQ(p->data.text, "/some/folder/eval.txt");
  EXPECT_EQ(p->data.chunks, 40);
  EXPECT_EQ(p->digest.size(), 64u);
  ASSERT_EQ(p->surfaces.size(), 1u);
  const Surface& chat = p->surfaces[0];
  EXPECT_EQ(chat.workload->prompt_tokens_max, 512);
  ASSERT_EQ(chat.budgets.size(), 4u);
  EXPECT_EQ(chat.budgets[1].Name(), "ttft_ms.p90");
  EXPECT_EQ(chat.budgets[1].limit, 4000);
  ASSERT_EQ(chat.quality.size(), 4u);
  EXPECT_EQ(chat.quality[0].name, "ppl_ratio_max");
  EXPECT_EQ(chat.quality[0].figure, "perplexity_ratio");
  EXPECT_EQ(chat.quality[3].figure, "top1_agreement");
  EXPECT_FALSE(chat.quality[3].at_most);
  ASSERT_EQ(chat.tasks.size(), 1u);
  EXPECT_EQ(chat.tasks[0].margin_pp, 2.0);
  EXPECT_EQ(chat.tasks[0].items, 1000);
  EXPECT_EQ(chat.generation.size(), 2u);
}

TEST(Policy, UnknownKeysNameTheNearest) {
  EXPECT_THAT(Error("[data]\ntxt = \"a\"\n[surface.a]\n"), AllOf(HasSubstr("line 2"), HasSubstr("data.txt"), HasSubstr("did you mean text?")));
  EXPECT_THAT(Error("[surface.a.quality]\nkld_maen_max = 1\n"), HasSubstr("did you mean kld_mean_max?"));
  EXPECT_THAT(Error("[surface.a]\nworkload = {arrivals_per_s = 1}\nttft_ms = {p97 = 1}\n"), AllOf(HasSubstr("surface.a.ttft_ms.p97"), HasSubstr("did you mean p9")));
  EXPECT_THAT(Error("[surfaces.a]\n"), HasSubstr("did you mean surface?"));
  EXPECT_THAT(Error("[data.tasks]\nhellaswag = \"x\"\n[surface.a.quality.task]\nhelaswag = {margin_pp = 1}\n"), AllOf(HasSubstr("did you mean hellaswag?"), HasSubstr("[data.tasks]")));
  EXPECT_THAT(Error("[surface.a.quality.generation]\nlength_ratio = 1\n"), HasSubstr("did you mean length_ratio_m"));
}

TEST(Policy, ImpossibleValues) {
  EXPECT_THAT(Error("[data]\nchunks = 0\n[surface.a]\n"), AllOf(HasSubstr("data.chunks = 0"), HasSubstr("an integer from 1")));
  EXPECT_THAT(Error("[data]\nchunks = 1.5\n[surface.a]\n"), HasSubstr("an integer"));
  EXPECT_THAT(Error("[surface.a.quality]\nkld_mean_max = nan\n"), HasSubstr("a number"));
  EXPECT_THAT(Error("[surface.a.quality]\nkld_mean_max = \"x\"\n"), HasSubstr("a number"));
  EXPECT_THAT(Error("[surface.a]\nttft_ms = {p50 = 1}\n"), HasSubstr("need a workload"));
  EXPECT_THAT(Error("[surface.a]\nworkload = {prompt_tokens = [5]}\n"), HasSubstr("two integers"));
  EXPECT_THAT(Error("[data.tasks]\nt = \"x\"\n[surface.a.quality]\ntask.t = {items = 5}\n"), HasSubstr("margin_pp is missing"));
}

TEST(Policy, WhatIsNoPolicy) {
  EXPECT_THAT(Error(""), HasSubstr("no [surface.NAME]"));
  EXPECT_THAT(Error("a = [[["), HasSubstr("not TOML"));
  EXPECT_THAT(Error(std::string_view("\x00\xff\xfe", 3)), HasSubstr("not TOML"));
  EXPECT_THAT(Error("surface = 1\n"), HasSubstr("a table"));
  EXPECT_THAT(Error("a = " + std::string(100000, '[')), HasSubstr("not TOML"));
}

}  // namespace
}  // namespace hasten::gate
