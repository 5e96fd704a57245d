// A context's steps on a device: its queue and memory, the upload of what a step needs, and
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

#include "runtime/engine/device_plan.h"
#include "runtime/engine/kv_pool.h"
#include "runtime/engine/model.h"
#include "runtime/engine/planned_memory.h"
#include "runtime/engine/step.h"

namespace hasten {

struct InstructionProfile {
  uint64_t calls = 0, nanoseconds = 0;
};

class DeviceStep {
 public:
  static constexpr int64_t kMostDecodeRows = 256;   // a larger step gains nothing from a recording
  static constexpr int64_t kLeastKeys = 256;        // one split of attention
  // Staging memory of steps of up to `rows` rows and as many sequences, with `blocks` pages in all.
  static uint64_t StagingBytes(uint64_t rows, uint64_t blocks);

  // Plans and allocates all that steps need. `stream`: see Device::NewQueue.
  static Result<std::unique_ptr<DeviceStep>> Create(const Model& model, const DeviceDemand& demand, void* stream);
  // The cache, of the planned number of blocks, is made after the queue.
  void UseCache(const KvPool& pool);
  const DevicePlan& plan() const { return plan_; }
  std::span<std::byte> MemoryOf(const DevicePlan::Part& part) const { return {memory_.data() + part.at, part.bytes}; }

  Device& device() const { return *device_; }
  Queue& queue() const { return *queue_; }
  std::byte* arena() const { return memory_.data() + plan_.arena.at; }

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
  static Layout LayoutOf(uint64_t rows, uint64_t types, uint64_t outputs, uint64_t sequences, uint64_t tiles, uint64_t blocks);
  Status Stage(const Rows& rows, const Layout& l);
  Step StepOf(const Rows& rows, const Layout& l, const RopeTables& rope);
  Status RunMeasured(const Step& step, std::span<InstructionProfile> profile);
  void Launch(const Step& step) const;

  const Model* model_ = nullptr;
  std::shared_ptr<Device> device_;
  DevicePlan plan_;
  DeviceMemory memory_;                 // the plan's block
  std::unique_ptr<Queue> queue_;
  PlannedMemory staging_;
  DeviceMemory host_staging_;
  std::vector<PagedCache> caches_;
  std::vector<PagedSequence> sequences_;
  std::vector<PagedTile> tiles_;
  std::vector<int32_t> blocks_;
  const DeviceKernel<SampleArgs>* sampler_ = nullptr;
  int64_t max_rows_ = 0;
  int32_t spare_block_ = 0;
  bool decodes_ = false;                // all sequences of the step have one row
  bool in_flight_ = false;              // the staging memory may still be read
  std::vector<const float*> recorded_ropes_;   // the RoPE tables that recordings read
  std::map<Shape, Recording> recordings_;
};

}  // namespace hasten
