// Runs a list of passes over a graph: times each, verifies the structure after
// each, and on request dumps, prints, skips, stops, and interprets the graph
// before and after a pass to hold it to its declared numerics.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/ir/graph.h"
#include "passes/pass.h"

namespace hasten::passes {

struct RunOptions {
  PassOptions passes;
  std::string dump_ir;                    // folder for 00-input.ir, 01-dce.ir ...; empty: none
  std::vector<std::string> print_after;   // passes after which `print` receives the text
  std::vector<std::string> disable;       // passes to leave out
  std::string stop_after;                 // the last pass to run; empty: all
  bool verify_numeric = false;            // interpret before and after every pass
  uint64_t seed = 1;                      // of the inputs for verify_numeric
  std::map<std::string, int64_t, std::less<>> symbols;   // their dims, beside the defaults of feeds.h
  std::function<void(std::string_view)> print;           // null: print_after prints nothing
  const std::atomic<bool>* cancel = nullptr;             // kCancelled between passes once true
};

struct PassStats {
  std::string pass;
  double milliseconds = 0;
  int64_t nodes_before = 0, nodes_after = 0;
  int64_t weights_before = 0, weights_after = 0;
  std::map<std::string, int64_t, std::less<>> counters;
  // verify_numeric: largest |after - before| / max(1, max|before|); negative: not measured.
  double numeric_error = -1;
};

struct RunReport {
  std::vector<PassStats> passes;
  std::vector<std::string> notes;   // "[pass] remark"
  bool stopped = false;             // by stop_after: the pipeline's later passes did not run
};

// kUsage for names of passes that do not exist (in the list's options) or, in
// stop_after, do not run; what a pass answers, with the pass named; kInternal
// when a pass leaves a broken graph or breaks its numerics. A failure writes
// NN-pass.fail.ir, a small graph on which the pass fails the same way, into
// dump_ir, or says how to get it. `report` (may be null) is filled as far as it went.
Status RunPasses(ir::Graph& graph, std::span<const PassInfo* const> list, const RunOptions& options, RunReport* report);

std::string StatsTable(const RunReport& report);   // for people
std::string StatsJson(const RunReport& report);    // {"passes": [{"pass": ..., "ms": ...}]}

}  // namespace hasten::passes
