// Parser of templates: tokens to the tree. What the subset leaves out is refused
// here, by name and line, before anything runs.
#pragma once

#include <string_view>

#include "runtime/engine/chat/ast.h"

namespace hasten::chat {

// Throws TemplateError.
Body ParseTemplate(std::string_view source);

// The filters and tests that exist (filters.cc, tests.cc).
bool IsFilter(std::string_view name);
bool IsTest(std::string_view name);

}  // namespace hasten::chat
