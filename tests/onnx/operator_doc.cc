// Prints docs/onnx-operators.md from the import table and from the list of node
// tests that do not pass:
//   operator_doc tests/onnx/node_cases.txt > docs/onnx-operators.md
//   operator_doc tests/onnx/node_cases.txt --check docs/onnx-operators.md
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "compiler/onnx/import.h"

namespace {

constexpr int kNodeTests = 1765;   // onnx==1.22.0

std::string Domain(std::string_view domain) { return domain.empty() ? "ai.onnx" : std::string(domain); }

void Operators(std::ostream& out) {
  const std::vector<hasten::OnnxOperator> all = hasten::OnnxOperators();
  out << "# ONNX operators\n\n"
         "Made by `operator_doc` from `compiler/onnx/onnx_ops.def` and `tests/onnx/node_cases.txt`; a test compares.\n\n"
         "Models of opset " << hasten::kOldestOpset << " to " << hasten::kNewestOpset << " are read (older and newer ones as far as their operators mean the same). "
         "A node becomes the IR op of the same name, or is converted: an older spelling rewritten to the newest opset's, or a composite "
         "operator expanded into general ops (`compiler/onnx/ops/`). A model with any other operator is refused with the names of all such nodes, "
         "unless it carries a function of that name.\n\n"
         "If and Loop are inlined where the condition or the trip count follows from constants and static shapes, and refused elsewhere. "
         "Element types: float, double, float16, bfloat16, signed and unsigned integers of 8 to 64 bits, bool.\n\n"
         "| domain | operator | from opset | becomes |\n|---|---|---|---|\n";
  for (const auto& op : all)
    out << "| " << Domain(op.domain) << " | " << op.name << " | " << op.since << " | " << (op.expanded ? "converted" : "`" + op.ir_op + "`") << " |\n";
  out << "\n" << all.size() << " operators.\n";
}

void NodeTests(std::ostream& out, const char* file) {
  std::map<std::string, std::vector<std::string>> by_reason;
  size_t count = 0;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const size_t tab = line.find('\t');
    if (line.empty() || line[0] == '#' || tab == line.npos) continue;
    by_reason[line.substr(tab + 1)].push_back(line.substr(0, tab));
    ++count;
  }
  out << "\n## ONNX backend node tests\n\n"
      << "Of the " << kNodeTests << " cases of onnx 1.22.0, " << kNodeTests - static_cast<int>(count)
      << " pass through import and the interpreter, with the tolerances of the ONNX backend tests. Out of scope are:\n";
  for (const auto& [reason, names] : by_reason) {
    out << "\n**" << reason << "** (" << names.size() << "):";
    for (size_t i = 0; i < names.size(); ++i) out << (i ? ", " : " ") << names[i];
    out << "\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && !(argc == 4 && std::strcmp(argv[2], "--check") == 0)) {
    std::fprintf(stderr, "usage: operator_doc NODE_CASES [--check DOCUMENT]\n");
    return 2;
  }
  std::ostringstream text;
  Operators(text);
  NodeTests(text, argv[1]);
  if (argc == 2) {
    std::fputs(text.str().c_str(), stdout);
    return 0;
  }
  std::ifstream in(argv[3]);
  std::ostringstream have;
  have << in.rdbuf();
  if (have.str() == text.str()) return 0;
  std::fprintf(stderr, "%s is out of date: write it again with operator_doc (its first lines say how)\n", argv[3]);
  return 1;
}
