#include "passes/recognize/lower.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace hasten::recognize {

using ir::Poly;
using ir::Value;

Lowering::Lowering(Elements& elements, const ir::Graph& source, ir::Graph& target)
    : el_(elements), source_(source), target_(target) {}

Space Lowering::MakeSpace(int64_t groups, int64_t width) {
  Space s;
  s.groups = groups, s.width = width;
  const auto& shape = el_.roles().ids->type.shape;
  s.b = *shape[0] == Poly(1) ? Poly(0) : pool().Var("b", *shape[0]);
  s.row = pool().Var("s", *shape[1]);
  s.h = groups == 1 ? Poly(0) : pool().Var("h", Poly(groups));
  s.d = pool().Var("d", Poly(width));
  return s;
}

Value* Lowering::Import(const Value* v) {
  Value*& copy = imported_[v];
  if (!copy) copy = v->is_weight() ? target_.AddWeight(v->name, v->weight()) : target_.AddInput(v->name, v->type);
  return copy;
}

Value* Lowering::Emit(std::string op, std::vector<Value*> inputs, ir::Attrs attrs, const ir::Node* origin, int64_t cols) {
  const ir::Node* loc = origin;
  ir::Node* n = target_.AddNode(std::move(op), std::move(inputs), 1, std::move(attrs), loc ? loc->loc : std::string());
  Value* v = n->output();
  const auto& shape = el_.roles().ids->type.shape;
  v->type = ir::Type::Of(DType::kF32, {shape[0], shape[1], Poly(cols)});
  rows_[v] = cols;
  return v;
}

Value* Lowering::Positions() {
  if (positions_) return positions_;
  std::vector<Value*> inputs = {Import(el_.roles().ids)};
  for (const Value* in : source_.inputs())
    if (el_.roles().of.at(in) == Role::kPast) {
      inputs.push_back(Import(in));
      break;
    }
  ir::Node* n = target_.AddNode("positions", std::move(inputs), 1, {}, "positions");
  positions_ = n->output();
  const auto& shape = el_.roles().ids->type.shape;
  positions_->type = ir::Type::Of(DType::kI64, {shape[0], shape[1]});
  return positions_;
}

std::string Lowering::Explain(E e) const {
  std::string why;
  el_.pool().Visit(e, [&](E x) {
    if (!why.empty() || x->kind != Kind::kLoad || rows_.count(x->value)) return;
    if (const std::string reason = el_.WhyOpaque(x->value); !reason.empty())
      why = StrCat(reason, " (node \"", x->value->def() ? x->value->def()->loc : x->value->name, "\")");
  });
  if (why.empty()) why = StrCat("no instruction computes ", el_.pool().ToString(e, 4));
  if (e->origin) why += StrCat(", at node \"", e->origin->loc, "\" (", e->origin->op, ")");
  return why;
}

bool Lowering::IsVector(E e) const {
  bool ok = true;
  el_.pool().Visit(e, [&](E x) {
    if (x->kind == Kind::kReduce || x->kind == Kind::kIsNan || (x->kind == Kind::kLoad && !x->value->is_weight())) ok = false;
    const auto check = [&](const Poly& p) {
      for (const std::string& s : p.Symbols())
        ok = ok && (s[0] == '#' || s.rfind("$h<", 0) == 0 || s.rfind("$d<", 0) == 0);
    };
    check(x->poly), check(x->poly2);
    for (const Poly& p : x->index) check(p);
  });
  return ok;
}

