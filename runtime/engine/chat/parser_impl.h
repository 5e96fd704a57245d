// The parser's class, in two files: expressions (parse_expression.cc) and
// statements (parse_statement.cc). Grammar and precedence are Jinja 3.1's.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/chat/ast.h"
#include "runtime/engine/chat/lexer.h"

namespace hasten::chat {

// Recursion of the parser, and the height of the trees it builds: the evaluator
// recurses over them.
constexpr int kMaxDepth = 150;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  // Statements up to one of the end words (not consumed), or the end of the template.
  Body ParseBody(std::initializer_list<std::string_view> ends);
  ExprPtr ParseExpression(bool with_condition = true);
  void ExpectEnd();

 private:
  struct Nesting {
    explicit Nesting(Parser& p) : parser(p) {
      if (++parser.depth_ > kMaxDepth) parser.Fail("the template nests too deeply");
    }
    ~Nesting() { --parser.depth_; }
    Parser& parser;
  };

  const Token& Peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  Token Next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool IsOperator(std::string_view op) const { return Peek().kind == TokenKind::kOperator && Peek().text == op; }
  bool IsName(std::string_view name) const { return Peek().kind == TokenKind::kName && Peek().text == name; }
  bool TakeOperator(std::string_view op);
  bool TakeName(std::string_view name);
  void ExpectOperator(std::string_view op);
  std::string ExpectName(std::string_view what);
  void ExpectBlockEnd();
  [[noreturn]] void Fail(std::string_view what) const {
    throw TemplateError{StrCat("line ", Peek().line, ": ", what)};
  }
  [[noreturn]] void Refuse(std::string_view what) const {
    throw TemplateError{StrCat("line ", Peek().line, ": ", what, " is not supported"), true};
  }
  std::string Found() const;

  ExprPtr Make(ExprKind kind, std::vector<ExprPtr> items = {});
  ExprPtr MakeBinary(Op op, ExprPtr left, ExprPtr right);
  void Deepen(Expr& e, const Expr* child) const;

  ExprPtr ParseOr();
  ExprPtr ParseAnd();
  ExprPtr ParseNot();
  ExprPtr ParseCompare();
  ExprPtr ParseSum();
  ExprPtr ParseConcat();
  ExprPtr ParseProduct();
  ExprPtr ParsePower();
  ExprPtr ParseUnary(bool with_filter = true);
  ExprPtr ParsePrimary();
  ExprPtr ParseNumber();
  ExprPtr ParseParentheses();
  ExprPtr ParseListOrDict();
  ExprPtr ParsePostfix(ExprPtr e);
  ExprPtr ParseSubscript(ExprPtr e);
  ExprPtr ParseFilters(ExprPtr e);
  ExprPtr ParseFilter(ExprPtr e);
  ExprPtr ParseTest(ExprPtr e);
  ExprPtr ParseTupleOrExpression(bool with_condition);
  void ParseArgs(Expr& call);
  std::string DottedName();

  std::unique_ptr<Stmt> ParseStatement();
  void ParseIf(Stmt& s);
  void ParseFor(Stmt& s);
  void ParseSet(Stmt& s);
  void ParseMacro(Stmt& s);
  void ParseCallBlock(Stmt& s);
  void ParseFilterBlock(Stmt& s);
  void ParseWith(Stmt& s);
  std::vector<Param> ParseParams();
  Target ParseTarget(bool attribute_allowed);
  Body ParseUntil(std::string_view end);

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;  // enclosing for bodies, for break and continue
};

}  // namespace hasten::chat
