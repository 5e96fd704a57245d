// A device's memory: all that a context takes is planned from what the device has left, the
// KV cache gets the rest of a limit to the last block, and what does not fit is refused
// before anything is allocated.
#include <fstream>

#include "tests/device/emulated_device.h"
#include "tests/engine/engine_fixture.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;

class DeviceMemoryTest : public EngineTest {
 protected:
  // The tiny model on a device of its own.
  std::shared_ptr<const Model> OpenWith(uint64_t limit) {
    device_ = OpenEmulatedDevice(limit);
    return Open({}, {.device = device_});
  }
  uint64_t used() const { return device_->Room().used; }
  // What the weights, the tables and one context of so many tokens take.
  uint64_t BytesFor(int64_t tokens) {
    const auto model = OpenWith(0);
    const auto context = MakeContext(model, {.kv_tokens = tokens, .max_rows = kRows});
    return used();
  }

  static constexpr int64_t kRows = 8;
  std::shared_ptr<Device> device_;
};

TEST_F(DeviceMemoryTest, TheCacheGetsTheRestOfALimitToTheLastBlock) {
  for (const int64_t tokens : {64, 320, 640}) {   // tables and scratch grow with it up to the model's 512 positions
    const uint64_t bytes = BytesFor(tokens);
    for (const uint64_t less : {0, 1}) {
      const auto model = OpenWith(bytes - less);
      if (tokens == 64 && less) continue;   // not even one
      const auto context = MakeContext(model, {.max_rows = kRows});
      EXPECT_EQ(context->kv_tokens(), less ? tokens - 64 : tokens);
      EXPECT_LE(used(), bytes - less);
      const auto prompt = RandomTokens(40, 97, 3);   // several steps, in what was planned
      const EvalItem item{context->CreateSequence(), prompt, {}, Want::kLast};
      EXPECT_TRUE(context->Evaluate({&item, 1}).ok());
      const SampleRequest request{0, 0, 0, prompt, 40, {.repetition_penalty = 1.2f}};
      int32_t token = -1;
      EXPECT_TRUE(context->SampleRows({&request, 1}, {&token, 1}).ok());
      EXPECT_LE(used(), bytes - less);
    }
  }
}

TEST_F(DeviceMemoryTest, WhatDoesNotFitIsRefusedWithItsPartsAndLeavesNothing) {
  const uint64_t bytes = BytesFor(64);
  const auto model = OpenWith(bytes - 1);
  const uint64_t weights = used();
  const auto refused = Context::Create(model, {.threads = 1, .max_rows = kRows});
  ASSERT_EQ(refused.status().code(), Code::kResource);
  for (const char* part : {"a context needs ", "for steps of 8 rows", "the kernels' scratch", "for output rows", "for RoPE tables",
                           "for a KV cache of 64 tokens", " are left of the limit of ", "give fewer max_rows, or a larger limit"})
    EXPECT_THAT(refused.status().message(), HasSubstr(part));
  const auto asked = Context::Create(model, {.threads = 1, .kv_tokens = 6400, .max_rows = kRows});
  EXPECT_THAT(asked.status().message(), HasSubstr("for a KV cache of 6400 tokens"));
  EXPECT_THAT(asked.status().message(), HasSubstr("give fewer kv_tokens, fewer max_rows, or a larger limit"));
  EXPECT_EQ(used(), weights);
  // Without a limit it is the device that has no more.
  const auto endless = OpenWith(0);
  const auto huge = Context::Create(endless, {.threads = 1, .kv_tokens = int64_t{1} << 30});
  EXPECT_EQ(huge.status().code(), Code::kResource);
  EXPECT_THAT(huge.status().message(), HasSubstr("the device has "));
  EXPECT_EQ(used(), weights);
}

TEST_F(DeviceMemoryTest, AModelThatDoesNotFitLeavesNothing) {
  Open({});
  device_ = OpenEmulatedDevice(1000);
  EXPECT_EQ(Model::Open(path_, {.device = device_}).status().code(), Code::kResource);
  EXPECT_EQ(used(), 0u);
}

// Digests are compared while weights are copied; what they say is what is said.
TEST_F(DeviceMemoryTest, ADamagedFileIsRefusedAsOnTheCpuAndLeavesNothing) {
  const auto intact = Open({}, {.verify_digests = true, .device = device_ = OpenEmulatedDevice()});
  EXPECT_GT(intact->verify_seconds(), 0);
  EXPECT_EQ(Model::Open(path_, {.verify_digests = true, .device = OpenEmulatedDevice(1000)}).status().code(), Code::kResource);
  const auto weights = static_cast<std::streamoff>(intact->file().Find(SectionKind::kWeights)->offset);
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(weights);
  const char changed = static_cast<char>(file.get() ^ 1);
  file.seekp(weights);
  file.put(changed);
  file.close();
  const Status here = Model::Open(path_, {.verify_digests = true}).status();
  EXPECT_EQ(here.code(), Code::kBadInput);
  device_ = OpenEmulatedDevice();
  const Status there = Model::Open(path_, {.verify_digests = true, .device = device_}).status();
  EXPECT_EQ(there.code(), here.code());
  EXPECT_EQ(there.message(), here.message());
  EXPECT_EQ(used(), 0u);
  EXPECT_TRUE(Model::Open(path_, {.device = device_}).ok());   // nobody looks
}

