// Any number of sequences in one context, evaluated several at a time: batches and
// shared beginnings, as a server has them. Over the public C interface, like Session.
#pragma once

#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "calib/abi/artifact.h"

namespace hasten::calib {

// Tokens of a page of the cache, which sequences do not share: the last one of each may be part empty.
inline constexpr int64_t kCachePage = 64;

struct BatchItem {
  hst_sequence sequence = 0;
  std::span<const int32_t> tokens;
  Rows want = Rows::kLast;
};

// A token to choose from the last row of an item of the last call.
struct BatchChoice {
  size_t item = 0;
  std::span<const int32_t> history;   // as Session::SampleNext
  Sampling sampling;
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
  // All together; on a device the rows stay there. -1 where no token can be chosen: a logit
  // is NaN, or all are -inf.
  Result<std::vector<int32_t>> SampleNext(std::span<const BatchChoice> choices);
  // A layer's cached keys and values as fp32, [kv_heads][length][head_dim].
  Status ExportLayer(hst_sequence sequence, uint32_t layer, std::span<float> keys, std::span<float> values);

 private:
  BatchSession() = default;
  std::vector<int64_t> rows_;   // of the items of the last call
  hst_context* context_ = nullptr;
  uint32_t output_ = 0;
  std::jthread watcher_;   // turns the cancel flag into hst_cancel
};

}  // namespace hasten::calib
