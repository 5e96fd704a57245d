// What docs/cuda.md asks of a device, from the figures of one gpu-check.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace hasten::check {

using Json = nlohmann::ordered_json;

// A synthetic model's figures: reports of `hasten bench --json`, null where it did not run.
struct ModelFigures {
  Json one, eight, many;       // 1, 8 and 32 sequences
  Json prompt;                 // a prompt of 2,048 in one step
  Json tensors;                // of `hasten inspect --json`
};

// A row a goal: {"goal", "needed", "value", "met"}; value and met are null where a figure is missing.
Json Goals(const Json& kernels, const ModelFigures& small, const ModelFigures& large);
// The rows as lines.
std::string GoalsText(const Json& goals);

}  // namespace hasten::check
