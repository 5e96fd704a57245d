// A compiled model as C++ objects over the public C interface (hasten.h), which
// is the only way that the command and evaluation run one: what they measure is
// what a host program gets. Not part of the library's interface.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/include/hasten.h"

namespace hasten::calib {

struct Sampling {
  float temperature = 0;          // 0: the most likely token
  int32_t top_k = 0;              // 0: off
  float top_p = 1, min_p = 0;     // 1 and 0: off
  float repetition_penalty = 1;   // 1: off
  uint64_t seed = 0;
};

// As hst_model_options has it.
struct Place {
  std::string device;             // "": the CPU
  uint64_t memory = 0;            // bytes that may be taken of a device; 0: all
};

struct ArtifactInfo {
  int64_t vocab = 0;
  int64_t max_positions = 0;      // tokens of a sequence
  bool causal = true;             // false: an encoder
  bool has_tokenizer = false;
  uint32_t instructions = 0;
  std::string isa;                // of the kernels that run
  std::string device;             // "cpu", or the device's name
  double upload_ms = 0;           // that copying the weights to the device took
  std::string fallback;           // device "auto" only: why it is the CPU
  uint32_t output = 0;            // the main one: logits, else the first
  int32_t output_row = -1;        // the only token it has a row of; -1: it has one for each
  std::vector<int32_t> eos_ids;
  std::optional<int32_t> bos_id;
  Sampling sampling;              // the model's own defaults
};

// Thread-safe; any number of sessions share one.
class Artifact {
 public:
  // `isa`: "" for the best. Errors as hst_model_open.
  static Result<std::unique_ptr<Artifact>> Open(const std::string& path, const std::string& isa = {}, const Place& place = {});
  ~Artifact();
  Artifact(const Artifact&) = delete;
  Artifact& operator=(const Artifact&) = delete;

  const ArtifactInfo& info() const { return info_; }
  hst_model* get() const { return model_; }
  bool on_cpu() const { return info_.device == "cpu"; }
  // That it and its sessions hold of a device's memory now.
  Result<uint64_t> DeviceBytes() const;

  // The program's instructions, in order; the strings live as long as the artifact.
  Result<std::vector<hst_instruction_info>> Instructions() const;

  // Tokens of a text; `special`: with what the tokenizer puts around (BOS, CLS).
  Result<std::vector<int32_t>> Encode(std::string_view text, bool special) const;
  Result<std::string> Decode(std::span<const int32_t> tokens) const;
  // The prompt's tokens for a conversation: system (may be empty), then user.
  Result<std::vector<int32_t>> EncodeChat(std::string_view system, std::string_view user) const;

 private:
  Artifact() = default;
  hst_model* model_ = nullptr;
  ArtifactInfo info_;
  std::string first_line_;        // of what the library logs; set while opening
};

// Rows of a step, if nothing else is said (hst_context_options.max_rows).
inline constexpr int64_t kUsualRows = 512;

struct SessionOptions {
  int threads = 0;                 // 0: one a core
  int64_t prefill_chunk = 0;       // 0: the library's choice; more than kUsualRows makes steps as large
  int64_t capacity = 0;            // tokens of the longest sequence; 0: the library's choice
  bool profile = false;            // measure every instruction
  const std::atomic<bool>* cancel = nullptr;   // outlives the session
};

enum class Rows { kNone, kLast, kAll };

// Rows of an output, in memory of the session until its next call.
struct RowBlock {
  const float* data = nullptr;
  int64_t rows = 0, cols = 0, stride = 0;
  std::span<const float> At(int64_t row) const { return {data + row * stride, static_cast<size_t>(cols)}; }
};

hst_sample_options OptionsOf(const Sampling& sampling);

// One sequence that grows. Not thread-safe.
class Session {
 public:
  // `artifact` outlives the session.
  static Result<std::unique_ptr<Session>> Create(const Artifact& artifact, const SessionOptions& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Appends tokens and gives rows of the main output (logits, or an encoder's
  // hidden states) for none, the last, or all of them.
  Result<RowBlock> Evaluate(std::span<const int32_t> tokens, Rows rows);
  // Appends tokens, whose last row SampleNext chooses from; on a device it stays there.
  Status Append(std::span<const int32_t> tokens);
  // The next token. `history`: all tokens so far, which the repetition penalty applies
  // to and whose number keys the random choice.
  Result<int32_t> SampleNext(std::span<const int32_t> history, const Sampling& sampling);
  // Forgets the sequence.
  Status Reset();
  int64_t length() const { return length_; }
  // Most tokens of a prompt that are evaluated at once.
  int64_t chunk() const { return chunk_; }
  // Nanoseconds spent in each instruction since the session was made; needs options.profile.
  Result<std::vector<uint64_t>> InstructionTimes() const;

 private:
  Session() = default;
  Status Run(std::span<const int32_t> tokens, Rows rows);
  hst_context* context_ = nullptr;
  hst_sequence sequence_ = 0;
  int64_t length_ = 0, chunk_ = 0;
  uint32_t output_ = 0, instructions_ = 0;
  std::jthread watcher_;        // turns the cancel flag into hst_cancel
};

// Turns tokens into text that can be shown at once, up to the first stop string.
// Not thread-safe.
class TextStream {
 public:
  static Result<std::unique_ptr<TextStream>> Create(const Artifact& artifact, std::span<const std::string> stops);
  ~TextStream();
  TextStream(const TextStream&) = delete;
  TextStream& operator=(const TextStream&) = delete;

  Result<std::string> Push(int32_t token);
  Result<std::string> Finish();
  bool stopped() const { return stopped_; }

 private:
  TextStream() = default;
  hst_stream* stream_ = nullptr;
  bool stopped_ = false;
};

}  // namespace hasten::calib
