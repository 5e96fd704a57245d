// Element expressions: what one element of a tensor is, as a function of its
// index. Recognition asks "what is scores[b, h, q, k]?" and reads the answer
// through every reshape, transpose, slice, concat, expand and gather that an
// exporter put in between, so that the many spellings of one computation become
// one expression. Expressions are interned: equal means the same pointer.
// Integers are polynomials over index variables ("$s<S"), model dimensions
// ("B", "S", "P") and atoms ("#12": the interned expression 12, for what is no
// polynomial: floor division, an id read from an input, ...).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/ir/graph.h"

namespace hasten::recognize {

enum class Kind : uint8_t {
  kInt,      // poly
  kConst,    // a float constant
  kLoad,     // value[index...], an element of something opaque
  kUnary,    // op(args[0])
  kBinary,   // op(args[0], args[1])
  kSelect,   // args[0] ? args[1] : args[2]
  kReduce,   // op over var in [0, extent) of args[0]
  kDiv,      // floor(poly / poly2), an atom
  kMod,      // poly mod poly2 (>= 0), an atom
  kGe0, kEq0,            // poly >= 0, poly == 0
  kAnd, kOr, kNot, kTrue, kFalse, kIsNan,
};

enum class Op : uint8_t {
  kNone, kAdd, kMul, kDiv, kPow, kMax, kMin,                       // binary (subtraction is add of neg)
  kNeg, kSquare, kSqrt, kReciprocal, kExp, kLog, kAbs, kErf, kTanh, kSigmoid, kRelu, kGelu, kGeluTanh,
  kSoftplus, kCos, kSin, kToFloat, kFloor,                          // unary
  kSum, kMean, kReduceMax,                                          // reductions
};

struct Expr {
  Kind kind;
  Op op = Op::kNone;
  double c = 0;                      // kConst
  ir::Poly poly, poly2;              // kInt, kGe0, kEq0, kDiv, kMod; kReduce: poly = extent
  const ir::Value* value = nullptr;  // kLoad
  std::vector<ir::Poly> index;       // kLoad
  std::string var;                   // kReduce
  std::vector<const Expr*> args;
  int id = 0;
  const ir::Node* origin = nullptr;  // the node it was first made for, for messages
};
using E = const Expr*;

class ExprPool {
 public:
  // Declares (once) an index variable with 0 <= var < extent and returns it.
  ir::Poly Var(std::string_view name, const ir::Poly& extent);
  const ir::Poly* Extent(std::string_view var) const;

  E Int(const ir::Poly& p);
  E Const(double c);
  E Bool(bool b);
  E Load(const ir::Value* v, std::vector<ir::Poly> index);
  E Unary(Op op, E a);
  E Binary(Op op, E a, E b);
  E Sub(E a, E b) { return Binary(Op::kAdd, a, Unary(Op::kNeg, b)); }
  E Select(E cond, E a, E b);
  E Reduce(Op op, const std::string& var, const ir::Poly& extent, E body);
  E Ge0(const ir::Poly& p);
  E Eq0(const ir::Poly& p);
  E And(E a, E b);
  E Or(E a, E b);
  E Not(E a);
  E IsNan(E a);
  // floor(a / d) and a mod d for d >= 1.
  std::pair<ir::Poly, ir::Poly> DivMod(const ir::Poly& a, const ir::Poly& d);

  // An integer expression as a polynomial (an atom when it is none).
  ir::Poly AsPoly(E e);
  // x where e is |x| of an integer (a select by x >= 0).
  std::optional<ir::Poly> AbsoluteOf(E e);
  // The expression behind an atom symbol "#id"; null for other symbols.
  E Atom(std::string_view symbol) const;
  E ToFloat(E e);

  // Replaces variables by polynomials everywhere and simplifies again. A variable
  // may become poly / below where its coefficients divide; where they do not, the
  // result is a symbol that equals nothing.
  struct Quotient {
    Quotient(ir::Poly p = {}, int64_t divisor = 1) : poly(std::move(p)), below(divisor) {}  // NOLINT: implicit on purpose
    ir::Poly poly;
    int64_t below;
  };
  using Subst = std::map<std::string, Quotient, std::less<>>;
  E Replace(E e, const Subst& subst);
  ir::Poly Replace(const ir::Poly& p, const Subst& subst);

  // True only when p >= 0 for every value of the variables in range and every
  // B, S >= 1 and other dimension >= 0 (sound, not complete).
  bool ProveNonNegative(const ir::Poly& p) const;

  // Calls fn for every expression below e, atoms included, each once.
  void Visit(E e, const std::function<void(E)>& fn) const;
  bool Uses(E e, std::string_view var) const;

  void SetOrigin(const ir::Node* node) { origin_ = node; }
  std::string ToString(E e, int depth = 6) const;

 private:
  E Intern(Expr e);
  bool ProveImpl(const ir::Poly& p, int depth) const;
  std::deque<Expr> exprs_;
  std::unordered_map<std::string, E> interned_;
  std::map<std::string, ir::Poly, std::less<>> extents_;
  const ir::Node* origin_ = nullptr;
};

}  // namespace hasten::recognize
