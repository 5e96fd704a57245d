// The tables of a program first, then its instructions in order, with one pass
// over what every arena byte holds: a buffer counts as lost once another buffer
// that shares bytes with it has been written.
#include "runtime/format/program_check.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "runtime/base/checked.h"
#include "runtime/format/buffer_layout.h"
#include "runtime/format/instr_check.h"
#include "runtime/format/layout.h"
#include "runtime/format/model_info_generated.h"
#include "runtime/format/program_generated.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten {
namespace {

using L = ProgramLimits;

template <class V>
Status CheckCount(const char* what, const V* v, uint64_t least, uint64_t most) {
  const uint64_t n = v ? v->size() : 0;
  if (n >= least && n <= most) return {};
  return BadInput("program: ", n, " ", what, "; ", least, " to ", most, " are allowed");
}

Status CheckBuffer(const fb::Buffer& b, uint64_t arena) {
  if (b.kind() > fb::BufferKind::MAX) return BadInput("kind ", static_cast<int>(b.kind()), " is not known");
  if (b.rows() > fb::Rows::MAX) return BadInput("rows ", static_cast<int>(b.rows()), " is not known");
  if (b.cols() == 0 || b.cols() > L::kCols) return BadInput(b.cols(), " columns; 1 to ", L::kCols, " are allowed");
  if (b.kind() == fb::BufferKind::Quantized) {
    const uint64_t g = b.group();
    // Exact int32 sums of 127 * 127 products hold up to 2^17 elements a group.
    if (!(g == 32 || g == 64 || g == 128 || (g == b.cols() && g <= (1u << 17))))
      return BadInput("activation group ", g, "; 32, 64, 128 or all ", b.cols(), " columns (at most 131072) are allowed");
  }
  if (b.residual() && b.kind() != fb::BufferKind::Quantized) return BadInput("a residual is for quantized buffers only");
  if (b.offset() % 64 != 0) return BadInput("arena offset ", b.offset(), " is no multiple of 64");
  if (!(Checked(b.offset()) + BytesPerRow(b)).AtMost(arena))
    return BadInput(BytesPerRow(b), " bytes a row at ", b.offset(), " reach past the arena's ", arena, " bytes a row");
  return {};
}

Status CheckTensor(const fb::Tensor& t, uint64_t weights_bytes) {
  if (!IsValidScheme(t.scheme())) return BadInput("weight scheme ", t.scheme(), " is not known");
  if (t.n() == 0 || t.n() >= L::kDim || t.k() == 0 || t.k() >= L::kDim)
    return BadInput("shape [", t.n(), ", ", t.k(), "]; dimensions of 1 to ", L::kDim - 1, " are allowed");
  const auto bytes = PackedBytes(static_cast<Scheme>(t.scheme()), static_cast<int64_t>(t.n()), static_cast<int64_t>(t.k()));
  if (!bytes || *bytes != t.bytes())
    return BadInput("[", t.n(), ", ", t.k(), "] in scheme ", GetScheme(static_cast<Scheme>(t.scheme())).name, " takes ",
                    bytes.value_or(0), " bytes, it declares ", t.bytes());
  if (t.offset() % 64 != 0) return BadInput("offset ", t.offset(), " is no multiple of 64");
  if (!(Checked(t.offset()) + t.bytes()).AtMost(weights_bytes))
    return BadInput(t.bytes(), " bytes at ", t.offset(), " reach past the weights section (", weights_bytes, " bytes)");
  return {};
}

Status CheckSlopes(const fb::Layer& l) {
  if (!l.slopes()) return {};
  if (l.slopes()->size() != l.heads()) return BadInput(l.slopes()->size(), " ALiBi slopes for ", l.heads(), " heads");
  for (float slope : *l.slopes())
    if (!std::isfinite(slope)) return BadInput("an ALiBi slope is not a finite number");
  return {};
}

Status CheckLayer(const fb::Layer& l, bool causal_program) {
  if (l.heads() == 0 || l.kv_heads() == 0 || l.heads() > L::kHeads || l.heads() % l.kv_heads() != 0)
    return BadInput(l.heads(), " heads over ", l.kv_heads(), " KV heads; a multiple, at most ", L::kHeads, ", is needed");
  if (l.head_dim() == 0 || l.head_dim() > L::kHeadDim || l.v_head_dim() == 0 || l.v_head_dim() > L::kHeadDim)
    return BadInput("head dimensions ", l.head_dim(), " and ", l.v_head_dim(), "; 1 to ", L::kHeadDim, " are allowed");
  const uint64_t widest = std::max<uint64_t>(l.head_dim(), l.v_head_dim());
  if (uint64_t{l.heads()} * widest > L::kCols) return BadInput(uint64_t{l.heads()} * widest, " columns, more than ", L::kCols);
  if (!std::isfinite(l.scale())) return BadInput("scale is not a finite number");
  if (!(std::isfinite(l.softcap()) && l.softcap() >= 0)) return BadInput("softcap must be finite and not negative");
  if (l.window() > L::kPositions) return BadInput("window ", l.window(), " is above ", L::kPositions);
  if (l.ahead() > L::kPositions) return BadInput("ahead ", l.ahead(), " is above ", L::kPositions);
  if (l.ahead() != 0 && l.causal()) return BadInput("ahead ", l.ahead(), " in causal attention");
  if (causal_program && !l.causal()) return BadInput("bidirectional attention in a causal program");
  return CheckSlopes(l);
}

Status CheckRopeTable(const fb::RopeTable& t) {
  if (!t.inv_freq() || t.inv_freq()->size() == 0 || t.inv_freq()->size() > L::kHeadDim / 2)
    return BadInput(t.inv_freq() ? t.inv_freq()->size() : 0, " frequencies; 1 to ", L::kHeadDim / 2, " are allowed");
  for (float f : *t.inv_freq())
    if (!std::isfinite(f)) return BadInput("a frequency is not a finite number");
  return std::isfinite(t.scale()) ? Status() : BadInput("scale is not a finite number");
}

template <class V, class F>
Status CheckEach(const char* what, const V* v, const F& check) {
  for (uint32_t i = 0; v && i < v->size(); ++i)
    if (Status s = check(*v->Get(i)); !s.ok()) return std::move(s).Annotate(StrCat("program: ", what, " ", i));
  return {};
}

Status CheckReserved(const fb::Program& p) {
  if (p.profile() != kNumericsProfile)
    return Unsupported("program: numerics profile ", p.profile(), ", this hasten computes profile ", kNumericsProfile,
                       "; compile the model again");
  if (p.expert_groups() != 0) return Unsupported("program: mixture of experts is reserved and not executed by this hasten");
  if (p.shards() != 0) return Unsupported("program: sharded tensors are reserved and not executed by this hasten");
  if (p.taps() && p.taps()->size() != 0) return Unsupported("program: hidden-state taps are reserved and not executed by this hasten");
  return {};
}

Status CheckTables(const fb::Program& p, uint64_t weights_bytes) {
  HST_RETURN_IF_ERROR(CheckReserved(p));
  HST_RETURN_IF_ERROR(CheckCount("buffers", p.buffers(), 1, L::kBuffers));
  HST_RETURN_IF_ERROR(CheckCount("tensors", p.tensors(), 1, L::kTensors));
  HST_RETURN_IF_ERROR(CheckCount("layers", p.layers(), 0, L::kLayers));
  HST_RETURN_IF_ERROR(CheckCount("RoPE tables", p.rope_tables(), 0, L::kRopeTables));
  HST_RETURN_IF_ERROR(CheckCount("instructions", p.instrs(), 1, L::kInstrs));
  HST_RETURN_IF_ERROR(CheckCount("outputs", p.outputs(), 1, L::kOutputs));
  if (p.arena_bytes_per_row() > L::kArenaBytesPerRow || p.arena_bytes_per_row() % 64 != 0)
    return BadInput("program: an arena of ", p.arena_bytes_per_row(), " bytes a row; a multiple of 64 up to ",
                    L::kArenaBytesPerRow, " is allowed");
  if (p.vocab() == 0 || p.vocab() > L::kCols) return BadInput("program: a vocabulary of ", p.vocab(), " tokens; 1 to ", L::kCols, " are allowed");
  if (p.token_types() > L::kCols) return BadInput("program: ", p.token_types(), " token types");
  if (p.max_positions() > L::kPositions) return BadInput("program: ", p.max_positions(), " positions, more than ", L::kPositions);
  if (p.kv_type() > static_cast<uint8_t>(KvType::kF32)) return BadInput("program: KV type ", p.kv_type(), " is not known");
  HST_RETURN_IF_ERROR(CheckEach("buffer", p.buffers(), [&](const fb::Buffer& b) { return CheckBuffer(b, p.arena_bytes_per_row()); }));
  HST_RETURN_IF_ERROR(CheckEach("tensor", p.tensors(), [&](const fb::Tensor& t) { return CheckTensor(t, weights_bytes); }));
  HST_RETURN_IF_ERROR(CheckEach("layer", p.layers(), [&](const fb::Layer& l) { return CheckLayer(l, p.causal()); }));
  return CheckEach("RoPE table", p.rope_tables(), CheckRopeTable);
}

// What the arena holds as the program runs.
class Contents {
 public:
  explicit Contents(const fb::Program& p) : state_(p.buffers()->size(), State::kNever), appended_(p.layers() ? p.layers()->size() : 0) {
    for (const fb::Buffer* b : *p.buffers()) spans_.push_back({b->offset(), b->offset() + BytesPerRow(*b)});
  }

