// The executor against a naive evaluation in double, and against itself: the
// bits of a row must not depend on batch, chunk, threads, instruction set or
// the host's floating-point environment.
#include "runtime/engine/context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pmmintrin.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "tests/format/tiny_model.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;
using Logits = std::vector<std::vector<float>>;

std::vector<int32_t> RandomTokens(size_t count, uint32_t vocab, uint32_t seed) {
  std::mt19937 rng(seed);
  std::vector<int32_t> t(count);
  for (int32_t& v : t) v = static_cast<int32_t>(rng() % vocab);
  return t;
}

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = (fs::path(::testing::TempDir()) / StrCat("hst-engine-", getpid(), ".hst")).string();
  }
  void TearDown() override { fs::remove(path_); }

  std::shared_ptr<const Model> Open(const TinyConfig& c, ModelOptions options = {}) {
    tiny_ = MakeTinyModel(c);
    const Status s = WriteTinyModel(tiny_, path_);
    EXPECT_TRUE(s.ok()) << s.message();
    return Reopen(options);
  }
  std::shared_ptr<const Model> Reopen(ModelOptions options = {}) {
    auto m = Model::Open(path_, options);
    EXPECT_TRUE(m.ok()) << m.status().message();
    return m.ok() ? *m : nullptr;
  }
  static std::unique_ptr<Context> MakeContext(std::shared_ptr<const Model> m, ContextOptions o = {}) {
    if (o.threads == 0) o.threads = 1;
    auto c = Context::Create(std::move(m), o);
    EXPECT_TRUE(c.ok()) << c.status().message();
    return *std::move(c);
  }
  static Logits Rows(const OutputRows& r) {
    Logits out;
    for (int64_t i = 0; i < r.rows; ++i) out.emplace_back(r.data + i * r.stride, r.data + i * r.stride + r.cols);
    return out;
  }
  static Logits EvalAll(Context& c, const std::vector<int32_t>& tokens) {
    const SequenceId id = c.CreateSequence();
    const EvalItem item{id, tokens, {}, Want::kAll};
    const Status s = c.Evaluate({&item, 1});
    EXPECT_TRUE(s.ok()) << s.message();
    Logits out = Rows(*c.Output(0, 0));
    EXPECT_TRUE(c.FreeSequence(id).ok());
    return out;
  }

  std::string path_;
  TinyModel tiny_;
};

double RelativeError(const Logits& got, const std::vector<std::vector<double>>& want) {
  double most = 0, scale = 0;
  for (size_t t = 0; t < want.size(); ++t)
    for (size_t i = 0; i < want[t].size(); ++i) {
      most = std::max(most, std::fabs(static_cast<double>(got[t][i]) - want[t][i]));
      scale = std::max(scale, std::fabs(want[t][i]));
    }
  return most / scale;
}

TEST_F(EngineTest, Fp32MatchesNaiveEvaluation) {
  TinyConfig plain, windowed, normed, encoder, local, alibi;
  windowed.window = 20, windowed.softcap = 5.0f, windowed.qk_norm = true;
  normed.layer_norm = normed.learned_positions = true;
  encoder.encoder = encoder.layer_norm = encoder.learned_positions = true;
  local = encoder, local.window = 11, local.ahead = 9;
  alibi.alibi = true, alibi.window = 70;
  for (const TinyConfig& c : {plain, windowed, normed, encoder, local, alibi}) {
    const auto tokens = RandomTokens(90, c.vocab, 3);
    auto context = MakeContext(Open(c));
    const Logits got = EvalAll(*context, tokens);
    ASSERT_EQ(got.size(), tokens.size());
    // fp32 against double through two layers: a few hundred roundings.
    EXPECT_LT(RelativeError(got, NaiveForward(tiny_, tokens)), 1e-5);
  }
}

TEST_F(EngineTest, EverySchemeIsNearNaiveEvaluation) {
  for (const SchemeInfo& s : AllSchemes())
    for (KvType kv : {KvType::kF32, KvType::kF16, KvType::kI8}) {
      TinyConfig c;
      c.weights = c.head = s.scheme, c.kv = kv;
      const auto tokens = RandomTokens(70, c.vocab, 4);
      auto context = MakeContext(Open(c));
      // The weights' own rounding is in the reference; what is left is INT8
      // activations (1/127 of a group's largest value) and the cache.
      const double limit = s.integer || kv == KvType::kI8 ? 0.05 : kv == KvType::kF16 ? 2e-3 : 1e-5;
      EXPECT_LT(RelativeError(EvalAll(*context, tokens), NaiveForward(tiny_, tokens)), limit) << s.name;
    }
}

