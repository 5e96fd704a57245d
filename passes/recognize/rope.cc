// Rotary position embedding in element expressions (Su et al. 2021,
// arXiv:2104.09864): the two elements of a pair are looked at apart, by putting
// d = i, i + R/2 (or 2i, 2i + 1) into the expression, so that concat, slice, stack
// and rotate spellings meet. What the tables hold is rope_table.cc's matter.
#include <cstring>
#include <set>

#include "passes/recognize/lower.h"
#include "passes/recognize/rope_table.h"

namespace hasten::recognize {

using ir::Poly;
using ir::Value;

namespace {

// x * c + y * s with signs: the two products of one rotated element.
struct Turn {
  E x = nullptr, y = nullptr;   // multiplied by cosine and by sine
  E cosine = nullptr, sine = nullptr;
  bool minus = false;           // x c - y s
};

class RopeMatcher {
 public:
  RopeMatcher(Lowering& lower, const Space& space) : pool_(lower.pool()), position_(lower.elements().roles().past + space.row) {}

  // e0, e1: the pair's two elements as functions of i < count.
  std::optional<Frequencies> Match(E e0, E e1, const Poly& i, int64_t count, E* x0, E* x1) {
    const auto a = AsTurn(e0), b = AsTurn(e1);
    if (!a || !b || !a->minus || b->minus || a->x != b->y || a->y != b->x) return std::nullopt;
    *x0 = a->x, *x1 = a->y;
    const auto f = ReadFrequencies(pool_, a->cosine, a->sine, position_, i, count);
    if (!f || (a->cosine == b->cosine && a->sine == b->sine)) return f;
    // A table that holds each frequency twice, once for each element of the pair.
    return f == ReadFrequencies(pool_, b->cosine, b->sine, position_, i, count) ? f : std::nullopt;
  }

 private:
  // Whether e depends on the position and i alone (not on the activations).
  bool IsTable(E e) const {
    bool ok = true;
    pool_.Visit(e, [&](E x) { ok = ok && x->kind != Kind::kReduce && (x->kind != Kind::kLoad || x->value->is_weight()); });
    return ok;
  }

  // A factor of the rotation: the table, or a constant; not a norm's weight.
  bool IsRotary(E e) const { return e->kind == Kind::kConst || (IsTable(e) && WaveOf(pool_, e, position_) != Wave::kNone); }

  static bool Is(E e, Op op) { return e->kind == Kind::kUnary && e->op == op; }

  std::optional<Turn> AsTurn(E e) const {
    const auto terms = Terms(e);
    if (terms.size() != 2) return std::nullopt;
    Turn turn;
    for (E term : terms) {
      bool negative = false;
      E data = nullptr, table = nullptr;
      std::vector<E> stack = {term};
      while (!stack.empty()) {
        const E f = stack.back();
        stack.pop_back();
        if (Is(f, Op::kNeg)) {
          negative = !negative;
          stack.push_back(f->args[0]);
        } else if (f->kind == Kind::kBinary && f->op == Op::kMul && (IsRotary(f->args[0]) != IsRotary(f->args[1]))) {
          stack.push_back(f->args[0]), stack.push_back(f->args[1]);
        } else if (IsRotary(f)) {
          table = table ? pool_.Binary(Op::kMul, table, f) : f;
        } else if (!data) {
          data = f;
        } else {
          return std::nullopt;
        }
      }
      if (!data || !table) return std::nullopt;
      const Wave wave = WaveOf(pool_, table, position_);
      if (wave == Wave::kCosine && !turn.x && !negative) turn.x = data, turn.cosine = table;
      else if (wave == Wave::kSine && !turn.y) turn.y = data, turn.sine = table, turn.minus = negative;
      else return std::nullopt;
    }
    return turn.x && turn.y ? std::optional<Turn>(turn) : std::nullopt;
  }

  ExprPool& pool_;
  Poly position_;
};

}  // namespace

Result<Value*> Lowering::TryRope(E e, const Space& space) {
  if (e->kind != Kind::kSelect && e->kind != Kind::kBinary) return nullptr;
  if (WaveOf(pool(), e, el_.roles().past + space.row) == Wave::kNone) return nullptr;
  const std::string d = space.d.Symbols()[0];
  RopeMatcher matcher(*this, space);
  const auto finish = [&](const Frequencies& f, E x, int64_t rotary, bool interleaved) -> Result<Value*> {
    HST_ASSIGN_OR_RETURN(Value * row, Rows(x, space));
    UndoRounding(f.rounding);
    const std::string content = StrCat("inv_freq ") + std::string(reinterpret_cast<const char*>(f.inv_freq.data()), f.inv_freq.size() * sizeof(float));
    Value*& table = vectors_[content];
    if (!table) table = target_.AddWeight("rope.inv_freq", ir::Tensor::From<float>({static_cast<int64_t>(f.inv_freq.size())}, f.inv_freq));
    return Emit("rope", {row, Positions(), table},
                {{"heads", space.groups}, {"head_dim", space.width}, {"rotary_dim", rotary},
                 {"interleaved", int64_t{interleaved}}, {"scale", f.scale}}, e->origin, space.cols());
  };
  // Rotary widths to try: every threshold that the expression compares d with, and all of it.
  std::set<int64_t> widths = {space.width};
  pool().Visit(e, [&](E x) {
    if (x->kind == Kind::kGe0)
      if (const auto last = (x->poly + space.d).AsConst(); last && *last > 0 && *last + 1 < space.width) {
        widths.insert(*last + 1);
        widths.insert(2 * (*last + 1));
      }
  });
  for (auto it = widths.rbegin(); it != widths.rend(); ++it) {
    const int64_t rotary = *it, half = rotary / 2;
    if (rotary % 2 || rotary > space.width || half < 1) continue;
    const Poly i = pool().Var("i", Poly(half));
    for (const bool interleaved : {false, true}) {
      const Poly at0 = interleaved ? i * Poly(2) : i, at1 = interleaved ? i * Poly(2) + Poly(1) : i + Poly(half);
      E x0 = nullptr, x1 = nullptr;
      const auto f = matcher.Match(pool().Replace(e, {{d, at0}}), pool().Replace(e, {{d, at1}}), i, half, &x0, &x1);
      if (!f) continue;
      // The whole row: x0 with i read as d, proved on both elements and on the rest.
      const std::string var = i.Symbols()[0];
      // (2i is read as d, so i as d / 2: what is no function of 2i does not come back below.)
      const E x = pool().Replace(x0, {{var, interleaved ? ExprPool::Quotient(space.d, 2) : space.d}});
      if (pool().Replace(x, {{d, at0}}) != x0 || pool().Replace(x, {{d, at1}}) != x1) continue;
      if (rotary < space.width) {
        const Poly rest = pool().Var("i", Poly(space.width - rotary)) + Poly(rotary);
        if (pool().Replace(e, {{d, rest}}) != pool().Replace(x, {{d, rest}})) continue;
      }
      return finish(*f, x, rotary, interleaved);
    }
  }
  return nullptr;
}

}  // namespace hasten::recognize
