// Runs test folders in the layout of the ONNX backend tests through import and
// the interpreter:
//   conform_main [--models] [--expect FILE] [--at-least N] DIR...
// A DIR without model.onnx stands for its subfolders. --models compares as whole
// models are compared; --expect names the file that lists every case that may
// fall short (tests/onnx/node_cases.txt); --at-least is how many must pass.
// Prints a line for each case that did not pass, then the counts.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "calib/conform/conform.h"

namespace {

namespace fs = std::filesystem;
using hasten::conform::CaseResult;
using hasten::conform::Outcome;

std::vector<std::string> Cases(const std::string& dir) {
  if (fs::exists(dir + "/model.onnx")) return {dir};
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(dir))
    if (fs::exists(entry.path() / "model.onnx")) out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

// "name<TAB>reason" lines; # begins a comment.
std::map<std::string, std::string> ReadExpected(const std::string& file) {
  std::map<std::string, std::string> out;
  std::ifstream in(file);
  if (!in) {
    std::fprintf(stderr, "conform_main: cannot read %s\n", file.c_str());
    std::exit(2);
  }
  for (std::string line; std::getline(in, line);)
    if (!line.empty() && line[0] != '#') out[line.substr(0, line.find('\t'))] = line;
  return out;
}

std::string FirstLines(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.substr(0, 400);
}

}  // namespace

int main(int argc, char** argv) {
  hasten::conform::Tolerance tolerance = hasten::conform::kNodeTolerance;
  std::vector<std::string> cases;
  std::map<std::string, std::string> expected;
  bool check = false;
  int at_least = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--models") {
      tolerance = hasten::conform::kModelTolerance;
    } else if (arg == "--expect" && i + 1 < argc) {
      expected = ReadExpected(argv[++i]);
      check = true;
    } else if (arg == "--at-least" && i + 1 < argc) {
      at_least = std::atoi(argv[++i]);
    } else {
      for (std::string& c : Cases(arg)) cases.push_back(std::move(c));
    }
  }
  const auto level = [](const std::string& path) { return hasten::conform::LoadThroughImport(path); };
  int counts[3] = {0, 0, 0}, unexpected = 0;
  for (const std::string& dir : cases) {
    const CaseResult r = hasten::conform::RunCase(dir, level, tolerance);
    ++counts[static_cast<int>(r.outcome)];
    const std::string name = fs::path(dir).filename().string();
    const bool known = expected.count(name) > 0;
    if (r.outcome == Outcome::kPassed) {
      if (tolerance.of_largest > 0) std::printf("passed\t%s\tmax error %g\n", name.c_str(), r.max_error);
      if (known) std::printf("listed\t%s\tpasses now: take it off the list\n", name.c_str());
      unexpected += known;
      continue;
    }
    unexpected += !known;
    std::printf("%s\t%s\t%s\n", std::string(hasten::conform::OutcomeName(r.outcome)).c_str(), name.c_str(), FirstLines(r.reason).c_str());
  }
  std::printf("%d passed, %d failed, %d skipped of %zu\n", counts[0], counts[1], counts[2], cases.size());
  if (counts[0] < at_least) {
    std::printf("fewer than %d passed\n", at_least);
    return 1;
  }
  return check ? unexpected > 0 : counts[1] > 0;
}
