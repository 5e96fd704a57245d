// device_bench: what single kernels reach on the first CUDA device, beside the device's own
// ceilings in the same run: a read-only kernel, a copy, and cuBLASLt's plain int8 product
// where that library is installed. Times are of recorded launches, the median of several
// replays; weights rotate through more memory than the caches hold. Prints JSON.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/device/device.h"
#include "runtime/kernels/attention/cuda/plan.h"
#include "tests/device/gpu/int8_peak.h"
#include "tests/device/gpu/read_bandwidth.h"

namespace hasten::check {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kReplays = 15;
constexpr uint64_t kRotate = uint64_t{256} << 20;   // bytes of weights that a measurement goes through at least

class Bench {
 public:
  explicit Bench(std::shared_ptr<Device> device) : device_(std::move(device)), queue_(*device_->NewQueue()) {
    cudaEventCreate(&begin_), cudaEventCreate(&end_);
  }
  Queue& queue() { return *queue_; }
  Device& device() { return *device_; }

  DeviceMemory Take(uint64_t bytes) {
    Result<DeviceMemory> m = device_->Allocate(bytes, "a benchmark");
    if (!m.ok()) std::fprintf(stderr, "%s\n", m.status().message().c_str()), std::exit(4);
    // Bytes that are not all alike, and small scales as floats or halves: 0x2b2b.. is 6e-13 and 0.056.
    cudaMemset(m->data(), 0x2b, bytes);
    return *std::move(m);
  }

