// The whole way through a device: a model's program there gives the bits that it gives on
// the CPU, for every scheme and cache, whatever is evaluated together, and through every
// call that touches the cache.
#include <map>

#include "tests/device/test_device.h"
#include "tests/engine/engine_fixture.h"
#include "tests/kernels/test_util.h"

namespace hasten::testing {
namespace {

class EngineOnDevice : public EngineTest {
 protected:
  // The same file, on the CPU by the reference kernels and on the device.
  void OpenBoth(const TinyConfig& c) {
    here_ = Open(c, {.isa = Isa::kScalar});
    there_ = Reopen({.device = TestDevice().shared_from_this()});
    ASSERT_TRUE(here_ && there_);
  }
  static void ExpectSame(const Logits& want, const Logits& got, const std::string& what) {
    ASSERT_EQ(want.size(), got.size()) << what;
    for (size_t r = 0; r < want.size(); ++r) ASSERT_TRUE(SameBits(want[r], got[r])) << what << ", row " << r;
  }
  // A prompt in chunks, then tokens one by one.
  void Compare(const TinyConfig& c, size_t prompt, const std::string& what) {
    OpenBoth(c);
    const ContextOptions options{.kv_tokens = 512, .max_rows = c.encoder ? 0 : 33};
    auto here = MakeContext(here_, options), there = MakeContext(there_, options);
    const auto tokens = RandomTokens(prompt, c.vocab, 5);
    ExpectSame(EvalAll(*here, tokens), EvalAll(*there, tokens), what);
    if (c.encoder) return;
    const SequenceId a = here->CreateSequence(), b = there->CreateSequence();
    for (size_t t = 0; t < 4; ++t) {
      const std::span<const int32_t> next(tokens.data() + t, 1);
      ExpectSame(Step(*here, {{a, next, {}, Want::kLast}})[0], Step(*there, {{b, next, {}, Want::kLast}})[0], StrCat(what, ", token ", t));
    }
  }
  // Output 0's rows of each item.
  static std::vector<Logits> Step(Context& c, std::vector<EvalItem> items) {
    const Status s = c.Evaluate(items);
    EXPECT_TRUE(s.ok()) << s.message();
    std::vector<Logits> out;
    for (size_t i = 0; i < items.size(); ++i) out.push_back(Rows(*c.Output(i, 0)));
    return out;
  }

