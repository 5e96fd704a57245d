// Rotary position embedding in element expressions (Su et al. 2021,
// arXiv:2104.09864): the halves are looked at apart, by putting d = i, i + R/2
// (or 2i, 2i + 1) into the expression, so that concat, slice, stack and rotate
// spellings meet. Frequencies come from cos(position * inv_freq[i]) or are
// recovered from a stored table and checked against all of it.
#include <cmath>
#include <cstring>

#include "passes/recognize/lower.h"

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

// Frequencies of one table: angle = position * inv_freq[i]; values times scale.
struct Frequencies {
  std::vector<float> inv_freq;
  double scale = 1;
};

class RopeMatcher {
 public:
  RopeMatcher(Lowering& lower, const Space& space) : lower_(lower), pool_(lower.pool()), space_(space) {}

  // e0, e1: the pair's two elements as functions of i < half.
  std::optional<Frequencies> Match(E e0, E e1, const Poly& i, int64_t half, E* x0, E* x1) {
    const auto a = AsTurn(e0, i, half), b = AsTurn(e1, i, half);
    if (!a || !b || !a->minus || b->minus) return std::nullopt;
    if (a->x != b->y || a->y != b->x || a->cosine != b->cosine || a->sine != b->sine) return std::nullopt;
    *x0 = a->x, *x1 = a->y;
    return Table(a->cosine, a->sine, i, half);
  }

 private:
  // Whether e depends on the position and i alone (not on the activations).
  bool IsTable(E e) const {
    bool ok = true;
    pool_.Visit(e, [&](E x) { ok = ok && x->kind != Kind::kReduce && (x->kind != Kind::kLoad || x->value->is_weight()); });
    return ok;
  }

  // A factor of the rotation: the table, or a constant; not a norm's weight.
  bool IsRotary(E e) const { return e->kind == Kind::kConst || (IsTable(e) && TableKind(e) >= 0); }

  static bool Is(E e, Op op) { return e->kind == Kind::kUnary && e->op == op; }

