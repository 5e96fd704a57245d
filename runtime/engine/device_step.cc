#include "runtime/engine/device_step.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>

#include "runtime/kernels/attention/cuda/plan.h"

namespace hasten {
namespace {

constexpr uint64_t kAlignment = 256;

uint64_t AlignUp(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

Result<std::unique_ptr<DeviceStep>> DeviceStep::Create(const Model& model, const DeviceDemand& demand, void* stream) {
  std::unique_ptr<DeviceStep> d(new DeviceStep);
  d->model_ = &model;
  d->device_ = model.on_device()->device().shared_from_this();
  d->max_rows_ = demand.max_rows;
  HST_ASSIGN_OR_RETURN(d->queue_, d->device_->NewQueue(stream));
  HST_ASSIGN_OR_RETURN(d->plan_, PlanOnDevice(model, *d->queue_, demand));
  HST_ASSIGN_OR_RETURN(d->memory_, d->device_->Allocate(d->plan_.block_bytes, "a context's steps"));
  // In this place for good: recordings hold its address.
  const std::span<std::byte> scratch = d->MemoryOf(d->plan_.scratch);
  d->queue_->UseScratch(scratch.data(), scratch.size());
  d->sampler_ = SamplerOf(model, *d->queue_);
  d->staging_.Use(d->MemoryOf(d->plan_.staging));
  HST_ASSIGN_OR_RETURN(d->host_staging_, d->device_->AllocateHost(d->plan_.staging.bytes, "a step's tokens"));
  return d;
}

void DeviceStep::UseCache(const KvPool& pool) {
  const auto layers = model_->on_device()->layers();
  for (size_t l = 0; l < layers.size(); ++l) caches_.push_back({pool.layer_base(l), static_cast<int64_t>(pool.block_bytes())});
  spare_block_ = static_cast<int32_t>(pool.blocks());
}

void DeviceStep::AddSequence(int64_t row, int64_t rows, int64_t past, std::span<const int32_t> blocks) {
  if (sequences_.empty()) decodes_ = true;
  decodes_ = decodes_ && rows == 1;
  sequences_.push_back({static_cast<int32_t>(row), static_cast<int32_t>(rows), static_cast<int32_t>(past), static_cast<int32_t>(blocks_.size())});
  blocks_.insert(blocks_.end(), blocks.begin(), blocks.end());
}

void DeviceStep::Pad(Rows r) {
  const int64_t rows = static_cast<int64_t>(r.ids.size()), full = static_cast<int64_t>(std::bit_ceil(r.ids.size()));
  decodes_ = decodes_ && model_->causal() && full <= std::min(kMostDecodeRows, max_rows_) && r.output_rows.size() == r.ids.size();
  if (!decodes_) return;
  for (int64_t row = rows; row < full; ++row) {
    AddSequence(row, 1, 0, {&spare_block_, 1});
    r.ids.push_back(0), r.positions.push_back(0);
    if (!r.types.empty()) r.types.push_back(0);
    r.output_rows.push_back(static_cast<int32_t>(row));
  }
}

DeviceStep::Layout DeviceStep::LayoutOf(uint64_t rows, uint64_t types, uint64_t outputs, uint64_t sequences, uint64_t tiles, uint64_t blocks) {
  Layout l{};
  uint64_t at = 0;
  const auto take = [&](uint64_t count, uint64_t size) {
    const uint64_t begin = at;
    at = AlignUp(at + count * size);
    return begin;
  };
  l.ids = take(rows, 4), l.positions = take(rows, 4), l.types = take(types, 4);
  l.output_rows = take(outputs, 4), l.row_sequence = take(rows, 4);
  l.sequences = take(sequences, sizeof(PagedSequence)), l.tiles = take(tiles, sizeof(PagedTile));
  l.blocks = take(blocks, 4);
  l.bytes = at;
  return l;
}

uint64_t DeviceStep::StagingBytes(uint64_t rows, uint64_t blocks) { return LayoutOf(rows, rows, rows, rows, rows, blocks).bytes; }

Status DeviceStep::Stage(const Rows& r, const Layout& l) {
  if (in_flight_) HST_RETURN_IF_ERROR(Wait());
  if (l.bytes > staging_.size()) {
    recordings_.clear();   // they hold the old addresses
    host_staging_ = {};
    const uint64_t bytes = std::bit_ceil(l.bytes);
    HST_RETURN_IF_ERROR(staging_.Grow(bytes, *device_, "a step's tokens"));
    HST_ASSIGN_OR_RETURN(host_staging_, device_->AllocateHost(bytes, "a step's tokens"));
  }
  const auto put = [&](uint64_t at, const auto& values) {
    if (!values.empty()) std::memcpy(host_staging_.data() + at, values.data(), values.size() * sizeof(values[0]));
  };
  put(l.ids, r.ids), put(l.positions, r.positions), put(l.types, r.types), put(l.output_rows, r.output_rows);
  put(l.sequences, sequences_), put(l.tiles, tiles_), put(l.blocks, blocks_);
  auto* owner = reinterpret_cast<int32_t*>(host_staging_.data() + l.row_sequence);
  for (size_t s = 0; s < sequences_.size(); ++s)
    std::fill_n(owner + sequences_[s].row, sequences_[s].rows, static_cast<int32_t>(s));
  queue_->Upload(staging_.data(), host_staging_.data(), l.bytes);
  in_flight_ = true;
  return {};
}

Step DeviceStep::StepOf(const Rows& r, const Layout& l, const RopeTables& rope) {
  const auto ints = [&](uint64_t at) { return reinterpret_cast<const int32_t*>(staging_.data() + at); };
  Step s;
  s.arena = arena();
  s.rows = static_cast<int64_t>(r.ids.size()), s.outputs = static_cast<int64_t>(r.output_rows.size());
  s.ids = ints(l.ids), s.positions = ints(l.positions), s.types = r.types.empty() ? nullptr : ints(l.types);
  s.output_rows = ints(l.output_rows);
  s.rope = rope.pointers;
  s.queue = queue_.get();
  s.caches = caches_;
  s.paged.sequences = reinterpret_cast<const PagedSequence*>(staging_.data() + l.sequences);
  s.paged.row_sequence = ints(l.row_sequence), s.paged.blocks = ints(l.blocks);
  s.paged.tiles = reinterpret_cast<const PagedTile*>(staging_.data() + l.tiles);
  s.paged.rows = s.rows, s.paged.tile_count = static_cast<int64_t>(tiles_.size());
  int64_t keys = kLeastKeys;
  for (const PagedSequence& q : sequences_) keys = std::max<int64_t>(keys, q.past + q.rows);
  s.paged.most_keys = std::min(plan_.most_keys, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(keys))));
  return s;
}

void DeviceStep::Launch(const Step& step) const {
  for (const Instruction* i : model_->device_launches()) i->Run(step);
}

Status DeviceStep::RunMeasured(const Step& step, std::span<InstructionProfile> profile) {
  for (size_t i = 0; i < profile.size(); ++i) {
    HST_RETURN_IF_ERROR(Wait());
    const auto start = std::chrono::steady_clock::now();
    model_->instructions()[i]->Run(step);
    HST_RETURN_IF_ERROR(Wait());
    const auto spent = std::chrono::steady_clock::now() - start;
    profile[i].calls += 1;
    profile[i].nanoseconds += static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count());
  }
  return {};
}

Status DeviceStep::Run(const Rows& rows, const RopeTables& rope, std::span<InstructionProfile> profile) {
  cuda::PlanTiles(sequences_, cuda::kPagedTileRows, tiles_);
  const Layout layout = LayoutOf(rows.ids.size(), rows.types.size(), rows.output_rows.size(), sequences_.size(), tiles_.size(), blocks_.size());
  HST_RETURN_IF_ERROR(Stage(rows, layout));
  const Step step = StepOf(rows, layout, rope);
  if (!profile.empty()) return RunMeasured(step, profile);
  if (recorded_ropes_ != rope.pointers) recordings_.clear(), recorded_ropes_ = rope.pointers;
  if (!decodes_) {
    Launch(step);
  } else {
    Recording& r = recordings_[{step.rows, step.outputs, step.paged.most_keys}];
    if (r.warm && !r.graph) r.graph = queue_->Record([&, this] { Launch(step); });
    if (r.graph) queue_->Replay(*r.graph);
    else Launch(step);
    r.warm = true;
  }
  return queue_->launches().error ? Wait() : Status();
}

Status DeviceStep::Wait() {
  in_flight_ = false;
  return queue_->Wait();
}

}  // namespace hasten
