#include "passes/opt.h"

#include <algorithm>

#include "compiler/ir/ops.h"
#include "compiler/ir/text.h"

namespace hasten::passes {

Result<std::string> RunOpt(std::string_view text, std::span<const std::string> names, const OptOptions& options, RunReport* report) {
  HST_ASSIGN_OR_RETURN(const std::vector<const PassInfo*> list, ResolvePasses(names));
  ir::ParseOptions parse;
  parse.blob = options.blob;
  parse.allow_missing_blobs = options.random_weights;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<ir::Graph> graph, ir::Parse(text, parse));
  // The graph came from a file: what is wrong with it is the file's fault.
  if (const Status s = ir::Verify(*graph); !s.ok()) return BadInput("the text reads, but is no valid graph: ", s.message());
  HST_RETURN_IF_ERROR(RunPasses(*graph, list, options.run, report));
  return ir::Print(*graph);
}

std::string ListPasses() {
  size_t width = 0;
  for (const PassInfo& p : AllPasses()) width = std::max(width, p.name.size());
  const auto row = [&](std::string_view name, std::string_view what) {
    return StrCat("  ", name, std::string(width + 2 - std::min(width, name.size()), ' '), what, "\n");
  };
  std::string out = "passes\n";
  for (const PassInfo& p : AllPasses()) {
    std::string numerics;
    switch (p.numerics.kind) {
      case Numerics::Kind::kExact: numerics = "exact"; break;
      case Numerics::Kind::kBounded: numerics = StrCat("bounded(", p.numerics.eps, ")"); break;
      case Numerics::Kind::kMetric: numerics = "metric"; break;
    }
    out += row(p.name, StrCat(p.description, " [", numerics, "]"));
  }
  for (const Pipeline& p : AllPipelines()) {
    out += StrCat("\npipeline ", p.name, ": ", p.description, "\n");
    for (const PipelineRow& r : p.rows) out += row(r.pass, r.reason);
  }
  return out;
}

}  // namespace hasten::passes
