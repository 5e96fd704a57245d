// Which scheme and activation group a tensor gets: the defaults of the plan's
// options, and over them an ordered list of rules by name.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/ir/graph.h"
#include "runtime/base/status.h"
#include "runtime/quant/scheme.h"

namespace hasten::plan {

struct PlanOptions;

// What is absent stays as the rules before it, or the defaults, say.
struct SchemeRule {
  std::string tensor;                        // a pattern: `*` any characters, `?` one
  std::optional<Scheme> scheme;
  std::optional<int64_t> activation_group;   // 32, 64 or 128; more than the weights' group means the weights'
  std::optional<bool> activation_residual;   // inputs in INT8 with the rest in INT8 too
  bool operator==(const SchemeRule&) const = default;
};

struct TensorChoice {
  Scheme scheme = Scheme::kF32;
  int64_t activation_group = 0;
  bool activation_residual = false;
  bool operator==(const TensorChoice&) const = default;
};

bool MatchesPattern(std::string_view pattern, std::string_view name);

// The token table and linears of a graph as rules see them. A part of a linear is
// named by its weight, by the ONNX node it comes from, and by its role: "head" or
// "linear"; a token table by its weight, its node and "embed". A rule that is the
// whole name of a fused linear ("q+k+v") names all of its parts.
class RuleBook {
 public:
  explicit RuleBook(const PlanOptions& options);

  TensorChoice Embed(const ir::Node& embed);
  // A choice for each part, in order; `head`: whether its result is the model's.
  std::vector<TensorChoice> Linear(const ir::Node& linear, bool head);
  // kUsage for a rule that no call so far matched.
  Status CheckAllUsed() const;

 private:
  TensorChoice Choose(TensorChoice choice, std::string_view whole, std::span<const std::string_view> names);
  const PlanOptions& options_;
  std::vector<bool> used_;
  std::vector<std::string> seen_;   // names of tensors, for the message
};

// The weights' names of a linear, "q+k+v".
std::string NameOf(const ir::Node& linear);
// A linear whose result reaches an output through elementwise ops only.
bool IsHead(const ir::Graph& graph, const ir::Value* v, int depth = 0);

// Splits linears whose parts get different choices, part by part as far as needed:
// fusion joined them for speed alone. Exact: every column keeps its weights.
Status SplitLinears(ir::Graph& graph, const PlanOptions& options);

}  // namespace hasten::plan
