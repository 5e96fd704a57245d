// The figures of a run of passes: a table for people, JSON for machines.
#include <algorithm>

#include "passes/pass_runner.h"

namespace hasten::passes {
namespace {

std::string Pad(std::string s, size_t width, bool right) {
  const size_t n = s.size() < width ? width - s.size() : 0;
  return right ? std::string(n, ' ') + s : s + std::string(n, ' ');
}

std::string Fixed(double v) {   // two decimals
  const auto hundredths = static_cast<int64_t>(v * 100 + 0.5);
  return StrCat(hundredths / 100, ".", hundredths / 10 % 10, hundredths % 10);
}

std::string Delta(int64_t before, int64_t after) { return StrCat(after >= before ? "+" : "", after - before); }

}  // namespace

std::string StatsTable(const RunReport& report) {
  size_t width = 4;
  for (const PassStats& p : report.passes) width = std::max(width, p.pass.size());
  std::string out = StrCat(Pad("pass", width, false), "        ms   nodes   delta  counters\n");
  double total = 0;
  for (const PassStats& p : report.passes) {
    total += p.milliseconds;
    out += StrCat(Pad(p.pass, width, false), Pad(Fixed(p.milliseconds), 10, true), Pad(StrCat(p.nodes_after), 8, true),
                  Pad(Delta(p.nodes_before, p.nodes_after), 8, true), " ");
    for (const auto& [what, n] : p.counters) out += StrCat(" ", what, "=", n);
    if (p.numeric_error >= 0) out += StrCat(" error=", p.numeric_error);
    out += '\n';
  }
  return out + StrCat(Pad("all", width, false), Pad(Fixed(total), 10, true), "\n");
}

std::string StatsJson(const RunReport& report) {
  // Pass and counter names are ours: no character of theirs needs an escape.
  std::string out = "{\"passes\": [";
  bool first = true;
  for (const PassStats& p : report.passes) {
    out += StrCat(first ? "" : ", ", "{\"pass\": \"", p.pass, "\", \"ms\": ", p.milliseconds, ", \"nodes_before\": ", p.nodes_before,
                  ", \"nodes_after\": ", p.nodes_after, ", \"weights_before\": ", p.weights_before,
                  ", \"weights_after\": ", p.weights_after, ", \"counters\": {");
    bool first_counter = true;
    for (const auto& [what, n] : p.counters) {
      out += StrCat(first_counter ? "" : ", ", "\"", what, "\": ", n);
      first_counter = false;
    }
    out += '}';
    if (p.numeric_error >= 0 && p.numeric_error < 1e300) out += StrCat(", \"numeric_error\": ", p.numeric_error);
    out += '}';
    first = false;
  }
  return out + "]}\n";
}

}  // namespace hasten::passes
