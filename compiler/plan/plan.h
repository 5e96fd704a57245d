// The plan: from a graph of semantic ops to the program that the runtime
// executes: instructions, buffers with offsets in one arena, tensors with a
// scheme and a place in the weights section. How weights become codes is the
// caller's (a quantizer); how they lie in the file is decided here.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/plan/rules.h"
#include "runtime/base/status.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten::plan {

// Rows [begin, end) of a stored matrix, or columns of one stored [K, N].
struct WeightPart {
  const ir::Value* value = nullptr;
  bool trans = true;          // true: stored [N, K]
  int64_t begin = 0, end = 0;
  bool operator==(const WeightPart&) const = default;
};

// One tensor of the artifact: the parts under each other, W[n, k].
struct TensorPlan {
  std::string name;
  Scheme scheme = Scheme::kF32;
  int64_t n = 0, k = 0;
  std::vector<WeightPart> parts;
  uint64_t offset = 0, bytes = 0;   // in the weights section

  // Rows [begin, end) as fp32 [end - begin][k], widened from any float type.
  void GatherRows(int64_t begin, int64_t end, float* out) const;
};

struct BufferPlan {
  bool quantized = false;
  bool outputs = false;       // output rows instead of token rows
  int64_t cols = 0, group = 0;
  bool residual = false;      // quantized: with a row of residuals behind each
  int first = 0, last = 0;    // instructions between which it lives
  uint64_t offset = 0;        // bytes per row of the step
  uint64_t bytes_per_row() const;
};

struct ViewPlan {
  int buffer = -1;
  int64_t col = 0, cols = 0;
};

enum class InstrKind { kEmbed, kNorm, kQuantize, kLinear, kRope, kKvAppend, kAttention, kUnary, kBinary, kGated, kSelectRows, kCopy };

// One instruction; which fields mean something follows from the kind (program.fbs).
struct InstrPlan {
  InstrKind kind = InstrKind::kCopy;
  ViewPlan a, b, out;          // x / gate / q / k, second operand / up / v
  int tensor = -1, bias = -1;  // rows of the tensor table
  int layer = 0, table = 0;
  int64_t heads = 1, head_dim = 0, rotary_dim = 0;
  bool flag = false;           // interleaved (rope), swapped (binary)
  uint8_t op = 0;              // NormKind, Unary, Binary
  uint8_t b_kind = 0;          // Operand
  uint8_t source = 0;          // fb::Source
  int64_t index_offset = 0;
  float eps = 0, scalar = 0;
  std::string loc;
};

struct LayerPlan {
  AttentionShape shape;        // its slopes are those below
  std::vector<float> slopes;   // ALiBi; empty: none
  std::string past_k, past_v, present_k, present_v;
};

struct RopePlan {
  std::vector<float> inv_freq;
  float scale = 1;
  bool operator==(const RopePlan&) const = default;
};

struct OutputPlan {
  std::string name;
  bool logits = false;
  ViewPlan view;
  int row = -1;
};

struct ProgramPlan {
  std::vector<BufferPlan> buffers;
  std::vector<TensorPlan> tensors;
  std::vector<InstrPlan> instrs;
  std::vector<LayerPlan> layers;
  std::vector<RopePlan> ropes;
  std::vector<OutputPlan> outputs;
  uint64_t arena_bytes_per_row = 0;
  uint64_t weights_bytes = 0;
  int64_t vocab = 0, token_types = 0;
  int64_t max_positions = 0;
  bool causal = true;
  KvType kv = KvType::kI8;
};

struct PlanOptions {
  Scheme weights = Scheme::kI4G64;
  Scheme head = Scheme::kI8G64;
  Scheme embed = Scheme::kI8G64;
  KvType kv = KvType::kI8;
  int64_t activation_group = 64;     // at most the weights'
  std::vector<SchemeRule> rules;     // over all that; the last that names a tensor has the word
  int64_t max_positions = 0;      // from the model's configuration; 0: not known
};

// kUnsupported names a node that no instruction executes; kUsage a rule that names
// no tensor, or a linear whose parts get different schemes (SplitLinears).
Result<ProgramPlan> MakePlan(const ir::Graph& graph, const PlanOptions& options);

// The program section's bytes (FlatBuffers, runtime/format/program.fbs).
std::vector<std::byte> SerializeProgram(const ProgramPlan& plan);

// The rows that feed `scheme` packing of one tensor, ready in `out` (bytes long).
using PackTensor = std::function<Status(const TensorPlan& tensor, std::span<std::byte> out)>;

}  // namespace hasten::plan
