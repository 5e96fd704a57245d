#include "calib/eval/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "calib/data/documents.h"
#include "calib/data/text_file.h"

namespace hasten::calib {
namespace {

constexpr int64_t kCandidateRows = 64;  // of the candidate's logits held at once
constexpr uint64_t kMostTextBytes = uint64_t{1} << 28, kMostDocumentBytes = uint64_t{1} << 26;

// Adds `tokens` and the time until it is destroyed.
class Timer {
 public:
  Timer(Speed& speed, int64_t tokens) : speed_(speed) { speed_.tokens += tokens; }
  ~Timer() { speed_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  Speed& speed_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Status TakeTexts(std::vector<std::vector<int32_t>> tokens, int64_t context, int64_t count, TextChunks& out) {
  const int64_t all = static_cast<int64_t>(tokens.size()), taken = count == 0 ? all : count;
  if (all < std::max<int64_t>(taken, 1)) return BadInput("the text has ", all, " documents, ", std::max<int64_t>(taken, 1), " are asked for");
  out.chunks.count = taken;
  out.chunks.context = context;
  for (int64_t i = 0; i < taken; ++i) {
    const size_t d = static_cast<size_t>(i * all / taken);
    if (tokens[d].size() > static_cast<size_t>(context)) tokens[d].resize(static_cast<size_t>(context));
    if (tokens[d].empty()) return BadInput("document ", d + 1, " has no token");
    out.chunks.document.push_back(static_cast<int32_t>(d));
    out.texts.push_back(std::move(tokens[d]));
  }
  return {};
}

}  // namespace

Result<std::optional<int32_t>> LeadingToken(const Artifact& artifact) {
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> with, artifact.Encode("a", /*special=*/true));
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> without, artifact.Encode("a", /*special=*/false));
  if (with.size() > without.size() && !with.empty() && (without.empty() || with[0] != without[0])) {
    return std::optional<int32_t>(with[0]);
  }
  return std::optional<int32_t>();
}

Result<TextChunks> ChunksOfText(const Artifact& artifact, const std::string& path, int64_t context, int64_t count) {
  HST_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMostTextBytes));
  Result<std::vector<std::string>> documents = SplitDocuments(text, path);
  if (!documents.ok()) return std::move(documents).status().Annotate(path);
  TextChunks out;
  out.documents = *std::move(documents);
  std::vector<std::vector<int32_t>> tokens;
  for (const std::string& document : out.documents) {
    if (document.size() > kMostDocumentBytes) {
      return BadInput(path, ": document ", out.digests.size() + 1, " has ", document.size(), " bytes, at most ", kMostDocumentBytes,
                      " are tokenised; separate documents by blank lines, or give JSON lines");
    }
    out.digests.push_back(DocumentDigest(document));
    Result<std::vector<int32_t>> encoded = artifact.Encode(document, /*special=*/!artifact.info().causal);
    if (!encoded.ok()) return std::move(encoded).status().Annotate(StrCat(path, ": document ", out.digests.size()));
    tokens.push_back(*std::move(encoded));
  }
  if (!artifact.info().causal) {
    Status taken = TakeTexts(std::move(tokens), context, count, out);
    return taken.ok() ? Result<TextChunks>(std::move(out)) : std::move(taken).Annotate(path);
  }
  HST_ASSIGN_OR_RETURN(const std::optional<int32_t> bos, LeadingToken(artifact));
  Result<Chunks> chunks = CutChunks(tokens, context, count, bos);
  if (!chunks.ok()) return std::move(chunks).status().Annotate(path);
  out.chunks = *std::move(chunks);
  return out;
}

