// A small random transformer with every weight scheme and most instructions,
// made by the test itself: the artifact, and the same weights as numbers for a
// naive evaluation. Not a plan: buffers get arena space of their own each.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/format/model_info_generated.h"
#include "runtime/format/program_generated.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten::testing {

struct TinyConfig {
  Scheme weights = Scheme::kF32;   // projections
  Scheme head = Scheme::kF32;      // embedding and lm head (tied)
  KvType kv = KvType::kF32;
  uint32_t group = 32;             // activation group of integer schemes
  bool residual = false;           // of those activations
  uint32_t vocab = 97, hidden = 80, inter = 112, layers = 2;
  uint32_t heads = 4, kv_heads = 2, head_dim = 16, rotary_dim = 12;
  uint64_t window = 0;
  float softcap = 0;
  uint64_t ahead = 0;              // encoders: how far a token sees
  bool alibi = false;              // slopes of 2^-(h + 1)
  bool qk_norm = false;
  bool layer_norm = false;         // LayerNorm with bias and linear biases instead of RMS norm
  bool learned_positions = false;  // instead of RoPE
  bool encoder = false;            // bidirectional, hidden output, token types
  uint64_t max_positions = 512;
  uint32_t seed = 1;
};

struct TinyModel {
  TinyConfig config;
  fb::ProgramT program;
  fb::ModelInfoT info;
  std::vector<std::byte> weights;
  // Dequantized tensors, [n][k], by tensor index; what the program really holds.
  std::vector<std::vector<float>> values;
  std::map<std::string, uint32_t> index;  // tensor name -> index
  std::vector<std::byte> tokenizer;       // empty: no such section
};

TinyModel MakeTinyModel(const TinyConfig& config);

// Serialized sections, and the artifact written through ArtifactWriter.
std::vector<std::byte> PackProgram(const fb::ProgramT& program);
std::vector<std::byte> PackModelInfo(const fb::ModelInfoT& info);
Status WriteTinyModel(const TinyModel& model, const std::string& path);

// Logits (or hidden rows) of one sequence in double, [tokens][cols]; activations
// are not quantized.
std::vector<std::vector<double>> NaiveForward(const TinyModel& model, const std::vector<int32_t>& tokens);

}  // namespace hasten::testing