TEST_F(DeviceMemoryTest, ASecondContextGetsTheRestOrIsRefused) {
  const uint64_t one = BytesFor(640);
  const auto model = OpenWith(0);
  std::vector<std::unique_ptr<Context>> both;
  both.push_back(MakeContext(model, {.kv_tokens = 640, .max_rows = kRows}));
  both.push_back(MakeContext(model, {.kv_tokens = 320, .max_rows = kRows}));
  const uint64_t two = used();   // the second shares the first's tables
  both.clear();

  const auto limited = OpenWith(two);
  const auto first = MakeContext(limited, {.kv_tokens = 640, .max_rows = kRows});
  EXPECT_EQ(used(), one);
  const auto second = MakeContext(limited, {.max_rows = kRows});
  EXPECT_EQ(second->kv_tokens(), 320);
  EXPECT_EQ(used(), two);
  EXPECT_EQ(Context::Create(limited, {.threads = 1, .max_rows = kRows}).status().code(), Code::kResource);
  EXPECT_EQ(used(), two);
  const auto tokens = RandomTokens(kRows, 97, 4);
  EXPECT_EQ(EvalAll(*first, tokens), EvalAll(*second, tokens));
}

TEST_F(DeviceMemoryTest, EvaluatingAllocatesNothingUntilMoreRowsAreKept) {
  const auto model = OpenWith(0);
  const auto context = MakeContext(model, {.kv_tokens = 1024, .max_rows = kRows});
  const uint64_t before = used();
  const auto prompt = RandomTokens(70, 97, 5);
  const SequenceId id = context->CreateSequence();
  const EvalItem item{id, prompt, {}, Want::kLast};
  ASSERT_TRUE(context->Evaluate({&item, 1}).ok());
  for (int t = 0; t < 3; ++t) {
    const EvalItem next{id, std::span(prompt).first(1), {}, Want::kLast};
    ASSERT_TRUE(context->Evaluate({&next, 1}).ok());
    const SampleRequest request{0, 0, 0, prompt, 73, {.repetition_penalty = 1.2f}};
    int32_t token = -1;
    ASSERT_TRUE(context->SampleRows({&request, 1}, {&token, 1}).ok());
  }
  EXPECT_EQ(used(), before);
  EXPECT_EQ(EvalAll(*context, prompt).size(), prompt.size());   // 70 rows of 9 steps
  EXPECT_GT(used(), before);
}

TEST_F(DeviceMemoryTest, RowsThatCannotBeKeptAreRefusedBeforeAnythingRuns) {
  const uint64_t bytes = BytesFor(640);
  const auto context = MakeContext(OpenWith(bytes), {.max_rows = kRows});
  const auto tokens = RandomTokens(50, 97, 6);
  const SequenceId id = context->CreateSequence();
  const EvalItem item{id, tokens, {}, Want::kAll};
  const Status s = context->Evaluate({&item, 1});
  EXPECT_EQ(s.code(), Code::kResource);
  EXPECT_THAT(s.message(), HasSubstr("50 rows of output 0 are asked for in one call"));
  EXPECT_EQ(*context->SequenceLength(id), 0);
  const EvalItem last{id, tokens, {}, Want::kLast};
  EXPECT_TRUE(context->Evaluate({&last, 1}).ok());
}

// Tables grow in place, where another context's kernels read what was there before.
TEST_F(DeviceMemoryTest, TablesGrowInTheMemoryThatWasPlanned) {
  TinyConfig c;
  c.max_positions = 4096;
  device_ = OpenEmulatedDevice();
  const auto model = Open(c, {.device = device_});
  const auto wide = *model->Rope(0, 4096);
  EXPECT_EQ(wide->positions, 0);
  const uint64_t before = used();
  const auto some = *model->Rope(10, 4096), more = *model->Rope(1500, 4096);
  EXPECT_EQ(some->positions, 1024);
  EXPECT_EQ(more->positions, 2048);
  EXPECT_EQ(some->pointers, more->pointers);
  EXPECT_EQ(used(), before);
  const auto here = *Reopen()->Rope(2048);
  ASSERT_FALSE(here->pointers.empty());
  for (size_t t = 0; t < here->pointers.size(); ++t)
    EXPECT_TRUE(std::equal(here->values[t].begin(), here->values[t].end(), more->pointers[t])) << "table " << t;
}

}  // namespace
}  // namespace hasten::testing