Result<std::vector<TokenScore>> ScoreChunk(const Chunks& chunks, int64_t index, const RowSource& reference, Session& candidate,
                                           ThreadPool& pool, Speed& speed) {
  const std::span<const int32_t> tokens = chunks.At(index);
  HST_RETURN_IF_ERROR(candidate.Reset());
  const int64_t first = chunks.first_scored, end = first + chunks.scored(), cols = reference.cols();
  const auto evaluate = [&](int64_t at, int64_t count, Rows want) {
    const Timer timer(speed, count);
    return candidate.Evaluate(tokens.subspan(static_cast<size_t>(at), static_cast<size_t>(count)), want);
  };
  if (first > 0) HST_RETURN_IF_ERROR(evaluate(0, first, Rows::kNone).status());
  std::vector<TokenScore> scores(static_cast<size_t>(chunks.scored()));
  std::vector<std::vector<float>> scratch(static_cast<size_t>(pool.threads()), std::vector<float>(static_cast<size_t>(cols)));
  for (int64_t at = first; at < end; at += kCandidateRows) {
    const int64_t count = std::min(kCandidateRows, end - at);
    HST_ASSIGN_OR_RETURN(const RowBlock rows, evaluate(at, count, Rows::kAll));
    if (rows.cols != cols) {
      return BadInput("the candidate has a vocabulary of ", rows.cols, ", the reference of ", cols, "; they are not the same model");
    }
    pool.Run(count, 1, [&](int64_t begin, int64_t stop, int thread) {
      std::vector<float>& row = scratch[static_cast<size_t>(thread)];
      for (int64_t r = begin; r < stop; ++r) {
        reference.Row(at - first + r, row);
        scores[static_cast<size_t>(at - first + r)] = ScoreToken(row, rows.At(r), tokens[static_cast<size_t>(at + r + 1)]);
      }
    });
  }
  return scores;
}

Result<Scores> ScoreChunks(const Artifact& artifact, const Chunks& chunks, const ReferenceRows& reference, const ScoreOptions& options) {
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session,
                       Session::Create(artifact, {.threads = options.threads, .capacity = chunks.context, .cancel = options.cancel}));
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> pool, ThreadPool::Create(options.threads));
  Scores out;
  std::map<int32_t, int32_t> numbers;   // of documents with a chunk
  for (int64_t i = 0; i < chunks.count; ++i) {
    if (options.cancel && *options.cancel) return Status(Code::kCancelled, "interrupted");
    std::optional<std::vector<TokenScore>> scores = options.known ? options.known(i) : std::nullopt;
    if (!scores) {
      std::shared_ptr<const RowSource> rows;
      {
        const Timer timer(out.reference, chunks.context);
        HST_ASSIGN_OR_RETURN(rows, reference(i));
      }
      HST_ASSIGN_OR_RETURN(scores, ScoreChunk(chunks, i, *rows, *session, *pool, out.candidate));
      if (options.made) options.made(i, *scores);
    }
    const int32_t document = numbers.emplace(chunks.document[static_cast<size_t>(i)], static_cast<int32_t>(numbers.size())).first->second;
    out.scores.insert(out.scores.end(), scores->begin(), scores->end());
    out.document.insert(out.document.end(), scores->size(), document);
    if (options.progress) options.progress(i + 1, chunks.count);
  }
  out.documents = static_cast<int64_t>(numbers.size());
  return out;
}

Result<Scores> ScoreTexts(const Artifact& artifact, const TextChunks& text, ReferenceModel& reference, const ScoreOptions& options) {
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, Session::Create(artifact, {.threads = options.threads, .cancel = options.cancel}));
  Scores out;
  for (const std::vector<int32_t>& tokens : text.texts) {
    if (options.cancel && *options.cancel) return Status(Code::kCancelled, "interrupted");
    ir::Tensor expected;
    {
      const Timer timer(out.reference, static_cast<int64_t>(tokens.size()));
      HST_ASSIGN_OR_RETURN(expected, reference.MainRows(tokens));
    }
    RowBlock rows;
    {
      const Timer timer(out.candidate, static_cast<int64_t>(tokens.size()));
      HST_ASSIGN_OR_RETURN(rows, session->Evaluate(tokens, Rows::kAll));
    }
    if (rows.rows != expected.dim(0) || rows.cols != expected.dim(1)) {
      return BadInput("the candidate's output is [", rows.rows, ", ", rows.cols, "], the reference's [", expected.dim(0), ", ", expected.dim(1), "]; they are not the same model");
    }
    for (int64_t r = 0; r < rows.rows; ++r) {
      const std::span<const float> row(expected.data<float>() + r * rows.cols, static_cast<size_t>(rows.cols));
      if (!std::all_of(row.begin(), row.end(), [](float v) { return std::isfinite(v); })) return BadInput("the reference's output of document ", out.documents + 1, " has a NaN or an infinity");
      out.scores.push_back(ScoreOutputs(row, rows.At(r)));
      out.document.push_back(static_cast<int32_t>(out.documents));
    }
    ++out.documents;
    HST_RETURN_IF_ERROR(session->Reset());
    if (options.progress) options.progress(out.documents, text.chunks.count);
  }
  return out;
}

}  // namespace hasten::calib
