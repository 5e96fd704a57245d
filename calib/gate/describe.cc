#include "calib/gate/describe.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "calib/gate/judge.h"

namespace hasten::gate {
namespace {

constexpr size_t kWorst = 20, kWorstOfTasks = 6;
constexpr size_t kShownBefore = 40;   // tokens of text before a position

std::optional<double> Finite(double value) { return std::isfinite(value) ? std::optional<double>(value) : std::nullopt; }

// 0, then two edges a decade from 1e-6 nats to 10, then what is beyond.
Histogram KldHistogram(std::span<const calib::TokenScore> scores) {
  Histogram h;
  h.unit = "nats";
  h.edges = {0};
  for (int k = -12; k <= 2; ++k) h.edges.push_back(std::pow(10.0, k / 2.0));
  double largest = h.edges.back();
  for (const calib::TokenScore& s : scores) {
    if (std::isfinite(s.kld)) largest = std::max(largest, s.kld);
  }
  if (largest > h.edges.back()) h.edges.push_back(largest);
  h.counts.assign(h.edges.size() - 1, 0);
  for (const calib::TokenScore& s : scores) {
    if (!std::isfinite(s.kld)) continue;
    const auto above = std::upper_bound(h.edges.begin() + 1, h.edges.end() - 1, s.kld);   // rounding below 0 goes to the first
    ++h.counts[static_cast<size_t>(above - h.edges.begin() - 1)];
  }
  return h;
}

std::vector<CalibrationBin> Calibration(std::span<const calib::TokenScore> scores) {
  constexpr int kBins = 10;
  std::vector<CalibrationBin> bins(kBins);
  for (int b = 0; b < kBins; ++b) bins[static_cast<size_t>(b)].low = b / 10.0, bins[static_cast<size_t>(b)].high = (b + 1) / 10.0;
  const auto bin = [&bins](double p) -> CalibrationBin* {
    return std::isnan(p) ? nullptr : &bins[static_cast<size_t>(std::clamp(static_cast<int>(p * kBins), 0, kBins - 1))];
  };
  for (const calib::TokenScore& s : scores) {
    if (CalibrationBin* b = bin(s.reference_top_p)) {
      ++b->reference_n;
      b->reference_confidence += s.reference_top_p;
      b->reference_accuracy += s.reference_top_came;
    }
    if (CalibrationBin* b = bin(s.candidate_top_p)) {
      ++b->candidate_n;
      b->candidate_confidence += s.candidate_top_p;
      b->candidate_accuracy += s.candidate_top_came;
    }
  }
  for (CalibrationBin& b : bins) {
    const double r = static_cast<double>(std::max<int64_t>(b.reference_n, 1)), c = static_cast<double>(std::max<int64_t>(b.candidate_n, 1));
    b.reference_confidence /= r, b.reference_accuracy /= r;
    b.candidate_confidence /= c, b.candidate_accuracy /= c;
  }
  return bins;
}

}  // namespace

void DescribeText(const Evidence& e, Report& report) {
  if (e.scores.scores.empty()) return;
  const bool causal = e.artifact->info().causal;
  for (const calib::Metric& metric : calib::AllMetrics()) {
    if (!causal && !metric.of_outputs) continue;
    Metric out{std::string(metric.key), std::string(metric.description), Finite(Compute(metric, e.scores.scores)), std::nullopt};
    if (e.scores.documents >= 2 && metric.share != 1) {   // a maximum has no bootstrap
      const stats::Bootstrap bootstrap(e.scores.documents, OverDocuments(metric, e.scores.scores, e.scores.document, e.scores.documents));
      if (bootstrap.finite()) out.interval = IntervalOf(bootstrap);
    }
    report.metrics.push_back(std::move(out));
  }
  if (!causal) return;
  report.kld = KldHistogram(e.scores.scores);
  report.calibration = Calibration(e.scores.scores);
}

// An encoder's documents by their worst row.
void DescribeWorstTexts(const Evidence& e, Report& report) {
  constexpr size_t kShownBytes = 300;
  std::vector<double> least(e.text.texts.size(), 2);
  for (size_t i = 0; i < e.scores.scores.size(); ++i) {
    double& mine = least[static_cast<size_t>(e.scores.document[i])];
    mine = std::min(mine, e.scores.scores[i].cosine);
  }
  std::vector<size_t> order(least.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return least[a] < least[b]; });
  order.resize(std::min(order.size(), kWorst));
  for (const size_t d : order) {
    const int32_t document = e.text.chunks.document[d];
    report.worst.push_back({"document", document, 0, e.text.documents[static_cast<size_t>(document)].substr(0, kShownBytes), "", "", "", 1 - least[d], "1 - cosine, worst row"});
  }
}

