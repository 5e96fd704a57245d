// The table of passes, made from the rows of passes.def, and look-up by name.
// Rows, not self-registration: linkers drop unreferenced objects from archives.
#include <algorithm>

#include "passes/nearest.h"
#include "passes/pass.h"

namespace hasten::passes {

#define HASTEN_PASS(name, function, numerics, description) Status function(ir::Graph& graph, PassContext& context);
#include "passes/passes.def"
#undef HASTEN_PASS

namespace {
constexpr PassInfo kPasses[] = {
#define HASTEN_PASS(name, function, numerics, description) {#name, description, numerics, function},
#include "passes/passes.def"
#undef HASTEN_PASS
};
}  // namespace

std::span<const PassInfo> AllPasses() { return kPasses; }

const PassInfo* FindPass(std::string_view name) {
  const auto it = std::find_if(std::begin(kPasses), std::end(kPasses), [&](const PassInfo& p) { return p.name == name; });
  return it == std::end(kPasses) ? nullptr : it;
}

Result<const PassInfo*> RequirePass(std::string_view name) {
  if (const PassInfo* p = FindPass(name)) return p;
  std::vector<std::string_view> names;
  for (const PassInfo& p : kPasses) names.push_back(p.name);
  return UsageError("there is no pass \"", name, "\"; the nearest is \"", Nearest(name, names),
                    "\" (`hasten opt --list` shows them all)");
}

Result<std::vector<const PassInfo*>> ResolvePasses(std::span<const std::string> names) {
  std::vector<const PassInfo*> out;
  for (const std::string& name : names) {
    if (const Pipeline* pipeline = FindPipeline(name)) {
      for (const PipelineRow& row : pipeline->rows) {
        HST_ASSIGN_OR_RETURN(const PassInfo* pass, RequirePass(row.pass));
        out.push_back(pass);
      }
      continue;
    }
    if (const PassInfo* pass = FindPass(name)) {
      out.push_back(pass);
      continue;
    }
    std::vector<std::string_view> known;
    for (const PassInfo& p : kPasses) known.push_back(p.name);
    for (const Pipeline& p : AllPipelines()) known.push_back(p.name);
    return UsageError("there is no pass or pipeline \"", name, "\"; the nearest is \"", Nearest(name, known),
                      "\" (`hasten opt --list` shows them all)");
  }
  return out;
}

}  // namespace hasten::passes