// The same tokens through every way of cutting, beside other sequences, on every
// instruction set, with one to four threads.
TEST_F(EngineTest, BitsDependOnTheSequenceAlone) {
  for (const SchemeInfo& s : AllSchemes())
    for (KvType kv : {KvType::kF32, KvType::kI8}) {
      TinyConfig c;
      c.weights = c.head = s.scheme, c.kv = kv, c.qk_norm = true, c.seed = 9;
      auto model = Open(c);
      const auto tokens = RandomTokens(150, c.vocab, 5), other = RandomTokens(77, c.vocab, 6);
      const Logits want = EvalAll(*MakeContext(model), tokens);
      for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni}) {
        if (!IsaAvailable(isa)) continue;
        ModelOptions options;
        options.isa = isa;
        auto forced = Reopen(options);
        for (int64_t chunk : {1, 7, 64, 512}) {
          ContextOptions o;
          o.prefill_chunk = chunk;
          o.threads = 1 + static_cast<int>(chunk) % 4;
          o.max_rows = chunk == 7 ? 19 : 0;
          auto context = MakeContext(forced, o);
          ASSERT_EQ(EvalAll(*context, tokens), want) << s.name << " " << IsaName(isa) << " chunk " << chunk;
          const SequenceId a = context->CreateSequence(), b = context->CreateSequence();
          const EvalItem items[] = {{b, other, {}, Want::kLast}, {a, tokens, {}, Want::kAll}};
          ASSERT_TRUE(context->Evaluate(items).ok());
          ASSERT_EQ(Rows(*context->Output(1, 0)), want) << s.name << " beside another";
          EXPECT_EQ(context->Output(0, 0)->rows, 1);
        }
      }
    }
}

TEST_F(EngineTest, AlibiAndLocalBitsDependOnTheSequenceAlone) {
  TinyConfig causal, local;
  causal.alibi = true, causal.kv = KvType::kI8, causal.window = 100;
  local.encoder = local.alibi = true, local.window = 30, local.ahead = 30;
  for (const TinyConfig& c : {causal, local}) {
    auto model = Open(c);
    const auto tokens = RandomTokens(150, c.vocab, 5), other = RandomTokens(77, c.vocab, 6);
    const Logits want = EvalAll(*MakeContext(model), tokens);
    for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni}) {
      if (!IsaAvailable(isa)) continue;
      ModelOptions options;
      options.isa = isa;
      auto forced = Reopen(options);
      for (int64_t chunk : {1, 7, 64}) {  // an encoder takes a sequence whole
        ContextOptions o;
        o.prefill_chunk = chunk;
        o.threads = 1 + static_cast<int>(chunk) % 4;
        auto context = MakeContext(forced, o);
        const SequenceId a = context->CreateSequence(), b = context->CreateSequence();
        const EvalItem items[] = {{b, other, {}, Want::kLast}, {a, tokens, {}, Want::kAll}};
        ASSERT_TRUE(context->Evaluate(items).ok());
        ASSERT_EQ(Rows(*context->Output(1, 0)), want) << IsaName(isa) << " chunk " << chunk;
      }
    }
  }
}

// Distances of ALiBi are exact in fp32 up to there.
TEST_F(EngineTest, AlibiLimitsPositions) {
  TinyConfig c;
  c.max_positions = 0;
  EXPECT_GT(Open(c)->max_positions(), kAlibiPositions);
  c.alibi = true;
  EXPECT_EQ(Open(c)->max_positions(), kAlibiPositions);
}

