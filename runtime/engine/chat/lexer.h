// Tokens of a template, with whitespace control done: trim_blocks and
// lstrip_blocks are on (as transformers sets them), "-" and "+" modifiers apply.
// Jinja 3.1's lexer is the reference.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hasten::chat {

enum class TokenKind { kText, kBlockBegin, kBlockEnd, kOutputBegin, kOutputEnd, kName, kString, kInt, kFloat, kOperator, kEnd };

struct Token {
  TokenKind kind;
  int line;
  std::string text;  // text, name, decoded string, operator, or digits
};

// Throws TemplateError.
std::vector<Token> Lex(std::string_view source);

}  // namespace hasten::chat
