// Any number of sequences in one context, evaluated several at a time: batches and
// shared beginnings, as a server has them. Over the public C interface, like Session.
#pragma once

#include <memory>
#include <span>
#include <thread>

#include "calib/abi/artifact.h"

namespace hasten::calib {

struct BatchItem {
  hst_sequence sequence = 0;
  std::span<const int32_t> tokens;
  Rows want = Rows::kLast;
};

class BatchSession {
 public:
  // `artifact` outlives the session; capacity: tokens of all sequences together.
  static Result<std::unique_ptr<BatchSession>> Create(const Artifact& artifact, const SessionOptions& options);
  ~BatchSession();
  BatchSession(const BatchSession&) = delete;
  BatchSession& operator=(const BatchSession&) = delete;

  Result<hst_sequence> New();
  // A second sequence with the same tokens so far; their cache is shared.
  Result<hst_sequence> Fork(hst_sequence source);
  Status Free(hst_sequence sequence);
  Status Evaluate(std::span<const BatchItem> items);
  // Of the main output, for an item of the last call.
  Result<RowBlock> RowsOf(size_t item);
  // As Session::Sample.
  Result<int32_t> Sample(std::span<const float> logits, std::span<const int32_t> history, const Sampling& sampling);
  // A layer's cached keys and values as fp32, [kv_heads][length][head_dim].
  Status ExportLayer(hst_sequence sequence, uint32_t layer, std::span<float> keys, std::span<float> values);

 private:
  BatchSession() = default;
  hst_context* context_ = nullptr;
  uint32_t output_ = 0;
  std::jthread watcher_;   // turns the cancel flag into hst_cancel
};

}  // namespace hasten::calib
