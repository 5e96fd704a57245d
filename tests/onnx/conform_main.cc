// Runs test folders in the layout of the ONNX backend tests through import and
// the interpreter:
//   conform_main [--models] [--expect FILE | --write FILE] [--at-least N] DIR...
// A DIR without model.onnx stands for its subfolders. --models compares as whole
// models are compared; --expect names the file that lists every case that may
// fall short (tests/onnx/node_cases.txt), --write makes it; --at-least is how many
// must pass. Prints a line for each case that did not pass, then the counts.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
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

// Why a case is out of scope, in a few words.
std::string ShortReason(const std::string& message) {
  static const std::regex kOperator(R"(operator (\w+) \(domain ([\w.]+), opset)"), kRefused(R"(node "[^"]*" \((\w+)\): is not supported)"),
      kType(R"(element type (\w+))"), kNumber(R"(type number (\d+))");
  static const std::map<std::string, std::string> kNumbers = {{"8", "string"}, {"17", "float8e4m3fn"}, {"18", "float8e4m3fnuz"},
      {"19", "float8e5m2"}, {"20", "float8e5m2fnuz"}, {"21", "uint4"}, {"22", "int4"}, {"23", "float4e2m1"}, {"24", "float8e8m0"},
      {"25", "uint2"}, {"26", "int2"}};
  const auto has = [&](const char* text) { return message.find(text) != std::string::npos; };
  std::smatch m;
  if (std::regex_search(message, m, kType)) return "element type " + m[1].str();
  if (std::regex_search(message, m, kNumber) && kNumbers.count(m[1])) return "element type " + kNumbers.at(m[1]);
  if (has("only tensors are supported") || has("holds no tensor")) return "a sequence, optional or map";
  if (has("only inference is supported")) return "training mode";
  if (has("depends on the input")) return "control flow that depends on the input";
  if (std::regex_search(message, m, kOperator)) return "operator " + (m[2] == "ai.onnx" ? "" : m[2].str() + ".") + m[1].str();
  if (std::regex_search(message, m, kRefused)) return "operator " + m[1].str();
  return message.substr(0, 200);
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
  std::ofstream written;
  bool check = false;
  int at_least = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--models") {
      tolerance = hasten::conform::kModelTolerance;
    } else if (arg == "--expect" && i + 1 < argc) {
      expected = ReadExpected(argv[++i]);
      check = true;
    } else if (arg == "--write" && i + 1 < argc) {
      written.open(argv[++i]);
      written << "# ONNX backend node tests (onnx==1.22.0) that do not pass: name, tab, why. Made by\n"
                 "#   conform_main --write tests/onnx/node_cases.txt <site-packages>/onnx/backend/test/data/node\n";
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
      if (known) std::printf("listed\t%s\tpasses now: make the list again\n", name.c_str());
      continue;
    }
    unexpected += !known;
    if (written.is_open()) written << name << '\t' << ShortReason(r.reason) << '\n';
    std::printf("%s\t%s\t%s\n", std::string(hasten::conform::OutcomeName(r.outcome)).c_str(), name.c_str(), FirstLines(r.reason).c_str());
  }
  std::printf("%d passed, %d failed, %d skipped of %zu\n", counts[0], counts[1], counts[2], cases.size());
  if (counts[0] < at_least) {
    std::printf("fewer than %d passed\n", at_least);
    return 1;
  }
  return check ? unexpected > 0 : counts[1] > 0;
}
