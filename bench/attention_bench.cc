// attention and kv_append: all rows and cache types; one new token after a
// context, and chunks of a prompt. Several caches take turns, as layers do.
#include "bench/kernels_bench.h"
#include "runtime/kernels/attention/contract.h"

namespace hasten::bench {
namespace {

struct Heads {
  const char* what;
  int64_t heads, kv_heads, dim;
};
constexpr Heads kHeads[] = {{"135m", 9, 3, 64}, {"1b", 32, 8, 64}, {"8b", 32, 8, 128}};
struct Chunk {
  const char* what;
  int64_t rows, past;
};
constexpr Chunk kChunks[] = {{"decode", 1, 511}, {"decode", 1, 4095}, {"prefill", 512, 0}, {"prefill", 512, 3584}};
struct Cache {
  const char* name;
  KvType type;
};
constexpr Cache kCaches[] = {{"int8", KvType::kI8}, {"fp16", KvType::kF16}, {"fp32", KvType::kF32}};
constexpr size_t kColdBytes = size_t{64} << 20;

AttentionShape ShapeOf(const Heads& h, KvType type) {
  AttentionShape s{.heads = h.heads, .kv_heads = h.kv_heads, .head_dim = h.dim, .v_head_dim = h.dim, .scale = 0.125f};
  s.kv = type;
  return s;
}

// The pages of one layer with `tokens` tokens in them.
class Layer {
 public:
  Layer(const AttentionShape& shape, int64_t tokens, const std::vector<float>& k, const std::vector<float>& v) : shape_(shape) {
    const int64_t count = (tokens + kKvPageTokens - 1) / kKvPageTokens;
    memory_ = Allocate(KvPageBytes(shape) * static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) pages_.push_back(memory_.get() + static_cast<size_t>(i) * KvPageBytes(shape));
    const SequenceView all = View(tokens, 0);
    KvAppendArgs a{.shape = shape, .sequences = {&all, 1}, .k = k.data(), .v = v.data()};
    a.k_stride = shape.kv_heads * shape.head_dim, a.v_stride = shape.kv_heads * shape.v_head_dim;
    const ScopedFpEnv env;
    const Kernel<KvAppendArgs>* append = SelectKernel(KvAppendKernels(), a, BestIsa());
    const Bytes scratch = Allocate(append->scratch(a) + 64);
    append->run(a, 0, append->tiles(a), scratch.get());
  }
  SequenceView View(int64_t rows, int64_t past) const { return {0, rows, past, pages_.data()}; }

 private:
  AttentionShape shape_;
  Bytes memory_;
  std::vector<std::byte*> pages_;
};

std::vector<Layer> Layers(const AttentionShape& s, int64_t tokens) {
  const std::vector<float> k = RandomFloats(tokens * s.kv_heads * s.head_dim), v = RandomFloats(tokens * s.kv_heads * s.v_head_dim);
  std::vector<Layer> layers;
  const size_t bytes = KvPageBytes(s) * static_cast<size_t>((tokens + kKvPageTokens - 1) / kKvPageTokens);
  do layers.emplace_back(s, tokens, k, v);
  while (layers.size() * bytes < kColdBytes);
  return layers;
}

double TokenBytes(const AttentionShape& s) { return static_cast<double>(KvPageBytes(s)) / kKvPageTokens; }

void TimeAttention(benchmark::State& state, const Kernel<AttentionArgs>& kernel, const AttentionShape& s, const Chunk& c) {
  const std::vector<Layer> layers = Layers(s, c.past + c.rows);
  const int64_t q_cols = s.heads * s.head_dim, out_cols = s.heads * s.v_head_dim;
  const std::vector<float> q = RandomFloats(c.rows * q_cols);
  std::vector<float> out(static_cast<size_t>(c.rows * out_cols));
  SequenceView view = layers[0].View(c.rows, c.past);
  const AttentionArgs a{.shape = s, .sequences = {&view, 1}, .q = q.data(), .q_stride = q_cols, .out = out.data(), .out_stride = out_cols};
  const double pairs = static_cast<double>(c.rows) * (static_cast<double>(c.past) + 0.5 * static_cast<double>(c.rows + 1));
  const double bytes = TokenBytes(s) * static_cast<double>(c.past + c.rows) + 4.0 * static_cast<double>(c.rows * (q_cols + out_cols));
  size_t next = 0;
  Loop(state, kernel, a, {bytes, pairs * static_cast<double>(q_cols + out_cols), s.kv == KvType::kI8 ? Unit::kI8 : Unit::kF32},
       [&](AttentionArgs&) { view = layers[next++ % layers.size()].View(c.rows, c.past); });
}

void TimeAppend(benchmark::State& state, const Kernel<KvAppendArgs>& kernel, const AttentionShape& s, int64_t rows) {
  const std::vector<Layer> layers = Layers(s, rows);
  const int64_t cols = s.kv_heads * s.head_dim;
  const std::vector<float> k = RandomFloats(rows * cols), v = RandomFloats(rows * cols);
  SequenceView view = layers[0].View(rows, 0);
  const KvAppendArgs a{.shape = s, .sequences = {&view, 1}, .k = k.data(), .v = v.data(), .k_stride = cols, .v_stride = cols};
  size_t next = 0;
  Loop(state, kernel, a, {static_cast<double>(rows) * (TokenBytes(s) + 8.0 * static_cast<double>(cols)), 0, Unit::kNone},
       [&](KvAppendArgs&) { view = layers[next++ % layers.size()].View(rows, 0); });
}

template <class Args>
bool Runs(const Kernel<Args>& kernel, const Args& probe) {
  return IsaAvailable(kernel.isa) && (!kernel.accepts || kernel.accepts(probe));
}

}  // namespace

void RegisterAttentions() {
  for (const Cache& cache : kCaches)
    for (const Heads& h : kHeads) {
      const AttentionShape s = ShapeOf(h, cache.type);
      for (const Kernel<AttentionArgs>& kernel : AttentionKernels()) {
        if (!Runs(kernel, AttentionArgs{.shape = s})) continue;
        for (const Chunk& c : kChunks)
          if (kernel.isa != Isa::kScalar || c.rows == 1)
            Register(StrCat(kernel.name, "/kv_", cache.name, "/", h.what, "/", c.what, "/m:", c.rows, "/keys:", c.past + c.rows),
                     [&kernel, s, &c](benchmark::State& st) { TimeAttention(st, kernel, s, c); });
      }
      for (const Kernel<KvAppendArgs>& kernel : KvAppendKernels()) {
        if (!Runs(kernel, KvAppendArgs{.shape = s})) continue;
        for (int64_t rows : {1, 512})
          Register(StrCat(kernel.name, "/kv_", cache.name, "/", h.what, "/m:", rows),
                   [&kernel, s, rows](benchmark::State& st) { TimeAppend(st, kernel, s, rows); });
      }
    }
}

}  // namespace hasten::bench
