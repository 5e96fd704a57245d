#include "calib/gate/gate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "calib/gate/describe.h"
#include "calib/gate/gather.h"
#include "calib/gate/judge.h"
#include "calib/gate/noise.h"

namespace hasten::gate {
namespace {

// Sums of the numerator over those of the denominator, over resampled prompts.
stats::ClusterStatistic Ratio(std::vector<double> over, std::vector<double> under) {
  return [over = std::move(over), under = std::move(under)](std::span<const uint32_t> weights) {
    double a = 0, b = 0;
    for (size_t i = 0; i < weights.size(); ++i) a += weights[i] * over[i], b += weights[i] * under[i];
    return a / b;
  };
}

class Gate {
 public:
  Gate(const GateOptions& options, const Policy& policy) : o_(options), policy_(policy) {}

  Result<Report> Run() {
    const auto start = std::chrono::steady_clock::now();
    report_.tool_version = o_.tool_version;
    HST_ASSIGN_OR_RETURN(const Needs needs, NeedsOf(policy_, o_));
    HST_ASSIGN_OR_RETURN(e_, OpenAll(policy_, needs, o_, report_));
    HST_RETURN_IF_ERROR(Noise());
    if (needs.text) HST_RETURN_IF_ERROR(ScoreText(e_, o_, report_));
    HST_RETURN_IF_ERROR(ScoreTasks(e_, policy_, needs, o_, report_));
    if (needs.generation) HST_RETURN_IF_ERROR(Generate(e_, policy_, o_, report_));
    HST_RETURN_IF_ERROR(Describe());
    for (const Surface& surface : policy_.surfaces) {
      if (o_.surface.empty() || surface.name == o_.surface) HST_RETURN_IF_ERROR(Judge(surface));
    }
    Conclude(report_);
    report_.seconds.total = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(report_);
  }

 private:
  Status Noise() {
    if (!e_.has_text) return {};
    if (o_.stage) o_.stage("measure the noise");
    const auto start = std::chrono::steady_clock::now();
    if (!e_.artifact->info().causal) {
      HST_ASSIGN_OR_RETURN(report_.noise, EncoderNoise(*e_.artifact, e_.text.texts, {.candidate = o_.candidate, .threads = o_.threads, .cancel = o_.cancel}));
      return {};
    }
    HST_ASSIGN_OR_RETURN(report_.noise, CandidateNoise(*e_.artifact, e_.text.chunks, {.candidate = o_.candidate, .threads = o_.threads, .cancel = o_.cancel}));
    if (e_.reference) {
      HST_ASSIGN_OR_RETURN(NoiseCheck check, ReferenceNoise(o_.reference, *e_.reference, e_.text.chunks, o_.threads, o_.cancel));
      report_.noise.push_back(std::move(check));
    }
    report_.seconds.noise = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return {};
  }

  Status Describe() {
    if (o_.stage) o_.stage("judge");
    DescribeText(e_, report_);
    DescribeTasks(e_, report_);
    HST_RETURN_IF_ERROR(DescribeWorst(e_, report_));
    HST_RETURN_IF_ERROR(DescribeGenerations(e_, report_));
    return DescribeLayers(e_, o_.threads, report_);
  }

  Status Judge(const Surface& surface) {
    HST_RETURN_IF_ERROR(JudgeHard(surface));
    for (const Limit& limit : surface.quality) JudgeQuality(surface, limit);
    for (const TaskLimit& limit : surface.tasks) JudgeOneTask(surface, limit);
    for (const Limit& limit : surface.generation) JudgeGeneration(surface, limit);
    if (o_.latency && (surface.workload || !surface.resources.empty())) return o_.latency(policy_, surface, report_);
    const std::string why = "latency was not measured";
    for (const Budget& b : surface.budgets) report_.criteria.push_back(NotMeasured(surface.name, "latency", b.Name(), {b.Name(), "", true, b.limit}, why));
    for (const Limit& limit : surface.resources) report_.criteria.push_back(NotMeasured(surface.name, "cost", limit.name, limit, why));
    return {};
  }

  // What holds without statistics, or the artifact is broken.
  Status JudgeHard(const Surface& surface) {
    if (e_.reference && e_.artifact->info().has_tokenizer) {
      HST_ASSIGN_OR_RETURN(const std::string difference, TokenizerDifference(e_.facts, e_.reference->folder()));
      report_.criteria.push_back(HardCheck(surface.name, "tokenizer", difference.empty(), difference.empty() ? "is the reference's" : difference, 1));
    }
    int64_t tokens = 0;
    std::string unequal;
    for (const NoiseCheck& check : report_.noise) {
      if (!check.must_be_zero) continue;
      tokens += check.tokens;
      if (!(check.largest_difference == 0)) unequal += StrCat(unequal.empty() ? "" : "; ", check.name, ": logits differ by up to ", check.largest_difference);
    }
    if (tokens > 0) {
      report_.criteria.push_back(HardCheck(surface.name, "same_bits", unequal.empty(), unequal.empty() ? "the same logits, to the bit, under every other batch, chunk, thread count and instruction set" : unequal, tokens));
    }
    if (!e_.scores.scores.empty()) {
      const auto broken = std::count_if(e_.scores.scores.begin(), e_.scores.scores.end(), [causal = e_.artifact->info().causal](const calib::TokenScore& s) {
        return causal ? !std::isfinite(s.kld) || !std::isfinite(s.candidate_nll) : !std::isfinite(s.cosine);
      });
      report_.criteria.push_back(HardCheck(surface.name, "finite", broken == 0, broken == 0 ? "no NaN and no infinity" : StrCat("NaN or infinity at ", broken, " positions"),
                                           static_cast<int64_t>(e_.scores.scores.size())));
    } else {
      HST_ASSIGN_OR_RETURN(const BrokenRows found, FindBrokenRows(*e_.artifact, o_.threads, o_.cancel));
      report_.criteria.push_back(HardCheck(surface.name, "finite", found.broken == 0, found.broken == 0 ? "no NaN and no infinity in a few tokens" : StrCat("NaN or infinity at ", found.broken, " positions of ", found.rows), found.rows));
    }
    return {};
  }

