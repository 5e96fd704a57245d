// The executor against a naive evaluation in double, and against itself: the
// bits of a row must not depend on batch, chunk, threads, instruction set or
// the host's floating-point environment. Its calls are in calls_test.cc, saved
// state in kv_state_test.cc.
#include "runtime/engine/context.h"

#include <pmmintrin.h>

#include <cmath>

#include "tests/engine/engine_fixture.h"
#include "tests/sanitized.h"

namespace hasten::testing {
namespace {

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

TEST_F(EngineTest, ResidualsOfActivationsLeaveLittleError) {
  for (const SchemeInfo& s : AllSchemes()) {
    if (!s.integer) continue;
    TinyConfig c;
    c.weights = c.head = s.scheme, c.residual = true;
    const auto tokens = RandomTokens(70, c.vocab, 4);
    auto context = MakeContext(Open(c));
    EXPECT_LT(RelativeError(EvalAll(*context, tokens), NaiveForward(tiny_, tokens)), 5e-4) << s.name;   // 0.05 without
  }
}

// The same tokens through every way of cutting, beside other sequences, on every
// instruction set, with one to four threads. Instrumented: on two schemes, each with
// one type of cache.
TEST_F(EngineTest, BitsDependOnTheSequenceAlone) {
  for (const SchemeInfo& s : AllSchemes())
    for (KvType kv : {KvType::kF32, KvType::kI8}) {
      const Scheme instrumented = kv == KvType::kI8 ? Scheme::kI4G32 : Scheme::kF16;
      if (kSanitized && s.scheme != instrumented) continue;
      TinyConfig c;
      c.weights = c.head = s.scheme, c.kv = kv, c.qk_norm = true, c.residual = s.integer && kv == KvType::kF32, c.seed = 9;
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

}  // namespace
}  // namespace hasten::testing
