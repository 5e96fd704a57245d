// Equalization: changes of channels that fold into the weights around them, chosen
// before calibration so that what is rounded loses less. The graph computes what it
// did, to fp32 rounding, and the artifact costs nothing more to run. The methods are
// the rows of methods.def.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calib/data/chunks.h"
#include "calib/equalize/loss.h"
#include "calib/equalize/sites.h"
#include "compiler/ir/graph.h"
#include "compiler/plan/plan.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

struct EqualizeOptions {
  std::vector<std::string> methods;   // names, in the order of the table
  std::string folder = ".";           // of the rewritten weights, and of samples' values
  std::vector<std::string>* notes = nullptr;   // what was done, a line a method; may be null
  std::function<void(uint64_t done, uint64_t total)> update;   // may be null
  const std::atomic<bool>* cancel = nullptr;
};

// `plan` is MakePlan's of `graph`, whose weights are replaced; a plan made again has
// the same tensors in the same places. The same weights with any number of
// threads. `folds`: bit i of a weight for row i of the table; may be null. kResource when there is no room for them, kBadInput for values that are not finite.
Status Equalize(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples, const EqualizeOptions& options, ThreadPool& pool, Rewriter::Folds* folds = nullptr);

// What a method works with.
struct Equalization {
  ir::Graph& graph;
  const Chunks& samples;
  const EqualizeOptions& options;
  ThreadPool& pool;
  Rewriter& rewriter;
  std::map<const ir::Node*, Rounding> roundings;        // of each linear
  std::set<const ir::Node*> shared;                     // linears of a tensor that another instruction reads too
  std::map<const ir::Value*, ir::Value*> tied;          // of a token table: the head's matrix of the same values
  std::function<void(uint64_t done, uint64_t total)> update;

  // Sites that no two instructions share the weights of.
  std::vector<Site> Sites() const;
  SiteLoss LossOf(const Site& site, SiteInputs in) const;
};

// Calls f with inputs of each site, in the graph's order, as the original has them:
// about 256 tokens of two samples.
using SiteFunction = std::function<Status(const Site& site, SiteInputs in)>;
Status ForSites(Equalization& e, std::span<const Site> sites, const SiteFunction& f);

// The index of the least loss; the first, which changes nothing, unless another is
// at least half a percent better.
size_t Best(std::span<const double> losses);

struct Equalizer {
  std::string_view name;
  // Says in `done` what it did.
  Status (*run)(Equalization& e, std::string* done);
  std::string_view description;
};
std::span<const Equalizer> AllEqualizers();
std::vector<std::string_view> EqualizerNames();   // in the table's order
std::string FoldNames(uint8_t folds);   // "" for none

}  // namespace hasten::calib
