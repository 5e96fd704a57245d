// A context: the state that evaluating needs: KV cache, sequences, arena,
// threads. Evaluates the tokens of several sequences at once, in steps of a
// bounded number of rows; the bits of a row depend on its own sequence alone
// (docs/numerics.md), so how tokens are cut into calls and steps is free.
// Not thread-safe: one call at a time. Several contexts of one model may run
// at once. Not a scheduler: what runs together is the caller's choice.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/device_step.h"
#include "runtime/engine/kv_pool.h"
#include "runtime/engine/memory.h"
#include "runtime/engine/model.h"
#include "runtime/engine/row_store.h"
#include "runtime/engine/step.h"

namespace hasten {

struct ContextOptions {
  int threads = 0;             // 0: one a hardware thread; with the caller
  int64_t kv_tokens = 0;       // tokens of all sequences together; 0: one sequence of the model's length, at most 8192, but on
                               // a device with a limit as many as that leaves room for
  int64_t max_rows = 0;        // rows of one step; 0: 512, for encoders the model's length, at most 8192
  int64_t prefill_chunk = 0;   // most tokens of one sequence in a step; 0: max_rows. Encoders ignore it
  bool profile = false;        // measure every instruction
  const std::atomic<bool>* cancel = nullptr;  // outlives the context; checked before every instruction, on a device before every step
  void* stream = nullptr;      // on a CUDA device: a cudaStream_t that outlives the context; null: its own
};

// Never reused within a context; 0 is none.
using SequenceId = uint64_t;

enum class Want : uint8_t { kNone = 0, kLast = 1, kAll = 2 };

struct EvalItem {
  SequenceId sequence = 0;
  std::span<const int32_t> tokens;       // at least one
  std::span<const int32_t> token_types;  // as many, or empty (all 0); encoders with segments only
  Want want = Want::kLast;               // of which tokens output rows are made
};

// Rows of one output, in memory of the context, until its next Evaluate.
struct OutputRows {
  const float* data = nullptr;
  int64_t rows = 0, cols = 0, stride = 0;
};

// A token to choose from row `row` of Output(item, output); `recent` and `position` as Sample has them.
struct SampleRequest {
  size_t item = 0, output = 0;
  int64_t row = 0;
  std::span<const int32_t> recent;
  int64_t position = 0;
  SampleOptions options;
};

class Context {
 public:
  static Result<std::unique_ptr<Context>> Create(std::shared_ptr<const Model> model, const ContextOptions& options = {});

  const Model& model() const { return *model_; }
  int threads() const { return runner_->threads(); }
  int64_t max_rows() const { return max_rows_; }
  // Tokens that can still be cached, in whole pages.
  int64_t free_kv_tokens() const { return pool_.free_blocks() * kKvPageTokens; }
  int64_t kv_tokens() const { return pool_.blocks() * kKvPageTokens; }
  // Of a device's memory, without the model's weights and tables; 0 on the CPU.
  uint64_t device_bytes() const { return device_ ? device_->plan().block_bytes + device_->plan().cache_bytes : 0; }

  SequenceId CreateSequence();  // 0 when there are 2^20 already
  // A second sequence with the same tokens; their cache is shared, not copied.
  Result<SequenceId> ForkSequence(SequenceId source);
  Status TruncateSequence(SequenceId id, int64_t length);  // kUsage beyond its length
  Status FreeSequence(SequenceId id);
  Result<int64_t> SequenceLength(SequenceId id) const;

  // Appends each item's tokens to its sequence; a sequence appears once. An
  // encoder's sequence is evaluated whole: what it held before is dropped, and
  // all of it must fit one step. Fails without a change to any sequence:
  // kUsage (token out of the vocabulary, longer than the model's positions,
  // unknown sequence), kResource (KV cache full, no memory), kCancelled.
  Status Evaluate(std::span<const EvalItem> items);
  // Rows that the last Evaluate made for item `item` of output `output` (an index
  // into program.outputs): one for kLast, one a token for kAll, none for kNone;
  // exactly one for outputs of a fixed row (pooled outputs), unless kNone.
  // On a device the rows come to the host when first asked for. kResource: it failed.
  Result<OutputRows> Output(size_t item, size_t output);
  // The tokens that Sample chooses (kernels/sample/contract.h) from rows of the last Evaluate, one
  // a request; on a device they are chosen there, together, and only they come to the host. The
  // first error of a row's own (kBadInput) is returned when all rows are done; its token is -1.
  Status SampleRows(std::span<const SampleRequest> requests, std::span<int32_t> tokens);

  // A sequence's cache as bytes in its exact form (kv_state.cc), for every cache
  // type: restored in a context of the same artifact it goes on with the same
  // bits. The span has exactly SavedBytes(id) bytes. RestoreKv fills an empty
  // sequence and trusts no byte: kBadInput, and the sequence stays empty.
  Result<uint64_t> SavedBytes(SequenceId id) const;
  Status SaveKv(SequenceId id, std::span<std::byte> out) const;
  Status RestoreKv(SequenceId id, std::span<const std::byte> in);

