// Endings under the candidate, through the C interface: contexts in one call, then
// forks of them with the endings.
#include <algorithm>
#include <numeric>

#include "calib/abi/batch.h"
#include "calib/metrics/score.h"
#include "calib/tasks/kept_scores.h"
#include "calib/tasks/score_choices.h"
#include "runtime/base/threads.h"

namespace hasten::calib {
namespace {

// Tokens of a call's items together: one step of the engine by its default.
constexpr int64_t kCallTokens = 512;
constexpr int64_t kSpareTokens = 64;   // a page that each sequence may leave part empty
constexpr size_t kBlock = 32;          // items that are kept together

int64_t TokensOf(const EncodedItem& item) {
  int64_t n = item.shared;
  for (const auto& whole : item.whole) n += static_cast<int64_t>(whole.size()) - item.shared;
  return n;
}

class Scorer {
 public:
  Scorer(BatchSession& session, ThreadPool& pool) : session_(session), pool_(pool) {}

  // In calls of about kCallTokens.
  Status RunBlock(std::span<const EncodedItem> items, std::span<EndingScores> scores) {
    for (size_t begin = 0, end = 0; begin < items.size(); begin = end) {
      int64_t tokens = 0;
      for (end = begin; end < items.size() && (end == begin || tokens + TokensOf(items[end]) <= kCallTokens); ++end) tokens += TokensOf(items[end]);
      HST_RETURN_IF_ERROR(Run(items.subspan(begin, end - begin), scores.subspan(begin, end - begin)));
    }
    return {};
  }

 private:
  // The scores of a few items at once.
  Status Run(std::span<const EncodedItem> items, std::span<EndingScores> scores) {
    std::vector<BatchItem> contexts;
    std::vector<hst_sequence> all;
    std::vector<BatchItem> endings;
    for (const EncodedItem& item : items) {
      HST_ASSIGN_OR_RETURN(const hst_sequence sequence, session_.New());
      all.push_back(sequence);
      if (item.shared > 0) contexts.push_back({sequence, std::span(item.whole[0]).first(static_cast<size_t>(item.shared)), Rows::kNone});
    }
    if (!contexts.empty()) HST_RETURN_IF_ERROR(session_.Evaluate(contexts));
    for (size_t i = 0; i < items.size(); ++i) {
      for (const std::vector<int32_t>& whole : items[i].whole) {
        HST_ASSIGN_OR_RETURN(const hst_sequence fork, session_.Fork(all[i]));
        all.push_back(fork);
        // The last token predicts nothing that is scored.
        endings.push_back({fork, std::span(whole).subspan(static_cast<size_t>(items[i].shared), whole.size() - 1 - static_cast<size_t>(items[i].shared)), Rows::kAll});
      }
    }
    HST_RETURN_IF_ERROR(session_.Evaluate(endings));
    size_t at = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      scores[i].clear();
      for (const std::vector<int32_t>& whole : items[i].whole) {
        HST_ASSIGN_OR_RETURN(const double score, Sum(at++, items[i], whole));
        scores[i].push_back(score);
      }
    }
    for (const hst_sequence sequence : all) HST_RETURN_IF_ERROR(session_.Free(sequence));
    return {};
  }

  Result<double> Sum(size_t item, const EncodedItem& encoded, const std::vector<int32_t>& whole) {
    HST_ASSIGN_OR_RETURN(const RowBlock rows, session_.RowsOf(item));
    const int64_t first = encoded.scored_from - 1 - encoded.shared;   // the row that predicts the ending's first token
    std::vector<double> terms(static_cast<size_t>(rows.rows - first));
    for (const int32_t token : whole) {
      if (token < 0 || token >= rows.cols) return BadInput("token ", token, " is outside the candidate's vocabulary of ", rows.cols);
    }
    pool_.Run(static_cast<int64_t>(terms.size()), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t k = begin; k < end; ++k) {
        const auto row = rows.At(first + k);
        terms[static_cast<size_t>(k)] = static_cast<double>(row[static_cast<size_t>(whole[static_cast<size_t>(encoded.scored_from + k)])]) - LogSumExp(row);
      }
    });
    return std::accumulate(terms.begin(), terms.end(), 0.0);
  }

  BatchSession& session_;
  ThreadPool& pool_;
};

}  // namespace

Result<std::vector<EndingScores>> ScoreByCandidate(const Artifact& artifact, std::span<const EncodedItem> items, int threads,
                                                   const CandidateStore& kept, const ChoiceProgress& progress) {
  int64_t largest = 0, sequences = 1;
  for (const EncodedItem& item : items) {
    largest = std::max(largest, TokensOf(item));
    sequences = std::max(sequences, static_cast<int64_t>(item.whole.size()) + 1);
  }
  const int64_t capacity = std::max(kCallTokens, largest) + kSpareTokens * sequences * (kCallTokens / 8);
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<BatchSession> session,
                       BatchSession::Create(artifact, {.threads = threads, .capacity = capacity, .cancel = progress.cancel}));
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> pool, ThreadPool::Create(threads));
  Scorer scorer(*session, *pool);
  std::vector<EndingScores> scores(items.size());
  for (size_t begin = 0; begin < items.size(); begin += kBlock) {
    // The session hears of it too, but from a thread that may come late.
    if (progress.cancel && *progress.cancel) return Status(Code::kCancelled, "interrupted");
    const size_t count = std::min(kBlock, items.size() - begin);
    const auto block = items.subspan(begin, count);
    const auto out = std::span(scores).subspan(begin, count);
    std::vector<const EncodedItem*> pointers;
    for (const EncodedItem& item : block) pointers.push_back(&item);
    const std::string key = KeyOfScores("candidate choices 1", kept.digest, pointers);
    std::optional<std::vector<EndingScores>> found = kept.resume ? ReadScores(kept.store, key, pointers) : std::nullopt;
    if (found) {
      std::move(found->begin(), found->end(), out.begin());
    } else {
      HST_RETURN_IF_ERROR(scorer.RunBlock(block, out));
      KeepScores(kept.store, key, out);
    }
    if (progress.update) progress.update(static_cast<int64_t>(begin + count), static_cast<int64_t>(items.size()));
  }
  return scores;
}

}  // namespace hasten::calib