Status DescribeWorst(const Evidence& e, Report& report) {
  if (!e.artifact->info().causal) return DescribeWorstTexts(e, report), Status();
  const auto& scores = e.scores.scores;
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto badness = [&](size_t i) { return std::isnan(scores[i].kld) ? INFINITY : scores[i].kld; };
  const size_t shown = std::min(kWorst - report.worst.size(), order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(shown), order.end(), [&](size_t a, size_t b) { return badness(a) > badness(b); });
  const calib::Chunks& chunks = e.text.chunks;
  for (size_t k = 0; k < shown; ++k) {
    const int64_t chunk = static_cast<int64_t>(order[k]) / chunks.scored(), position = chunks.first_scored + static_cast<int64_t>(order[k]) % chunks.scored();
    const auto tokens = chunks.At(chunk);
    const size_t from = position + 1 > static_cast<int64_t>(kShownBefore) ? static_cast<size_t>(position) + 1 - kShownBefore : 0;
    const calib::TokenScore& s = scores[order[k]];
    WorstItem item{"token", chunks.document[static_cast<size_t>(chunk)], position, "", "", "", "", s.kld, "nats"};
    const auto text = [&](std::span<const int32_t> ids) { return ids.empty() || ids[0] < 0 || !e.artifact->info().has_tokenizer ? Result<std::string>(std::string()) : e.artifact->Decode(ids); };
    HST_ASSIGN_OR_RETURN(item.text, text(tokens.subspan(from, static_cast<size_t>(position) + 1 - from)));
    HST_ASSIGN_OR_RETURN(item.expected, text(tokens.subspan(static_cast<size_t>(position) + 1, 1)));
    HST_ASSIGN_OR_RETURN(item.reference, text(std::span(&s.reference_top, 1)));
    HST_ASSIGN_OR_RETURN(item.candidate, text(std::span(&s.candidate_top, 1)));
    report.worst.push_back(std::move(item));
  }
  return {};
}

void DescribeTasks(const Evidence& e, Report& report) {
  for (const auto& [name, task] : e.tasks) {
    const calib::ChoiceResult plain = CompareChoices(task.items, task.reference, task.candidate, false);
    const calib::ChoiceResult norm = CompareChoices(task.items, task.reference, task.candidate, true);
    const double n = static_cast<double>(std::max<int64_t>(plain.items, 1));
    report.tasks.push_back({name, plain.items, static_cast<double>(plain.reference_right) / n, static_cast<double>(plain.candidate_right) / n,
                            static_cast<double>(norm.reference_right) / n, static_cast<double>(norm.candidate_right) / n,
                            norm.paired.only_reference, norm.paired.only_candidate, stats::McNemarExact(norm.paired)});
    // Items lost, the widest margin of the candidate's wrong answer first.
    std::vector<WorstItem> lost;
    for (size_t i = 0; i < task.items.size(); ++i) {
      const calib::ChoiceItem& item = task.items[i];
      const int64_t r = Answer(item, task.reference[i], true), c = Answer(item, task.candidate[i], true);
      if (r != item.label || c == item.label || c < 0) continue;
      const auto ending = [&](int64_t k) { return item.endings[static_cast<size_t>(k)]; };
      const double margin = task.candidate[i][static_cast<size_t>(c)] - task.candidate[i][static_cast<size_t>(item.label)];
      lost.push_back({name, 0, static_cast<int64_t>(i), item.context, ending(item.label), ending(r), ending(c), margin, "nats, the wrong ending's lead"});
    }
    std::sort(lost.begin(), lost.end(), [](const WorstItem& a, const WorstItem& b) { return a.difference > b.difference; });
    for (size_t k = 0; k < lost.size() && report.worst.size() < kWorstOfTasks; ++k) report.worst.push_back(std::move(lost[k]));
  }
}

Status DescribeGenerations(const Evidence& e, Report& report) {
  for (size_t i = 0; i < e.prompts.size(); ++i) {
    const Continuation &r = e.reference_greedy[i], &c = e.candidate_greedy[i];
    Generation g;
    HST_ASSIGN_OR_RETURN(g.prompt, e.artifact->Decode(e.prompts[i]));
    HST_ASSIGN_OR_RETURN(g.reference, e.artifact->Decode(r.tokens));
    HST_ASSIGN_OR_RETURN(g.candidate, e.artifact->Decode(c.tokens));
    g.first_divergent = FirstDivergent(r, c);
    g.reference_tokens = static_cast<int64_t>(r.tokens.size());
    g.candidate_tokens = static_cast<int64_t>(c.tokens.size());
    g.reference_finish = r.stopped ? "stop" : "length";
    g.candidate_finish = c.stopped ? "stop" : "length";
    report.generations.push_back(std::move(g));
  }
  return {};
}

}  // namespace hasten::gate
