// The program checker: one change to a good program, one message that names the
// place. What it lets through, the executor runs without looking again.
#include "runtime/format/program_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "runtime/format/layout.h"
#include "tests/format/tiny_model.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;
using fb::Op;

Status CheckChanged(const TinyConfig& config, const std::function<void(fb::ProgramT&)>& change) {
  TinyModel m = MakeTinyModel(config);
  change(m.program);
  const std::vector<std::byte> bytes = PackProgram(m.program);
  return CheckProgram(*fb::GetProgram(bytes.data()), m.weights.size());
}

// The first instruction of a kind.
fb::InstrT& First(fb::ProgramT& p, Op type) {
  for (auto& i : p.instrs)
    if (i->op.type == type) return *i;
  throw std::logic_error("no such instruction");
}

struct Case {
  const char* message;
  std::function<void(fb::ProgramT&)> change;
};

void ExpectRefused(const TinyConfig& config, const std::vector<Case>& cases) {
  ASSERT_TRUE(CheckChanged(config, [](fb::ProgramT&) {}).ok()) << CheckChanged(config, [](fb::ProgramT&) {}).message();
  for (const Case& c : cases) {
    const Status s = CheckChanged(config, c.change);
    EXPECT_FALSE(s.ok()) << c.message;
    EXPECT_THAT(s.message(), HasSubstr(c.message));
    EXPECT_THAT(s.message(), HasSubstr("program: "));
  }
}

std::unique_ptr<fb::View> V(uint32_t buffer, uint32_t cols, uint32_t col) { return std::make_unique<fb::View>(buffer, cols, col); }

void SetBuffer(std::unique_ptr<fb::View>& v, uint32_t buffer) { *v = fb::View(buffer, v->cols(), v->col()); }
void SetCols(std::unique_ptr<fb::View>& v, uint32_t cols) { *v = fb::View(v->buffer(), cols, v->col()); }
void SetCol(std::unique_ptr<fb::View>& v, uint32_t col) { *v = fb::View(v->buffer(), v->cols(), col); }

TEST(ProgramCheck, EverySchemeAndKindOfModelPasses) {
  for (const SchemeInfo& s : AllSchemes()) {
    TinyConfig c;
    c.weights = c.head = s.scheme;
    EXPECT_TRUE(CheckChanged(c, [](fb::ProgramT&) {}).ok()) << s.name;
  }
  TinyConfig c;
  c.layer_norm = c.learned_positions = c.encoder = c.qk_norm = true;
  const Status s = CheckChanged(c, [](fb::ProgramT&) {});
  EXPECT_TRUE(s.ok()) << s.message();
}

