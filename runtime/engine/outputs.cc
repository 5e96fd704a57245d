// Context: the rows that an Evaluate made, and tokens chosen from them. What a device made
// stays there until it is asked for.
#include <cstring>

#include "runtime/base/fp_env.h"
#include "runtime/engine/context.h"

namespace hasten {
namespace {

// Room for so many bytes, kept from call to call.
Status GrowHost(DeviceMemory& memory, uint64_t bytes, Device& device) {
  if (bytes <= memory.size()) return {};
  memory = {};
  HST_ASSIGN_OR_RETURN(memory, device.AllocateHost(bytes, "output rows"));
  return {};
}

}  // namespace

Result<const Context::Piece*> Context::PieceOf(size_t item, size_t output) const {
  if (item >= items_ || output >= stores_.size())
    return UsageError("output ", output, " of item ", item, ": the last evaluate had ", items_, " items and ", stores_.size(), " outputs");
  return &pieces_[item * stores_.size() + output];
}

Result<OutputRows> Context::Output(size_t item, size_t output) {
  HST_ASSIGN_OR_RETURN(const Piece* const piece, PieceOf(item, output));
  const int64_t cols = model_->program().outputs()->Get(static_cast<uint32_t>(output))->view()->cols();
  if (!device_ || piece->rows == 0) return OutputRows{piece->data, piece->rows, cols, piece->stride};
  const size_t index = item * stores_.size() + output;
  if (fetched_.size() <= index) fetched_.resize(index + 1);
  DeviceMemory& rows = fetched_[index];
  if (!is_fetched_[index]) {
    // To the end of the last row's columns: what lies behind may be nothing's.
    const uint64_t bytes = static_cast<uint64_t>((piece->rows - 1) * piece->stride + cols) * sizeof(float);
    HST_RETURN_IF_ERROR(GrowHost(rows, bytes, device_->device()));
    device_->queue().Download(rows.data(), reinterpret_cast<const std::byte*>(piece->data), bytes);
    HST_RETURN_IF_ERROR(device_->Wait());
    is_fetched_[index] = true;
  }
  return OutputRows{reinterpret_cast<const float*>(rows.data()), piece->rows, cols, piece->stride};
}

Result<int32_t> Context::SampleOutput(size_t item, size_t output, int64_t row, std::span<const int32_t> recent, int64_t position,
                                      const SampleOptions& options) {
  const ScopedFpEnv fp;
  HST_RETURN_IF_ERROR(CheckSampleOptions(options));
  HST_ASSIGN_OR_RETURN(const Piece* const piece, PieceOf(item, output));
  if (row < 0 || row >= piece->rows) return UsageError("sample: row ", row, " of ", piece->rows);
  // Rows that pad the head beyond the vocabulary are never chosen.
  const int64_t cols = model_->program().outputs()->Get(static_cast<uint32_t>(output))->view()->cols();
  const auto vocab = static_cast<size_t>(std::min(cols, model_->vocab()));
  for (const int32_t id : recent)
    if (id < 0 || static_cast<size_t>(id) >= vocab) return BadInput("sample: recent token ", id, " is outside the vocabulary of ", vocab);
  if (device_ && device_->sampler()) return SampleOnDevice(*piece, row, vocab, recent, position, options);
  sample_work_.resize(SampleWorkBytes(vocab));
  HST_ASSIGN_OR_RETURN(const OutputRows rows, Output(item, output));
  return Sample({rows.data + row * rows.stride, vocab}, recent, position, options, sample_work_);
}

Result<int32_t> Context::SampleOnDevice(const Piece& piece, int64_t row, size_t vocab, std::span<const int32_t> recent, int64_t position,
                                        const SampleOptions& options) {
  // One copy in, the row's parameters and the tokens of the penalty; and the token out.
  static_assert(sizeof(SampleRow) <= SamplingLayout::kRecent);
  const bool penalty = options.repetition_penalty != 1.0f;
  const SampleRow params{options, position, 0, 0, static_cast<int32_t>(penalty ? recent.size() : 0)};
  const SamplingLayout layout(penalty ? recent.size() : 0);
  const uint64_t in = SamplingLayout::kRecent + (penalty ? recent.size_bytes() : 0);
  if (layout.bytes > std::min(sampling_.size(), sampling_host_.size())) {
    HST_RETURN_IF_ERROR(device_->Wait());
    const uint64_t bytes = layout.bytes > sampling_.size() ? SamplingLayout(2 * recent.size()).bytes : sampling_.size();
    HST_RETURN_IF_ERROR(sampling_.Grow(bytes, device_->device(), "choosing a token"));
    HST_RETURN_IF_ERROR(GrowHost(sampling_host_, bytes, device_->device()));
  }
  std::memcpy(sampling_host_.data(), &params, sizeof params);
  if (penalty) std::memcpy(sampling_host_.data() + SamplingLayout::kRecent, recent.data(), recent.size_bytes());
  Queue& queue = device_->queue();
  queue.Upload(sampling_.data(), sampling_host_.data(), in);
  SampleArgs a;
  a.logits = piece.data + row * piece.stride, a.logits_stride = piece.stride;
  a.vocab = static_cast<int64_t>(vocab);
  a.params = reinterpret_cast<const SampleRow*>(sampling_.data());
  a.recent = reinterpret_cast<const int32_t*>(sampling_.data() + SamplingLayout::kRecent);
  a.tokens = reinterpret_cast<int32_t*>(sampling_.data() + layout.token);
  a.rows = 1;
  device_->sampler()->launch(a, queue.launches());
  queue.Download(sampling_host_.data() + layout.token, sampling_.data() + layout.token, sizeof(int32_t));
  HST_RETURN_IF_ERROR(device_->Wait());
  int32_t chosen = 0;
  std::memcpy(&chosen, sampling_host_.data() + layout.token, sizeof chosen);
  if (chosen == kTokenNaN) return BadInput("sample: a logit is not a number");
  if (chosen == kTokenNone) return BadInput("sample: no token is possible: all ", a.vocab, " logits are -inf");
  return chosen;
}

}  // namespace hasten
