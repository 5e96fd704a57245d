// A context's calls: encoders, pooled outputs, wrong calls, cancelling, options.
#include "runtime/engine/context.h"

#include "tests/engine/engine_fixture.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(EngineTest, EncoderBatches) {
  TinyConfig c;
  c.encoder = c.learned_positions = c.layer_norm = true;
  c.max_positions = 64;
  ContextOptions o;
  o.max_rows = 64;
  auto context = MakeContext(Open(c), o);
  const auto one = RandomTokens(50, c.vocab, 1), two = RandomTokens(30, c.vocab, 2);
  const Logits want1 = EvalAll(*context, one), want2 = EvalAll(*context, two);
  const SequenceId a = context->CreateSequence(), b = context->CreateSequence();
  for (int again = 0; again < 2; ++again) {  // a sequence is replaced, not appended to
    const EvalItem items[] = {{a, one, {}, Want::kAll}, {b, two, {}, Want::kAll}};  // two steps: 80 rows
    ASSERT_TRUE(context->Evaluate(items).ok());
    EXPECT_EQ(Rows(*context->Output(0, 0)), want1);
    EXPECT_EQ(Rows(*context->Output(1, 0)), want2);
  }
  std::vector<int32_t> types(two.size(), 1);
  const EvalItem typed{b, two, types, Want::kAll};
  ASSERT_TRUE(context->Evaluate({&typed, 1}).ok());
  EXPECT_NE(Rows(*context->Output(0, 0)), want2);
  const auto longer = RandomTokens(65, c.vocab, 3);
  const EvalItem over{b, longer, {}, Want::kAll};
  EXPECT_THAT(context->Evaluate({&over, 1}).message(), HasSubstr("64 positions"));
}

TEST_F(EngineTest, PooledOutputOfOneRow) {
  TinyConfig c;
  c.encoder = true;
  tiny_ = MakeTinyModel(c);
  auto pooled = std::make_unique<fb::OutputT>(*tiny_.program.outputs[0]);
  pooled->name = "pooled", pooled->row = 2;
  tiny_.program.outputs.push_back(std::move(pooled));
  ASSERT_TRUE(WriteTinyModel(tiny_, path_).ok());
  auto context = MakeContext(Reopen());
  const auto tokens = RandomTokens(9, c.vocab, 1);
  const Logits all = EvalAll(*context, tokens);
  const SequenceId id = context->CreateSequence();
  for (Want want : {Want::kAll, Want::kLast}) {
    const EvalItem item{id, tokens, {}, want};
    ASSERT_TRUE(context->Evaluate({&item, 1}).ok());
    EXPECT_EQ(Rows(*context->Output(0, 1)), Logits{all[2]});
    EXPECT_EQ(Rows(*context->Output(0, 0)), want == Want::kAll ? all : Logits{all[8]});
  }
  const EvalItem shorter{id, std::span(tokens).first(2), {}, Want::kAll};
  EXPECT_THAT(context->Evaluate({&shorter, 1}).message(), HasSubstr("pools token 2"));
}

TEST_F(EngineTest, BadCallsChangeNothing) {
  TinyConfig c;
  c.max_positions = 100;
  ContextOptions o;
  o.kv_tokens = 128;
  auto context = MakeContext(Open(c), o);
  const SequenceId a = context->CreateSequence(), b = context->CreateSequence();
  const auto tokens = RandomTokens(70, c.vocab, 1);
  const std::vector<int32_t> high = {3, 97}, low = {-1}, types = {0};
  const auto message = [&](std::vector<EvalItem> items) {
    const Status s = context->Evaluate(items);
    EXPECT_FALSE(s.ok());
    EXPECT_EQ(*context->SequenceLength(a) + *context->SequenceLength(b), 0);
    EXPECT_EQ(context->free_kv_tokens(), 128);
    EXPECT_FALSE(context->Output(0, 0).ok());
    return s.message();
  };
  EXPECT_THAT(message({{a, high}}), HasSubstr("token 97 (number 1)"));
  EXPECT_THAT(message({{a, low}}), HasSubstr("token -1"));
  EXPECT_THAT(message({{a, {}}}), HasSubstr("no tokens"));
  EXPECT_THAT(message({{77, tokens}}), HasSubstr("sequence 77 does not exist"));
  EXPECT_THAT(message({{a, tokens}, {a, tokens}}), HasSubstr("appears twice"));
  EXPECT_THAT(message({{a, tokens, types}}), HasSubstr("no token types"));
  EXPECT_THAT(message({{a, tokens}, {b, RandomTokens(101, c.vocab, 2)}}), HasSubstr("context overflow"));
  // Each takes two pages of 64 tokens, the pool has two in all.
  EXPECT_THAT(message({{a, tokens}, {b, tokens}}), HasSubstr("KV cache is full"));
  EXPECT_TRUE(context->Evaluate({}).ok());
  EXPECT_FALSE(context->TruncateSequence(a, 1).ok());
  EXPECT_TRUE(context->FreeSequence(b).ok());
  EXPECT_FALSE(context->FreeSequence(b).ok());
  EXPECT_FALSE(context->ForkSequence(b).ok());
  EXPECT_FALSE(context->FreeSequence(0).ok());
  const EvalItem good{a, tokens};
  EXPECT_TRUE(context->Evaluate({&good, 1}).ok());
}

TEST_F(EngineTest, CancelLeavesSequencesAsTheyWere) {
  std::atomic<bool> cancel{false};
  TinyConfig c;
  ContextOptions o;
  o.cancel = &cancel;
  auto context = MakeContext(Open(c), o);
  const auto tokens = RandomTokens(70, c.vocab, 1);
  const SequenceId a = context->CreateSequence();
  const EvalItem item{a, tokens};
  ASSERT_TRUE(context->Evaluate({&item, 1}).ok());
  cancel = true;
  EXPECT_EQ(context->Evaluate({&item, 1}).code(), Code::kCancelled);
  EXPECT_EQ(*context->SequenceLength(a), 70);
  cancel = false;
  EXPECT_TRUE(context->Evaluate({&item, 1}).ok());
  EXPECT_EQ(*context->SequenceLength(a), 140);
}

TEST_F(EngineTest, OptionsOutOfRange) {
  auto model = Open({});
  for (ContextOptions o : {ContextOptions{.threads = -1}, ContextOptions{.threads = 1000}, ContextOptions{.kv_tokens = -5},
                           ContextOptions{.max_rows = -1}, ContextOptions{.prefill_chunk = -1}})
    EXPECT_EQ(Context::Create(model, o).status().code(), Code::kUsage);
}

TEST_F(EngineTest, ProfileCountsEveryInstruction) {
  ContextOptions o;
  o.profile = true;
  auto context = MakeContext(Open({}), o);
  EvalAll(*context, RandomTokens(10, 97, 1));
  ASSERT_EQ(context->profile().size(), context->model().instructions().size());
  for (const InstructionProfile& p : context->profile()) EXPECT_EQ(p.calls, 1u);
}

}  // namespace
}  // namespace hasten::testing