TEST(ProgramCheck, Tables) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  ExpectRefused({}, {
      {"numerics profile 99", [](auto& p) { p.profile = 99; }},
      {"mixture of experts", [](auto& p) { p.expert_groups = 8; }},
      {"sharded", [](auto& p) { p.shards = 2; }},
      {"taps", [](auto& p) { p.taps = {1}; }},
      {"0 buffers", [](auto& p) { p.buffers.clear(); }},
      {"0 outputs", [](auto& p) { p.outputs.clear(); }},
      {"0 instructions", [](auto& p) { p.instrs.clear(); }},
      {"0 tensors", [](auto& p) { p.tensors.clear(); }},
      {"bytes a row; a multiple", [](auto& p) { p.arena_bytes_per_row = ~0ull; }},
      {"vocabulary of 0", [](auto& p) { p.vocab = 0; }},
      {"vocabulary of", [](auto& p) { p.vocab = 0xffffffff; }},
      {"KV type 9", [](auto& p) { p.kv_type = 9; }},
      {"positions", [](auto& p) { p.max_positions = 1ull << 63; }},
      {"buffer 0: 0 columns", [](auto& p) { p.buffers[0]->cols = 0; }},
      {"buffer 0: 9223372036854775808 columns", [](auto& p) { p.buffers[0]->cols = 1ull << 63; }},
      {"buffer 1: arena offset", [](auto& p) { p.buffers[1]->offset += 32; }},
      {"buffer 1: ", [](auto& p) { p.buffers[1]->offset = ~0ull - 63; }},
      {"reach past the arena", [](auto& p) { p.arena_bytes_per_row -= 64; }},
      {"buffer 0: kind 7", [](auto& p) { p.buffers[0]->kind = static_cast<fb::BufferKind>(7); }},
      {"buffer 0: rows 7", [](auto& p) { p.buffers[0]->rows = static_cast<fb::Rows>(7); }},
      {"a residual is for quantized buffers", [](auto& p) { p.buffers[0]->residual = true; }},
      {"activation group 48", [](auto& p) { p.buffers[0]->kind = fb::BufferKind::Quantized, p.buffers[0]->group = 48; }},
      {"tensor 0: weight scheme 200", [](auto& p) { p.tensors[0]->scheme = 200; }},
      {"tensor 0: shape [0", [](auto& p) { p.tensors[0]->n = 0; }},
      {"tensor 0: shape [9223372036854775808", [](auto& p) { p.tensors[0]->n = 1ull << 63; }},
      {"takes", [](auto& p) { p.tensors[0]->n += 1; }},
      {"takes", [](auto& p) { p.tensors[0]->bytes -= 1; }},
      {"tensor 1: offset", [](auto& p) { p.tensors[1]->offset += 4; }},
      {"reach past the weights", [](auto& p) { p.tensors[1]->offset = ~0ull - 63; }},
      {"layer 0: 4 heads over 3", [](auto& p) { p.layers[0]->kv_heads = 3; }},
      {"layer 0: 0 heads", [](auto& p) { p.layers[0]->heads = 0; }},
      {"layer 0: head dimensions 0", [](auto& p) { p.layers[0]->head_dim = 0; }},
      {"layer 0: head dimensions", [](auto& p) { p.layers[0]->v_head_dim = 0xffffffff; }},
      {"layer 0: scale", [](auto& p) { p.layers[0]->scale = kNan; }},
      {"layer 0: softcap", [](auto& p) { p.layers[0]->softcap = -1; }},
      {"layer 0: window", [](auto& p) { p.layers[0]->window = ~0ull; }},
      {"bidirectional attention", [](auto& p) { p.layers[1]->causal = false; }},
      {"layer 0: ahead 3 in causal", [](auto& p) { p.layers[0]->ahead = 3; }},
      {"layer 0: ahead 18446744073709551615 is above", [](auto& p) { p.layers[0]->ahead = ~0ull; }},
      {"layer 1: 3 ALiBi slopes for 4 heads", [](auto& p) { p.layers[1]->slopes = {1, 2, 3}; }},
      {"layer 1: 5 ALiBi slopes for 4 heads", [](auto& p) { p.layers[1]->slopes = {1, 2, 3, 4, 5}; }},
      {"layer 1: an ALiBi slope", [](auto& p) { p.layers[1]->slopes = {1, 2, kNan, 4}; }},
      {"layer 1: an ALiBi slope", [](auto& p) { p.layers[1]->slopes = {1, 2, 3, -INFINITY}; }},
      {"RoPE table 0: 0 frequencies", [](auto& p) { p.rope_tables[0]->inv_freq.clear(); }},
      {"RoPE table 0: a frequency", [](auto& p) { p.rope_tables[0]->inv_freq[1] = kNan; }},
      {"RoPE table 0: scale", [](auto& p) { p.rope_tables[0]->scale = INFINITY; }},
      {"output 0: kind", [](auto& p) { p.outputs[0]->kind = static_cast<fb::OutputKind>(9); }},
      {"output 0: its buffer", [](auto& p) { SetBuffer(p.outputs[0]->view, 9999); }},
      {"output 0: its buffer", [](auto& p) { p.outputs[0]->view.reset(); }},
      {"output 0: columns", [](auto& p) { SetCols(p.outputs[0]->view, 0xffffffff); }},
      {"output 0: row 3", [](auto& p) { p.outputs[0]->row = 3; }},
  });
}

