// Primaries and what binds tightest: literals, names, brackets, attributes,
// subscripts and calls.
#include <charconv>

#include "runtime/engine/chat/parser.h"
#include "runtime/engine/chat/parser_impl.h"

namespace hasten::chat {

ExprPtr Parser::ParseNumber() {
  const Token t = Next();
  ExprPtr e = Make(ExprKind::kConst);
  const char* end = t.text.data() + t.text.size();
  if (t.kind == TokenKind::kInt) {
    int64_t v = 0;
    if (std::from_chars(t.text.data(), end, v).ec != std::errc()) Fail(StrCat("number ", t.text, " is too large"));
    e->constant = v;
  } else {
    double v = 0;
    if (std::from_chars(t.text.data(), end, v).ec != std::errc()) Fail(StrCat("number ", t.text, " is too large"));
    e->constant = v;
  }
  return e;
}

ExprPtr Parser::ParsePrimary() {
  switch (Peek().kind) {
    case TokenKind::kName: {
      const std::string name = Next().text;
      ExprPtr e = Make(ExprKind::kConst);
      if (name == "true" || name == "True") e->constant = true;
      else if (name == "false" || name == "False") e->constant = false;
      else if (name == "none" || name == "None") e->constant = nullptr;
      else e->kind = ExprKind::kName, e->name = name;
      return e;
    }
    case TokenKind::kString: {
      std::string text;
      while (Peek().kind == TokenKind::kString) text += Next().text;
      ExprPtr e = Make(ExprKind::kConst);
      e->constant = std::move(text);
      return e;
    }
    case TokenKind::kInt:
    case TokenKind::kFloat: return ParseNumber();
    case TokenKind::kOperator:
      if (IsOperator("(")) return ParseParentheses();
      if (IsOperator("[") || IsOperator("{")) return ParseListOrDict();
      break;
    case TokenKind::kText: case TokenKind::kBlockBegin: case TokenKind::kBlockEnd: case TokenKind::kOutputBegin:
    case TokenKind::kOutputEnd: case TokenKind::kEnd: break;
  }
  Fail(StrCat("expected an expression, found ", Found()));
}

ExprPtr Parser::ParseParentheses() {
  ExpectOperator("(");
  std::vector<ExprPtr> items;
  bool tuple = IsOperator(")");
  while (!IsOperator(")")) {
    items.push_back(ParseExpression());
    if (!TakeOperator(",")) break;
    tuple = true;
  }
  ExpectOperator(")");
  return tuple ? Make(ExprKind::kTuple, std::move(items)) : std::move(items[0]);
}

ExprPtr Parser::ParseListOrDict() {
  const bool dict = Next().text == "{";
  const std::string_view close = dict ? "}" : "]";
  std::vector<ExprPtr> items;
  while (!IsOperator(close)) {
    items.push_back(ParseExpression());
    if (dict) {
      ExpectOperator(":");
      items.push_back(ParseExpression());
    }
    if (!TakeOperator(",")) break;
  }
  ExpectOperator(close);
  return Make(dict ? ExprKind::kDict : ExprKind::kList, std::move(items));
}

// a, b, c without parentheses, as {% set x = 1, 2 %} and {% for x in 1, 2 %} allow.
ExprPtr Parser::ParseTupleOrExpression(bool with_condition) {
  ExprPtr first = ParseExpression(with_condition);
  if (!IsOperator(",")) return first;
  std::vector<ExprPtr> items;
  items.push_back(std::move(first));
  while (TakeOperator(",")) {
    if (Peek().kind == TokenKind::kBlockEnd || Peek().kind == TokenKind::kOutputEnd) break;
    items.push_back(ParseExpression(with_condition));
  }
  return Make(ExprKind::kTuple, std::move(items));
}

ExprPtr Parser::ParsePostfix(ExprPtr e) {
  for (;;) {
    if (IsOperator(".") || IsOperator("[")) {
      e = ParseSubscript(std::move(e));
    } else if (IsOperator("(")) {
      std::vector<ExprPtr> items;
      items.push_back(std::move(e));
      e = Make(ExprKind::kCall, std::move(items));
      ParseArgs(*e);
    } else {
      return e;
    }
  }
}

ExprPtr Parser::ParseSubscript(ExprPtr e) {
  std::vector<ExprPtr> items;
  items.push_back(std::move(e));
  if (TakeOperator(".")) {
    if (Peek().kind == TokenKind::kInt) {
      items.push_back(ParseNumber());
      return Make(ExprKind::kItem, std::move(items));
    }
    ExprPtr out = Make(ExprKind::kAttribute, std::move(items));
    out->name = ExpectName("an attribute");
    return out;
  }
  ExpectOperator("[");
  ExprPtr part[3];
  int n = 0;
  bool slice = false;
  while (!IsOperator("]")) {
    if (IsOperator(",")) Refuse("a subscript of several values");
    if (TakeOperator(":")) {
      slice = true;
      if (++n > 2) Fail("a slice has at most three parts");
    } else {
      if (part[n]) Fail(StrCat("expected \"]\", found ", Found()));
      part[n] = ParseExpression();
    }
  }
  ExpectOperator("]");
  if (!slice) {
    if (!part[0]) Fail("a subscript is empty");
    items.push_back(std::move(part[0]));
    return Make(ExprKind::kItem, std::move(items));
  }
  for (ExprPtr& p : part) items.push_back(std::move(p));
  return Make(ExprKind::kSlice, std::move(items));
}

}  // namespace hasten::chat
