#include "calib/eval/evaluate.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "calib/abi/artifact.h"
#include "calib/data/chunks.h"
#include "calib/data/text_file.h"
#include "calib/eval/reference.h"

namespace hasten::calib {
namespace {

constexpr int64_t kCandidateRows = 64;  // of the candidate's logits held at once

// The token that the tokenizer puts before every text, if it does.
Result<std::optional<int32_t>> LeadingToken(const Artifact& artifact) {
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> with, artifact.Encode("a", /*special=*/true));
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> without, artifact.Encode("a", /*special=*/false));
  if (with.size() > without.size() && !with.empty() && (without.empty() || with[0] != without[0])) {
    return std::optional<int32_t>(with[0]);
  }
  return std::optional<int32_t>();
}

// Adds `tokens` and the time until it is destroyed.
class Timer {
 public:
  Timer(EvalReport::Speed& speed, int64_t tokens) : speed_(speed) { speed_.tokens += tokens; }
  ~Timer() { speed_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  EvalReport::Speed& speed_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Status ScoreChunk(const Chunks& chunks, int64_t index, ReferenceModel& reference, Session& candidate, EvalReport& report) {
  const std::span<const int32_t> tokens = chunks.At(index);
  ir::Tensor judge;
  {
    const Timer timer(report.reference, chunks.context);
    HST_ASSIGN_OR_RETURN(judge, reference.Logits(tokens));
  }
  HST_RETURN_IF_ERROR(candidate.Reset());
  const int64_t first = chunks.first_scored(), end = first + chunks.scored();
  const auto evaluate = [&](int64_t at, int64_t count, Rows want) {
    const Timer timer(report.candidate, count);
    return candidate.Evaluate(tokens.subspan(static_cast<size_t>(at), static_cast<size_t>(count)), want);
  };
  HST_RETURN_IF_ERROR(evaluate(0, first, Rows::kNone).status());
  for (int64_t at = first; at < end; at += kCandidateRows) {
    const int64_t count = std::min(kCandidateRows, end - at);
    HST_ASSIGN_OR_RETURN(const RowBlock rows, evaluate(at, count, Rows::kAll));
    if (rows.cols != judge.dim(1)) {
      return BadInput("the candidate has a vocabulary of ", rows.cols, ", the reference of ", judge.dim(1),
                      "; they are not the same model");
    }
    for (int64_t r = 0; r < count; ++r) {
      const float* row = judge.data<float>() + (at + r) * rows.cols;
      report.scores.push_back(ScoreToken({row, static_cast<size_t>(rows.cols)}, rows.At(r), tokens[static_cast<size_t>(at + r + 1)]));
    }
  }
  return {};
}

}  // namespace

Result<EvalReport> Evaluate(const EvalOptions& options) {
  HST_ASSIGN_OR_RETURN(const std::string text, ReadFile(options.text));
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Artifact> artifact, Artifact::Open(options.candidate));
  if (!artifact->info().causal) return Unsupported(options.candidate, " is an encoder; perplexity needs a causal language model");
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, artifact->Encode(text, /*special=*/false));
  HST_ASSIGN_OR_RETURN(const std::optional<int32_t> bos, LeadingToken(*artifact));
  Result<Chunks> chunks = CutChunks(tokens, options.context, options.chunks, bos);
  if (!chunks.ok()) return std::move(chunks).status().Annotate(options.text);
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<ReferenceModel> reference,
                       ReferenceModel::Open(options.reference, options.threads, options.cancel));
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session,
                       Session::Create(*artifact, {.threads = options.threads, .capacity = options.context, .cancel = options.cancel}));
  EvalReport report;
  for (; report.chunks < chunks->count; ++report.chunks) {
    if (options.cancel && *options.cancel) return Status(Code::kCancelled, "interrupted");
    HST_RETURN_IF_ERROR(ScoreChunk(*chunks, report.chunks, *reference, *session, report));
    if (options.progress) options.progress(report.chunks + 1, chunks->count);
  }
  return report;
}

}  // namespace hasten::calib
