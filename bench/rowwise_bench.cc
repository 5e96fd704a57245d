// The ops that work row by row: quantize, norm, rope, elementwise, embed. Their
// operands stay in caches, as between two linears of a step.
#include <cstring>

#include "bench/kernels_bench.h"
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/embed/contract.h"
#include "runtime/kernels/norm/contract.h"
#include "runtime/kernels/quantize/contract.h"
#include "runtime/kernels/rope/contract.h"

namespace hasten::bench {
namespace {

constexpr int64_t kRows[] = {1, 512};
constexpr int64_t kCols[] = {576, 2048, 8192};

template <class Args>
bool Runs(const Kernel<Args>& kernel, const Args& probe) {
  return IsaAvailable(kernel.isa) && (!kernel.accepts || kernel.accepts(probe));
}

// fp32 rows that operands point to.
struct Block {
  Block(int64_t rows, int64_t cols) : values(RandomFloats(rows * cols)), rows(rows), cols(cols) {}
  double bytes() const { return 4.0 * static_cast<double>(values.size()); }
  std::vector<float> values;
  int64_t rows, cols;
};

void TimeQuantize(benchmark::State& state, const Kernel<QuantizeArgs>& kernel, int64_t rows, int64_t cols, int64_t ga) {
  const Block x(rows, cols);
  const QuantizedLayout l = QuantizedRowLayout(cols, ga);
  const Bytes out = Allocate(l.bytes_per_row * static_cast<size_t>(rows));
  const QuantizeArgs a{.x = x.values.data(), .x_stride = cols, .rows = rows, .cols = cols, .ga = ga, .out = QuantizedRowsAt(out.get(), rows, l)};
  Loop(state, kernel, a, {x.bytes() + static_cast<double>(l.bytes_per_row) * static_cast<double>(rows)});
}

void TimeNorm(benchmark::State& state, const Kernel<NormArgs>& kernel, NormKind kind, int64_t rows, int64_t cols) {
  const Block x(rows, cols), w(1, cols);
  Block out(rows, cols);
  NormArgs a{.kind = kind, .x = x.values.data(), .w = w.values.data(), .out = out.values.data(), .x_stride = cols, .out_stride = cols};
  if (kind == NormKind::kLayer) a.b = w.values.data();
  a.rows = rows, a.cols = cols, a.eps = 1e-5f;
  Loop(state, kernel, a, {x.bytes() + w.bytes() + out.bytes()});
}

void TimeRope(benchmark::State& state, const Kernel<RopeArgs>& kernel, int64_t rows, int64_t heads, int64_t dim, bool interleaved) {
  const Block x(rows, heads * dim);
  Block out(rows, heads * dim);
  std::vector<float> inv_freq(static_cast<size_t>(dim / 2), 0.1f), table(static_cast<size_t>(rows * dim));
  BuildRopeTable(inv_freq, 1, rows, table);
  std::vector<int32_t> positions;
  for (int64_t i = 0; i < rows; ++i) positions.push_back(static_cast<int32_t>(i));
  RopeArgs a{.x = x.values.data(), .out = out.values.data(), .x_stride = x.cols, .out_stride = x.cols, .rows = rows, .heads = heads, .head_dim = dim};
  a.rotary_dim = dim, a.interleaved = interleaved, a.table = table.data(), a.positions = positions.data();
  Loop(state, kernel, a, {x.bytes() + out.bytes() + 4.0 * static_cast<double>(table.size())});
}

void TimeUnary(benchmark::State& state, const Kernel<UnaryArgs>& kernel, Unary op, int64_t rows, int64_t cols) {
  const Block x(rows, cols);
  Block out(rows, cols);
  Loop(state, kernel, UnaryArgs{.op = op, .x = x.values.data(), .out = out.values.data(), .x_stride = cols, .out_stride = cols, .rows = rows, .cols = cols},
       {x.bytes() + out.bytes()});
}

void TimeBinary(benchmark::State& state, const Kernel<BinaryArgs>& kernel, Binary op, int64_t rows, int64_t cols) {
  const Block x(rows, cols), y(rows, cols);
  Block out(rows, cols);
  BinaryArgs a{.op = op, .a = x.values.data(), .b = y.values.data(), .out = out.values.data()};
  a.a_stride = a.b_stride = a.out_stride = cols, a.rows = rows, a.cols = cols;
  Loop(state, kernel, a, {3 * x.bytes()});
}

void TimeGated(benchmark::State& state, const Kernel<GatedArgs>& kernel, Unary act, int64_t rows, int64_t cols) {
  const Block x(rows, cols), y(rows, cols);
  Block out(rows, cols);
  GatedArgs a{.act = act, .gate = x.values.data(), .up = y.values.data(), .out = out.values.data()};
  a.gate_stride = a.up_stride = a.out_stride = cols, a.rows = rows, a.cols = cols;
  Loop(state, kernel, a, {3 * x.bytes()});
}

void TimeEmbed(benchmark::State& state, const Kernel<EmbedArgs>& kernel, Scheme scheme, int64_t rows, int64_t cols) {
  constexpr int64_t kVocab = 32768;
  const size_t bytes = PackedBytes(scheme, kVocab, cols).value();
  const Bytes table = Allocate(bytes);
  std::memset(table.get(), 0x20, bytes);   // finite in every scheme
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < rows; ++i) ids.push_back(static_cast<int32_t>(i * 7919 % kVocab));
  Block out(rows, cols);
  EmbedArgs a{.scheme = scheme, .vocab = kVocab, .cols = cols, .table = table.get(), .ids = ids.data(), .rows = rows};
  a.out = out.values.data(), a.out_stride = cols;
  Loop(state, kernel, a, {static_cast<double>(bytes) * static_cast<double>(rows) / kVocab + out.bytes()});
}

// add(rows, cols) for every size.
template <class F>
void Sizes(const F& add) {
  for (int64_t rows : kRows)
    for (int64_t cols : kCols) add(rows, cols);
}

std::string Name(const char* kernel, std::string_view variant, int64_t rows, int64_t cols) {
  return StrCat(kernel, "/", variant, "/m:", rows, "/k:", cols);
}

void RegisterElementwise() {
  constexpr int kUnaries = static_cast<int>(Unary::kSin) + 1, kBinaries = static_cast<int>(Binary::kPow) + 1;
  Sizes([](int64_t rows, int64_t cols) {
    for (const Kernel<UnaryArgs>& kernel : UnaryKernels())
      for (int op = 0; IsaAvailable(kernel.isa) && op < kUnaries; ++op)
        if (Runs(kernel, UnaryArgs{.op = static_cast<Unary>(op)}))
          Register(Name(kernel.name, StrCat("op", op), rows, cols),
                   [&kernel, op, rows, cols](benchmark::State& st) { TimeUnary(st, kernel, static_cast<Unary>(op), rows, cols); });
    for (const Kernel<BinaryArgs>& kernel : BinaryKernels())
      for (int op = 0; op < kBinaries; ++op)
        if (Runs(kernel, BinaryArgs{.op = static_cast<Binary>(op)}))
          Register(Name(kernel.name, StrCat("op", op), rows, cols),
                   [&kernel, op, rows, cols](benchmark::State& st) { TimeBinary(st, kernel, static_cast<Binary>(op), rows, cols); });
    for (const Kernel<GatedArgs>& kernel : GatedKernels())
      for (Unary act : {Unary::kSilu, Unary::kGelu, Unary::kGeluTanh})
        if (Runs(kernel, GatedArgs{.act = act}))
          Register(Name(kernel.name, StrCat("op", static_cast<int>(act)), rows, cols),
                   [&kernel, act, rows, cols](benchmark::State& st) { TimeGated(st, kernel, act, rows, cols); });
  });
}

}  // namespace