  void JudgeQuality(const Surface& surface, const Limit& limit) {
    const std::string prefix = "quality.";
    const auto& scores = e_.scores.scores;
    if (scores.empty()) {
      report_.criteria.push_back(NotMeasured(surface.name, "quality", prefix + limit.name, limit, "no position was scored"));
      return;
    }
    const calib::Metric& metric = *calib::FindMetric(limit.figure);
    const std::string unit = limit.figure.starts_with("kld") ? "nats" : limit.figure.starts_with("delta_p") ? "points" : "";
    Support support{.n = static_cast<int64_t>(scores.size()), .clusters = e_.scores.documents, .extreme = metric.share == 1};
    support.estimate = Compute(metric, scores);
    std::optional<stats::Bootstrap> bootstrap;
    if (!support.extreme && e_.scores.documents >= 2) {
      bootstrap.emplace(e_.scores.documents, OverDocuments(metric, scores, e_.scores.document, e_.scores.documents));
      support.bootstrap = &*bootstrap;
    }
    report_.criteria.push_back(JudgeFigure(surface.name, "quality", prefix, limit, unit, support));
  }

  void JudgeOneTask(const Surface& surface, const TaskLimit& limit) {
    const TaskEvidence& task = e_.tasks[limit.name];
    // The policy's number of this surface: another may ask for more of the same file.
    const size_t n = limit.items == 0 ? task.items.size() : std::min(task.items.size(), static_cast<size_t>(limit.items));
    const calib::ChoiceResult r = CompareChoices(std::span(task.items).first(n), std::span(task.reference).first(n), std::span(task.candidate).first(n), limit.normalized);
    Criterion c = JudgeTask(surface.name, limit, r.paired);
    for (size_t i = 0; i < n; ++i) {
      if (std::all_of(task.candidate[i].begin(), task.candidate[i].end(), [](double x) { return std::isfinite(x); })) continue;
      c.verdict = Verdict::kFail;
      c.p_failure = 0;
      c.reason = StrCat("item ", i + 1, " has a NaN or an infinity");
      break;
    }
    report_.criteria.push_back(std::move(c));
  }

  void JudgeGeneration(const Surface& surface, const Limit& limit) {
    const auto broken = std::find_if(e_.candidate_greedy.begin(), e_.candidate_greedy.end(), [](const Continuation& c) { return c.broken; });
    if (broken != e_.candidate_greedy.end()) {
      Criterion c = NotMeasured(surface.name, "generation", "quality.generation." + limit.name, limit,
                                StrCat("prompt ", broken - e_.candidate_greedy.begin() + 1, " came to logits with a NaN or an infinity"));
      c.verdict = Verdict::kFail;
      c.p_failure = 0;
      report_.criteria.push_back(std::move(c));
      return;
    }
    std::vector<double> over, under(e_.prompts.size(), 1);
    for (size_t i = 0; i < e_.prompts.size(); ++i) {
      const Continuation &r = e_.reference_greedy[i], &c = e_.candidate_greedy[i];
      if (limit.figure == "divergent") over.push_back(FirstDivergent(r, c) >= 0 ? 1 : 0);
      else if (limit.figure == "finish_changed") over.push_back(r.stopped != c.stopped ? 1 : 0);
      else if (limit.figure == "repetition") over.push_back(RepetitionRate(c.tokens) - RepetitionRate(r.tokens));
      else {
        HST_CHECK(limit.figure == "length_ratio");
        over.push_back(static_cast<double>(c.tokens.size()));
        under[i] = static_cast<double>(r.tokens.size());
      }
    }
    const int64_t n = static_cast<int64_t>(over.size());
    if (n < 2) {
      report_.criteria.push_back(NotMeasured(surface.name, "generation", "quality.generation." + limit.name, limit, StrCat(n, " prompts are too few")));
      return;
    }
    const stats::Bootstrap bootstrap(n, Ratio(std::move(over), std::move(under)));
    report_.criteria.push_back(JudgeFigure(surface.name, "generation", "quality.generation.", limit, "", {.bootstrap = &bootstrap, .n = n, .clusters = n}));
  }

  const GateOptions& o_;
  const Policy& policy_;
  Evidence e_;
  Report report_;
};

}  // namespace

Result<Report> RunGate(const GateOptions& options) {
  HST_ASSIGN_OR_RETURN(const Policy policy, ReadPolicy(options.policy));
  if (!options.surface.empty()) {
    std::string names;
    bool found = false;
    for (const Surface& s : policy.surfaces) {
      found = found || s.name == options.surface;
      names += StrCat(names.empty() ? "" : ", ", s.name);
    }
    if (!found) return UsageError("--surface ", options.surface, ": ", options.policy, " has ", names);
  }
  return Gate(options, policy).Run();
}

}  // namespace hasten::gate
