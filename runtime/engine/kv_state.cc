// A sequence's cached state, out of a context and into one: as fp32, for what
// other tools made or want to see, and as bytes in its exact form. The exact form,
// little endian: a SavedHeader, then by layer and token what kernels/attention/
// saved_token.cc says. It names the artifact it belongs to by digest: the cache
// of another model, or of other weights, would only give wrong logits.
#include <algorithm>
#include <cstring>

#include "runtime/base/checked.h"
#include "runtime/base/fp_env.h"
#include "runtime/engine/context.h"

namespace hasten {
namespace {

constexpr unsigned char kSavedMagic[8] = {0x89, 'H', 'S', 'K', 'V', '\r', '\n', 0x1a};
constexpr uint32_t kSavedVersion = 1;

struct SavedHeader {
  unsigned char magic[8];
  uint32_t version;
  uint32_t layers;
  uint64_t tokens;
  uint64_t bytes;         // with this header
  uint8_t artifact[32];   // the digest in the artifact's header
};
static_assert(sizeof(SavedHeader) == 64);

Checked SavedSize(std::span<const AttentionShape> layers, uint64_t tokens) {
  Checked bytes = sizeof(SavedHeader);
  for (const AttentionShape& s : layers) bytes = bytes + Checked(KvSavedTokenBytes(s)) * tokens;
  return bytes;
}

SavedHeader HeaderOf(const Model& model, uint64_t tokens, uint64_t bytes) {
  SavedHeader h{};
  std::memcpy(h.magic, kSavedMagic, sizeof h.magic);
  h.version = kSavedVersion;
  h.layers = static_cast<uint32_t>(model.layers().size());
  h.tokens = tokens;
  h.bytes = bytes;
  std::memcpy(h.artifact, model.file().header().digest, sizeof h.artifact);
  return h;
}

// The header of a state that fits the model; sizes agree with the bytes there are.
Result<SavedHeader> ReadHeader(std::span<const std::byte> in, const Model& model) {
  SavedHeader h;
  if (in.size() < sizeof h) return BadInput("saved state: ", in.size(), " bytes; its header alone has ", sizeof h);
  std::memcpy(&h, in.data(), sizeof h);
  if (std::memcmp(h.magic, kSavedMagic, sizeof kSavedMagic) != 0) return BadInput("saved state: these bytes are not one; its first 8 bytes are wrong");
  if (h.version != kSavedVersion)
    return Unsupported("saved state: version ", h.version, "; this library reads version ", kSavedVersion);
  if (std::memcmp(h.artifact, model.file().header().digest, sizeof h.artifact) != 0)
    return BadInput("saved state: it was saved from another artifact; evaluate the tokens again with this one");
  if (h.layers != model.layers().size()) return BadInput("saved state: ", h.layers, " layers, the model has ", model.layers().size());
  if (h.tokens < 1 || h.tokens > static_cast<uint64_t>(model.max_positions()))
    return BadInput("saved state: ", h.tokens, " tokens, the model takes 1 to ", model.max_positions());
  const Checked bytes = SavedSize(model.layers(), h.tokens);
  if (!bytes.ok() || h.bytes != bytes.value() || in.size() != bytes.value())
    return BadInput("saved state: ", in.size(), " bytes, ", h.bytes, " declared; ", h.tokens, " tokens of this model have ",
                    bytes.ok() ? bytes.value() : 0);
  return h;
}

}  // namespace

Result<std::byte*> Context::PageOf(const KvPool::Sequence& cache, size_t layer, size_t index) const {
  if (!device_) return cache.pages[layer][index];
  const uint64_t bytes = KvPageBytes(model_->layers()[layer]);
  if (bytes > page_.size()) {
    page_ = {};
    HST_ASSIGN_OR_RETURN(page_, device_->device().AllocateHost(bytes, "a page of the KV cache"));
  }
  device_->queue().Download(page_.data(), cache.pages[layer][index], bytes);
  HST_RETURN_IF_ERROR(device_->Wait());
  return page_.data();
}

Status Context::ChangedPage(const KvPool::Sequence& cache, size_t layer, size_t index) const {
  if (!device_) return {};
  device_->queue().Upload(cache.pages[layer][index], page_.data(), KvPageBytes(model_->layers()[layer]));
  return device_->Wait();
}

Status Context::CheckEmpty(const Slot& slot, int64_t tokens, const char* what) const {
  if (slot.cache.length != 0) return UsageError(what, ": the sequence has ", slot.cache.length, " tokens already; it must be empty");
  if (tokens < 1 || tokens > model_->max_positions())
    return UsageError(what, ": ", tokens, " tokens; 1 to ", model_->max_positions(), " are allowed");
  return {};
}

Result<uint64_t> Context::SavedBytes(SequenceId id) const {
  const Slot* slot = Find(id);
  if (!slot) return NoSequence(id);
  if (slot->cache.length == 0) return UsageError("saving the state of sequence ", id, ": it has no tokens");
  return SavedSize(model_->layers(), static_cast<uint64_t>(slot->cache.length)).value();  // the pool holds more than it
}

Status Context::SaveKv(SequenceId id, std::span<std::byte> out) const {
  HST_ASSIGN_OR_RETURN(const uint64_t bytes, SavedBytes(id));
  if (out.size() != bytes) return UsageError("saving the state of sequence ", id, ": room for ", out.size(), " bytes, needed ", bytes);
  const KvPool::Sequence& cache = Find(id)->cache;
  const SavedHeader h = HeaderOf(*model_, static_cast<uint64_t>(cache.length), bytes);
  std::memcpy(out.data(), &h, sizeof h);
  std::byte* at = out.data() + sizeof h;
  for (size_t l = 0; l < model_->layers().size(); ++l) {
    const AttentionShape& s = model_->layers()[l];
    const std::byte* page = nullptr;
    for (int64_t t = 0; t < cache.length; ++t, at += KvSavedTokenBytes(s)) {
      if (t % kKvPageTokens == 0) {
        HST_ASSIGN_OR_RETURN(page, PageOf(cache, l, static_cast<size_t>(t / kKvPageTokens)));
      }
      KvSaveToken(s, page, t % kKvPageTokens, at);
    }
  }
  return {};
}

Status Context::RestoreKv(SequenceId id, std::span<const std::byte> in) {
  const ScopedFpEnv fp;  // scales are compared
  Slot* slot = Find(id);
  if (!slot) return NoSequence(id);
  HST_ASSIGN_OR_RETURN(const SavedHeader h, ReadHeader(in, *model_));
  const int64_t tokens = static_cast<int64_t>(h.tokens);
  HST_RETURN_IF_ERROR(CheckEmpty(*slot, tokens, "saved state"));
  if (!pool_.Reserve(slot->cache, tokens))
    return ResourceError("saved state: the cache has room for ", free_kv_tokens(), " of ", tokens, " tokens");
  const std::byte* at = in.data() + sizeof h;
  for (size_t l = 0; l < model_->layers().size(); ++l) {
    const AttentionShape& s = model_->layers()[l];
    std::byte* page = nullptr;
    for (int64_t t = 0; t < tokens; ++t, at += KvSavedTokenBytes(s)) {
      const auto index = static_cast<size_t>(t / kKvPageTokens);
      Status status;
      if (t % kKvPageTokens == 0) {
        Result<std::byte*> got = PageOf(slot->cache, l, index);
        if (got.ok()) page = *got;
        else status = std::move(got).status();
      }
      if (status.ok() && !KvRestoreToken(s, page, t % kKvPageTokens, at))
        status = BadInput("saved state: layer ", l, ", token ", t, ": an INT8 scale or code that no cache holds");
      if (status.ok() && (t % kKvPageTokens == kKvPageTokens - 1 || t == tokens - 1)) status = ChangedPage(slot->cache, l, index);
      if (status.ok()) continue;
      pool_.Truncate(slot->cache, 0);
      return status;
    }
  }
  slot->cache.length = tokens;
  return {};
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
  const std::byte* page = nullptr;
  for (int64_t t = 0; t < n; ++t) {
    if (t % kKvPageTokens == 0) {
      HST_ASSIGN_OR_RETURN(page, PageOf(slot->cache, layer, static_cast<size_t>(t / kKvPageTokens)));
    }
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
  HST_RETURN_IF_ERROR(CheckEmpty(*slot, tokens, "KV import"));
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
      const auto index = static_cast<size_t>(at / kKvPageTokens);
      HST_ASSIGN_OR_RETURN(std::byte* const page, PageOf(slot->cache, l, index));
      SequenceView view{0, std::min(kKvPageTokens, tokens - at), 0, &page};   // a page holds no position
      ToRows(k[l], a.shape.kv_heads, tokens, a.shape.head_dim, at, view.rows, kr.data());
      ToRows(v[l], a.shape.kv_heads, tokens, a.shape.v_head_dim, at, view.rows, vr.data());
      a.sequences = {&view, 1};
      a.k = kr.data(), a.v = vr.data();
      runner_->Run(*kernel, a);
      HST_RETURN_IF_ERROR(ChangedPage(slot->cache, l, index));
    }
  }
  slot->cache.length = tokens;
  return {};
}

}  // namespace hasten