  // Median seconds of one of `launches` launches that are recorded together.
  double Seconds(int launches, const std::function<void(int)>& launch) {
    const auto all = [&] {
      for (int i = 0; i < launches; ++i) launch(i);
    };
    all();   // loads the code
    if (const Status s = queue_->Wait(); !s.ok()) std::fprintf(stderr, "%s\n", s.message().c_str()), std::exit(4);
    const auto graph = queue_->Record(all);
    std::vector<double> times;
    for (int r = 0; r < kReplays; ++r) {
      auto* stream = static_cast<cudaStream_t>(queue_->launches().stream);
      cudaEventRecord(begin_, stream);
      if (graph) queue_->Replay(*graph);
      else all();
      cudaEventRecord(end_, stream);
      cudaEventSynchronize(end_);
      float ms = 0;
      cudaEventElapsedTime(&ms, begin_, end_);
      times.push_back(1e-3 * ms / launches);
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }

 private:
  std::shared_ptr<Device> device_;
  std::unique_ptr<Queue> queue_;
  cudaEvent_t begin_{}, end_{};
};

Json Ceilings(Bench& b) {
  const uint64_t bytes = uint64_t{1} << 30;
  const DeviceMemory from = b.Take(bytes), to = b.Take(bytes);
  DeviceQueue& q = b.queue().launches();
  const double read = b.Seconds(4, [&](int i) { LaunchRead((i % 2 ? from : to).data(), bytes, reinterpret_cast<unsigned*>(from.data()), q.processors, q.stream); });
  const double copy = b.Seconds(4, [&](int) { b.queue().Copy(to.data(), from.data(), bytes); });
  Json j = {{"read_gb_per_s", static_cast<double>(bytes) / read * 1e-9}, {"copy_gb_per_s", 2.0 * static_cast<double>(bytes) / copy * 1e-9}};
  const double peak = Int8PeakTops(from.data(), to.data(), bytes, q.stream);
  j["cublaslt_int8_tops"] = peak > 0 ? Json(peak) : Json();
  return j;
}

struct Matrix {
  const char* name;
  int64_t n, k;
  Scheme scheme;
};

// One linear of `rows` rows, over as many copies of the weights as fill kRotate: by the
// kernel that is chosen, or by one on trial.
Json Linear(Bench& b, const Matrix& m, int64_t rows, const DeviceKernel<LinearArgs>* trial = nullptr) {
  const uint64_t bytes = (*PackedBytes(m.scheme, m.n, m.k) + 255) / 256 * 256;
  const int copies = static_cast<int>(std::min<uint64_t>(16, std::max<uint64_t>(1, (kRotate + bytes - 1) / bytes)));
  const DeviceMemory weights = b.Take(bytes * static_cast<uint64_t>(copies));
  const QuantizedLayout layout = QuantizedRowLayout(m.k, 128);
  const DeviceMemory x = b.Take(static_cast<uint64_t>(rows) * layout.bytes_per_row), out = b.Take(static_cast<uint64_t>(rows * m.n) * 4);
  LinearArgs a;
  a.scheme = m.scheme, a.rows = rows, a.n = m.n, a.k = m.k, a.ga = 128;
  a.xq = QuantizedRowsAt(x.data(), rows, layout);
  a.out = reinterpret_cast<float*>(out.data()), a.out_stride = m.n;
  a.w = weights.data();
  const auto* kernel = trial ? trial : SelectKernel(b.device().kernels().table<LinearArgs>(), a, b.queue().launches().arch);
  if (kernel && kernel->accepts && !kernel->accepts(a)) return {};
  if (!kernel || !b.queue().ReserveScratch(kernel->scratch ? kernel->scratch(a, b.queue().launches()) : 0).ok()) return {};
  const double s = b.Seconds(std::max(copies, 4), [&](int i) {
    a.w = weights.data() + bytes * static_cast<uint64_t>(i % copies);
    kernel->launch(a, b.queue().launches());
  });
  return {{"matrix", m.name}, {"kernel", kernel->name}, {"scheme", GetScheme(m.scheme).name}, {"rows", rows}, {"us", 1e6 * s},
          {"weight_gb_per_s", static_cast<double>(bytes) / s * 1e-9}, {"tops", 2e-12 * static_cast<double>(m.n * m.k * rows) / s}};
}

// What stands between the linears of a Llama 3 8B: a launch alone, and with the linear behind
// it, which loads weights meanwhile.
Json Between(Bench& b, int64_t rows) {
  constexpr int64_t kHidden = 4096, kInter = 14336;
  DeviceQueue& q = b.queue().launches();
  const auto floats = [](const DeviceMemory& m) { return reinterpret_cast<float*>(m.data()); };
  const auto n = static_cast<uint64_t>(rows);
  const DeviceMemory x = b.Take(n * kHidden * 4), y = b.Take(n * kHidden * 4), sum = b.Take(n * kHidden * 4), w = b.Take(kHidden * 4);
  const DeviceMemory gate_up = b.Take(n * kInter * 8), codes = b.Take(n * QuantizedRowLayout(kInter, 128).bytes_per_row), out = b.Take(n * 28672 * 4);
  FusedNormArgs norm{.adds = true, .quantizes = 1};
  norm.add = {.a = floats(x), .b = floats(y), .out = floats(sum), .a_stride = kHidden, .b_stride = kHidden, .out_stride = kHidden, .rows = rows, .cols = kHidden};
  norm.norm = {NormKind::kRms, floats(sum), floats(w), nullptr, nullptr, kHidden, kHidden, rows, 1, kHidden, 1e-5f};
  norm.quantize[0] = {nullptr, kHidden, rows, kHidden, 128, QuantizedRowsAt(codes.data(), rows, QuantizedRowLayout(kHidden, 128))};
  FusedActivationArgs act{.gated = true};
  act.gate = {Unary::kSilu, floats(gate_up), floats(gate_up) + kInter, nullptr, 2 * kInter, 2 * kInter, kInter, rows, kInter};
  act.quantize = {nullptr, kInter, rows, kInter, 128, QuantizedRowsAt(codes.data(), rows, QuantizedRowLayout(kInter, 128))};
  const uint64_t bytes = *PackedBytes(Scheme::kI4G128, 28672, kHidden);
  const DeviceMemory weights = b.Take(bytes * 4);
  LinearArgs linear{.scheme = Scheme::kI4G128, .rows = rows, .n = 28672, .k = kHidden, .ga = 128, .xq = norm.quantize[0].out, .out = floats(out), .out_stride = 28672};
  const auto* norms = SelectKernel(b.device().kernels().table<FusedNormArgs>(), norm, q.arch);
  const auto* acts = SelectKernel(b.device().kernels().table<FusedActivationArgs>(), act, q.arch);
  const auto* linears = SelectKernel(b.device().kernels().table<LinearArgs>(), linear, q.arch);
  if (!norms || !acts || !linears || !b.queue().ReserveScratch(linears->scratch ? linears->scratch(linear, q) : 0).ok()) return {};
  const auto multiply = [&](int i) {
    linear.w = weights.data() + bytes * static_cast<uint64_t>(i % 4);
    linears->launch(linear, q);
  };
  const double alone = b.Seconds(8, multiply);
  return {{"rows", rows}, {"norm_us", 1e6 * b.Seconds(8, [&](int) { norms->launch(norm, q); })},
          {"activation_us", 1e6 * b.Seconds(8, [&](int) { acts->launch(act, q); })}, {"gate_up_us", 1e6 * alone},
          {"norm_and_gate_up_us", 1e6 * b.Seconds(8, [&](int i) { norms->launch(norm, q), multiply(i); })}};
}

// Decoding: `sequences` of one new token after `past`; prefill: one sequence of `rows` rows.
Json Attention(Bench& b, int64_t sequences, int64_t rows, int64_t past) {
  AttentionShape shape{.heads = 32, .kv_heads = 8, .head_dim = 128, .v_head_dim = 128, .scale = 0.088f};
  const int64_t pages = (past + rows + kKvPageTokens - 1) / kKvPageTokens, page = static_cast<int64_t>(KvPageBytes(shape)), all = sequences * rows;
  const DeviceMemory cache = b.Take(static_cast<uint64_t>(sequences * pages * page)), q = b.Take(static_cast<uint64_t>(all) * 4096 * 4), out = b.Take(static_cast<uint64_t>(all) * 4096 * 4);
  std::vector<PagedSequence> views;
  std::vector<int32_t> blocks, owner;
  for (int64_t s = 0; s < sequences; ++s) {
    views.push_back({static_cast<int32_t>(s * rows), static_cast<int32_t>(rows), static_cast<int32_t>(past), static_cast<int32_t>(blocks.size())});
    for (int64_t p = 0; p < pages; ++p) blocks.push_back(static_cast<int32_t>(s * pages + p));
    owner.insert(owner.end(), static_cast<size_t>(rows), static_cast<int32_t>(s));
  }
  std::vector<PagedTile> tiles;
  cuda::PlanTiles(views, cuda::kPagedTileRows, tiles);
  std::vector<DeviceMemory> kept;
  const auto put = [&](const auto& v) {
    kept.push_back(b.Take(v.size() * sizeof(v[0])));
    cudaMemcpy(kept.back().data(), v.data(), v.size() * sizeof(v[0]), cudaMemcpyHostToDevice);
    return kept.back().data();
  };
  AttentionArgs a;
  a.shape = shape;
  a.q = reinterpret_cast<const float*>(q.data()), a.q_stride = 4096, a.out = reinterpret_cast<float*>(out.data()), a.out_stride = 4096;
  a.paged.sequences = reinterpret_cast<const PagedSequence*>(put(views)), a.paged.row_sequence = reinterpret_cast<const int32_t*>(put(owner));
  a.paged.blocks = reinterpret_cast<const int32_t*>(put(blocks)), a.paged.tiles = reinterpret_cast<const PagedTile*>(put(tiles));
  a.paged.rows = all, a.paged.tile_count = static_cast<int64_t>(tiles.size()), a.paged.most_keys = past + rows;
  a.cache = {cache.data(), page};
  const auto* kernel = SelectKernel(b.device().kernels().table<AttentionArgs>(), a, b.queue().launches().arch);
  if (!kernel || !b.queue().ReserveScratch(kernel->scratch ? kernel->scratch(a, b.queue().launches()) : 0).ok()) return {};
  const double s = b.Seconds(4, [&](int) { kernel->launch(a, b.queue().launches()); });
  return {{"sequences", sequences}, {"rows", rows}, {"past", past}, {"us", 1e6 * s}, {"cache_gb_per_s", static_cast<double>(sequences * pages * page) / s * 1e-9}};
}

int Main() {
  auto device = OpenCudaDevice();
  if (!device.ok()) {
    std::fprintf(stderr, "device_bench: %s\n", device.status().message().c_str());
    return 4;
  }
  Bench b(*device);
  Json j;
  const DeviceInfo info = (*device)->Info();
  j["device"] = {{"name", info.name}, {"architecture", info.arch}, {"multiprocessors", info.processors}, {"driver", info.driver}};
  j["ceilings"] = Ceilings(b);
  // Llama 3 8B (arXiv:2407.21783): qkv, o, gate and up, down, head.
  for (const Matrix& m : {Matrix{"qkv", 6144, 4096, Scheme::kI4G128}, Matrix{"o", 4096, 4096, Scheme::kI4G128}, Matrix{"gate_up", 28672, 4096, Scheme::kI4G128},
                          Matrix{"down", 4096, 14336, Scheme::kI4G128}, Matrix{"head", 128256, 4096, Scheme::kI8G128}})
    for (const int64_t rows : {1, 2, 4, 8, 16, 32, 128, 2048})
      if (rows <= 128 || m.n < 100000) {
        j["linear"].push_back(Linear(b, m, rows));
        for (const DeviceKernel<LinearArgs>& k : (*device)->kernels().table<LinearArgs>()) {   // beside it those on trial, which are for many rows
          if (!k.trial || rows <= 64 || k.arch > b.queue().launches().arch) continue;
          if (Json trial = Linear(b, m, rows, &k); !trial.is_null()) j["linear"].push_back(std::move(trial));
        }
      }
  for (const int64_t rows : {1, 8, 2048}) j["between"].push_back(Between(b, rows));
  for (const auto& [sequences, rows, past] : {std::tuple<int64_t, int64_t, int64_t>{1, 1, 512}, {1, 1, 4096}, {1, 1, 32768}, {32, 1, 512}, {32, 1, 4096}, {1, 2048, 0}})
    j["attention"].push_back(Attention(b, sequences, rows, past));
  std::printf("%s\n", j.dump(1).c_str());
  return 0;
}

}  // namespace
}  // namespace hasten::check

int main() { return hasten::check::Main(); }
