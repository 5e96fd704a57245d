// A small class a kind of run, which gathers its parts' arguments; a matcher a kind, which
// looks at the program; and what all runs must keep to.
#include "runtime/engine/device_fusion.h"

#include <algorithm>

#include "runtime/engine/instruction_binder.h"
#include "runtime/format/buffer_layout.h"
#include "runtime/format/instr_check.h"
#include "runtime/kernels/fused/contract.h"

namespace hasten {
namespace {

// The instruction's arguments are asked of it again for every step, so that they are
// made in one place.
template <class Self, class Args>
class FusedRun : public Instruction {
 public:
  bool Choose(const Binding& b) {
    const Args fixed = self().Gather([](const auto* part) { return part->fixed(); });
    kernel_ = SelectKernel<Args>(b.device->kernels().template table<Args>(), fixed, b.arch);
    return kernel_ != nullptr;
  }
  const char* kernel() const override { return kernel_->name; }
  void Run(const Step& s) const override {
    kernel_->launch(self().Gather([&](const auto* part) { return part->ArgsOf(s); }), s.queue->launches());
  }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
  const DeviceKernel<Args>* kernel_ = nullptr;
};

struct FusedNorm final : FusedRun<FusedNorm, FusedNormArgs> {
  const WithKernel<BinaryArgs>* add = nullptr;
  const WithKernel<NormArgs>* norm = nullptr;
  std::vector<const WithKernel<QuantizeArgs>*> quantizes;   // at most two
  bool kept = true;

  template <class F>
  FusedNormArgs Gather(const F& args) const {
    FusedNormArgs a;
    if (add) a.adds = true, a.add = args(add);
    a.norm = args(norm);
    if (!kept) a.norm.out = nullptr;
    for (const auto* q : quantizes) a.quantize[a.quantizes++] = args(q);
    return a;
  }
};

struct FusedActivation final : FusedRun<FusedActivation, FusedActivationArgs> {
  const WithKernel<GatedArgs>* gate = nullptr;    // one of the two
  const WithKernel<UnaryArgs>* unary = nullptr;
  const WithKernel<QuantizeArgs>* quantize = nullptr;
  bool kept = true;

  template <class F>
  FusedActivationArgs Gather(const F& args) const {
    FusedActivationArgs a;
    if (gate) a.gated = true, a.gate = args(gate);
    else a.unary = args(unary);
    if (!kept) a.gate.out = a.unary.out = nullptr;
    a.quantize = args(quantize);
    return a;
  }
};

struct FusedAppend final : FusedRun<FusedAppend, FusedAppendArgs> {
  const WithKernel<RopeArgs>*key = nullptr, *query = nullptr;   // query null: none
  const WithKernel<KvAppendArgs>* append = nullptr;

  template <class F>
  FusedAppendArgs Gather(const F& args) const {
    FusedAppendArgs a;
    a.key = args(key);
    if (query) a.queries = true, a.query = args(query);
    a.append = args(append);
    return a;
  }
};

struct FusedAttention final : FusedRun<FusedAttention, FusedAttentionArgs> {
  const WithKernel<AttentionArgs>* attention = nullptr;
  const WithKernel<QuantizeArgs>* quantize = nullptr;

  template <class F>
  FusedAttentionArgs Gather(const F& args) const {
    return {args(attention), args(quantize)};
  }
};

bool Same(const fb::View* a, const fb::View* b) { return a->buffer() == b->buffer() && a->col() == b->col() && a->cols() == b->cols(); }

class Fuser {
 public:
  Fuser(const Binding& b, std::span<const std::unique_ptr<Instruction>> bound) : b_(b), bound_(bound), binder_(b), readers_(b.program.buffers()->size()) {
    for (const fb::Instr* i : *b.program.instrs())
      if (const auto effects = CheckInstr(b.program, *i); effects.ok())
        for (const uint32_t buffer : effects->reads) ++readers_[buffer];
    for (const fb::Output* o : *b.program.outputs()) ++readers_[o->view()->buffer()];
  }

  DeviceLaunches Fuse() {
    DeviceLaunches out;
    for (size_t i = 0; i < bound_.size();) {
      count_ = 0;
      std::unique_ptr<Instruction> run = MatchNorm(i, true);
      if (!run) run = MatchNorm(i, false);
      if (!run) run = MatchActivation(i);
      if (!run) run = MatchAppend(i);
      if (!run) run = MatchAttention(i);
      out.order.push_back(run ? run.get() : bound_[i].get());
      i += run ? count_ : 1;
      if (run) out.fused.push_back(std::move(run));
    }
    return out;
  }

 private:
  const fb::Instr* At(size_t i) const { return i < bound_.size() ? b_.program.instrs()->Get(static_cast<uint32_t>(i)) : nullptr; }
  template <class Args>
  const WithKernel<Args>* Bound(size_t i) const {
    return static_cast<const WithKernel<Args>*>(bound_[i].get());   // of the op that has these arguments
  }
  const fb::Quantize* QuantizeOf(size_t i, const fb::View* x) const {
    const fb::Quantize* q = At(i) ? At(i)->op_as_Quantize() : nullptr;
    return q && Same(q->x(), x) ? q : nullptr;
  }
  // The run of `count` instructions whose operands are these, if it keeps to the rules and a kernel takes it.
  template <class Run>
  std::unique_ptr<Instruction> Accept(std::unique_ptr<Run> run, size_t count, std::span<const fb::View* const> views) {
    count_ = count;
    if (count < 2 || !Apart(views) || !run->Choose(b_)) return nullptr;
    return run;
  }