void RegisterRowwise() {
  Sizes([](int64_t rows, int64_t cols) {
    for (const Kernel<QuantizeArgs>& kernel : QuantizeKernels())
      for (int64_t ga : {int64_t{32}, int64_t{64}, int64_t{128}, cols})
        if (IsaAvailable(kernel.isa))
          Register(Name(kernel.name, StrCat("ga:", ga), rows, cols),
                   [&kernel, rows, cols, ga](benchmark::State& st) { TimeQuantize(st, kernel, rows, cols, ga); });
    for (const Kernel<NormArgs>& kernel : NormKernels())
      for (NormKind kind : {NormKind::kRms, NormKind::kLayer})
        if (Runs(kernel, NormArgs{.kind = kind, .rows = rows, .cols = cols}))
          Register(Name(kernel.name, kind == NormKind::kRms ? "rms" : "layer", rows, cols),
                   [&kernel, kind, rows, cols](benchmark::State& st) { TimeNorm(st, kernel, kind, rows, cols); });
    for (const SchemeInfo& info : AllSchemes())
      for (const Kernel<EmbedArgs>& kernel : EmbedKernels())
        if (Runs(kernel, EmbedArgs{.scheme = info.scheme, .vocab = 1, .cols = cols}))
          Register(Name(kernel.name, info.name, rows, cols),
                   [&kernel, &info, rows, cols](benchmark::State& st) { TimeEmbed(st, kernel, info.scheme, rows, cols); });
  });
  for (const Kernel<RopeArgs>& kernel : RopeKernels())
    for (int64_t rows : kRows)
      for (bool interleaved : {false, true})
        if (Runs(kernel, RopeArgs{.rows = rows, .heads = 32, .head_dim = 64, .rotary_dim = 64, .interleaved = interleaved}))
          Register(Name(kernel.name, interleaved ? "interleaved" : "halves", rows, 32 * 64),
                   [&kernel, rows, interleaved](benchmark::State& st) { TimeRope(st, kernel, rows, 32, 64, interleaved); });
  RegisterElementwise();
}

}  // namespace hasten::bench
