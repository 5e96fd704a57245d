// Every field of the report, once: its JSON key, where it lies and what it means.
// Reading, writing and the schema are visitors of these lists, so that the three
// cannot disagree. A visitor is called as v(key, member, "meaning").
#pragma once

#include "calib/gate/report.h"

namespace hasten::gate {

template <class V>
void Fields(V& v, Interval& x) {
  v("low", x.low, "lower end");
  v("high", x.high, "upper end");
  v("level", x.level, "two-sided coverage; 0.9 bounds either side at 95%");
}

template <class V>
void Fields(V& v, Criterion& x) {
  v("surface", x.surface, "section of the policy");
  v("name", x.name, "condition as the policy spells it");
  v("group", x.group, "hard, quality, task, generation, latency or cost");
  v("unit", x.unit, "of estimate and margin; empty for none");
  v("at_most", x.at_most, "true: the estimate may be at most the margin; false: at least");
  v("margin", x.margin, "limit that the policy sets");
  v("estimate", x.estimate, "what was measured");
  v("interval", x.interval, "confidence interval of the estimate");
  v("n", x.n, "positions, items or requests measured");
  v("clusters", x.clusters, "documents that were resampled; 0: items are independent");
  v("minimum_detectable_effect", x.minimum_detectable_effect, "smallest distance from the margin that n shows with power 0.8 at a one-sided alpha of 0.05");
  v("n_to_decide", x.n_to_decide, "n, in the unit of n, that would decide at this estimate");
  v("p_failure", x.p_failure, "p-value of 'beyond the margin', adjusted by Holm's method");
  v("verdict", x.verdict, "of this criterion");
  v("reason", x.reason, "one line");
}

template <class V>
void Fields(V& v, File& x) {
  v("role", x.role, "candidate, reference, reference_logits, policy, text, prompts or task:NAME");
  v("name", x.name, "file name without folders");
  v("sha256", x.sha256, "digest of the content; of a model folder, that of its .onnx file and external data");
  v("bytes", x.bytes, "size");
}

template <class V>
void Fields(V& v, Metric& x) {
  v("key", x.key, "name");
  v("description", x.description, "what it is, with its unit");
  v("value", x.value, "null when it is not finite or not known");
  v("interval", x.interval, "cluster bootstrap over documents");
}

template <class V>
void Fields(V& v, NoiseCheck& x) {
  v("name", x.name, "what was repeated and how");
  v("tokens", x.tokens, "compared");
  v("largest_difference", x.largest_difference, "of logits");
  v("must_be_zero", x.must_be_zero, "whether a difference fails the gate");
  v("note", x.note, "remark");
}

template <class V>
void Fields(V& v, Task& x) {
  v("name", x.name, "of the task");
  v("items", x.items, "evaluated");
  v("reference_accuracy", x.reference_accuracy, "share right by log likelihood");
  v("candidate_accuracy", x.candidate_accuracy, "share right by log likelihood");
  v("reference_accuracy_norm", x.reference_accuracy_norm, "share right by log likelihood a character of the ending");
  v("candidate_accuracy_norm", x.candidate_accuracy_norm, "share right by log likelihood a character of the ending");
  v("only_reference_right", x.only_reference_right, "items lost (normalized)");
  v("only_candidate_right", x.only_candidate_right, "items won (normalized)");
  v("mcnemar_p", x.mcnemar_p, "exact, two-sided");
}

template <class V>
void Fields(V& v, Generation& x) {
  v("prompt", x.prompt, "text that was continued");
  v("reference", x.reference, "greedy continuation of the reference");
  v("candidate", x.candidate, "greedy continuation of the candidate");
  v("first_divergent", x.first_divergent, "index of the first token that differs, -1: none");
  v("reference_tokens", x.reference_tokens, "generated");
  v("candidate_tokens", x.candidate_tokens, "generated");
  v("reference_finish", x.reference_finish, "stop or length");
  v("candidate_finish", x.candidate_finish, "stop or length");
}

template <class V>
void Fields(V& v, Histogram& x) {
  v("unit", x.unit, "of the edges");
  v("edges", x.edges, "ascending, one more than counts");
  v("counts", x.counts, "positions in each bin");
}

template <class V>
void Fields(V& v, CalibrationBin& x) {
  v("low", x.low, "least probability of the most likely token");
  v("high", x.high, "bound above it");
  v("reference_n", x.reference_n, "positions");
  v("candidate_n", x.candidate_n, "positions");
  v("reference_confidence", x.reference_confidence, "mean probability of the most likely token");
  v("reference_accuracy", x.reference_accuracy, "share of positions where it came");
  v("candidate_confidence", x.candidate_confidence, "mean probability of the most likely token");
  v("candidate_accuracy", x.candidate_accuracy, "share of positions where it came");
}

template <class V>
void Fields(V& v, LayerError& x) {
  v("name", x.name, "layer");
  v("key_error", x.key_error, "relative error of cached keys (root of sums of squares)");
  v("value_error", x.value_error, "relative error of cached values");
}

template <class V>
void Fields(V& v, WorstItem& x) {
  v("kind", x.kind, "token, or the task's name");
  v("document", x.document, "index in the data");
  v("position", x.position, "token in its chunk, or item in its file");
  v("text", x.text, "what came before");
  v("expected", x.expected, "what came, or the right ending");
  v("reference", x.reference, "what the reference finds most likely");
  v("candidate", x.candidate, "what the candidate finds most likely");
  v("difference", x.difference, "how far apart they are");
  v("unit", x.unit, "of the difference");
}

template <class V>
void Fields(V& v, load::Percentile& x) {
  v("quantity", x.quantity, "ttft_ms, tpot_ms, itl_ms, e2e_ms, queue_ms or prefill_ms");
  v("slice", x.slice, "all, or a range of prompt tokens");
  v("percent", x.percent, "50, 90, 95, 99; 100 is the largest");
  v("value", x.value, "null when n does not support it");
  v("low", x.low, "bounds it below with 95% confidence: an order statistic, for itl_ms a bootstrap over requests");
  v("high", x.high, "bounds it above, likewise");
  v("n", x.n, "requests behind it; failed ones are infinitely late");
}

template <class V>
void Fields(V& v, load::Samples& x) {
  v("quantity", x.quantity, "as in percentiles, but for itl_ms");
  v("values", x.values, "ascending, of answered requests; at most 500, evenly chosen");
}

template <class V>
void Fields(V& v, load::LimitCount& x) {
  v("quantity", x.quantity, "as in percentiles");
  v("percent", x.percent, "of requests that have to keep the limit");
  v("at_most_ms", x.at_most_ms, "the limit");
  v("within", x.within, "requests that kept it; for itl_ms, all of whose gaps did");
  v("n", x.n, "requests");
  v("p_beyond", x.p_beyond, "p-value of 'the percentile is beyond the limit', not adjusted");
}

template <class V>
void Fields(V& v, load::Subject& x) {
  v("name", x.name, "candidate or baseline, and the surface where there are several");
  v("percentiles", x.percentiles, "latencies");
  v("samples", x.samples, "distributions");
  v("limits", x.limits, "of the policy, and how many requests kept them");
  v("requests", x.requests, "sent after the warm-up");
  v("failed", x.failed, "of them without a whole answer in time");
  v("good", x.good, "of them that met every limit");
  v("tokens", x.tokens, "answered");
  v("seconds", x.seconds, "from the first intended send to the last answer, all blocks");
  v("busy_seconds", x.busy_seconds, "of them, with a request being worked on");
  v("goodput_per_s", x.goodput_per_s, "requests a second that met every limit");
  v("device_seconds_per_1k_requests", x.device_seconds_per_1k_requests, "busy seconds for a thousand requests that met every limit");
  v("device_seconds_per_1m_tokens", x.device_seconds_per_1m_tokens, "busy seconds for a million of their tokens");
  v("cost_per_1k_requests", x.cost_per_1k_requests, "price of all seconds, for a thousand requests that met every limit");
  v("cost_per_1m_tokens", x.cost_per_1m_tokens, "likewise, for a million of their tokens");
  v("generator_lag_ms", x.generator_lag_ms, "largest delay of a send behind its intended time");
  v("load_ms", x.load_ms, "opening the artifact");
  v("peak_rss_bytes", x.peak_rss_bytes, "largest resident size");
  v("artifact_bytes", x.artifact_bytes, "file size");
  v("error", x.error, "of the first request that failed");
}

template <class V>
void Fields(V& v, load::Comparison& x) {
  v("surface", x.surface, "section of the policy");
  v("quantity", x.quantity, "as in percentiles");
  v("percent", x.percent, "as in percentiles");
  v("ratio", x.ratio, "candidate over baseline");
  v("low", x.low, "bounds it below with 95% confidence: paired bootstrap over requests");
  v("high", x.high, "bounds it above, likewise");
  v("p_beyond", x.p_beyond, "p-value of 'beyond baseline_ratio_max', not adjusted; 1 without one");
  v("n", x.n, "pairs of requests");
}

template <class V>
void Fields(V& v, load::LatencyReport& x) {
  v("note", x.note, "how it was measured, or why it was not");
  v("currency", x.currency, "of costs");
  v("arrivals_per_s", x.arrivals_per_s, "rate of the open-loop load");
  v("subjects", x.subjects, "candidate, and a baseline");
  v("comparisons", x.comparisons, "candidate over baseline, where there is one");
}

template <class V>
void Fields(V& v, Seconds& x) {
  v("total", x.total, "wall time");
  v("reference", x.reference, "reference over the text");
  v("candidate", x.candidate, "candidate over the text, with scoring");
  v("tasks", x.tasks, "multiple-choice tasks, both models");
  v("noise", x.noise, "noise floor and A/A checks");
  v("latency", x.latency, "load generator");
}

template <class V>
void Fields(V& v, Report& x) {
  v("version", x.version, "of this schema");
  v("tool_version", x.tool_version, "of hasten");
  v("verdict", x.verdict, "PASS only if every criterion passes");
  v("reason", x.reason, "one line");
  v("files", x.files, "what was judged, by digest");
  v("instruction_set", x.instruction_set, "of the kernels that ran; of a device's, its name");
  v("threads", x.threads, "of the candidate");
  v("weights", x.weights, "the artifact's recipe");
  v("criteria", x.criteria, "a row for each condition of the policy");
  v("noise", x.noise, "what repeating the measurement changes");
  v("metrics", x.metrics, "all that was measured, judged or not");
  v("tasks", x.tasks, "multiple-choice tasks");
  v("generations", x.generations, "greedy continuations");
  v("kld", x.kld, "KL divergence of positions");
  v("calibration", x.calibration, "probability of the most likely token against how often it came");
  v("layers", x.layers, "error by layer; empty where the reference gives no cache");
  v("worst", x.worst, "items that differ most");
  v("latency", x.latency, "latency and cost");
  v("seconds", x.seconds, "time the gate took");
}

}  // namespace hasten::gate
