#include "runtime/engine/device_plan.h"

#include <algorithm>

#include "runtime/base/checked.h"
#include "runtime/engine/device_step.h"
#include "runtime/engine/kv_pool.h"
#include "runtime/format/buffer_layout.h"

namespace hasten {
namespace {

constexpr uint64_t kAlignment = 256;
constexpr int64_t kMostTokens = int64_t{1} << 31;
constexpr uint64_t kSharedBlocks = 1 << 18;    // that a step lists more than once, of forks
// What an automatic cache leaves of the device's free memory: kernels' code, graphs, and what
// allocations lose to their granularity.
constexpr uint64_t kLeftFree = 256 << 20;

std::string Size(uint64_t bytes) {
  return bytes < 10'000'000 ? StrCat((bytes + 999) / 1000, " kB") : StrCat((bytes + 999'999) / 1'000'000, " MB");
}

class Planner {
 public:
  Planner(const Model& model, Queue& queue, int64_t max_rows)
      : model_(model), queue_(queue), max_rows_(max_rows), page_bytes_(KvPool::BlockBytes(model.layers())) {}

  // Invalid: it is too much to count.
  Checked BlockBytes() const { return page_bytes_; }

  // With so many blocks in the pool.
  DevicePlan With(int64_t blocks) {
    DevicePlan p;
    p.cache_blocks = blocks;
    p.positions = std::min(model_.max_positions(), blocks * kKvPageTokens);
    p.most_keys = std::max(p.positions, DeviceStep::kLeastKeys);
    total_ = 0;
    p.arena = Take(Checked(model_.program().arena_bytes_per_row()) * static_cast<uint64_t>(max_rows_));
    // The rows of as many sequences as decode together.
    p.sampled_rows = std::min(max_rows_, DeviceStep::kMostDecodeRows);
    p.scratch = Take(ScratchOf(p));
    p.staging = Take(StagingOf(p));
    p.sampling = Take(SamplingLayout(static_cast<uint64_t>(p.sampled_rows), static_cast<uint64_t>(p.positions)).bytes);
    // Of a call of several steps.
    const uint64_t kept = static_cast<uint64_t>(p.sampled_rows);
    for (const fb::Output* o : *model_.program().outputs()) p.rows.push_back(Take(Checked(FloatBytesPerRow(o->view()->cols())) * kept));
    if (total_.ok()) p.block_bytes = total_.value();
    p.rope_bytes = model_.NewRopeBytes(p.positions);
    const Checked cache = page_bytes_ * static_cast<uint64_t>(blocks + 1);
    if (cache.ok()) p.cache_bytes = cache.value();
    total_ = total_ + Checked(p.rope_bytes) + cache;
    return p;
  }
  // Of the last plan.
  Checked Total() const { return total_; }

 private:
  DevicePlan::Part Take(Checked bytes) {
    const Checked at = total_;
    total_ = total_ + bytes.AlignUp(kAlignment);
    return total_.ok() ? DevicePlan::Part{at.value(), bytes.value()} : DevicePlan::Part{};
  }

  // Kernels size it by counts and strides alone: the addresses are nobody's.
  uint64_t ScratchOf(const DevicePlan& p) const {
    Step largest;
    largest.arena = reinterpret_cast<std::byte*>(kAlignment);
    largest.rows = largest.outputs = max_rows_;
    largest.queue = &queue_;
    largest.paged.rows = largest.paged.tile_count = max_rows_;
    largest.paged.most_keys = p.most_keys;
    const std::vector<PagedCache> caches(model_.layers().size(), {largest.arena, static_cast<int64_t>(page_bytes_.ok() ? page_bytes_.value() : 0)});
    largest.caches = caches;
    const std::vector<const float*> ropes(model_.program().rope_tables() ? model_.program().rope_tables()->size() : 0);
    largest.rope = ropes;
    uint64_t scratch = 0;
    for (const auto& i : model_.instructions()) scratch = std::max(scratch, i->DeviceScratch(largest));
    const SampleArgs sample{.vocab = model_.vocab(), .rows = p.sampled_rows};
    const DeviceKernel<SampleArgs>* sampler = SamplerOf(model_, queue_);
    if (sampler && sampler->scratch) scratch = std::max<uint64_t>(scratch, sampler->scratch(sample, queue_.launches()));
    return scratch;
  }

  // A sequence a row, each with all the pages it can have, as far as the pool has them.
  uint64_t StagingOf(const DevicePlan& p) const {
    const auto rows = static_cast<uint64_t>(max_rows_), pages = static_cast<uint64_t>((p.positions + kKvPageTokens - 1) / kKvPageTokens);
    return DeviceStep::StagingBytes(rows, std::min(rows * pages, static_cast<uint64_t>(p.cache_blocks) + kSharedBlocks));
  }

  const Model& model_;
  Queue& queue_;
  const int64_t max_rows_;
  const Checked page_bytes_;
  Checked total_ = 0;
};

Status TooLarge(const DevicePlan& p, uint64_t total, const DeviceRoom& room, const DeviceDemand& demand) {
  uint64_t rows = 0;
  for (const DevicePlan::Part& part : p.rows) rows += part.bytes;
  const uint64_t steps = p.staging.bytes + p.sampling.bytes;
  const std::string there = room.limit ? StrCat(Size(room.limit - std::min(room.limit, room.used)), " are left of the limit of ", Size(room.limit),
                                                room.free < room.limit - std::min(room.limit, room.used) ? StrCat(", and the device has ", Size(room.free), " free") : "")
                                       : StrCat("the device has ", Size(room.free), " free");
  return ResourceError("out of device memory: a context needs ", Size(total), ": ", Size(p.arena.bytes), " for steps of ", demand.max_rows, " rows, ",
                       Size(p.scratch.bytes), " for the kernels' scratch, ", Size(steps), " for what steps read, ", Size(rows), " for output rows, ",
                       Size(p.rope_bytes), " for RoPE tables, ", Size(p.cache_bytes), " for a KV cache of ", p.cache_blocks * kKvPageTokens, " tokens; ", there,
                       "; give fewer ", demand.kv_tokens ? "kv_tokens, fewer " : "", "max_rows, or ",
                       room.limit ? "a larger limit (device_memory)" : "free memory of the device");
}

// The most blocks that fit, at least one.
int64_t MostBlocks(Planner& planner, uint64_t left, uint64_t block_bytes) {
  int64_t fits = 1, beyond = static_cast<int64_t>(std::min<uint64_t>(kMostTokens / kKvPageTokens, left / block_bytes)) + 1;
  while (beyond - fits > 1) {
    const int64_t middle = fits + (beyond - fits) / 2;
    planner.With(middle);
    (planner.Total().AtMost(left) ? fits : beyond) = middle;
  }
  return fits;
}

}  // namespace

const DeviceKernel<SampleArgs>* SamplerOf(const Model& model, const Queue& queue) {
  return SelectKernel(model.on_device()->device().kernels().table<SampleArgs>(), SampleArgs{.vocab = model.vocab(), .rows = 1}, queue.arch());
}

Result<DevicePlan> PlanOnDevice(const Model& model, Queue& queue, const DeviceDemand& demand) {
  Planner planner(model, queue, demand.max_rows);
  const DeviceRoom room = model.on_device()->device().Room();
  const bool rest = demand.kv_tokens == 0 && room.limit > 0 && planner.BlockBytes().ok() && planner.BlockBytes().value() > 0;
  uint64_t left = room.left();
  int64_t blocks = ((demand.kv_tokens ? demand.kv_tokens : demand.usual_kv_tokens) + kKvPageTokens - 1) / kKvPageTokens;
  if (rest) {
    left = std::min(left, room.free - std::min(room.free, kLeftFree));
    blocks = MostBlocks(planner, left, planner.BlockBytes().value());
  }
  DevicePlan plan = planner.With(blocks);
  if (!planner.Total().ok()) return ResourceError("steps of ", demand.max_rows, " rows and a KV cache of ", blocks * kKvPageTokens, " tokens are too large");
  if (!planner.Total().AtMost(left)) return TooLarge(plan, planner.Total().value(), room, demand);
  return plan;
}

}  // namespace hasten
