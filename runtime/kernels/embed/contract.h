// embed: rows of a packed table by index: token, position or segment embeddings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/kernels/kernel.h"
#include "runtime/quant/scheme.h"

namespace hasten {

struct EmbedArgs {
  Scheme scheme = Scheme::kF32;
  int64_t vocab = 0, cols = 0;        // the table is W[vocab, cols], packed by quant/
  const std::byte* table = nullptr;
  const int32_t* ids = nullptr;       // [rows]; id + offset is in [0, vocab): checked by the caller
  int32_t offset = 0;
  int64_t rows = 0;
  float* out = nullptr;               // [rows][out_stride]
  int64_t out_stride = 0;
};

std::span<const Kernel<EmbedArgs>> EmbedKernels();

}  // namespace hasten
