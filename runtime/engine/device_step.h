// A context's steps on a device: its queue and arena, the upload of what a step needs, and
// the launches, recorded and replayed where steps have the same shape (decoding).
//
// A step that decodes one token of each of n sequences is filled up to the next power of
// two with rows that nobody asked for, of a sequence in the pool's spare block; so a few
// recordings serve every batch. A recording holds addresses and counts alone; what differs
// from step to step (ids, positions, pages) is read from memory at a fixed place.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "runtime/engine/kv_pool.h"
#include "runtime/engine/model.h"
#include "runtime/engine/step.h"

namespace hasten {

struct InstructionProfile {
  uint64_t calls = 0, nanoseconds = 0;
};

class DeviceStep {
 public:
  // Arena and scratch for steps of up to `max_rows` rows. `stream`: see Device::NewQueue.
  static Result<std::unique_ptr<DeviceStep>> Create(const Model& model, int64_t max_rows, void* stream);
  // The cache is made after the queue; scratch depends on how many tokens it holds.
  Status UseCache(const KvPool& pool);

  Device& device() const { return *device_; }
  Queue& queue() const { return *queue_; }
  std::byte* arena() const { return arena_.data(); }

  // The step's tokens, filled by the context and by Pad.
  struct Rows {
    std::vector<int32_t>&ids, &positions, &types, &output_rows;
  };
  void Clear() { sequences_.clear(), blocks_.clear(); }
  void AddSequence(int64_t row, int64_t rows, int64_t past, std::span<const int32_t> blocks);
  // Appends rows that fill the step up, where it decodes.
  void Pad(Rows rows);
  // Puts the step into the queue. `cancel` is asked once, before it; with a profile every
  // instruction is waited for and measured.
  Status Run(const Rows& rows, const RopeTables& rope, std::span<InstructionProfile> profile);
  // Until all is done; the queue's first failure.
  Status Wait();
  // Chooses tokens; null where no kernel takes the vocabulary.
  const DeviceKernel<SampleArgs>* sampler() const { return sampler_; }

 private:
  // Where a step's arrays begin in the staging memory; all but `blocks` are the same for
  // steps of the same shape.
  struct Layout {
    uint64_t ids, positions, types, output_rows, row_sequence, sequences, tiles, blocks, bytes;
  };
  using Shape = std::tuple<int64_t, int64_t, int64_t>;   // rows, outputs, most keys
  struct Recording {
    bool warm = false;                  // its kernels have run before: only then it is recorded
    std::unique_ptr<DeviceGraph> graph;
  };

  DeviceStep() = default;
  Layout LayoutOf(const Rows& rows) const;
  Status Stage(const Rows& rows, const Layout& l);
  Step StepOf(const Rows& rows, const Layout& l, const RopeTables& rope);
  Status RunMeasured(const Step& step, std::span<InstructionProfile> profile);
  void Launch(const Step& step) const;

  const Model* model_ = nullptr;
  std::shared_ptr<Device> device_;
  std::unique_ptr<Queue> queue_;
  DeviceMemory arena_, staging_, host_staging_;
  std::vector<PagedCache> caches_;
  std::vector<PagedSequence> sequences_;
  std::vector<PagedTile> tiles_;
  std::vector<int32_t> blocks_;
  const DeviceKernel<SampleArgs>* sampler_ = nullptr;
  int64_t max_rows_ = 0, most_keys_ = 0;
  int32_t spare_block_ = 0;
  bool decodes_ = false;                // all sequences of the step have one row
  bool in_flight_ = false;              // the staging memory may still be read
  int64_t recorded_positions_ = 0;      // of the RoPE tables, which only grow
  std::map<Shape, Recording> recordings_;
};

}  // namespace hasten
