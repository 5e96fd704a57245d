#include "golden.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "compiler/ir/text.h"
#include "passes/opt.h"

namespace hasten::passes {

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

std::vector<std::string> GoldenFiles(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".ir") out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

GoldenFile ParseGolden(std::string_view text) {
  constexpr std::string_view kRun = "// run:", kExpect = "// expect";
  GoldenFile out;
  std::string* to = &out.head;
  int line_number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    ++line_number;
    if (line.starts_with(kRun)) {
      GoldenCase c{line_number, {}, std::string(line), "", ""};
      std::string name;
      for (const char ch : line.substr(kRun.size())) {
        if (ch != ',' && ch != '\n' && ch != ' ') name += ch;
        else if (!name.empty()) c.passes.push_back(std::move(name)), name.clear();
      }
      if (!name.empty()) c.passes.push_back(name);
      out.cases.push_back(std::move(c));
      to = &out.cases.back().input;
    } else if (line.starts_with(kExpect) && !out.cases.empty()) {
      to = &out.cases.back().expected;
    } else {
      *to += line;
    }
  }
  return out;
}

Result<std::string> RunGolden(const GoldenCase& golden) {
  OptOptions options;
  options.run.verify_numeric = true;
  return RunOpt(golden.input, golden.passes, options, nullptr);
}

Result<std::string> Normalized(const std::string& text) {
  ir::ParseOptions options;
  options.allow_missing_blobs = true;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<ir::Graph> graph, ir::Parse(text, options));
  return ir::Print(*graph);
}

}  // namespace hasten::passes