TEST_F(EngineTest, HostFlushToZeroChangesNothing) {
  TinyConfig c;
  c.weights = c.head = Scheme::kI4G32, c.kv = KvType::kI8;
  auto model = Open(c);
  const auto tokens = RandomTokens(40, c.vocab, 8);
  const Logits want = EvalAll(*MakeContext(model), tokens);
  const unsigned before = _mm_getcsr();
  _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
  _MM_SET_DENORMALS_ZERO_MODE(_MM_DENORMALS_ZERO_ON);
  _MM_SET_ROUNDING_MODE(_MM_ROUND_DOWN);
  const unsigned host = _mm_getcsr();
  auto context = MakeContext(Reopen());
  const Logits got = EvalAll(*context, tokens);
  EXPECT_EQ(_mm_getcsr() & 0xffc0, host & 0xffc0);
  _mm_setcsr(before);
  EXPECT_EQ(got, want);
}

TEST_F(EngineTest, DecodeForkAndTruncateGiveTheSameBits) {
  TinyConfig c;
  c.weights = c.head = Scheme::kI8G32, c.kv = KvType::kI8;
  auto context = MakeContext(Open(c));
  const auto tokens = RandomTokens(140, c.vocab, 12);
  const Logits want = EvalAll(*context, tokens);
  const int64_t free = context->free_kv_tokens();
  const SequenceId a = context->CreateSequence();
  const auto feed = [&](SequenceId id, size_t begin, size_t end) {
    const EvalItem item{id, std::span(tokens).subspan(begin, end - begin), {}, Want::kLast};
    EXPECT_TRUE(context->Evaluate({&item, 1}).ok());
    EXPECT_EQ(Rows(*context->Output(0, 0)), Logits{want[end - 1]});
  };
  feed(a, 0, 100);
  const SequenceId b = *context->ForkSequence(a);
  // Other tokens in the fork must not reach the original's shared, half-filled page.
  const auto other = RandomTokens(30, c.vocab, 13);
  const EvalItem wrong{b, other, {}, Want::kLast};
  ASSERT_TRUE(context->Evaluate({&wrong, 1}).ok());
  for (size_t t = 100; t < 120; ++t) feed(a, t, t + 1);
  ASSERT_TRUE(context->TruncateSequence(b, 100).ok());
  feed(b, 100, 140);
  ASSERT_TRUE(context->TruncateSequence(a, 65).ok());
  feed(a, 65, 140);
  EXPECT_EQ(*context->SequenceLength(a), 140);
  EXPECT_TRUE(context->FreeSequence(a).ok());
  EXPECT_TRUE(context->FreeSequence(b).ok());
  EXPECT_EQ(context->free_kv_tokens(), free);
}

TEST_F(EngineTest, KvStateMovesBetweenContexts) {
  for (KvType kv : {KvType::kF32, KvType::kF16}) {  // both hold what they export exactly
    TinyConfig c;
    c.kv = kv;
    auto model = Open(c);
    auto from = MakeContext(model), to = MakeContext(model);
    const auto tokens = RandomTokens(100, c.vocab, 20);
    const Logits want = EvalAll(*from, tokens);
    const SequenceId a = from->CreateSequence(), b = to->CreateSequence();
    const EvalItem start{a, std::span(tokens).first(70), {}, Want::kNone};
    ASSERT_TRUE(from->Evaluate({&start, 1}).ok());
    EXPECT_EQ(from->Output(0, 0)->rows, 0);
    std::vector<std::vector<float>> k, v;
    for (size_t l = 0; l < c.layers; ++l) {
      k.emplace_back(c.kv_heads * 70 * c.head_dim), v.emplace_back(c.kv_heads * 70 * c.head_dim);
      ASSERT_TRUE(from->ExportKv(a, l, k[l], v[l]).ok());
    }
    const float* ks[] = {k[0].data(), k[1].data()};
    const float* vs[] = {v[0].data(), v[1].data()};
    ASSERT_TRUE(to->ImportKv(b, 70, ks, vs).ok());
    const EvalItem rest{b, std::span(tokens).subspan(70), {}, Want::kAll};
    ASSERT_TRUE(to->Evaluate({&rest, 1}).ok());
    EXPECT_EQ(Rows(*to->Output(0, 0)), Logits(want.begin() + 70, want.end()));
    EXPECT_THAT(to->ImportKv(b, 70, ks, vs).message(), HasSubstr("must be empty"));
    EXPECT_FALSE(from->ExportKv(a, 0, std::span(k[0]).first(5), v[0]).ok());
    EXPECT_FALSE(from->ExportKv(a, 2, k[0], v[0]).ok());
  }
}

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
