// The pipelines: which passes run in which order, and why each stands there.
#include <algorithm>

#include "passes/pass.h"

namespace hasten::passes {
namespace {

constexpr PipelineRow kCanonicalize[] = {
    {"constant_fold", "exporters leave shape and mask arithmetic on constants"},
    {"cse", "exporters repeat masks, rotary tables and shape reads once a layer"},
    {"dce", "what folding and merging left without readers"},
};

constexpr Pipeline kPipelines[] = {
    {"canonicalize", "the normal form that recognition reads", kCanonicalize},
};

}  // namespace

std::span<const Pipeline> AllPipelines() { return kPipelines; }

const Pipeline* FindPipeline(std::string_view name) {
  const auto it = std::find_if(std::begin(kPipelines), std::end(kPipelines), [&](const Pipeline& p) { return p.name == name; });
  return it == std::end(kPipelines) ? nullptr : it;
}

}  // namespace hasten::passes
