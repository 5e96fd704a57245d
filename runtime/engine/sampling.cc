// Context: tokens chosen from the rows that an Evaluate made.
#include <algorithm>
#include <cstring>

#include "runtime/base/fp_env.h"
#include "runtime/engine/context.h"

namespace hasten {
namespace {

// Names the item where there are several.
Status OfItem(Status status, size_t index, size_t count) {
  return count > 1 ? std::move(status).Annotate(StrCat("item ", index)) : status;
}

// Tokens that a penalty applies to.
size_t Recents(const SampleRequest& r) { return r.options.repetition_penalty != 1.0f ? r.recent.size() : 0; }

}  // namespace

// Rows that pad the head beyond the vocabulary are never chosen.
size_t Context::VocabOf(size_t output) const {
  const int64_t cols = model_->program().outputs()->Get(static_cast<uint32_t>(output))->view()->cols();
  return static_cast<size_t>(std::min(cols, model_->vocab()));
}

Status Context::CheckRequest(const SampleRequest& r) const {
  HST_RETURN_IF_ERROR(CheckSampleOptions(r.options));
  HST_ASSIGN_OR_RETURN(const Piece* const piece, PieceOf(r.item, r.output));
  if (r.row < 0 || r.row >= piece->rows) return UsageError("sample: row ", r.row, " of ", piece->rows);
  const size_t vocab = VocabOf(r.output);
  for (const int32_t id : r.recent)
    if (id < 0 || static_cast<size_t>(id) >= vocab) return BadInput("sample: recent token ", id, " is outside the vocabulary of ", vocab);
  return {};
}

Status Context::SampleRows(std::span<const SampleRequest> requests, std::span<int32_t> tokens) {
  const ScopedFpEnv fp;
  for (size_t i = 0; i < requests.size(); ++i)
    if (Status s = CheckRequest(requests[i]); !s.ok()) return OfItem(std::move(s), i, requests.size());
  if (requests.empty()) return {};
  return device_ && device_->sampler() ? SampleOnDevice(requests, tokens) : SampleHere(requests, tokens);
}

Status Context::SampleHere(std::span<const SampleRequest> requests, std::span<int32_t> tokens) {
  Status first;
  for (size_t i = 0; i < requests.size(); ++i) {
    const SampleRequest& r = requests[i];
    const size_t vocab = VocabOf(r.output);
    sample_work_.resize(SampleWorkBytes(vocab));
    HST_ASSIGN_OR_RETURN(const OutputRows rows, Output(r.item, r.output));
    Result<int32_t> token = Sample({rows.data + r.row * rows.stride, vocab}, r.recent, r.position, r.options, sample_work_);
    tokens[i] = token.ok() ? *token : -1;
    if (!token.ok() && first.ok()) first = OfItem(std::move(token).status(), i, requests.size());
  }
  return first;
}

Status Context::GrowSampling(const SamplingLayout& layout) {
  if (layout.bytes <= std::min(sampling_.size(), sampling_host_.size())) return {};
  HST_RETURN_IF_ERROR(device_->Wait());
  const uint64_t bytes = layout.bytes > sampling_.size() ? 2 * layout.bytes : sampling_.size();
  HST_RETURN_IF_ERROR(sampling_.Grow(bytes, device_->device(), "choosing tokens"));
  return GrowHost(sampling_host_, bytes, device_->device(), "choosing tokens");
}

// Rows that lie whole strides apart are one launch: those of one step do.
void Context::GatherSampling(std::span<const SampleRequest> requests, const SamplingArrays& here, const SamplingArrays& there) {
  std::vector<SampleArgs>& launches = sample_launches_;
  launches.clear();
  int32_t taken = 0;   // recent tokens
  for (size_t i = 0; i < requests.size(); ++i) {
    const SampleRequest& r = requests[i];
    const Piece& piece = pieces_[r.item * stores_.size() + r.output];
    const float* const row = piece.data + r.row * piece.stride;
    const auto vocab = static_cast<int64_t>(VocabOf(r.output));
    const auto joins = [&](const SampleArgs& a) {
      return a.vocab == vocab && a.logits_stride == piece.stride && (row - a.logits) % piece.stride == 0 &&
             std::abs((row - a.logits) / piece.stride) < (int64_t{1} << 31) && a.rows < device_->plan().sampled_rows;
    };
    if (launches.empty() || !joins(launches.back())) launches.push_back({row, piece.stride, vocab, there.params + i, there.recent, there.tokens + i, 0});
    SampleArgs& a = launches.back();
    ++a.rows;
    const size_t recents = Recents(r);
    here.params[i] = {r.options, r.position, static_cast<int32_t>((row - a.logits) / piece.stride), taken, static_cast<int32_t>(recents)};
    std::copy_n(r.recent.data(), recents, here.recent + taken);
    taken += static_cast<int32_t>(recents);
  }
}

// One copy in, the rows' parameters and the tokens of penalties; and the tokens out.
Status Context::SampleOnDevice(std::span<const SampleRequest> requests, std::span<int32_t> tokens) {
  uint64_t recents = 0;
  for (const SampleRequest& r : requests) recents += Recents(r);
  if (recents > uint64_t{1} << 30) return UsageError("sample: ", recents, " recent tokens in one call");
  const SamplingLayout layout(requests.size(), recents);
  HST_RETURN_IF_ERROR(GrowSampling(layout));
  const SamplingArrays here(sampling_host_.data(), layout), there(sampling_.data(), layout);
  GatherSampling(requests, here, there);
  Queue& queue = device_->queue();
  queue.Upload(sampling_.data(), sampling_host_.data(), layout.recent + recents * sizeof(int32_t));
  for (const SampleArgs& a : sample_launches_) device_->sampler()->launch(a, queue.launches());
  queue.Download(sampling_host_.data() + layout.tokens, sampling_.data() + layout.tokens, requests.size() * sizeof(int32_t));
  HST_RETURN_IF_ERROR(device_->Wait());

  Status first;
  for (size_t i = 0; i < requests.size(); ++i) {
    const int32_t token = here.tokens[i];
    tokens[i] = std::max(token, -1);
    if (token >= 0 || !first.ok()) continue;
    first = OfItem(token == kTokenNaN ? BadInput("sample: a logit is not a number")
                                         : BadInput("sample: no token is possible: all ", VocabOf(requests[i].output), " logits are -inf"),
                      i, requests.size());
  }
  return first;
}

}  // namespace hasten