TEST(ProgramCheck, NeededMinorIsTheLeastThatKnowsTheFields) {
  const auto needed = [](const TinyConfig& c) {
    const auto bytes = PackProgram(MakeTinyModel(c).program);
    return NeededMinor(*fb::GetProgram(bytes.data()));
  };
  TinyConfig plain, alibi, local;
  plain.window = 20;
  alibi.alibi = true;
  local.encoder = true, local.window = local.ahead = 9;
  EXPECT_EQ(needed(plain), 0u);
  EXPECT_EQ(needed(alibi), kMinorAlibi);
  EXPECT_EQ(needed(local), kMinorAlibi);
  alibi.weights = Scheme::kI6G64;
  EXPECT_EQ(needed(alibi), kMinorInt5);
  alibi.residual = true;
  EXPECT_EQ(needed(alibi), kMinorResidual);
  EXPECT_TRUE(CheckChanged(alibi, [](fb::ProgramT&) {}).ok());
  EXPECT_TRUE(CheckChanged(local, [](fb::ProgramT&) {}).ok());
}

TEST(ProgramCheck, Instructions) {
  TinyConfig config;
  config.qk_norm = true;
  ExpectRefused(config, {
      {"(NONE, \"x\"): it has no operation", [](auto& p) { p.instrs[0]->op.Reset(), p.instrs[0]->loc = "x"; }},
      {"instruction 0 (Embed, \"embed\"): out: the operand is missing", [](auto& p) { p.instrs[0]->op.AsEmbed()->out.reset(); }},
      {"(Embed, \"embed\"): out: buffer 9999", [](auto& p) { p.instrs[0]->op.AsEmbed()->out = V(9999, 80, 0); }},
      {"out: columns 4294967295", [](auto& p) { p.instrs[0]->op.AsEmbed()->out = V(0, 80, 0xffffffff); }},
      {"out has 79 columns, needed 80", [](auto& p) { p.instrs[0]->op.AsEmbed()->out = V(0, 79, 0); }},
      {"table: tensor 77", [](auto& p) { p.instrs[0]->op.AsEmbed()->table = 77; }},
      {"rows for a vocabulary", [](auto& p) { p.vocab += 1; }},
      {"index offset is for position", [](auto& p) { p.instrs[0]->op.AsEmbed()->index_offset = 1; }},
      {"index offset -1", [](auto& p) { p.instrs[0]->op.AsEmbed()->source = fb::Source::Positions, p.instrs[0]->op.AsEmbed()->index_offset = -1; }},
      {"token types", [](auto& p) { p.instrs[0]->op.AsEmbed()->source = fb::Source::TokenTypes; }},
      {"source 9", [](auto& p) { p.instrs[0]->op.AsEmbed()->source = static_cast<fb::Source>(9); }},
      {"(Norm, \"layers.0.norm1\"): kind 5", [](auto& p) { First(p, Op::Norm).op.AsNorm()->kind = 5; }},
      {"80 columns in 0 groups", [](auto& p) { First(p, Op::Norm).op.AsNorm()->groups = 0; }},
      {"80 columns in 3 groups", [](auto& p) { First(p, Op::Norm).op.AsNorm()->groups = 3; }},
      {"weight: tensor -7", [](auto& p) { First(p, Op::Norm).op.AsNorm()->weight = -7; }},
      {"needed fp32 [1, 80]", [](auto& p) { First(p, Op::Norm).op.AsNorm()->weight = 0; }},
      {"RMS norm has no bias", [](auto& p) { auto* n = First(p, Op::Norm).op.AsNorm(); n->bias = n->weight; }},
      {"eps", [](auto& p) { First(p, Op::Norm).op.AsNorm()->eps = -1; }},
      {"(Linear, \"layers.0.qkv\"): K: input has 79", [](auto& p) { SetCols(First(p, Op::Linear).op.AsLinear()->x, 79); }},
      {"N: out has", [](auto& p) { SetCols(First(p, Op::Linear).op.AsLinear()->out, 3); }},
      {"adapter slots (LoRA)", [](auto& p) { First(p, Op::Linear).op.AsLinear()->adapter_slot = 0; }},
      {"bias: tensor 0", [](auto& p) { First(p, Op::Linear).op.AsLinear()->bias = 0; }},
      {"overlaps an input", [](auto& p) { auto* l = First(p, Op::Linear).op.AsLinear(); SetBuffer(l->x, l->out->buffer()); SetCol(l->x, 1); }},
      {"rotary_dim 13", [](auto& p) { First(p, Op::Rope).op.AsRope()->rotary_dim = 13; }},
      {"rotary_dim 18", [](auto& p) { First(p, Op::Rope).op.AsRope()->rotary_dim = 18; }},
      {"RoPE table 0 has 6 frequencies", [](auto& p) { First(p, Op::Rope).op.AsRope()->rotary_dim = 10; }},
      {"RoPE table 4 of 1", [](auto& p) { First(p, Op::Rope).op.AsRope()->table = 4; }},
      {"needed 4294967280", [](auto& p) { First(p, Op::Rope).op.AsRope()->heads = 0x0fffffff; }},
      {"layer 7 of 2", [](auto& p) { First(p, Op::KvAppend).op.AsKvAppend()->layer = 7; }},
      {"layer 1 is appended to twice", [](auto& p) { First(p, Op::KvAppend).op.AsKvAppend()->layer = 1; First(p, Op::Attention).op.AsAttention()->layer = 1; }},
      {"layer 1 is attended over before its append", [](auto& p) { First(p, Op::Attention).op.AsAttention()->layer = 1; }},
      {"k has 16 columns, needed 32", [](auto& p) { SetCols(First(p, Op::KvAppend).op.AsKvAppend()->k, 16); }},
      {"q has 32 columns, needed 64", [](auto& p) { SetCols(First(p, Op::Attention).op.AsAttention()->q, 32); }},
      {"op 99 is not known", [](auto& p) { First(p, Op::Binary).op.AsBinary()->op = 99; }},
      {"b_kind 3", [](auto& p) { First(p, Op::Binary).op.AsBinary()->b_kind = 3; }},
      {"vector operand is missing", [](auto& p) { First(p, Op::Binary).op.AsBinary()->b_kind = 1; }},
      {"b: the operand is missing", [](auto& p) { First(p, Op::Binary).op.AsBinary()->b.reset(); }},
      {"scalar is not", [](auto& p) { First(p, Op::Binary).op.AsBinary()->scalar = INFINITY; }},
      {"act 99", [](auto& p) { First(p, Op::Gated).op.AsGated()->act = 99; }},
      {"up has 111 columns, needed 112", [](auto& p) { SetCols(First(p, Op::Gated).op.AsGated()->up, 111); }},
      {"token rows and out output rows", [](auto& p) { auto* s = First(p, Op::SelectRows).op.AsSelectRows(); p.buffers[s->out->buffer()]->rows = fb::Rows::Tokens; }},
      {"is read before it is written", [](auto& p) { p.instrs.erase(p.instrs.begin()); }},
      {"is read after its arena bytes were overwritten", [](auto& p) { p.buffers[First(p, Op::Attention).op.AsAttention()->out->buffer()]->offset = p.buffers[0]->offset; }},
      {"shares arena bytes with its input", [](auto& p) { auto* l = First(p, Op::Linear).op.AsLinear(); p.buffers[l->out->buffer()]->offset = p.buffers[l->x->buffer()]->offset; }},
  });
}

TEST(ProgramCheck, QuantizedOperands) {
  TinyConfig c;
  c.weights = Scheme::kI4G32;
  ExpectRefused(c, {
      {"activation group 64 does not divide the weight's group 32",
       [](auto& p) { p.buffers[First(p, Op::Linear).op.AsLinear()->x->buffer()]->group = 64; }},
      {"holds F32 rows, needed Quantized", [](auto& p) { First(p, Op::Linear).op.AsLinear()->x = V(0, 80, 0); }},
      {"only whole rows", [](auto& p) { auto* q = First(p, Op::Quantize).op.AsQuantize(); SetCols(q->out, 64), SetCols(q->x, 64); }},
      {"holds Quantized rows, needed F32",
       [](auto& p) { First(p, Op::Norm).op.AsNorm()->x = V(First(p, Op::Linear).op.AsLinear()->x->buffer(), 80, 0); }},
  });
}

}  // namespace
}  // namespace hasten::testing
