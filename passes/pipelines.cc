// The pipelines: which passes run in which order, and why each stands there.
#include <algorithm>

#include "passes/pass.h"

namespace hasten::passes {
namespace {

constexpr PipelineRow kCanonicalize[] = {
    {"infer_types", "everything below asks for types and symbolic dims"},
    {"to_fp32", "recognition sees one dtype; first, so that folding folds in f32"},
    {"constant_fold", "constant nodes become weights; exporters leave shape and mask arithmetic on constants"},
    {"shape_fold", "shapes that symbolic dims prove constant, and the targets of reshapes"},
    {"normalize", "one spelling for split, flatten and scalars, before rules that match them"},
    {"simplify", "identities, casts and chains of views that exporters and the passes above left"},
    {"constant_fold", "what shape_fold made constant"},
    {"cse", "exporters repeat masks, rotary tables and shape reads once a layer"},
    {"dce", "what folding and merging left without readers"},
    {"infer_types", "the rewritten nodes' types, for recognition"},
};

constexpr PipelineRow kCompile[] = {
    {"constant_fold", "exporters leave shape and mask arithmetic on constants"},
    {"shape_fold", "TorchScript repeats elements by the indices of a mask whose size it reads from shapes"},
    {"constant_fold", "those indices, once the shapes are known"},
    {"recognize", "the runtime executes semantic ops on rows"},
    {"fuse_bias", "before linears are joined, so that their biases are joined too"},
    {"fuse_linears", "one quantization of the input and one barrier instead of three"},
    {"fuse_gated_act", "after the gate and up projections stand side by side"},
    {"dce", "what recognition and fusion left without readers"},
};

constexpr Pipeline kPipelines[] = {
    {"canonicalize", "the normal form that people and tests read", kCanonicalize},
    {"compile", "from an imported graph to what the plan lowers", kCompile},
};

}  // namespace

std::span<const Pipeline> AllPipelines() { return kPipelines; }

const Pipeline* FindPipeline(std::string_view name) {
  const auto it = std::find_if(std::begin(kPipelines), std::end(kPipelines), [&](const Pipeline& p) { return p.name == name; });
  return it == std::end(kPipelines) ? nullptr : it;
}

}  // namespace hasten::passes
