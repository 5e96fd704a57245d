// Golden files of the passes (tests/ir/*.ir): cases of
//   // run: pass,pass        then comments and a graph,
//   // expect                then the graph that must come out.
// The expectation is compared as printed text, so it may be written loosely and
// regenerated in the printer's own form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::passes {

struct GoldenCase {
  int line;                          // of "// run:"
  std::vector<std::string> passes;
  std::string run_line, input, expected;
};

std::string ReadFile(const std::string& path);
std::vector<std::string> GoldenFiles(const std::string& folder);   // *.ir, sorted
// What stands before the first case, and the cases.
struct GoldenFile {
  std::string head;
  std::vector<GoldenCase> cases;
};
GoldenFile ParseGolden(std::string_view text);
// The case's passes over its input, printed; numbers are verified.
Result<std::string> RunGolden(const GoldenCase& golden);
// The expectation in the printer's form.
Result<std::string> Normalized(const std::string& text);

}  // namespace hasten::passes
