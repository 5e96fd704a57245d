#include "calib/gate/greedy.h"

#include <algorithm>
#include <array>
#include <set>

#include "calib/abi/batch.h"
#include "calib/metrics/score.h"

namespace hasten::gate {
namespace {

// The lowest id of the largest value; NaN never wins.
int32_t ArgMax(std::span<const float> row) {
  size_t best = 0;
  for (size_t i = 1; i < row.size(); ++i) {
    if (row[i] > row[best] || (row[best] != row[best])) best = i;
  }
  return static_cast<int32_t>(best);
}

// Takes the next token of a continuation; false when it has come to its end.
bool Push(Continuation& c, std::span<const float> logits, std::span<const int32_t> eos, int64_t most) {
  if (!calib::IsDistribution(logits)) {
    c.broken = true;
    return false;
  }
  const int32_t token = ArgMax(logits);
  if (std::find(eos.begin(), eos.end(), token) != eos.end()) {
    c.stopped = true;
    return false;
  }
  c.tokens.push_back(token);
  return static_cast<int64_t>(c.tokens.size()) < most;
}

}  // namespace

Result<std::vector<Continuation>> GreedyByCandidate(const calib::Artifact& artifact, std::span<const std::vector<int32_t>> prompts,
                                                    int64_t tokens, int threads, const std::atomic<bool>* cancel) {
  std::vector<Continuation> out(prompts.size());
  int64_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, static_cast<int64_t>(prompt.size()));
  constexpr size_t kTogether = 16;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::BatchSession> session,
                       calib::BatchSession::Create(artifact, {.threads = threads, .capacity = static_cast<int64_t>(kTogether) * (longest + tokens + 64), .cancel = cancel}));
  for (size_t begin = 0; begin < prompts.size(); begin += kTogether) {
    const size_t end = std::min(prompts.size(), begin + kTogether);
    std::vector<calib::BatchItem> items;
    std::vector<size_t> which;
    for (size_t i = begin; i < end; ++i) {
      HST_ASSIGN_OR_RETURN(const hst_sequence sequence, session->New());
      items.push_back({sequence, prompts[i], calib::Rows::kLast});
      which.push_back(i);
    }
    while (!items.empty()) {
      HST_RETURN_IF_ERROR(session->Evaluate(items));
      std::vector<calib::BatchItem> next;
      std::vector<size_t> left;
      for (size_t k = 0; k < items.size(); ++k) {
        HST_ASSIGN_OR_RETURN(const calib::RowBlock row, session->RowsOf(k));
        Continuation& c = out[which[k]];
        c.tokens.reserve(static_cast<size_t>(tokens));   // the next call reads from it
        if (!Push(c, row.At(0), artifact.info().eos_ids, tokens)) {
          HST_RETURN_IF_ERROR(session->Free(items[k].sequence));
          continue;
        }
        next.push_back({items[k].sequence, std::span(c.tokens).last(1), calib::Rows::kLast});
        left.push_back(which[k]);
      }
      items = std::move(next);
      which = std::move(left);
    }
  }
  return out;
}

Result<std::vector<Continuation>> GreedyByReference(calib::ReferenceModel& model, std::span<const std::vector<int32_t>> prompts,
                                                    int64_t tokens, std::span<const int32_t> eos, const std::atomic<bool>* cancel) {
  std::vector<Continuation> out(prompts.size());
  if (prompts.empty()) return out;
  const size_t together = model.batches() ? prompts.size() : 1;
  for (size_t begin = 0; begin < prompts.size(); begin += together) {
    const int64_t n = static_cast<int64_t>(std::min(prompts.size(), begin + together) - begin);
    const int64_t prompt = static_cast<int64_t>(prompts[begin].size());
    std::vector<std::vector<int32_t>> texts(prompts.begin() + static_cast<int64_t>(begin), prompts.begin() + static_cast<int64_t>(begin) + n);
    std::vector<bool> open(static_cast<size_t>(n), true);
    std::vector<ir::Tensor> past;
    for (int64_t length = prompt; std::find(open.begin(), open.end(), true) != open.end(); ++length) {
      if (cancel && *cancel) return Status(Code::kCancelled, "interrupted");
      const int64_t seen = past.empty() ? 0 : length - 1;
      std::vector<int32_t> fed;
      for (const auto& text : texts) fed.insert(fed.end(), text.begin() + seen, text.end());
      HST_ASSIGN_OR_RETURN(calib::ReferenceModel::Output o,
                           model.Run({.tokens = fed, .sequences = n, .length = length - seen, .past_length = seen, .past = past}));
      for (int64_t i = 0; i < n; ++i) {
        const int64_t cols = o.logits.dim(1), row = (i + 1) * (length - seen) - 1;
        const std::span<const float> logits(o.logits.data<float>() + row * cols, static_cast<size_t>(cols));
        const size_t at = static_cast<size_t>(i);
        if (open[at]) open[at] = Push(out[begin + at], logits, eos, tokens);
        texts[at].push_back(ArgMax(logits));   // one that has ended goes on unread, to keep its place in the batch
      }
      past = std::move(o.present);
    }
  }
  return out;
}

double RepetitionRate(std::span<const int32_t> tokens) {
  if (tokens.size() < 4) return 0;
  std::set<std::array<int32_t, 4>> seen;
  int64_t repeated = 0;
  for (size_t i = 0; i + 4 <= tokens.size(); ++i) {
    repeated += !seen.insert({tokens[i], tokens[i + 1], tokens[i + 2], tokens[i + 3]}).second;
  }
  return static_cast<double>(repeated) / static_cast<double>(tokens.size() - 3);
}

int64_t FirstDivergent(const Continuation& a, const Continuation& b) {
  const size_t common = std::min(a.tokens.size(), b.tokens.size());
  for (size_t i = 0; i < common; ++i) {
    if (a.tokens[i] != b.tokens[i]) return static_cast<int64_t>(i);
  }
  return a.tokens.size() == b.tokens.size() && a.stopped == b.stopped ? -1 : static_cast<int64_t>(common);
}

}  // namespace hasten::gate
