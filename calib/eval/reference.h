// The reference of an evaluation: the original model, imported and interpreted
// as it stands, with no pass run on it. It therefore shares with the compiled
// artifact nothing but the import.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "compiler/interp/interp.h"
#include "compiler/ir/graph.h"
#include "passes/recognize/roles.h"
#include "runtime/base/status.h"

namespace hasten::calib {

// Inputs for one whole sequence (no past) of a language model's graph, in the
// order of graph.inputs(); `roles` are AssignRoles' of that graph. Ids as given,
// mask ones, positions 0.., token types 0, caches empty.
Result<std::vector<ir::Tensor>> SequenceInputs(const ir::Graph& graph, const recognize::Roles& roles,
                                               std::span<const int32_t> tokens);

class ReferenceModel {
 public:
  // `model`: a folder or an .onnx file. `cancel` outlives the object.
  static Result<std::unique_ptr<ReferenceModel>> Open(const std::string& model, int threads, const std::atomic<bool>* cancel);

  // The main output, fp32 [tokens, cols], or [1, cols] where it is pooled (a class
  // of the whole text).
  Result<ir::Tensor> MainRows(std::span<const int32_t> tokens);
  // The logits of every token of the sequence, fp32 [tokens, vocab].
  Result<ir::Tensor> Logits(std::span<const int32_t> tokens);

 private:
  ReferenceModel() = default;
  std::unique_ptr<ir::Graph> graph_;
  recognize::Roles roles_;
  std::unique_ptr<interp::Interpreter> interpreter_;
  size_t logits_ = 0;  // which output
};

// The output that holds logits or hidden states: the one named "logits", else
// the first of rank 3, else output 0.
size_t MainOutput(const ir::Graph& graph);

}  // namespace hasten::calib
