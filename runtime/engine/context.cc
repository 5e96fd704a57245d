// A context's making and its sequences. Evaluating is in evaluate.cc, a
// sequence's cached state in kv_state.cc.
#include "runtime/engine/context.h"

#include <algorithm>
#include <thread>

#include "runtime/base/checked.h"
#include "runtime/base/fp_env.h"

namespace hasten {
namespace {

constexpr int64_t kDefaultRows = 512;
constexpr int64_t kDefaultTokens = 8192;  // KV of one long conversation without a word from the caller
constexpr int64_t kMaxRows = 1 << 20;
constexpr int64_t kMaxTokens = int64_t{1} << 31;
// A sequence's id is a counter above its slot's number.
constexpr uint64_t kSlotBits = 20;

Status CheckRange(const char* what, int64_t v, int64_t most) {
  if (v >= 0 && v <= most) return {};
  return UsageError(what, " is ", v, "; 0 (automatic) to ", most, " are allowed");
}

}  // namespace

Result<std::unique_ptr<Context>> Context::Create(std::shared_ptr<const Model> model, const ContextOptions& options) {
  const ScopedFpEnv fp;
  std::unique_ptr<Context> c(new Context);
  HST_RETURN_IF_ERROR(c->Init(std::move(model), options));
  return c;
}

Status Context::Init(std::shared_ptr<const Model> model, const ContextOptions& options) {
  model_ = std::move(model);
  const int64_t limit = model_->max_positions();
  HST_RETURN_IF_ERROR(CheckRange("threads", options.threads, 256));
  HST_RETURN_IF_ERROR(CheckRange("max_rows", options.max_rows, kMaxRows));
  HST_RETURN_IF_ERROR(CheckRange("kv_tokens", options.kv_tokens, kMaxTokens));
  HST_RETURN_IF_ERROR(CheckRange("prefill_chunk", options.prefill_chunk, kMaxRows));
  max_rows_ = options.max_rows ? options.max_rows : model_->causal() ? kDefaultRows : std::min(limit, kDefaultTokens);
  chunk_ = options.prefill_chunk ? std::min(options.prefill_chunk, max_rows_) : max_rows_;
  cancel_ = options.cancel;
  const int64_t tokens = options.kv_tokens ? options.kv_tokens : model_->causal() ? std::min(limit, kDefaultTokens) : kDefaultTokens;
  if (model_->on_device()) {
    HST_RETURN_IF_ERROR(InitOnDevice({max_rows_, options.kv_tokens, tokens}, options.stream));
  } else {
    if (options.stream) return UsageError("stream: the model runs on the CPU, which has none");
    HST_ASSIGN_OR_RETURN(pool_, KvPool::Create(model_->layers(), tokens));
    const Checked arena = Checked(model_->program().arena_bytes_per_row()) * static_cast<uint64_t>(max_rows_);
    if (!arena.ok()) return ResourceError("an arena of ", max_rows_, " rows is too large");
    HST_ASSIGN_OR_RETURN(arena_, Pages::Allocate(arena.value(), "the arena"));
  }
  const int threads = options.threads ? options.threads : std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 256);
  HST_ASSIGN_OR_RETURN(auto pool, ThreadPool::Create(threads));
  runner_ = std::make_unique<Runner>(std::move(pool));
  for (const fb::Output* o : *model_->program().outputs())
    if (o->row() >= 0) pooled_rows_.push_back(o->row());
  if (options.profile) profile_.resize(model_->instructions().size());
  stores_.resize(model_->program().outputs()->size());   // on a device they are there already
  return {};
}

Status Context::InitOnDevice(const DeviceDemand& demand, void* stream) {
  HST_ASSIGN_OR_RETURN(device_, DeviceStep::Create(*model_, demand, stream));
  const DevicePlan& plan = device_->plan();
  HST_ASSIGN_OR_RETURN(pool_, KvPool::CreateOn(device_->device(), device_->queue(), model_->layers(), plan.cache_blocks * kKvPageTokens));
  device_->UseCache(pool_);
  HST_ASSIGN_OR_RETURN(rope_, model_->Rope(0, plan.positions));
  sampling_.Use(device_->MemoryOf(plan.sampling));
  for (const DevicePlan::Part& rows : plan.rows) stores_.emplace_back().Use(device_->MemoryOf(rows));
  return {};
}

Context::Slot* Context::Find(SequenceId id) const {
  const uint64_t slot = id & ((1u << kSlotBits) - 1);
  return id != 0 && slot < slots_.size() && slots_[slot].id == id ? &slots_[slot] : nullptr;
}

Status Context::NoSequence(SequenceId id) { return UsageError("sequence ", id, " does not exist in this context"); }

SequenceId Context::CreateSequence() {
  size_t at = 0;
  while (at < slots_.size() && slots_[at].id != 0) ++at;
  if (at >> kSlotBits) return 0;
  if (at == slots_.size()) slots_.emplace_back();
  slots_[at].cache = pool_.NewSequence();
  return slots_[at].id = next_id_++ << kSlotBits | at;
}

Result<SequenceId> Context::ForkSequence(SequenceId source) {
  if (!Find(source)) return NoSequence(source);
  const SequenceId id = CreateSequence();
  if (id == 0) return ResourceError("too many sequences");
  try {
    Find(id)->cache = pool_.Fork(Find(source)->cache);
  } catch (...) {
    *Find(id) = Slot{};
    throw;
  }
  return id;
}

Status Context::TruncateSequence(SequenceId id, int64_t length) {
  Slot* s = Find(id);
  if (!s) return NoSequence(id);
  if (length < 0 || length > s->cache.length)
    return UsageError("cannot truncate a sequence of ", s->cache.length, " tokens to ", length);
  pool_.Truncate(s->cache, length);
  return {};
}

Status Context::FreeSequence(SequenceId id) {
  Slot* s = Find(id);
  if (!s) return NoSequence(id);
  pool_.Truncate(s->cache, 0);
  *s = Slot{};
  return {};
}

Result<int64_t> Context::SequenceLength(SequenceId id) const {
  const Slot* s = Find(id);
  if (!s) return NoSequence(id);
  return s->cache.length;
}

}  // namespace hasten