  std::optional<Turn> AsTurn(E e, const Poly&, int64_t) const {
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
      const int kind = TableKind(table);
      if (kind == 0 && !turn.x) turn.x = data, turn.cosine = table;
      else if (kind == 1 && !turn.y) turn.y = data, turn.sine = table, turn.minus = negative;
      else return std::nullopt;
      if (kind == 0 && negative) return std::nullopt;
    }
    return turn.x && turn.y ? std::optional<Turn>(turn) : std::nullopt;
  }

  // 0 cosine, 1 sine, -1 neither. A stored table is told by its first row.
  int TableKind(E e) const {
    int kind = -1;
    pool_.Visit(e, [&](E x) {
      if (Is(x, Op::kCos)) kind = 0;
      if (Is(x, Op::kSin)) kind = 1;
      if (kind < 0 && x->kind == Kind::kLoad && x->value->is_weight() && x->value->weight().rank() == 2 && x->index.size() == 2 &&
          !x->index[0].IsConst() && x->value->weight().elements() > 0)
        kind = x->value->weight().At(0) == 0 ? 1 : 0;
    });
    return kind;
  }

  std::optional<Frequencies> Table(E cosine, E sine, const Poly& i, int64_t half) const {
    auto f = Computed(cosine, Op::kCos, i, half);
    const auto g = Computed(sine, Op::kSin, i, half);
    if (f && g) return f->inv_freq == g->inv_freq && f->scale == g->scale ? f : std::nullopt;
    return Stored(cosine, sine, i, half);
  }

  // scale * cos(position * inv_freq[i])
  std::optional<Frequencies> Computed(E e, Op op, const Poly& i, int64_t half) const {
    Frequencies f;
    E angle = nullptr;
    for (const auto& [factor, below] : Factors(e)) {
      if (factor->kind == Kind::kConst) f.scale = below ? f.scale / factor->c : f.scale * factor->c;
      else if (Is(factor, op) && !below && !angle) angle = factor->args[0];
      else return std::nullopt;
    }
    if (!angle) return std::nullopt;
    E rest = pool_.Const(1);
    bool position = false;
    for (const auto& [factor, below] : Factors(angle)) {
      if (Is(factor, Op::kToFloat)) {
        if (position || below || pool_.AsPoly(factor->args[0]) != lower_.elements().roles().past + space_.row) return std::nullopt;
        position = true;
      } else {
        rest = pool_.Binary(below ? Op::kDiv : Op::kMul, rest, factor);
      }
    }
    if (!position) return std::nullopt;
    const std::string var = i.Symbols()[0];
    for (int64_t k = 0; k < half; ++k) {
      const auto v = EvalConst(pool_, rest, {{var, k}});
      if (!v) return std::nullopt;
      f.inv_freq.push_back(static_cast<float>(*v));
    }
    return f;
  }

  // cos_cache[position, i] and sin_cache[position, i].
  std::optional<Frequencies> Stored(E cosine, E sine, const Poly& i, int64_t half) const {
    const auto is_table = [&](E e) {
      return e->kind == Kind::kLoad && e->value->is_weight() && e->index.size() == 2 && IsFloat(e->value->weight().dtype()) &&
             e->index[0] == lower_.elements().roles().past + space_.row && (e->index[1] - i).AsConst() == 0;
    };
    if (!is_table(cosine) || !is_table(sine)) return std::nullopt;
    const ir::Tensor &c = cosine->value->weight(), &s = sine->value->weight();
    if (c.dims() != s.dims() || c.dim(0) < 2 || c.dim(1) < half) return std::nullopt;
    const int64_t cols = c.dim(1);
    Frequencies f;
    f.scale = std::hypot(c.At(0), s.At(0));
    if (!(f.scale > 0)) return std::nullopt;
    for (int64_t k = 0; k < half; ++k) {
      // The angle of row 1, made sharper by rows 2, 4, 8, ...: each doubling
      // halves what the table's rounding can move the frequency.
      double w = std::atan2(s.At(cols + k), c.At(cols + k));
      for (int64_t p = 2; p < c.dim(0) && p <= 4096; p *= 2) {
        const double guess = w * static_cast<double>(p), seen = std::atan2(s.At(p * cols + k), c.At(p * cols + k));
        w = (guess + std::remainder(seen - guess, 2 * M_PI)) / static_cast<double>(p);
      }
      f.inv_freq.push_back(static_cast<float>(w));
    }
    for (int64_t p = 0; p < c.dim(0); ++p)
      for (int64_t k = 0; k < half; ++k) {
        const double angle = static_cast<double>(p) * f.inv_freq[static_cast<size_t>(k)];
        // The exporter rounded the angle to fp32: that is the largest honest difference.
        const double tolerance = (2e-6 + std::fabs(angle) * 0x1p-22) * f.scale;
        if (std::fabs(std::cos(angle) * f.scale - c.At(p * cols + k)) > tolerance ||
            std::fabs(std::sin(angle) * f.scale - s.At(p * cols + k)) > tolerance)
          return std::nullopt;
      }
    return f;
  }

  Lowering& lower_;
  ExprPool& pool_;
  const Space& space_;
};

}  // namespace

Result<Value*> Lowering::TryRope(E e, const Space& space) {
  if (e->kind != Kind::kSelect && e->kind != Kind::kBinary) return nullptr;
  bool has_position = false;
  pool().Visit(e, [&](E x) {
    has_position = has_position || (x->kind == Kind::kUnary && (x->op == Op::kCos || x->op == Op::kSin)) ||
                   (x->kind == Kind::kLoad && x->value->is_weight() && x->index.size() == 2 && !x->index[0].IsConst() &&
                    x->index[0] == el_.roles().past + space.row);
  });
  if (!has_position) return nullptr;
  const std::string d = space.d.Symbols()[0];
  RopeMatcher matcher(*this, space);
  const auto finish = [&](const Frequencies& f, E x, int64_t rotary, bool interleaved) -> Result<Value*> {
    HST_ASSIGN_OR_RETURN(Value * row, Rows(x, space));
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
      // The whole row: x0 with i read as d (or d / 2), proved on the second half and on the rest.
      const std::string var = i.Symbols()[0];
      E x = nullptr;
      if (!interleaved) {
        x = pool().Replace(x0, {{var, space.d}});
      } else {  // 2i -> d: every use of i must come doubled
        const Poly half_d = Poly::Symbol("$half");
        x = pool().Replace(x0, {{var, half_d}});
        bool even = true;
        const std::function<Poly(const Poly&)> halve = [&](const Poly& p) {
          const Poly slope = p.Substitute("$half", Poly(1)) - p.Substitute("$half", Poly(0));
          if (slope == Poly(0)) return p;
          if (slope != Poly(2)) even = false;
          return p.Substitute("$half", Poly(0)) + space.d;
        };
        if (x->kind != Kind::kLoad) continue;  // norms over interleaved pairs are not met in practice
        std::vector<Poly> index;
        for (const Poly& p : x->index) index.push_back(halve(p));
        if (!even) continue;
        x = pool().Load(x->value, std::move(index));
      }
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
