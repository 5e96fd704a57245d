// Statements: everything between {% and %}.
#include <algorithm>

#include "runtime/engine/chat/parser.h"
#include "runtime/engine/chat/parser_impl.h"

namespace hasten::chat {

void Parser::ExpectBlockEnd() {
  if (Peek().kind != TokenKind::kBlockEnd) Fail(StrCat("expected the end of the tag, found ", Found()));
  Next();
}

void Parser::ExpectEnd() {
  if (Peek().kind != TokenKind::kEnd) Fail(StrCat("unexpected ", Found()));
}

Body Parser::ParseBody(std::initializer_list<std::string_view> ends) {
  const Nesting nesting(*this);
  Body body;
  const auto add = [&](StmtKind kind) -> Stmt& {
    body.push_back(std::make_unique<Stmt>());
    body.back()->kind = kind;
    body.back()->line = Peek().line;
    return *body.back();
  };
  for (;;) {
    switch (Peek().kind) {
      case TokenKind::kText: add(StmtKind::kText).text = Next().text; break;
      case TokenKind::kOutputBegin: {
        Stmt& s = add(StmtKind::kOutput);
        Next();
        s.value = ParseTupleOrExpression(true);
        if (Peek().kind != TokenKind::kOutputEnd) Fail(StrCat("expected \"}}\", found ", Found()));
        Next();
        break;
      }
      case TokenKind::kBlockBegin:
        Next();
        if (Peek().kind == TokenKind::kName && std::find(ends.begin(), ends.end(), Peek().text) != ends.end()) return body;
        body.push_back(ParseStatement());
        break;
      default:
        if (Peek().kind == TokenKind::kEnd && ends.size() == 0) return body;
        Fail(ends.size() == 0 ? "unexpected end of a tag" : StrCat("expected {% ", *(ends.end() - 1), " %}, found ", Found()));
    }
  }
}

Body Parser::ParseUntil(std::string_view end) {
  ExpectBlockEnd();
  Body body = ParseBody({end});
  Next();
  // The end may repeat the name: {% endmacro name %}.
  if (end == "endmacro" && Peek().kind == TokenKind::kName) Next();
  ExpectBlockEnd();
  return body;
}

std::unique_ptr<Stmt> Parser::ParseStatement() {
  auto s = std::make_unique<Stmt>();
  s->line = Peek().line;
  const std::string word = ExpectName("a statement");
  if (word == "if") ParseIf(*s);
  else if (word == "for") ParseFor(*s);
  else if (word == "set") ParseSet(*s);
  else if (word == "macro") ParseMacro(*s);
  else if (word == "call") ParseCallBlock(*s);
  else if (word == "filter") ParseFilterBlock(*s);
  else if (word == "with") ParseWith(*s);
  else if (word == "generation") {
    // transformers' extension marks what the assistant says; here it only scopes.
    s->kind = StmtKind::kScope;
    s->body = ParseUntil("endgeneration");
  } else if (word == "break" || word == "continue") {
    if (loops_ == 0) Fail(StrCat("{% ", word, " %} outside of a loop"));
    s->kind = word == "break" ? StmtKind::kBreak : StmtKind::kContinue;
    ExpectBlockEnd();
  } else if (word.starts_with("end") || word == "else" || word == "elif") {
    Fail(StrCat("unexpected {% ", word, " %}"));
  } else {
    throw TemplateError{StrCat("line ", s->line, ": statement {% ", word, " %} is not supported"), true};
  }
  return s;
}

void Parser::ParseIf(Stmt& s) {
  s.kind = StmtKind::kIf;
  for (;;) {
    ExprPtr condition = ParseTupleOrExpression(false);
    ExpectBlockEnd();
    Body body = ParseBody({"elif", "else", "endif"});
    s.branches.emplace_back(std::move(condition), std::move(body));
    const std::string word = Next().text;
    if (word == "elif") continue;
    if (word == "else") {
      ExpectBlockEnd();
      s.branches.emplace_back(nullptr, ParseBody({"endif"}));
      Next();
    }
    ExpectBlockEnd();
    return;
  }
}

Target Parser::ParseTarget(bool attribute_allowed) {
  const Nesting nesting(*this);
  std::vector<Target> parts;
  bool tuple = false;
  do {
    // A comma may end the list: (a,) or "a, =".
    if (tuple && (IsOperator("=") || IsOperator(")") || IsName("in"))) break;
    if (TakeOperator("(")) {
      parts.push_back(ParseTarget(false));
      ExpectOperator(")");
    } else {
      Target t;
      t.name = ExpectName("a name to assign to");
      for (const char* reserved : {"true", "false", "none", "True", "False", "None", "loop"})
        if (t.name == reserved) Fail(StrCat("can not assign to \"", reserved, "\""));
      if (attribute_allowed && TakeOperator(".")) t.attribute = ExpectName("an attribute");
      parts.push_back(std::move(t));
    }
    tuple |= IsOperator(",");
  } while (TakeOperator(","));
  if (!tuple) return std::move(parts[0]);
  Target all;
  all.parts = std::move(parts);
  return all;
}

void Parser::ParseFor(Stmt& s) {
  s.kind = StmtKind::kFor;
  s.target = ParseTarget(false);
  if (!TakeName("in")) Fail(StrCat("expected \"in\", found ", Found()));
  s.value = ParseTupleOrExpression(false);
  if (TakeName("if")) s.condition = ParseExpression();
  s.recursive = TakeName("recursive");
  ExpectBlockEnd();
  ++loops_;
  s.body = ParseBody({"else", "endfor"});
  --loops_;
  if (Next().text == "else") {
    ExpectBlockEnd();
    s.otherwise = ParseBody({"endfor"});
    Next();
  }
  ExpectBlockEnd();
}

void Parser::ParseSet(Stmt& s) {
  s.target = ParseTarget(true);
  if (TakeOperator("=")) {
    s.kind = StmtKind::kSet;
    s.value = ParseTupleOrExpression(true);
    ExpectBlockEnd();
    return;
  }
  s.kind = StmtKind::kSetBlock;
  if (TakeOperator("|")) {
    // The filter works on the text of the block: a variable without a name.
    s.value = ParseFilter(Make(ExprKind::kName));
    while (TakeOperator("|")) s.value = ParseFilter(std::move(s.value));
  }
  s.body = ParseUntil("endset");
}

std::vector<Param> Parser::ParseParams() {
  std::vector<Param> params;
  ExpectOperator("(");
  while (!IsOperator(")")) {
    Param p;
    p.name = ExpectName("a parameter");
    if (TakeOperator("=")) p.fallback = ParseExpression();
    else if (!params.empty() && params.back().fallback) Fail("a parameter without default follows one with");
    params.push_back(std::move(p));
    if (!TakeOperator(",")) break;
  }
  ExpectOperator(")");
  return params;
}

void Parser::ParseMacro(Stmt& s) {
  s.kind = StmtKind::kMacro;
  s.text = ExpectName("a name");
  s.params = ParseParams();
  const int outer = std::exchange(loops_, 0);
  s.body = ParseUntil("endmacro");
  loops_ = outer;
}

void Parser::ParseCallBlock(Stmt& s) {
  s.kind = StmtKind::kCallBlock;
  if (IsOperator("(")) s.params = ParseParams();
  s.value = ParseExpression();
  if (s.value->kind != ExprKind::kCall) Fail("{% call %} needs a call");
  const int outer = std::exchange(loops_, 0);
  s.body = ParseUntil("endcall");
  loops_ = outer;
}

void Parser::ParseFilterBlock(Stmt& s) {
  s.kind = StmtKind::kFilterBlock;
  s.value = ParseFilter(Make(ExprKind::kName));
  while (TakeOperator("|")) s.value = ParseFilter(std::move(s.value));
  s.body = ParseUntil("endfilter");
}

void Parser::ParseWith(Stmt& s) {
  s.kind = StmtKind::kWith;
  while (Peek().kind != TokenKind::kBlockEnd) {
    if (!s.params.empty()) ExpectOperator(",");
    Param p;
    p.name = ExpectName("a name");
    ExpectOperator("=");
    p.fallback = ParseExpression();
    s.params.push_back(std::move(p));
  }
  s.body = ParseUntil("endwith");
}

Body ParseTemplate(std::string_view source) {
  Parser parser(Lex(source));
  Body body = parser.ParseBody({});
  parser.ExpectEnd();
  return body;
}

}  // namespace hasten::chat