  std::unique_ptr<Instruction> MatchNorm(size_t at, bool adds) {
    auto run = std::make_unique<FusedNorm>();
    std::vector<const fb::View*> views;
    size_t i = at;
    const fb::Binary* add = adds ? At(i)->op_as_Binary() : nullptr;
    if (adds) {
      if (!add || static_cast<Operand>(add->b_kind()) != Operand::kRows) return nullptr;
      run->add = Bound<BinaryArgs>(i++);
      views = {add->a(), add->b(), add->out()};
    }
    const fb::Norm* norm = At(i) ? At(i)->op_as_Norm() : nullptr;
    if (!norm || (adds && !Same(norm->x(), add->out()))) return nullptr;
    run->norm = Bound<NormArgs>(i++);
    views.push_back(norm->x()), views.push_back(norm->out());
    for (; run->quantizes.size() < 2; ++i) {
      const fb::Quantize* q = QuantizeOf(i, norm->out());
      if (!q) break;
      run->quantizes.push_back(Bound<QuantizeArgs>(i));
      views.push_back(q->out());
    }
    run->kept = readers_[norm->out()->buffer()] > run->quantizes.size();
    return Accept(std::move(run), i - at, views);
  }

  std::unique_ptr<Instruction> MatchActivation(size_t at) {
    auto run = std::make_unique<FusedActivation>();
    std::vector<const fb::View*> views;
    if (const fb::Gated* g = At(at)->op_as_Gated()) {
      run->gate = Bound<GatedArgs>(at);
      views = {g->gate(), g->up(), g->out()};
    } else if (const fb::Unary* u = At(at)->op_as_Unary()) {
      run->unary = Bound<UnaryArgs>(at);
      views = {u->x(), u->out()};
    }
    const fb::Quantize* q = views.empty() ? nullptr : QuantizeOf(at + 1, views.back());
    if (!q) return nullptr;
    run->quantize = Bound<QuantizeArgs>(at + 1);
    run->kept = readers_[views.back()->buffer()] > 1;
    views.push_back(q->out());
    return Accept(std::move(run), 2, views);
  }

  std::unique_ptr<Instruction> MatchAppend(size_t at) {
    auto run = std::make_unique<FusedAppend>();
    std::vector<const fb::View*> views;
    size_t i = at;
    for (; At(i) && At(i)->op_as_Rope() && i < at + 2; ++i) views.push_back(At(i)->op_as_Rope()->x()), views.push_back(At(i)->op_as_Rope()->out());
    const fb::KvAppend* append = At(i) && i > at ? At(i)->op_as_KvAppend() : nullptr;
    if (!append) return nullptr;
    for (size_t r = at; r < i; ++r) (Same(At(r)->op_as_Rope()->out(), append->k()) ? run->key : run->query) = Bound<RopeArgs>(r);
    if (!run->key || (i - at == 2 && !run->query)) return nullptr;
    run->append = Bound<KvAppendArgs>(i);
    views.push_back(append->k()), views.push_back(append->v());
    // Queries are turned by blocks of their own: nothing of theirs is a key's or a value's.
    for (size_t r = at; run->query && r < i; ++r)
      if (const fb::Rope& rope = *At(r)->op_as_Rope(); !Same(rope.out(), append->k()))
        for (size_t v = 0; v < views.size(); ++v)
          if (v / 2 != r - at && (Same(views[v], rope.x()) || Same(views[v], rope.out()))) return nullptr;
    return Accept(std::move(run), i + 1 - at, views);
  }

  std::unique_ptr<Instruction> MatchAttention(size_t at) {
    const fb::Attention* attention = At(at)->op_as_Attention();
    const fb::Quantize* q = attention ? QuantizeOf(at + 1, attention->out()) : nullptr;
    if (!q) return nullptr;
    auto run = std::make_unique<FusedAttention>();
    run->attention = Bound<AttentionArgs>(at), run->quantize = Bound<QuantizeArgs>(at + 1);
    const fb::View* views[] = {attention->out(), q->out()};   // of q nothing is read any more when codes are written
    return Accept(std::move(run), 2, views);
  }

  // Every two operands are the same columns, or share no memory; their rows are the same.
  bool Apart(std::span<const fb::View* const> views) const {
    for (const fb::View* a : views)
      for (const fb::View* b : views) {
        const fb::Buffer &x = binder_.Buffer(a), &y = binder_.Buffer(b);
        if (x.rows() != y.rows()) return false;
        if (Same(a, b)) continue;
        const bool apart = a->buffer() == b->buffer()
                               ? a->col() + uint64_t{a->cols()} <= b->col() || b->col() + uint64_t{b->cols()} <= a->col()
                               : x.offset() + BytesPerRow(x) <= y.offset() || y.offset() + BytesPerRow(y) <= x.offset();
        if (!apart) return false;
      }
    return true;
  }

  const Binding& b_;
  const std::span<const std::unique_ptr<Instruction>> bound_;
  const Binder binder_;
  std::vector<size_t> readers_;   // by buffer: instructions and outputs
  size_t count_ = 0;              // of the run that was matched last
};

}  // namespace

DeviceLaunches FuseInstructions(const Binding& binding, std::span<const std::unique_ptr<Instruction>> instructions) {
  return Fuser(binding, instructions).Fuse();
}

}  // namespace hasten
