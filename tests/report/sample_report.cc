#include "tests/report/sample_report.h"

#include <cmath>

#include "calib/gate/report_fields.h"
#include "calib/load/judge.h"
#include "calib/load/summary.h"

namespace hasten::report {
namespace {

using gate::Criterion;
using gate::Interval;
using gate::Verdict;

// Deterministic, in (0, 1).
double Noise(int i) { return std::fmod(0.5 + 0.6180339887498949 * i, 1.0); }

load::Measured Load(const char* name, double slower) {
  load::Measured m{.name = name, .seconds = 140, .busy_s = 31 * slower, .load_ms = {41}, .peak_bytes = 214'000'000, .artifact_bytes = 89'900'000};
  for (int i = 0; i < 40; ++i) {
    load::Record r{.prompt_tokens = 64 + static_cast<int64_t>(960 * Noise(i)), .at_s = 3.3 * i, .lag_ms = 0.2 + Noise(3 * i)};
    r.queue_ms = 1 + (i % 7 == 0 ? 400 * Noise(5 * i) : 0);
    r.prefill_ms = slower * static_cast<double>(r.prompt_tokens) / 2.6;
    r.ttft_ms = r.queue_ms + r.prefill_ms;
    r.tpot_ms = slower * (3.1 + Noise(7 * i));
    r.e2e_ms = r.ttft_ms + 127 * r.tpot_ms;
    r.itl_ms.assign(127, r.tpot_ms);
    m.records.push_back(r);
  }
  return m;
}

gate::Criterion Quality(const char* name, const char* group, const char* unit, bool at_most, double margin, double estimate, Interval interval, int64_t n, int64_t clusters,
                        Verdict verdict, const char* reason) {
  Criterion c{.surface = "chat", .name = name, .group = group, .unit = unit, .at_most = at_most, .margin = margin, .estimate = estimate, .interval = interval, .n = n, .clusters = clusters};
  c.verdict = verdict, c.reason = reason;
  return c;
}

void AddEvidence(gate::Report& r, double scale) {
  r.kld.unit = "nats";
  r.kld.edges = {0};
  for (int i = 0; i <= 28; ++i) r.kld.edges.push_back(1e-5 * std::pow(10, i / 4.0));
  for (int i = 0; i < 29; ++i) r.kld.counts.push_back(std::llround(1400 * std::exp(-0.5 * std::pow((i - 14 - std::log10(scale) * 4) / 4.0, 2))));
  for (int i = 0; i < 10; ++i) {
    const double p = 0.05 + 0.1 * i;
    r.calibration.push_back({0.1 * i, 0.1 * (i + 1), 900 - 60 * i, 850 - 50 * i, p, std::min(1.0, p * 0.97 + 0.01), p + 0.01, std::min(1.0, p * (1 - 0.25 * scale) + 0.02)});
  }
  for (int i = 0; i < 30; ++i) r.layers.push_back({"layer " + std::to_string(i), scale * (0.05 + 0.004 * i + 0.03 * Noise(i)), scale * (0.09 + 0.006 * i + 0.04 * Noise(2 * i))});
  for (int i = 0; i < 20; ++i) {
    r.worst.push_back({"token", i * 3, 256 + i, "The Battle of Hastings was fought on 14 October 1066 between the Norman-French army of William, the Duke of Normandy, and an English army under the Anglo-Saxon King",
                       " Harold", " Harold", i % 2 ? " Edward" : " William", 9.1 - 0.2 * i, "nats"});
  }
  r.generations.push_back({"What is a compiler?", "A compiler is a program that translates source code into machine code before it runs.",
                           "A compiler is a program that reads source code and writes another program, which does the same.", 7, 17, 19, "stop", "stop"});
  r.generations.push_back({"Count to five.", "One, two, three, four, five.", "One, two, three, four, five.", -1, 12, 12, "stop", "stop"});
}

}  // namespace

const char kHostile[] = "</style></title><script>alert(1)</script><img src=x onerror=alert(2)>\" onload='alert(3)' &amp; ]]> | `x` ``` **b** [l](http://e.x) @all\n\x1b[31m\xff\xfe\xe2\x80\xae<!-- -->";

gate::Report FullReport() {
  gate::Report r;
  r.tool_version = "0.1.0", r.instruction_set = "avx512vnni", r.threads = 2, r.weights = "int4:64, head int8:64";
  r.files = {{"candidate", "smollm2-int4.hst", std::string(64, 'a'), 89'900'000}, {"reference", "model.onnx", std::string(64, 'b'), 538'544'000}, {"policy", "gate.toml", std::string(64, 'c'), 1200}, {"text", "wiki.test.txt", std::string(64, 'd'), 1'290'000}};
  r.criteria = {
      Quality("quality.kld_mean_max", "quality", "nats", true, 0.01, 0.301, {0.288, 0.315, 0.9}, 10'200, 62, Verdict::kFail, "0.301 nats is 30 times the limit: the candidate's distribution is far from the reference's"),
      Quality("quality.ppl_ratio_max", "quality", "", true, 1.01, 1.187, {1.171, 1.204, 0.9}, 10'200, 62, Verdict::kFail, "perplexity is 17.1% higher at least, limit 1%"),
      Quality("quality.top1_min", "quality", "", false, 0.95, 0.769, {0.761, 0.777, 0.9}, 10'200, 62, Verdict::kFail, "same first token at 77.7% of positions at most, limit 95%"),
      Quality("task.hellaswag.margin_pp", "task", "points", true, 2, 1.7, {0.4, 3.0, 0.9}, 1000, 0, Verdict::kInconclusive, "loses between 0.4 and 3 points, limit 2; about 41,000 items would decide"),
      Quality("hard.finite", "hard", "", true, 0, 0, {0, 0, 0.9}, 10'200, 0, Verdict::kPass, "no NaN and no infinity"),
  };
  r.criteria[3].n_to_decide = 41'000;
  const std::vector<load::Limit> limits = {{"ttft_ms", 50, 600}, {"ttft_ms", 90, 900}, {"tpot_ms", 90, 60}, {"ttft_ms", 99, 1500}};
  const load::Measured candidate = Load("candidate", 1), baseline = Load("baseline", 1.3);
  r.latency = {"Open loop, Poisson arrivals, 0.3 requests/s, 40 requests.", "EUR", 0.3, {load::Summarize(candidate, limits, {0.09, "EUR"}), load::Summarize(baseline, limits, {0.09, "EUR"})}, load::Compare(candidate, baseline, std::nullopt)};
  for (Criterion& c : load::Judge(r.latency, {limits, {{"goodput_min", "goodput", false, 0.25}, {"peak_rss_mb_max", "peak_rss_mb", true, 400}}}, "chat")) r.criteria.push_back(std::move(c));
  r.verdict = Verdict::kFail;
  r.reason = "3 criteria failed: kld_mean_max, ppl_ratio_max, top1_min";
  r.noise = {{"candidate, batch of 4", 512, 0, true, ""}, {"candidate, scalar kernels", 256, 0, true, "256 tokens"}, {"reference, run twice", 512, 0, false, "the interpreter's own noise"}};
  r.metrics = {{"kld_mean", "mean KL divergence, nats", 0.301, Interval{0.288, 0.315, 0.9}}, {"perplexity", "of the candidate", 21.4, std::nullopt}, {"kld_max", "largest, nats", std::nullopt, std::nullopt}};
  r.tasks = {{"hellaswag", 1000, 0.345, 0.336, 0.421, 0.404, 51, 34, 0.0823}};
  r.seconds = {431, 260, 31, 84, 21, 144};
  AddEvidence(r, 1);
  return r;
}

gate::Report PassingReport() {
  gate::Report r = FullReport();
  r.weights = "int8:32", r.verdict = Verdict::kPass, r.reason = "every criterion passed";
  r.files[0] = {"candidate", "smollm2-int8.hst", std::string(64, 'e'), 154'200'000};
  std::vector<Criterion> kept;
  for (Criterion& c : r.criteria) {
    if (c.group == "latency" && c.verdict != Verdict::kPass) continue;   // p99 is not asked for
    kept.push_back(c);
  }
  r.criteria = kept;
  r.criteria[0].estimate = 0.0044, r.criteria[0].interval = Interval{0.0041, 0.0047, 0.9}, r.criteria[0].reason = "at most 0.0047 nats, limit 0.01";
  r.criteria[1].estimate = 1.002, r.criteria[1].interval = Interval{1.0004, 1.0036, 0.9}, r.criteria[1].reason = "at most 0.36% higher, limit 1%";
  r.criteria[2].estimate = 0.968, r.criteria[2].interval = Interval{0.964, 0.972, 0.9}, r.criteria[2].reason = "at least 96.4%, limit 95%";
  r.criteria[3].estimate = 0.1, r.criteria[3].interval = Interval{-0.6, 0.8, 0.9}, r.criteria[3].reason = "loses at most 0.8 points, limit 2";
  for (Criterion& c : r.criteria) c.verdict = Verdict::kPass;
  r.metrics[0] = {"kld_mean", "mean KL divergence, nats", 0.0044, Interval{0.0041, 0.0047, 0.9}};
  r.kld = {}, r.calibration.clear(), r.layers.clear(), r.worst.clear(), r.generations.clear();
  AddEvidence(r, 0.015);
  return r;
}

namespace {

// Visits every text of a report.
struct Spoiler {
  void operator()(const char*, std::string& x, const char*) { x = kHostile; }
  template <class T>
  void operator()(const char* key, std::vector<T>& x, const char* meaning) { for (T& item : x) (*this)(key, item, meaning); }
  template <class T>
  void operator()(const char* key, std::optional<T>& x, const char* meaning) { if (x) (*this)(key, *x, meaning); }
  template <class T>
  void operator()(const char*, T& x, const char*) {
    if constexpr (std::is_class_v<T>) gate::Fields(*this, x);
  }
};

}  // namespace

gate::Report HostileReport() {
  gate::Report r = FullReport();
  Spoiler spoiler;
  gate::Fields(spoiler, r);
  // What the forms look up by name, so that all of it is drawn.
  const gate::Report full = FullReport();
  for (size_t i = 0; i < r.files.size(); ++i) r.files[i].role = full.files[i].role;
  r.metrics[0].key = full.metrics[0].key;
  for (auto& subject : r.latency.subjects) for (size_t i = 0; i < subject.samples.size(); ++i) subject.samples[i].quantity = full.latency.subjects[0].samples[i].quantity;
  return r;
}

}  // namespace hasten::report