  // A sequence's keys or values of one layer as fp32, [kv_heads][length][dim]
  // with dim = head_dim (k) or v_head_dim (v). Exact for an fp32 cache; fp16 and
  // INT8 caches give what they hold. The spans must have exactly that size.
  Status ExportKv(SequenceId id, size_t layer, std::span<float> k, std::span<float> v) const;
  // Fills an empty sequence with `tokens` tokens of all layers; layout as above,
  // k[layer] and v[layer]. kUsage, kResource as Evaluate.
  Status ImportKv(SequenceId id, int64_t tokens, std::span<const float* const> k, std::span<const float* const> v);

  // By instruction; empty unless asked for in the options.
  std::span<const InstructionProfile> profile() const { return profile_; }

 private:
  struct Slot {
    KvPool::Sequence cache;
    SequenceId id = 0;  // 0: free
  };
  // An item's progress through one Evaluate.
  struct Progress {
    Slot* slot = nullptr;
    int64_t done = 0;       // tokens
    int64_t before = 0;     // length at the start
  };
  // One output's rows of an item.
  struct Piece {
    const float* data = nullptr;
    int64_t rows = 0;
    int64_t stride = 0;
  };

  Context() = default;
  Status Init(std::shared_ptr<const Model> model, const ContextOptions& options);
  Status InitOnDevice(const DeviceDemand& demand, void* stream);
  Slot* Find(SequenceId id) const;
  static Status NoSequence(SequenceId id);
  Status CheckEmpty(const Slot& slot, int64_t tokens, const char* what) const;  // and that `tokens` may enter it
  Status CheckItems(std::span<const EvalItem> items);
  Status ReserveItems(std::span<const EvalItem> items);
  void RollBack(std::span<const EvalItem> items);
  Status UseRope(std::span<const EvalItem> items);
  Status RunSteps(std::span<const EvalItem> items);
  bool FillStep(std::span<const EvalItem> items);   // true when it holds the last token of the call
  void AddRows(const EvalItem& item, Progress& p, int64_t count);
  Status RunStep();
  Status RunInstructions(const Step& step);
  Status RunStepOnDevice();
  Result<const Piece*> PieceOf(size_t item, size_t output) const;
  // sampling.cc
  Status CheckRequest(const SampleRequest& request) const;
  size_t VocabOf(size_t output) const;
  Status SampleHere(std::span<const SampleRequest> requests, std::span<int32_t> tokens);
  Status SampleOnDevice(std::span<const SampleRequest> requests, std::span<int32_t> tokens);
  Status GrowSampling(const SamplingLayout& layout);
  void GatherSampling(std::span<const SampleRequest> requests, const SamplingArrays& here, const SamplingArrays& there);
  std::byte* arena() const { return device_ ? device_->arena() : arena_.data(); }
  // A layer's page of a sequence in the host's memory, until the next call: its own, or
  // a copy of a device's. ChangedPage puts it back where it came from.
  Result<std::byte*> PageOf(const KvPool::Sequence& cache, size_t layer, size_t index) const;
  Status ChangedPage(const KvPool::Sequence& cache, size_t layer, size_t index) const;
  void CollectOutputs(std::span<const EvalItem> items, bool only_step);
  int64_t RowsWanted(const EvalItem& item, const fb::Output& out) const;
  Status PrepareStores(std::span<const EvalItem> items);

  std::shared_ptr<const Model> model_;
  std::shared_ptr<const RopeTables> rope_;
  std::unique_ptr<Runner> runner_;
  std::unique_ptr<DeviceStep> device_;   // null: steps run here
  KvPool pool_;
  Pages arena_;
  mutable DeviceMemory page_;            // PageOf's copy
  int64_t max_rows_ = 0, chunk_ = 0;
  const std::atomic<bool>* cancel_ = nullptr;
  std::vector<int32_t> pooled_rows_;  // token numbers that outputs of a fixed row need

  mutable std::vector<Slot> slots_;
  SequenceId next_id_ = 1;

  // The step being built; capacity is kept from step to step.
  struct StepItem {
    size_t item;
    int64_t row, rows;      // token rows of the step
    int64_t first_output, outputs;
  };
  std::vector<StepItem> step_items_;
  std::vector<int32_t> ids_, positions_, types_, output_rows_;
  std::vector<SequenceView> views_;

  std::vector<Progress> progress_;
  std::vector<SequenceId> called_;         // the call's sequences, sorted
  std::vector<Piece> pieces_;              // [item][output]
  std::vector<RowStore> stores_;            // by output: rows kept over several steps
  std::vector<DeviceMemory> fetched_;       // by piece: a device's rows, on the host
  std::vector<bool> is_fetched_;
  std::vector<std::byte> sample_work_;
  PlannedMemory sampling_;                  // a device's arguments and token
  DeviceMemory sampling_host_;
  std::vector<SampleArgs> sample_launches_;
  size_t items_ = 0;
  std::vector<InstructionProfile> profile_;
};

}  // namespace hasten