Result<Value*> Lowering::Vector(E e, const Space& space) {
  std::vector<float> values(static_cast<size_t>(space.cols()));
  const std::string h = space.groups > 1 ? space.h.Symbols()[0] : std::string("$"), d = space.d.Symbols()[0];
  for (int64_t g = 0; g < space.groups; ++g)
    for (int64_t i = 0; i < space.width; ++i) {
      const auto v = EvalConst(el_.pool(), e, {{h, g}, {d, i}});
      if (!v) return Unsupported("a vector of weights could not be evaluated: ", el_.pool().ToString(e));
      values[static_cast<size_t>(g * space.width + i)] = static_cast<float>(*v);
    }
  std::string content(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  std::string name = "vector";
  el_.pool().Visit(e, [&](E x) { if (x->kind == Kind::kLoad) name = x->value->name; });
  Value*& slot = vectors_[content];
  if (!slot) slot = target_.AddWeight(name, ir::Tensor::From<float>({space.cols()}, values));
  return slot;
}

Result<Value*> Lowering::Rows(E e, const Space& space) {
  const auto key = std::make_tuple(e, space.groups, space.width, space.row.ToString());
  if (const auto it = memo_.find(key); it != memo_.end()) return it->second;
  constexpr int kMaxDepth = 2000;
  if (depth_ > kMaxDepth) return Unsupported("an expression is nested too deeply at ", Explain(e));
  ++depth_;
  Result<Value*> v = Compute(e, space);
  --depth_;
  if (v.ok()) memo_[key] = *v;
  return v;
}

Result<Value*> Lowering::Compute(E e, const Space& space) {
  using Matcher = Result<Value*> (Lowering::*)(E, const Space&);
  // RoPE before heads: neighbours that turn together are no heads of two.
  for (Matcher m : {&Lowering::TryRope, &Lowering::TryHeads, &Lowering::TryPlain, &Lowering::TryNorm, &Lowering::TryActivation, &Lowering::TryConcat}) {
    HST_ASSIGN_OR_RETURN(Value * v, (this->*m)(e, space));
    if (v) return v;
  }
  switch (e->kind) {
    case Kind::kLoad: return FromLoad(e, space);
    case Kind::kUnary: return FromUnary(e, space);
    case Kind::kBinary: return FromBinary(e, space);
    case Kind::kReduce:
      if (e->op == Op::kSum) return Attention(e, space);
      break;
    default: break;
  }
  return Unsupported(Explain(e));
}

// A row read with c / X and c % X: see it as heads of X values.
Result<Value*> Lowering::TryHeads(E e, const Space& space) {
  if (space.groups != 1) return nullptr;
  const std::string d = space.d.Symbols()[0];
  int64_t width = 0;
  pool().Visit(e, [&](E x) {
    if ((x->kind != Kind::kDiv && x->kind != Kind::kMod) || x->poly != space.d) return;
    if (const auto w = x->poly2.AsConst(); w && *w > 1 && space.width % *w == 0 && (width == 0 || *w < width)) width = *w;
  });
  if (width == 0 || width == space.width) return nullptr;
  Space heads = MakeSpace(space.width / width, width);
  heads.row = space.row;
  const E split = pool().Replace(e, {{d, heads.Column()}});
  return Rows(split, heads);
}

// Heads of a row that is normalized as a whole (OLMo 2): see it as one group.
Result<Value*> Lowering::TryPlain(E e, const Space& space) {
  if (space.groups == 1) return nullptr;
  bool whole = false;
  pool().Visit(e, [&](E x) { whole = whole || (x->kind == Kind::kReduce && x->op == Op::kMean && x->poly == Poly(space.cols())); });
  if (!whole) return nullptr;
  Space plain = MakeSpace(1, space.cols());
  plain.row = space.row;
  const E flat = pool().Replace(e, {{space.d.Symbols()[0], plain.d - space.h * Poly(space.width)}});
  return pool().Uses(flat, space.h.Symbols()[0]) ? Result<Value*>(nullptr) : Rows(flat, plain);
}

Result<Value*> Lowering::FromLoad(E e, const Space& space) {
  const Value* v = e->value;
  if (const auto it = rows_.find(v); it != rows_.end() && e->index.size() == 3) {
    const auto offset = (e->index[2] - space.Column()).AsConst();
    if (e->index[0] == space.b && e->index[1] == space.row && offset && *offset >= 0 && *offset + space.cols() <= it->second) {
      Value* row = const_cast<Value*>(v);
      if (*offset == 0 && space.cols() == it->second) return row;
      return Emit("slice_cols", {row}, {{"begin", *offset}, {"end", *offset + space.cols()}}, e->origin, space.cols());
    }
  }
  if (IsRow(v) && space.groups > 1) {
    HST_ASSIGN_OR_RETURN(Value * heads, FromStridedHeads(e, space));
    if (heads) return heads;
  }
  if (v->is_weight() && v->weight().rank() == 2 && e->index.size() == 2) {  // a table read by row: an embedding
    const auto offset = (e->index[1] - space.Column()).AsConst();
    if (offset && *offset == 0 && v->weight().dim(1) == space.cols()) {
      const Poly& id = e->index[0];
      const auto symbols = id.Symbols();
      const E atom = symbols.size() == 1 ? pool().Atom(symbols[0]) : nullptr;
      if (atom && atom->kind == Kind::kLoad && id - pool().AsPoly(atom) == Poly((id - pool().AsPoly(atom)).ConstTerm())) {
        const Role role = el_.roles().of.count(atom->value) ? el_.roles().of.at(atom->value) : Role::kOther;
        if ((role == Role::kTokenIds || role == Role::kTokenTypes) && atom->index.size() == 2 && atom->index[0] == space.b &&
            atom->index[1] == space.row)
          return Emit("embed", {Import(atom->value), Import(v)}, {{"offset", (id - pool().AsPoly(atom)).ConstTerm()}}, e->origin, space.cols());
      }
      if (const auto shift = (id - el_.roles().past - space.row).AsConst())
        return Emit("embed", {Positions(), Import(v)}, {{"offset", *shift}}, e->origin, space.cols());
    }
  }
  return Unsupported(Explain(e));
}

// Heads that lie apart in a linear's columns ([head][q, k, v][width], GPT-NeoX):
// the linear is made again over those columns of its weight.
Result<Value*> Lowering::FromStridedHeads(E e, const Space& space) {
  const ir::Node* linear = e->value->def();
  if (!linear || linear->op != "linear" || linear->Ints("begin").size() != 1 || e->index.size() != 3 ||
      e->index[0] != space.b || e->index[1] != space.row)
    return nullptr;
  const Poly rest = e->index[2] - space.d;
  const Poly at0 = rest.Substitute(space.h.Symbols()[0], Poly(0));
  const auto offset = at0.AsConst(), stride = (rest.Substitute(space.h.Symbols()[0], Poly(1)) - at0).AsConst();
  if (!offset || !stride || *stride < 1 || rest != space.h * Poly(*stride) + Poly(*offset) || *offset < 0 ||
      (space.groups - 1) * *stride + *offset + space.width > rows_.at(e->value))
    return nullptr;
  std::vector<Value*> inputs = {linear->input(0), nullptr};
  std::vector<int64_t> trans, begin, end;
  std::vector<float> bias;
  for (int64_t h = 0; h < space.groups; ++h) {
    const int64_t first = *offset + h * *stride;
    inputs.push_back(linear->input(2));
    trans.push_back(linear->Ints("trans")[0]);
    begin.push_back(linear->Ints("begin")[0] + first);
    end.push_back(begin.back() + space.width);
    for (int64_t i = 0; linear->input(1) && i < space.width; ++i) bias.push_back(static_cast<float>(linear->input(1)->weight().At(first + i)));
  }
  if (!bias.empty()) inputs[1] = target_.AddWeight("bias", ir::Tensor::From<float>({space.cols()}, bias));
  return Emit("linear", std::move(inputs), {{"trans", std::move(trans)}, {"begin", std::move(begin)}, {"end", std::move(end)}},
              linear, space.cols());
}

namespace {
std::string_view ActName(Op op) {
  switch (op) {
    case Op::kSquare: return "square";
    case Op::kSqrt: return "sqrt";
    case Op::kReciprocal: return "reciprocal";
    case Op::kNeg: return "neg";
    case Op::kExp: return "exp";
    case Op::kLog: return "log";
    case Op::kAbs: return "abs";
    case Op::kErf: return "erf";
    case Op::kTanh: return "tanh";
    case Op::kSigmoid: return "sigmoid";
    case Op::kRelu: return "relu";
    case Op::kGelu: return "gelu";
    case Op::kGeluTanh: return "gelu_tanh";
    case Op::kSoftplus: return "softplus";
    case Op::kCos: return "cos";
    case Op::kSin: return "sin";
    default: return "";
  }
}
}  // namespace

Result<Value*> Lowering::FromUnary(E e, const Space& space) {
  const std::string_view kind = ActName(e->op);
  if (kind.empty()) return Unsupported(Explain(e));
  HST_ASSIGN_OR_RETURN(Value * x, Rows(e->args[0], space));
  return Emit("act", {x}, {{"kind", std::string(kind)}}, e->origin, space.cols());
}

Result<Value*> Lowering::RowAndConstant(Op op, E row, E constant, bool swapped, E whole, const Space& space) {
  bool negate = false;
  if (op == Op::kAdd && constant->kind == Kind::kUnary && constant->op == Op::kNeg) constant = constant->args[0], negate = true;
  const std::string name = op == Op::kAdd ? (negate ? "sub" : "add") : op == Op::kMul ? "mul" : op == Op::kDiv ? "div"
                           : op == Op::kPow ? "pow" : op == Op::kMax ? "max" : "min";
  HST_ASSIGN_OR_RETURN(Value * r, Rows(row, space));
  Value* c = nullptr;
  if (const auto s = Scalar(constant)) {
    c = target_.AddWeight("scalar", ir::Tensor::Scalar(static_cast<float>(*s)));
  } else {
    HST_ASSIGN_OR_RETURN(c, Vector(constant, space));
  }
  std::vector<Value*> inputs = swapped ? std::vector<Value*>{c, r} : std::vector<Value*>{r, c};
  return Emit(name, std::move(inputs), {}, whole->origin, space.cols());
}

Result<Value*> Lowering::FromBinary(E e, const Space& space) {
  E a = e->args[0], b = e->args[1];
  if (IsVector(a)) return RowAndConstant(e->op, b, a, /*swapped=*/e->op == Op::kDiv || e->op == Op::kPow, e, space);
  if (IsVector(b)) return RowAndConstant(e->op, a, b, false, e, space);
  std::string name = e->op == Op::kAdd ? "add" : e->op == Op::kMul ? "mul" : e->op == Op::kDiv ? "div"
                     : e->op == Op::kPow ? "pow" : e->op == Op::kMax ? "max" : "min";
  if (e->op == Op::kAdd) {
    const auto negative = [](E x) { return x->kind == Kind::kUnary && x->op == Op::kNeg; };
    if (negative(a) && !negative(b)) std::swap(a, b);
    if (negative(b)) b = b->args[0], name = "sub";
  }
  HST_ASSIGN_OR_RETURN(Value * x, Rows(a, space));
  HST_ASSIGN_OR_RETURN(Value * y, Rows(b, space));
  return Emit(name, {x, y}, {}, e->origin, space.cols());
}

}  // namespace hasten::recognize
