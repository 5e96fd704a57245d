// embed's rows for CUDA devices.
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/embed/cuda/embed.cuh"

namespace hasten::cuda {
namespace {

template <class Codec>
void RunEmbed(const EmbedArgs& a, DeviceQueue& q) {
  const RowsShape s = ShapeOfRows(a.rows, a.cols);
  Launch(q, "embed_cuda", {dim3(s.rows, s.pieces), s.threads}, EmbedKernel<Codec>, a, Codec::Layout(a.vocab, a.cols));
}

using codec::FloatCodec, codec::Int8Codec, codec::UintCodec;

void RunAny(const EmbedArgs& a, DeviceQueue& q) {
  switch (a.scheme) {
#define HST_SCHEME(id, name, bits, group, ...) \
  case Scheme::id: return RunEmbed<__VA_ARGS__>(a, q);
#include "runtime/quant/schemes.def"
#undef HST_SCHEME
  }
}

constexpr DeviceKernel<EmbedArgs> kTable[] = {{"embed_any_cuda", 75, nullptr, nullptr, RunAny}};

}  // namespace

Table<EmbedArgs> EmbedTable() { return kTable; }

}  // namespace hasten::cuda
