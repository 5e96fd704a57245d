// A context's making, its sequences and their cached state. Evaluating is in
// evaluate.cc.
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
  HST_ASSIGN_OR_RETURN(pool_, KvPool::Create(model_->layers(), tokens));
  const Checked arena = Checked(model_->program().arena_bytes_per_row()) * static_cast<uint64_t>(max_rows_);
  if (!arena.ok()) return ResourceError("an arena of ", max_rows_, " rows is too large");
  HST_ASSIGN_OR_RETURN(arena_, Pages::Allocate(arena.value(), "the arena"));
  const int threads = options.threads ? options.threads : std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 256);
  HST_ASSIGN_OR_RETURN(auto pool, ThreadPool::Create(threads));
  runner_ = std::make_unique<Runner>(std::move(pool));
  for (const fb::Output* o : *model_->program().outputs())
    if (o->row() >= 0) pooled_rows_.push_back(o->row());
  if (options.profile) profile_.resize(model_->instructions().size());
  stores_.resize(model_->program().outputs()->size());
  return {};
}

Context::Slot* Context::Find(SequenceId id) const {
  const uint64_t slot = id & ((1u << kSlotBits) - 1);
  return id != 0 && slot < slots_.size() && slots_[slot].id == id ? &slots_[slot] : nullptr;
}

namespace {
Status NoSequence(SequenceId id) { return UsageError("sequence ", id, " does not exist in this context"); }
}  // namespace

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

Status Context::ExportKv(SequenceId id, size_t layer, std::span<float> k, std::span<float> v) const {
  const ScopedFpEnv fp;
  const Slot* slot = Find(id);
  if (!slot) return NoSequence(id);
  if (layer >= model_->layers().size()) return UsageError("layer ", layer, " of ", model_->layers().size());
  const AttentionShape& s = model_->layers()[layer];
  const int64_t n = slot->cache.length, heads = s.kv_heads;
  if (k.size() != static_cast<size_t>(heads * n * s.head_dim) || v.size() != static_cast<size_t>(heads * n * s.v_head_dim))
    return UsageError("KV export of layer ", layer, ": room for ", k.size(), " and ", v.size(), " values, needed ",
                      heads * n * s.head_dim, " and ", heads * n * s.v_head_dim);
  std::vector<float> key(static_cast<size_t>(heads * s.head_dim)), value(static_cast<size_t>(heads * s.v_head_dim));
  for (int64_t t = 0; t < n; ++t) {
    const std::byte* page = slot->cache.pages[layer][static_cast<size_t>(t / kKvPageTokens)];
    KvReadToken(s, page, t % kKvPageTokens, key.data(), value.data());
    for (int64_t h = 0; h < heads; ++h) {
      std::copy_n(key.data() + h * s.head_dim, s.head_dim, k.data() + (h * n + t) * s.head_dim);
      std::copy_n(value.data() + h * s.v_head_dim, s.v_head_dim, v.data() + (h * n + t) * s.v_head_dim);
    }
  }
  return {};
}

namespace {

// [heads][tokens][dim] to rows [tokens][heads * dim], tokens [at, at + count).
void ToRows(const float* x, int64_t heads, int64_t tokens, int64_t dim, int64_t at, int64_t count, float* rows) {
  for (int64_t t = 0; t < count; ++t)
    for (int64_t h = 0; h < heads; ++h) std::copy_n(x + (h * tokens + at + t) * dim, dim, rows + (t * heads + h) * dim);
}

}  // namespace

Status Context::ImportKv(SequenceId id, int64_t tokens, std::span<const float* const> k, std::span<const float* const> v) {
  const ScopedFpEnv fp;
  Slot* slot = Find(id);
  if (!slot) return NoSequence(id);
  const auto layers = model_->layers();
  if (slot->cache.length != 0) return UsageError("KV import: the sequence has ", slot->cache.length, " tokens already; it must be empty");
  if (tokens < 1 || tokens > model_->max_positions())
    return UsageError("KV import: ", tokens, " tokens; 1 to ", model_->max_positions(), " are allowed");
  if (k.size() != layers.size() || v.size() != layers.size())
    return UsageError("KV import: ", k.size(), " and ", v.size(), " layers, the model has ", layers.size());
  for (size_t l = 0; l < layers.size(); ++l)
    if (!k[l] || !v[l]) return UsageError("KV import: layer ", l, " is missing");
  if (!pool_.Reserve(slot->cache, tokens))
    return ResourceError("KV import: the cache has room for ", free_kv_tokens(), " of ", tokens, " tokens");
  std::vector<float> kr, vr;
  for (size_t l = 0; l < layers.size(); ++l) {
    KvAppendArgs a;
    a.shape = layers[l];
    a.k_stride = a.shape.kv_heads * a.shape.head_dim;
    a.v_stride = a.shape.kv_heads * a.shape.v_head_dim;
    const Kernel<KvAppendArgs>* kernel = SelectKernel(KvAppendKernels(), a, model_->isa());
    HST_CHECK(kernel);
    kr.resize(static_cast<size_t>(kKvPageTokens * a.k_stride));
    vr.resize(static_cast<size_t>(kKvPageTokens * a.v_stride));
    for (int64_t at = 0; at < tokens; at += kKvPageTokens) {
      SequenceView view{0, std::min(kKvPageTokens, tokens - at), at, slot->cache.pages[l].data()};
      ToRows(k[l], a.shape.kv_heads, tokens, a.shape.head_dim, at, view.rows, kr.data());
      ToRows(v[l], a.shape.kv_heads, tokens, a.shape.v_head_dim, at, view.rows, vr.data());
      a.sequences = {&view, 1};
      a.k = kr.data(), a.v = vr.data();
      runner_->Run(*kernel, a);
    }
  }
  slot->cache.length = tokens;
  return {};
}

}  // namespace hasten