  Status Apply(const InstrEffects& e) {
    for (uint32_t b : e.reads) {
      HST_RETURN_IF_ERROR(Readable(b));
      if (e.write >= 0 && e.write != b && Overlap(b, static_cast<uint32_t>(e.write)))
        return BadInput("it writes buffer ", e.write, ", which shares arena bytes with its input, buffer ", b);
    }
    if (e.append >= 0 && appended_[static_cast<size_t>(e.append)]++) return BadInput("layer ", e.append, " is appended to twice");
    if (e.attend >= 0 && !appended_[static_cast<size_t>(e.attend)]) return BadInput("layer ", e.attend, " is attended over before its append");
    if (e.write >= 0) Write(static_cast<uint32_t>(e.write));
    return {};
  }
  Status Readable(uint32_t b) const {
    if (state_[b] == State::kWritten) return {};
    return BadInput("buffer ", b, state_[b] == State::kNever ? " is read before it is written" : " is read after its arena bytes were overwritten");
  }

 private:
  enum class State : uint8_t { kNever, kWritten, kLost };
  struct Span { uint64_t begin, end; };

  bool Overlap(uint32_t a, uint32_t b) const { return spans_[a].begin < spans_[b].end && spans_[b].begin < spans_[a].end; }
  void Write(uint32_t b) {
    for (uint32_t i = 0; i < spans_.size(); ++i)
      if (i != b && state_[i] == State::kWritten && Overlap(i, b)) state_[i] = State::kLost;
    state_[b] = State::kWritten;
  }