  std::shared_ptr<const Model> here_, there_;
};

TEST_F(EngineOnDevice, EverySchemeGivesTheSameBits) {
  for (const SchemeInfo& s : AllSchemes()) {
    TinyConfig c;
    c.weights = c.head = s.scheme;
    c.kv = KvType::kI8, c.layers = 1;
    c.residual = s.integer && s.bits == 8;
    Compare(c, 35, std::string(s.name));   // a chunk of many rows, one of few
  }
}

// How often a step launches each kernel.
std::map<std::string, int> LaunchesOf(const Model& m) {
  std::map<std::string, int> count;
  for (const Instruction* i : m.device_launches()) ++count[i->kernel()];
  return count;
}

TEST_F(EngineOnDevice, RowWiseInstructionsInARowAreOneLaunch) {
  TinyConfig c;
  c.weights = c.head = Scheme::kI8G32, c.kv = KvType::kI8;
  OpenBoth(c);
  const std::map<std::string, int> want = {{"embed_any_cuda", 1},    {"fused_norm_cuda", 5},  {"linear_int8_cuda", 9},      {"fused_append_cuda", 2},
                                           {"attention_i8_cuda", 2}, {"quantize_i8_cuda", 2}, {"fused_activation_cuda", 2}, {"copy_cuda", 1},
                                           {"binary_cuda", 1}};   // the last addition stands before the choice of rows
  EXPECT_EQ(LaunchesOf(*there_), want);
  EXPECT_TRUE(here_->device_launches().empty());
}

// What is quantized may lie where the activation's inputs were: block after block that would
// be overwritten by others before it was read.
TEST_F(EngineOnDevice, RunsWhoseBuffersShareMemoryAreTakenApart) {
  TinyConfig c;
  c.weights = c.head = Scheme::kI8G32, c.kv = KvType::kI8, c.layers = 1;
  OpenBoth(c);
  const auto before = LaunchesOf(*there_);
  fb::ProgramT& p = tiny_.program;
  for (size_t i = 0; i + 1 < p.instrs.size(); ++i)
    if (const auto* g = p.instrs[i]->op.AsGated())
      p.buffers[p.instrs[i + 1]->op.AsQuantize()->out->buffer()]->offset = p.buffers[g->gate->buffer()]->offset;
  ASSERT_TRUE(WriteTinyModel(tiny_, path_).ok());
  here_ = Reopen({.isa = Isa::kScalar}), there_ = Reopen({.device = TestDevice().shared_from_this()});
  ASSERT_TRUE(here_ && there_);
  EXPECT_EQ(before.count("fused_activation_cuda"), 1u);
  EXPECT_EQ(LaunchesOf(*there_).count("fused_activation_cuda"), 0u);
  const auto tokens = RandomTokens(20, c.vocab, 3);
  auto here = MakeContext(here_), there = MakeContext(there_);
  ExpectSame(EvalAll(*here, tokens), EvalAll(*there, tokens), "taken apart");
}

// Values that are the turned queries: blocks that append would read what others are writing.
TEST_F(EngineOnDevice, RopesThatAnAppendDependsOnAreTakenApart) {
  TinyConfig c;
  c.weights = c.head = Scheme::kI8G32, c.kv = KvType::kI8, c.layers = 1, c.kv_heads = c.heads;
  OpenBoth(c);
  EXPECT_EQ(LaunchesOf(*there_).count("rope_cuda"), 0u);
  fb::KvAppendT* append = nullptr;
  for (auto& i : tiny_.program.instrs)
    if (auto* a = i->op.AsKvAppend()) append = a;
  ASSERT_TRUE(append);
  for (auto& i : tiny_.program.instrs)
    if (auto* r = i->op.AsRope(); r && (r->out->buffer() != append->k->buffer() || r->out->col() != append->k->col())) append->v = std::make_unique<fb::View>(*r->out);
  ASSERT_TRUE(WriteTinyModel(tiny_, path_).ok());
  here_ = Reopen({.isa = Isa::kScalar}), there_ = Reopen({.device = TestDevice().shared_from_this()});
  ASSERT_TRUE(here_ && there_);
  EXPECT_EQ(LaunchesOf(*there_)["rope_cuda"], 1);   // the queries', before the keys' run
  const auto tokens = RandomTokens(20, c.vocab, 3);
  auto here = MakeContext(here_), there = MakeContext(there_);
  ExpectSame(EvalAll(*here, tokens), EvalAll(*there, tokens), "values that are turned queries");
}

TEST_F(EngineOnDevice, EveryKindOfModelGivesTheSameBits) {
  TinyConfig plain;
  plain.weights = plain.head = Scheme::kI4G32;
  plain.hidden = plain.inter = 64, plain.vocab = 61;   // a linear's least tile; what differs is attention
  for (const KvType kv : {KvType::kI8, KvType::kF16, KvType::kF32}) {
    const size_t prompt = kv == KvType::kI8 ? 70 : 40;   // beyond a page; beyond the windows
    TinyConfig c = plain;
    c.kv = kv;
    c.window = 20, c.softcap = 5.0f, c.qk_norm = true;
    Compare(c, prompt, "a window, a soft cap and QK norm");
    c = plain, c.kv = kv, c.alibi = true, c.kv_heads = 1;
    Compare(c, prompt, "ALiBi and one KV head");
    c = plain, c.kv = kv, c.encoder = c.layer_norm = c.learned_positions = true;
    Compare(c, prompt, "an encoder");
    c.window = 11, c.ahead = 9;
    Compare(c, prompt, "an encoder with a window on both sides");
  }
}

TEST_F(EngineOnDevice, WhatIsEvaluatedTogetherChangesNothing) {
  TinyConfig c;
  c.weights = c.head = Scheme::kI4G64, c.group = 64, c.kv = KvType::kI8, c.hidden = c.inter = 64;
  OpenBoth(c);
  auto here = MakeContext(here_, {.kv_tokens = 2048}), there = MakeContext(there_, {.kv_tokens = 2048});
  std::vector<std::vector<int32_t>> prompts;
  std::vector<SequenceId> a, b;
  for (const size_t n : {1, 5, 64, 70, 258}) {
    prompts.push_back(RandomTokens(n, c.vocab, static_cast<uint32_t>(n)));
    a.push_back(here->CreateSequence()), b.push_back(there->CreateSequence());
  }
  // All prompts in one call on the device; one by one on the CPU.
  std::vector<EvalItem> all;
  for (size_t i = 0; i < prompts.size(); ++i) all.push_back({b[i], prompts[i], {}, Want::kLast});
  const auto together = Step(*there, all);
  for (size_t i = 0; i < prompts.size(); ++i) ExpectSame(Step(*here, {{a[i], prompts[i], {}, Want::kLast}})[0], together[i], StrCat("prompt ", i));
  // Five sequences decode, which is filled up to eight; replayed from the second time on. One falls
  // out after that, so that four go on.
  for (int32_t t = 0; t < 6; ++t) {
    const std::vector<int32_t> token = {t + 1};
    const size_t count = t < 4 ? 5 : 4;
    std::vector<EvalItem> items;
    for (size_t i = 0; i < count; ++i) items.push_back({b[i], token, {}, Want::kLast});
    const auto rows = Step(*there, items);
    for (size_t i = 0; i < count; ++i) ExpectSame(Step(*here, {{a[i], token, {}, Want::kLast}})[0], rows[i], StrCat("step ", t, " of ", i));
  }
}

TEST_F(EngineOnDevice, ForkedTruncatedSavedAndRestoredSequencesGoOnWithTheSameBits) {
  for (const KvType kv : {KvType::kI8, KvType::kF16}) {
    TinyConfig c;
    c.weights = c.head = Scheme::kI8G32, c.kv = kv;
    OpenBoth(c);
    auto here = MakeContext(here_, {.kv_tokens = 1024}), there = MakeContext(there_, {.kv_tokens = 1024});
    const auto prompt = RandomTokens(100, c.vocab, 8);
    const std::vector<int32_t> more = {3, 1, 4};
    const SequenceId a = here->CreateSequence(), b = there->CreateSequence();
    Step(*here, {{a, prompt, {}, Want::kLast}}), Step(*there, {{b, prompt, {}, Want::kLast}});
    const SequenceId fork_a = *here->ForkSequence(a), fork_b = *there->ForkSequence(b);
    ASSERT_TRUE(here->TruncateSequence(fork_a, 70).ok() && there->TruncateSequence(fork_b, 70).ok());
    ExpectSame(Step(*here, {{fork_a, more, {}, Want::kAll}})[0], Step(*there, {{fork_b, more, {}, Want::kAll}})[0], "a fork, cut to 70 tokens");
    // The CPU's state restored on the device, and the device's on the CPU.
    std::vector<std::byte> state_a(*here->SavedBytes(a)), state_b(*there->SavedBytes(b));
    ASSERT_TRUE(here->SaveKv(a, state_a).ok() && there->SaveKv(b, state_b).ok());
    EXPECT_EQ(state_a, state_b);
    const SequenceId back_a = here->CreateSequence(), back_b = there->CreateSequence();
    ASSERT_TRUE(here->RestoreKv(back_a, state_b).ok() && there->RestoreKv(back_b, state_a).ok());
    const Logits want = Step(*here, {{a, more, {}, Want::kAll}})[0];
    ExpectSame(want, Step(*here, {{back_a, more, {}, Want::kAll}})[0], "the device's state on the CPU");
    ExpectSame(want, Step(*there, {{back_b, more, {}, Want::kAll}})[0], "the CPU's state on the device");
    ExpectSame(want, Step(*there, {{b, more, {}, Want::kAll}})[0], "the sequence itself");
  }
}

TEST_F(EngineOnDevice, TokensChosenThereAreThoseChosenHere) {
  TinyConfig c;
  c.weights = c.head = Scheme::kI4G32, c.kv = KvType::kI8;
  OpenBoth(c);
  auto here = MakeContext(here_), there = MakeContext(there_);
  const SequenceId a = here->CreateSequence(), b = there->CreateSequence();
  std::vector<int32_t> history = RandomTokens(9, c.vocab, 2);
  std::span<const int32_t> next = history;
  for (int64_t t = 0; t < 24; ++t) {
    const EvalItem item_a{a, next, {}, Want::kLast}, item_b{b, next, {}, Want::kLast};
    ASSERT_TRUE(here->Evaluate({&item_a, 1}).ok() && there->Evaluate({&item_b, 1}).ok());
    SampleOptions how;
    how.temperature = t % 3 == 0 ? 0.0f : 0.8f, how.top_k = t % 4 == 1 ? 10 : 0, how.top_p = t % 2 ? 0.9f : 1.0f, how.seed = 7;
    how.repetition_penalty = t % 5 == 2 ? 1.3f : 1.0f;
    const SampleRequest request{0, 0, 0, history, static_cast<int64_t>(history.size()), how};
    int32_t want = -2, got = -2;
    ASSERT_TRUE(here->SampleRows({&request, 1}, {&want, 1}).ok() && there->SampleRows({&request, 1}, {&got, 1}).ok());
    ASSERT_EQ(want, got) << "token " << t;
    history.push_back(got);
    next = {&history.back(), 1};
  }
}

// Rows of several sequences, of one that has many, and the same row twice, each in its own way.
TEST_F(EngineOnDevice, TokensOfManyRowsAreChosenTogether) {
  TinyConfig c;
  c.weights = c.head = Scheme::kI8G32, c.kv = KvType::kI8;
  OpenBoth(c);
  std::vector<int32_t> chosen[2];
  const auto first = RandomTokens(7, c.vocab, 1), second = RandomTokens(30, c.vocab, 2);
  for (int where = 0; where < 2; ++where) {
    auto context = MakeContext(where ? there_ : here_, {.max_rows = 20});   // two steps: rows of one are kept elsewhere
    const EvalItem items[] = {{context->CreateSequence(), first, {}, Want::kLast}, {context->CreateSequence(), second, {}, Want::kAll}};
    ASSERT_TRUE(context->Evaluate(items).ok());
    std::vector<SampleRequest> requests;
    for (int64_t row = 0; row < 30; ++row)
      requests.push_back({1, 0, row, std::span(second).first(static_cast<size_t>(row)), row, {.temperature = row % 2 ? 0.9f : 0.0f, .repetition_penalty = row % 3 ? 1.0f : 1.5f, .seed = 3}});
    requests.push_back({0, 0, 0, first, 7, {.top_k = 5}});
    requests.push_back({1, 0, 29, {}, 30, {.top_p = 0.5f}});
    chosen[where].resize(requests.size());
    ASSERT_TRUE(context->SampleRows(requests, chosen[where]).ok());
    requests[3].row = 30;
    const Status s = context->SampleRows(requests, chosen[where]);
    EXPECT_EQ(s.code(), Code::kUsage);
    EXPECT_THAT(s.message(), ::testing::HasSubstr("item 3: sample: row 30 of 30"));
  }
  EXPECT_EQ(chosen[0], chosen[1]);
}

TEST_F(EngineOnDevice, WhatDoesNotFitIsRefusedBeforeAnythingRuns) {
  OpenBoth({});
  auto there = MakeContext(there_, {.kv_tokens = 64});
  const auto tokens = RandomTokens(65, 97, 1);
  const SequenceId id = there->CreateSequence();
  const EvalItem item{id, tokens, {}, Want::kLast};
  const Status s = there->Evaluate({&item, 1});
  EXPECT_EQ(s.code(), Code::kResource);
  EXPECT_THAT(s.message(), ::testing::HasSubstr("KV cache is full"));
  EXPECT_EQ(*there->SequenceLength(id), 0);
  EXPECT_EQ(Context::Create(there_, {.kv_tokens = int64_t{1} << 31}).status().code(), Code::kResource);
  int stream = 0;
  EXPECT_EQ(Context::Create(here_, {.stream = &stream}).status().code(), Code::kUsage);
}

}  // namespace
}  // namespace hasten::testing
