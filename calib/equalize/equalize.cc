#include "calib/equalize/equalize.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "calib/calibrate/rounded_ops.h"
#include "calib/calibrate/walk.h"

namespace hasten::calib {

#define HST_EQUALIZER(name, function, description) Status function(Equalization& e, std::string* done);
#include "calib/equalize/methods.def"

namespace {

constexpr Equalizer kEqualizers[] = {
#define HST_EQUALIZER(name, function, description) {#name, function, description},
#include "calib/equalize/methods.def"
};

constexpr int64_t kSamples = 2, kTokens = 256;   // that losses are measured on

// How each linear is rounded, and which of them share a tensor with another.
void ReadPlan(const ir::Graph& graph, const plan::ProgramPlan& plan, Equalization* e) {
  const std::vector<passes::OwnedCodes> none;
  const RoundedOps ops(graph, plan, none);
  std::map<int, int> uses;
  std::map<int, const ir::Node*> tables;
  for (const plan::InstrPlan& in : plan.instrs)
    if (in.kind == plan::InstrKind::kLinear || in.kind == plan::InstrKind::kEmbed) ++uses[in.tensor];
  for (const auto& node : graph.nodes())
    if (node->op == "embed") tables[ops.InstrOf(*node).tensor] = node.get();
  for (const auto& node : graph.nodes()) {
    if (node->op != "linear") continue;
    const plan::InstrPlan& in = ops.InstrOf(*node);
    const plan::TensorPlan& t = plan.tensors[static_cast<size_t>(in.tensor)];
    if (uses[in.tensor] > 1) e->shared.insert(node.get());
    Rounding& rounding = e->roundings[node.get()] = {.scheme = t.scheme};
    if (GetScheme(t.scheme).integer) rounding.activation_group = ops.InputOf(in).group, rounding.activation_residual = ops.InputOf(in).residual;
    if (tables.contains(in.tensor)) e->tied[tables[in.tensor]->input(1)] = node->input(2);
  }
}

Chunks FirstOf(const Chunks& samples) {
  Chunks few = samples;
  few.count = std::min(samples.count, kSamples);
  few.tokens.clear();
  for (int64_t i = 0; i < few.count; ++i) {   // spread over the text
    const auto tokens = samples.At(i * samples.count / few.count);
    few.tokens.insert(few.tokens.end(), tokens.begin(), tokens.end());
  }
  return few;
}

// Rows of one site: those of the samples' first tokens, then others.
Result<SiteInputs> InputsOf(const Walk& walk, const Site& site, int64_t context) {
  const int64_t each = std::min(context - 1, (kTokens + walk.samples() - 1) / walk.samples());
  SiteInputs in;
  std::vector<float> rest;
  for (int64_t s = 0; s < walk.samples(); ++s) {
    HST_ASSIGN_OR_RETURN(const ir::Tensor value, walk.At(s, Way::kOriginal, site.x));
    const int64_t rows = value.elements() / site.channels;
    in.x.insert(in.x.end(), value.data<float>(), value.data<float>() + site.channels);
    for (int64_t i = 0; i < each && rows > 1; ++i) {
      const float* row = value.data<float>() + (1 + i * (rows - 1) / each) * site.channels;
      rest.insert(rest.end(), row, row + site.channels);
    }
  }
  in.first = walk.samples();
  in.x.insert(in.x.end(), rest.begin(), rest.end());
  for (const float v : in.x)
    if (!std::isfinite(v)) return BadInput("calibration: the inputs of node \"", site.readers[0]->loc, "\" are not all finite");
  return in;
}

}  // namespace

std::span<const Equalizer> AllEqualizers() { return kEqualizers; }

std::vector<std::string_view> EqualizerNames() {
  std::vector<std::string_view> names;
  for (const Equalizer& m : kEqualizers) names.push_back(m.name);
  return names;
}

std::string FoldNames(uint8_t folds) {
  std::string names;
  for (size_t i = 0; i < std::size(kEqualizers); ++i)
    if (folds >> i & 1) names += StrCat(names.empty() ? "" : ",", kEqualizers[i].name);
  return names;
}

std::vector<Site> Equalization::Sites() const {
  std::vector<Site> sites = FindSites(graph);
  std::erase_if(sites, [&](const Site& site) {
    const auto is_shared = [&](const ir::Node* n) { return shared.contains(n); };
    return std::any_of(site.readers.begin(), site.readers.end(), is_shared) ||
           std::any_of(site.makers.begin(), site.makers.end(), [&](const MakerRows& rows) { return is_shared(rows.linear); }) ||
           std::any_of(site.gates.begin(), site.gates.end(), [&](const MakerRows& rows) { return is_shared(rows.linear); });
  });
  return sites;
}

SiteLoss Equalization::LossOf(const Site& site, SiteInputs in) const {
  std::vector<Rounding> of;
  for (const ir::Node* reader : site.readers) of.push_back(roundings.at(reader));
  return SiteLoss(site.readers, of, site.channels, std::move(in));
}

Status ForSites(Equalization& e, std::span<const Site> sites, const SiteFunction& f) {
  const Chunks few = FirstOf(e.samples);
  WalkOptions options;
  options.ways = {Way::kOriginal};
  options.folder = e.options.folder, options.cancel = e.options.cancel;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Walk> walk, Walk::Create(e.graph, few, options, e.pool));
  for (size_t i = 0; i < sites.size(); ++i) {
    if (e.options.cancel && *e.options.cancel) return Status(Code::kCancelled, "interrupted");
    HST_RETURN_IF_ERROR(walk->AdvanceTo(*sites[i].readers[0], nullptr));
    HST_ASSIGN_OR_RETURN(SiteInputs in, InputsOf(*walk, sites[i], few.context));
    HST_RETURN_IF_ERROR(f(sites[i], std::move(in)));
    if (e.update) e.update(i + 1, sites.size());
  }
  return {};
}

size_t Best(std::span<const double> losses) {
  constexpr double kWorthwhile = 0.995;   // nothing is rewritten for noise
  const size_t least = static_cast<size_t>(std::min_element(losses.begin(), losses.end()) - losses.begin());
  return losses[least] < kWorthwhile * losses[0] ? least : 0;
}

Status Equalize(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples, const EqualizeOptions& options, ThreadPool& pool, Rewriter::Folds* folds) {
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<WeightFile> file, WeightFile::Create(options.folder));
  Rewriter rewriter(graph, *file, pool);
  Equalization e{graph, samples, options, pool, rewriter, {}, {}, {}, {}};
  ReadPlan(graph, plan, &e);
  uint64_t ran = 0;
  for (const Equalizer& method : kEqualizers) {
    if (std::find(options.methods.begin(), options.methods.end(), method.name) == options.methods.end()) continue;
    if (options.update)
      e.update = [&](uint64_t done, uint64_t total) { options.update(ran * total + done, options.methods.size() * total); };
    rewriter.By(static_cast<uint8_t>(1 << (&method - kEqualizers)));
    std::string done;
    HST_RETURN_IF_ERROR(method.run(e, &done));
    if (options.notes) options.notes->push_back(StrCat("equalize ", method.name, ": ", done));
    ++ran;
  }
  if (folds) *folds = rewriter.folds();
  return {};
}

}  // namespace hasten::calib
