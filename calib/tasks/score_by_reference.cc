// Endings under the reference, interpreted: batches of items of one context length.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "calib/metrics/score.h"
#include "calib/tasks/kept_scores.h"
#include "calib/tasks/score_choices.h"
#include "runtime/base/threads.h"

namespace hasten::calib {
namespace {

// Rows of a run: products of more rows are not quicker, and the logits take memory.
constexpr int64_t kBatchRows = 512;

int64_t Longest(const EncodedItem& item) {
  size_t longest = 0;
  for (const auto& whole : item.whole) longest = std::max(longest, whole.size());
  return static_cast<int64_t>(longest);
}

// Each sequence of the tensor [B, ...] counts[b] times, one after another.
Result<ir::Tensor> Repeat(const ir::Tensor& t, std::span<const int64_t> counts) {
  std::vector<int64_t> dims = t.dims();
  const size_t bytes = t.bytes() / static_cast<size_t>(dims[0]);
  dims[0] = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  HST_ASSIGN_OR_RETURN(ir::Tensor out, ir::Tensor::Uninitialized(t.dtype(), std::move(dims)));
  std::byte* to = out.mutable_raw();
  for (size_t b = 0; b < counts.size(); ++b) {
    for (int64_t k = 0; k < counts[b]; ++k, to += bytes) std::memcpy(to, t.raw() + b * bytes, bytes);
  }
  return out;
}

class Scorer {
 public:
  Scorer(ReferenceModel& model, ThreadPool& pool) : model_(model), pool_(pool) {}

  // Items with the same `shared`, 0 where the model has no cache.
  Result<std::vector<EndingScores>> Run(std::span<const EncodedItem* const> items, int64_t shared) {
    if (!model_.batches()) return OneByOne(items);
    return Together(items, shared);
  }

 private:
  // For a graph of one sequence.
  Result<std::vector<EndingScores>> OneByOne(std::span<const EncodedItem* const> items) {
    std::vector<EndingScores> scores;
    for (const EncodedItem* item : items) {
      EndingScores& mine = scores.emplace_back();
      for (const auto& whole : item->whole) {
        const EncodedItem alone{{whole}, 0, item->scored_from};
        const EncodedItem* const list[] = {&alone};
        HST_ASSIGN_OR_RETURN(const std::vector<EndingScores> one, Together(list, 0));
        mine.push_back(one[0][0]);
      }
    }
    return scores;
  }

  Result<std::vector<EndingScores>> Together(std::span<const EncodedItem* const> items, int64_t shared) {
    std::vector<int64_t> counts;
    int64_t longest = 0;
    for (const EncodedItem* item : items) {
      counts.push_back(static_cast<int64_t>(item->whole.size()));
      longest = std::max(longest, Longest(*item));
    }
    TokenBatch batch{.sequences = std::accumulate(counts.begin(), counts.end(), int64_t{0}), .length = longest - shared - 1, .past_length = shared};
    std::vector<ir::Tensor> past;
    if (shared > 0) {
      HST_ASSIGN_OR_RETURN(past, Contexts(items, shared, counts));
      batch.past = past;
    }
    // Endings are filled up on the right: what comes later cannot change what came before.
    std::vector<int32_t> tokens(static_cast<size_t>(batch.sequences * batch.length), 0);
    size_t sequence = 0;
    for (const EncodedItem* item : items) {
      for (const auto& whole : item->whole) {
        std::copy(whole.begin() + shared, whole.end() - 1, tokens.begin() + static_cast<int64_t>(sequence++) * batch.length);
      }
    }
    batch.tokens = tokens;
    HST_ASSIGN_OR_RETURN(const ReferenceModel::Output output, model_.Run(batch));
    std::vector<EndingScores> scores;
    sequence = 0;
    for (const EncodedItem* item : items) {
      EndingScores& mine = scores.emplace_back();
      for (const auto& whole : item->whole) {
        HST_ASSIGN_OR_RETURN(const double sum, Sum(output.logits, static_cast<int64_t>(sequence++) * batch.length - shared, item->scored_from, whole));
        mine.push_back(sum);
      }
    }
    return scores;
  }

