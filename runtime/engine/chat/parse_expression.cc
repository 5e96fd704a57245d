// Expressions: condition, or, and, not, compare, sum, concat, product, power,
// unary, then filters and tests.
#include <algorithm>

#include "runtime/engine/chat/parser.h"
#include "runtime/engine/chat/parser_impl.h"

namespace hasten::chat {

bool Parser::TakeOperator(std::string_view op) {
  if (!IsOperator(op)) return false;
  Next();
  return true;
}

bool Parser::TakeName(std::string_view name) {
  if (!IsName(name)) return false;
  Next();
  return true;
}

std::string Parser::Found() const {
  switch (Peek().kind) {
    case TokenKind::kEnd: return "the end of the template";
    case TokenKind::kBlockEnd: return "the end of the tag";
    case TokenKind::kOutputEnd: return "the end of the tag";
    case TokenKind::kString: return StrCat("the string \"", Peek().text, "\"");
    case TokenKind::kText: case TokenKind::kBlockBegin: case TokenKind::kOutputBegin: return "text";
    case TokenKind::kName: case TokenKind::kInt: case TokenKind::kFloat: case TokenKind::kOperator: break;
  }
  return StrCat("\"", Peek().text, "\"");
}

void Parser::ExpectOperator(std::string_view op) {
  if (!TakeOperator(op)) Fail(StrCat("expected \"", op, "\", found ", Found()));
}

std::string Parser::ExpectName(std::string_view what) {
  if (Peek().kind != TokenKind::kName) Fail(StrCat("expected ", what, ", found ", Found()));
  return Next().text;
}

void Parser::Deepen(Expr& e, const Expr* child) const {
  if (!child) return;
  e.depth = std::max(e.depth, child->depth + 1);
  if (e.depth > kMaxDepth) Fail("an expression nests too deeply");
}

ExprPtr Parser::Make(ExprKind kind, std::vector<ExprPtr> items) {
  auto e = std::make_unique<Expr>();
  e->kind = kind;
  e->line = Peek().line;
  for (const ExprPtr& item : items) Deepen(*e, item.get());
  e->items = std::move(items);
  return e;
}

ExprPtr Parser::MakeBinary(Op op, ExprPtr left, ExprPtr right) {
  std::vector<ExprPtr> items;
  items.push_back(std::move(left));
  items.push_back(std::move(right));
  ExprPtr e = Make(ExprKind::kBinary, std::move(items));
  e->ops.push_back(op);
  return e;
}

ExprPtr Parser::ParseExpression(bool with_condition) {
  const Nesting nesting(*this);
  ExprPtr e = ParseOr();
  while (with_condition && TakeName("if")) {
    std::vector<ExprPtr> items;
    items.push_back(ParseOr());
    items.push_back(std::move(e));
    items.push_back(TakeName("else") ? ParseExpression() : nullptr);
    e = Make(ExprKind::kCondition, std::move(items));
  }
  return e;
}

ExprPtr Parser::ParseOr() {
  ExprPtr left = ParseAnd();
  if (!IsName("or")) return left;
  std::vector<ExprPtr> items;
  items.push_back(std::move(left));
  while (TakeName("or")) items.push_back(ParseAnd());
  return Make(ExprKind::kOr, std::move(items));
}

ExprPtr Parser::ParseAnd() {
  ExprPtr left = ParseNot();
  if (!IsName("and")) return left;
  std::vector<ExprPtr> items;
  items.push_back(std::move(left));
  while (TakeName("and")) items.push_back(ParseNot());
  return Make(ExprKind::kAnd, std::move(items));
}

ExprPtr Parser::ParseNot() {
  if (!TakeName("not")) return ParseCompare();
  const Nesting nesting(*this);
  std::vector<ExprPtr> items;
  items.push_back(ParseNot());
  return Make(ExprKind::kNot, std::move(items));
}

ExprPtr Parser::ParseCompare() {
  std::vector<ExprPtr> items;
  std::vector<Op> ops;
  items.push_back(ParseSum());
  for (;;) {
    constexpr std::pair<std::string_view, Op> kOps[] = {{"==", Op::kEq}, {"!=", Op::kNe}, {"<", Op::kLt},
                                                        {"<=", Op::kLe}, {">", Op::kGt},  {">=", Op::kGe}};
    const auto* found = std::find_if(std::begin(kOps), std::end(kOps), [&](const auto& o) { return IsOperator(o.first); });
    if (found != std::end(kOps)) {
      Next();
      ops.push_back(found->second);
    } else if (TakeName("in")) {
      ops.push_back(Op::kIn);
    } else if (IsName("not") && Peek(1).kind == TokenKind::kName && Peek(1).text == "in") {
      Next();
      Next();
      ops.push_back(Op::kNotIn);
    } else {
      break;
    }
    items.push_back(ParseSum());
  }
  if (ops.empty()) return std::move(items[0]);
  ExprPtr e = Make(ExprKind::kCompare, std::move(items));
  e->ops = std::move(ops);
  return e;
}

ExprPtr Parser::ParseSum() {
  ExprPtr e = ParseConcat();
  while (IsOperator("+") || IsOperator("-")) {
    const Op op = Next().text == "+" ? Op::kAdd : Op::kSub;
    e = MakeBinary(op, std::move(e), ParseConcat());
  }
  return e;
}

ExprPtr Parser::ParseConcat() {
  ExprPtr left = ParseProduct();
  if (!IsOperator("~")) return left;
  std::vector<ExprPtr> items;
  items.push_back(std::move(left));
  while (TakeOperator("~")) items.push_back(ParseProduct());
  return Make(ExprKind::kConcat, std::move(items));
}

ExprPtr Parser::ParseProduct() {
  ExprPtr e = ParsePower();
  for (;;) {
    Op op;
    if (IsOperator("*")) op = Op::kMul;
    else if (IsOperator("/")) op = Op::kDiv;
    else if (IsOperator("//")) op = Op::kFloorDiv;
    else if (IsOperator("%")) op = Op::kMod;
    else return e;
    Next();
    e = MakeBinary(op, std::move(e), ParsePower());
  }
}

ExprPtr Parser::ParsePower() {
  ExprPtr e = ParseUnary();
  while (TakeOperator("**")) e = MakeBinary(Op::kPow, std::move(e), ParseUnary());
  return e;
}

ExprPtr Parser::ParseUnary(bool with_filter) {
  const Nesting nesting(*this);
  ExprPtr e;
  if (IsOperator("-") || IsOperator("+")) {
    const ExprKind kind = Next().text == "-" ? ExprKind::kNegate : ExprKind::kPlus;
    std::vector<ExprPtr> items;
    items.push_back(ParseUnary(false));
    e = Make(kind, std::move(items));
  } else {
    e = ParsePrimary();
  }
  e = ParsePostfix(std::move(e));
  return with_filter ? ParseFilters(std::move(e)) : std::move(e);
}

void Parser::ParseArgs(Expr& call) {
  ExpectOperator("(");
  while (!IsOperator(")")) {
    Arg arg{ArgKind::kPositional, "", nullptr};
    if (TakeOperator("*")) arg.kind = ArgKind::kList;
    else if (TakeOperator("**")) arg.kind = ArgKind::kDict;
    else if (Peek().kind == TokenKind::kName && Peek(1).kind == TokenKind::kOperator && Peek(1).text == "=") {
      arg.kind = ArgKind::kKeyword;
      arg.name = Next().text;
      Next();
    } else if (!call.args.empty() && call.args.back().kind != ArgKind::kPositional && call.args.back().kind != ArgKind::kList) {
      Fail("a positional argument follows a named one");
    }
    arg.value = ParseExpression();
    Deepen(call, arg.value.get());
    call.args.push_back(std::move(arg));
    if (!TakeOperator(",")) break;
  }
  ExpectOperator(")");
}

ExprPtr Parser::ParseFilters(ExprPtr e) {
  for (;;) {
    if (TakeOperator("|")) {
      e = ParseFilter(std::move(e));
    } else if (TakeName("is")) {
      e = ParseTest(std::move(e));
    } else if (IsOperator("(")) {
      e = ParsePostfix(std::move(e));
    } else {
      return e;
    }
  }
}

std::string Parser::DottedName() {
  std::string name = ExpectName("a name");
  while (TakeOperator(".")) name += "." + ExpectName("a name");
  return name;
}

ExprPtr Parser::ParseFilter(ExprPtr e) {
  const std::string name = DottedName();
  if (!IsFilter(name)) Refuse(StrCat("filter \"", name, "\""));
  std::vector<ExprPtr> items;
  items.push_back(std::move(e));
  ExprPtr out = Make(ExprKind::kFilter, std::move(items));
  out->name = name;
  if (IsOperator("(")) ParseArgs(*out);
  return out;
}

ExprPtr Parser::ParseTest(ExprPtr e) {
  const bool negated = TakeName("not");
  const std::string name = DottedName();
  if (!IsTest(name)) Refuse(StrCat("test \"", name, "\""));
  std::vector<ExprPtr> items;
  items.push_back(std::move(e));
  ExprPtr out = Make(ExprKind::kTest, std::move(items));
  out->name = name;
  const Token& next = Peek();
  const bool word = next.kind == TokenKind::kName;
  const bool value = word || next.kind == TokenKind::kString || next.kind == TokenKind::kInt ||
                     next.kind == TokenKind::kFloat || IsOperator("[") || IsOperator("{");
  if (IsOperator("(")) {
    ParseArgs(*out);
  } else if (value && !(word && (next.text == "else" || next.text == "or" || next.text == "and"))) {
    if (IsName("is")) Fail("tests can not be chained with \"is\"");
    // "x is divisibleby 3" takes one argument without parentheses; "x is none if" and
    // "x is defined in" end the test, since no argument starts with such a word.
    if (!word || (next.text != "if" && next.text != "in" && next.text != "not")) {
      Arg arg{ArgKind::kPositional, "", ParsePostfix(ParsePrimary())};
      Deepen(*out, arg.value.get());
      out->args.push_back(std::move(arg));
    }
  }
  if (!negated) return out;
  std::vector<ExprPtr> inner;
  inner.push_back(std::move(out));
  return Make(ExprKind::kNot, std::move(inner));
}

}  // namespace hasten::chat