  std::vector<State> state_;
  std::vector<Span> spans_;
  std::vector<uint8_t> appended_;
};

Status CheckOutput(const fb::Program& p, const fb::Output& out, const Contents& contents) {
  if (out.kind() > fb::OutputKind::MAX) return BadInput("kind ", static_cast<int>(out.kind()), " is not known");
  const fb::View* v = out.view();
  if (!v || v->buffer() >= p.buffers()->size()) return BadInput("its buffer does not exist");
  const fb::Buffer* b = p.buffers()->Get(v->buffer());
  if (b->kind() != fb::BufferKind::F32 || v->cols() == 0 || uint64_t{v->col()} + v->cols() > b->cols())
    return BadInput("columns ", v->col(), " to ", uint64_t{v->col()} + v->cols(), " of buffer ", v->buffer(), " (",
                    fb::EnumNameBufferKind(b->kind()), ", ", b->cols(), " columns)");
  if (out.row() < -1 || (out.row() >= 0 && p.causal()))
    return BadInput("row ", out.row(), "; -1, or for encoders a token's number, is allowed");
  return contents.Readable(v->buffer());
}

bool InUnit(float v) { return std::isfinite(v) && v >= 0 && v <= 1; }

}  // namespace

Status CheckProgram(const fb::Program& p, uint64_t weights_bytes) {
  HST_RETURN_IF_ERROR(CheckTables(p, weights_bytes));
  Contents contents(p);
  for (uint32_t i = 0; i < p.instrs()->size(); ++i) {
    const fb::Instr& instr = *p.instrs()->Get(i);
    Result<InstrEffects> effects = CheckInstr(p, instr);
    Status status = effects.ok() ? contents.Apply(*effects) : effects.status();
    if (status.ok()) continue;
    return std::move(status).Annotate(StrCat("program: instruction ", i, " (", instr.op_type() <= fb::Op::MAX ? fb::EnumNameOp(instr.op_type()) : "?",
                                             instr.loc() ? StrCat(", \"", instr.loc()->string_view(), "\"") : "", ")"));
  }
  return CheckEach("output", p.outputs(), [&](const fb::Output& o) { return CheckOutput(p, o, contents); });
}

uint32_t NeededMinor(const fb::Program& p) {
  for (uint32_t i = 0; p.buffers() && i < p.buffers()->size(); ++i)
    if (p.buffers()->Get(i)->residual()) return kMinorResidual;
  for (uint32_t i = 0; p.tensors() && i < p.tensors()->size(); ++i)
    if (p.tensors()->Get(i)->scheme() >= static_cast<uint8_t>(Scheme::kI5G32)) return kMinorInt5;
  for (uint32_t i = 0; p.layers() && i < p.layers()->size(); ++i)
    if (const fb::Layer* l = p.layers()->Get(i); l->ahead() != 0 || l->slopes()) return kMinorAlibi;
  return 0;
}

Status CheckModelInfo(const fb::ModelInfo& info) {
  const fb::Generation* g = info.generation();
  if (!g) return {};
  if (g->eos_ids() && g->eos_ids()->size() > 1024) return BadInput("model_info: ", g->eos_ids()->size(), " end-of-sequence ids");
  if (!(std::isfinite(g->temperature()) && g->temperature() >= 0)) return BadInput("model_info: temperature must be finite and not negative");
  if (!InUnit(g->top_p()) || !InUnit(g->min_p())) return BadInput("model_info: top_p and min_p must be within [0, 1]");
  if (!(std::isfinite(g->repetition_penalty()) && g->repetition_penalty() > 0)) return BadInput("model_info: repetition_penalty must be finite and above 0");
  if (g->top_k() < 0) return BadInput("model_info: top_k must not be negative");
  return {};
}

}  // namespace hasten