  // The caches of the shared beginnings, one for each ending.
  Result<std::vector<ir::Tensor>> Contexts(std::span<const EncodedItem* const> items, int64_t shared, std::span<const int64_t> counts) {
    std::vector<int32_t> tokens;
    for (const EncodedItem* item : items) tokens.insert(tokens.end(), item->whole[0].begin(), item->whole[0].begin() + shared);
    HST_ASSIGN_OR_RETURN(const ReferenceModel::Output output,
                         model_.Run({.tokens = tokens, .sequences = static_cast<int64_t>(items.size()), .length = shared}));
    std::vector<ir::Tensor> past;
    for (const ir::Tensor& t : output.present) {
      HST_ASSIGN_OR_RETURN(ir::Tensor repeated, Repeat(t, counts));
      past.push_back(std::move(repeated));
    }
    return past;
  }

  // `row0`: the row of the sequence's token 0, were it there.
  Result<double> Sum(const ir::Tensor& logits, int64_t row0, int64_t scored_from, const std::vector<int32_t>& whole) {
    const int64_t cols = logits.dim(1);
    std::vector<double> terms(whole.size() - static_cast<size_t>(scored_from));
    for (const int32_t token : whole) {
      if (token < 0 || token >= cols) return BadInput("the reference has a vocabulary of ", cols, ", the candidate's tokenizer makes token ", token);
    }
    pool_.Run(static_cast<int64_t>(terms.size()), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t k = begin; k < end; ++k) {
        const std::span<const float> row(logits.data<float>() + (row0 + scored_from - 1 + k) * cols, static_cast<size_t>(cols));
        terms[static_cast<size_t>(k)] = static_cast<double>(row[static_cast<size_t>(whole[static_cast<size_t>(scored_from + k)])]) - LogSumExp(row);
      }
    });
    return std::accumulate(terms.begin(), terms.end(), 0.0);
  }

  ReferenceModel& model_;
  ThreadPool& pool_;
};

}  // namespace

Result<std::vector<EndingScores>> ScoreByReference(ReferenceModel& model, std::span<const EncodedItem> items, int threads, const Store& store,
                                                   const ChoiceProgress& progress) {
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> pool, ThreadPool::Create(threads));
  const bool cached = model.cached() && model.batches();
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto shared = [&](size_t i) { return cached ? items[i].shared : 0; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return shared(a) != shared(b) ? shared(a) < shared(b) : Longest(items[a]) < Longest(items[b]);
  });
  Scorer scorer(model, *pool);
  std::vector<EndingScores> scores(items.size());
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    if (progress.cancel && *progress.cancel) return Status(Code::kCancelled, "interrupted");
    std::vector<const EncodedItem*> batch;
    int64_t endings = 0;
    for (end = begin; end < order.size() && shared(order[end]) == shared(order[begin]); ++end) {
      const EncodedItem& item = items[order[end]];
      const int64_t more = static_cast<int64_t>(item.whole.size());
      if (!batch.empty() && (!model.batches() || (endings + more) * (Longest(item) - shared(order[end])) > kBatchRows ||
                             static_cast<int64_t>(batch.size() + 1) * item.shared > kBatchRows)) break;
      batch.push_back(&item);
      endings += more;
    }
    const std::string key = KeyOfScores("choices 1", model.digest(), batch);
    std::optional<std::vector<EndingScores>> found = ReadScores(store, key, batch);
    if (!found) {
      HST_ASSIGN_OR_RETURN(found, scorer.Run(batch, shared(order[begin])));
      KeepScores(store, key, *found);
    }
    for (size_t i = begin; i < end; ++i) scores[order[i]] = std::move((*found)[i - begin]);
    if (progress.update) progress.update(static_cast<int64_t>(end), static_cast<int64_t>(order.size()));
  }
  return scores;
}

}  // namespace hasten::calib
