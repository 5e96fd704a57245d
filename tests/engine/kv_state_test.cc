// A sequence's cache, out of a context and into another: as fp32, and in its
// exact form, which must give the same bits for every cache type and must not
// be believed.
#include <cstring>

#include "tests/engine/engine_fixture.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;

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

std::vector<std::byte> Save(Context& c, SequenceId id) {
  const auto bytes = c.SavedBytes(id);
  EXPECT_TRUE(bytes.ok()) << bytes.status().message();
  std::vector<std::byte> out(*bytes);
  EXPECT_TRUE(c.SaveKv(id, out).ok());
  return out;
}

// Before, at and after the edges of pages (64) and splits (256), restored where
// other tokens lay before; the rest of the sequence must have the same bits.
TEST_F(EngineTest, SavedStateGivesTheSameBits) {
  for (const KvType kv : {KvType::kI8, KvType::kF16, KvType::kF32}) {
    TinyConfig c;
    c.kv = kv, c.weights = c.head = Scheme::kI8G32, c.head_dim = 18, c.rotary_dim = 12;
    auto model = Open(c);
    auto from = MakeContext(model), to = MakeContext(model);
    const auto tokens = RandomTokens(330, c.vocab, 20);
    const Logits want = EvalAll(*from, tokens);
    EvalAll(*to, RandomTokens(400, c.vocab, 21));  // leaves its pages full of other things
    for (const size_t n : {1, 63, 64, 65, 255, 256, 257, 320}) {
      const SequenceId a = from->CreateSequence(), b = to->CreateSequence();
      const EvalItem start{a, std::span(tokens).first(n), {}, Want::kNone};
      ASSERT_TRUE(from->Evaluate({&start, 1}).ok());
      const std::vector<std::byte> state = Save(*from, a);
      const Status restored = to->RestoreKv(b, state);
      ASSERT_TRUE(restored.ok()) << restored.message();
      EXPECT_EQ(Save(*to, b), state);
      const EvalItem rest{b, std::span(tokens).subspan(n), {}, Want::kAll};
      ASSERT_TRUE(to->Evaluate({&rest, 1}).ok());
      EXPECT_EQ(Rows(*to->Output(0, 0)), Logits(want.begin() + static_cast<long>(n), want.end())) << n;
      EXPECT_TRUE(from->FreeSequence(a).ok() && to->FreeSequence(b).ok());
    }
  }
}

TEST_F(EngineTest, DamagedStateIsRefused) {
  TinyConfig c;
  c.kv = KvType::kI8;
  ContextOptions o;
  o.kv_tokens = 128;
  auto context = MakeContext(Open(c), o);
  const SequenceId a = context->CreateSequence(), b = context->CreateSequence();
  EXPECT_THAT(context->SavedBytes(a).status().message(), HasSubstr("no tokens"));
  const auto tokens = RandomTokens(64, c.vocab, 2);
  const EvalItem item{a, tokens};
  ASSERT_TRUE(context->Evaluate({&item, 1}).ok());
  const std::vector<std::byte> good = Save(*context, a);
  std::vector<std::byte> small(good.size() - 1);
  EXPECT_EQ(context->SaveKv(a, small).code(), Code::kUsage);
  // `bytes` at `at` of a good state; the message of the refusal.
  const auto with = [&](size_t at, std::initializer_list<int> bytes, size_t size = 0) {
    std::vector<std::byte> bad = good;
    for (const int v : bytes) bad[at++] = static_cast<std::byte>(v);
    if (size) bad.resize(size);
    const Status s = context->RestoreKv(b, bad);
    EXPECT_EQ(s.ok() || s.code() == Code::kInternal || s.code() == Code::kUsage, false) << s.message();
    EXPECT_EQ(*context->SequenceLength(b), 0);
    EXPECT_EQ(context->free_kv_tokens(), 64);
    return s.message();
  };
  EXPECT_THAT(with(0, {}, 10), HasSubstr("header alone has 64"));
  EXPECT_THAT(with(0, {1}), HasSubstr("first 8 bytes"));
  EXPECT_THAT(with(8, {2}), HasSubstr("version 2"));
  EXPECT_THAT(with(12, {9}), HasSubstr("9 layers"));
  EXPECT_THAT(with(16, {0}), HasSubstr("0 tokens"));
  EXPECT_THAT(with(16, {63}), HasSubstr("63 tokens of this model have"));
  EXPECT_THAT(with(16, {255, 255, 255, 255, 255, 255, 255, 255}), HasSubstr("the model takes 1 to 512"));
  EXPECT_THAT(with(24, {1}), HasSubstr("declared"));
  EXPECT_THAT(with(32, {static_cast<int>(good[32]) ^ 1}), HasSubstr("another artifact"));
  EXPECT_THAT(with(0, {}, good.size() - 1), HasSubstr("declared"));
  EXPECT_THAT(with(0, {}, good.size() + 1), HasSubstr("declared"));
  EXPECT_THAT(with(64 + 3, {0xbf}), HasSubstr("layer 0, token 0: an INT8 scale"));        // a negative scale
  EXPECT_THAT(with(64 + 4, {1, 0, 0, 0}), HasSubstr("layer 0, token 0: an INT8 scale"));  // a subnormal one
  EXPECT_THAT(with(good.size() - 1, {0x80}), HasSubstr("layer 1, token 63"));             // code -128
  const EvalItem one{b, std::span(tokens).first(1)};
  ASSERT_TRUE(context->Evaluate({&one, 1}).ok());
  EXPECT_THAT(context->RestoreKv(b, good).message(), HasSubstr("must be empty"));
  EXPECT_EQ(context->RestoreKv(77, good).code(), Code::kUsage);
  EXPECT_TRUE(context->TruncateSequence(b, 0).ok());
  EXPECT_TRUE(context->RestoreKv(b, good).ok());
  const SequenceId third = context->CreateSequence();
  EXPECT_THAT(context->RestoreKv(third, good).message(), HasSubstr("room for 0 of 64"));
}

}  // namespace
}  // namespace hasten::testing
