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
#include "compiler/onnx/import.h"
#include "passes/recognize/roles.h"
#include "runtime/base/status.h"

namespace hasten::calib {

// Sequences of one length, each after `past_length` cached tokens of its own.
struct TokenBatch {
  std::span<const int32_t> tokens;        // [sequences][length]
  int64_t sequences = 1, length = 0, past_length = 0;
  std::span<const ir::Tensor> past;       // a tensor for each cache input, in order of graph.inputs(); empty: no past
};

// Inputs for a batch of a language model's graph, in the order of graph.inputs();
// `roles` are AssignRoles' of that graph. Ids as given, mask ones, positions from
// past_length on, token types 0.
Result<std::vector<ir::Tensor>> BatchInputs(const ir::Graph& graph, const recognize::Roles& roles, const TokenBatch& batch);
// The same for one whole sequence without a past.
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

  // Whether it takes several sequences at once, and whether what it has computed of a
  // sequence can be given back to it: cache inputs, each with its output.
  bool batches() const { return batches_; }
  bool cached() const { return !present_.empty(); }
  struct Output {
    ir::Tensor logits;                    // fp32 [sequences * length, vocab]
    std::vector<ir::Tensor> present;      // for each cache input; empty when not cached()
  };
  Result<Output> Run(const TokenBatch& batch);
  // The names of the cache inputs, in the order of Output::present.
  const std::vector<std::string>& caches() const { return caches_; }

  // SHA-256 of the model's files, as DigestSource's: reads every byte the first time.
  const std::string& digest();
  int64_t bytes() const;
  // Where tokenizer.json and its like would be; the model file's own name.
  const std::string& folder() const { return imported_.folder; }
  const std::string& name() const { return imported_.files[0].name; }

 private:
  ReferenceModel() = default;
  void FindCache();
  ImportedModel imported_;
  std::unique_ptr<ir::Graph> graph_;
  recognize::Roles roles_;
  std::unique_ptr<interp::Interpreter> interpreter_;
  size_t logits_ = 0;              // which output
  std::vector<size_t> present_;    // which outputs, in order of the cache inputs
  std::vector<std::string> caches_;
  bool batches_ = false;
  std::string digest_;
};

// kBadInput when a token of the reference's has another number of logits than the
// candidate's vocabulary: they are not the same model, and its ids may not even exist.
Status CheckSameVocabulary(ReferenceModel& reference, int64_t vocab);

// The output that holds logits or hidden states: the one named "logits", else
// the first of rank 3, else output 0.
size_t MainOutput(const ir::Graph& graph);

}  // namespace hasten::calib
