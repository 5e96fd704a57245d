// The gate's report as plain structs: what was judged, on what evidence, and the
// verdict. The JSON form (report_json.h) is the source that every other form
// (Markdown, JUnit, HTML, the quality card, --compare) is made from. A number that is not
// known, or is not finite, is absent (null in JSON), never zero.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "calib/load/latency_report.h"

namespace hasten::gate {

inline constexpr int64_t kReportVersion = 1;

enum class Verdict { kPass, kFail, kInconclusive };

struct Interval {
  double low = 0, high = 0;
  double level = 0;             // two-sided coverage: 0.9 has a one-sided bound of 95% at either end
};

// One condition of the policy.
struct Criterion {
  std::string surface;          // "chat"
  std::string name;             // as the policy spells it: "quality.kld_mean_max", "ttft_ms.p95"
  std::string group;            // "hard", "quality", "task", "generation", "latency", "cost"
  std::string unit;             // "nats", "points", "ms"; "" for none
  bool at_most = true;          // false: the estimate has to be at least the margin
  double margin = 0;
  std::optional<double> estimate;
  std::optional<Interval> interval;
  int64_t n = 0;                // positions, items, requests
  int64_t clusters = 0;         // documents; 0: items are independent
  std::optional<double> minimum_detectable_effect;   // alpha 0.05 one-sided, power 0.8
  std::optional<int64_t> n_to_decide;                // of the same unit as n
  std::optional<double> p_failure;                   // Holm-adjusted p-value of "beyond the margin"
  Verdict verdict = Verdict::kInconclusive;
  std::string reason;           // one line
};

struct File {
  std::string role;             // "candidate", "reference", "policy", "text", "task:hellaswag"
  std::string name;             // without folders
  std::string sha256;
  int64_t bytes = 0;
};

struct Metric {
  std::string key, description;
  std::optional<double> value;
  std::optional<Interval> interval;   // from the cluster bootstrap, where it has one
};

// A run that must equal another to the last bit, or says how far it is.
struct NoiseCheck {
  std::string name;             // "candidate, batch of 4", "reference, run twice"
  int64_t tokens = 0;
  double largest_difference = 0;      // of logits
  bool must_be_zero = true;
  std::string note;
};

// A multiple-choice task, by accuracy with and without normalization by length.
struct Task {
  std::string name;
  int64_t items = 0;
  double reference_accuracy = 0, candidate_accuracy = 0;
  double reference_accuracy_norm = 0, candidate_accuracy_norm = 0;
  int64_t only_reference_right = 0, only_candidate_right = 0;   // of the normalized form
  double mcnemar_p = 1;               // exact, two-sided
};

struct Generation {
  std::string prompt, reference, candidate;
  int64_t first_divergent = -1;       // token index; -1: none
  int64_t reference_tokens = 0, candidate_tokens = 0;
  std::string reference_finish, candidate_finish;   // "stop" or "length"
};

struct Histogram {
  std::string unit;
  std::vector<double> edges;          // one more than counts, ascending
  std::vector<int64_t> counts;
};

// Positions whose most likely token had a probability in [low, high).
struct CalibrationBin {
  double low = 0, high = 0;
  int64_t reference_n = 0, candidate_n = 0;
  double reference_confidence = 0, reference_accuracy = 0;
  double candidate_confidence = 0, candidate_accuracy = 0;
};

// How far the candidate's cached keys and values are from the reference's:
// root of squared difference over root of square.
struct LayerError {
  std::string name;                   // "layer 3"
  double key_error = 0, value_error = 0;
};

struct WorstItem {
  std::string kind;                   // "token", or a task's name
  int64_t document = 0, position = 0; // position: token in its chunk, item in its file
  std::string text;                   // what came before, UTF-8
  std::string expected;               // the token that came, or the right ending
  std::string reference, candidate;   // what each finds most likely
  double difference = 0;              // KL divergence in nats, or loss of margin of the right ending
  std::string unit;
};

struct Seconds {
  double total = 0, reference = 0, candidate = 0, tasks = 0, noise = 0, latency = 0;
};

struct Report {
  int64_t version = kReportVersion;
  std::string tool_version;
  Verdict verdict = Verdict::kInconclusive;
  std::string reason;                 // one line
  std::vector<File> files;
  std::string instruction_set;        // of the kernels that ran
  int64_t threads = 0;
  std::string weights;                // the artifact's recipe, "int4:64, head int8:64"
  std::vector<Criterion> criteria;
  std::vector<NoiseCheck> noise;
  std::vector<Metric> metrics;
  std::vector<Task> tasks;
  std::vector<Generation> generations;
  Histogram kld;                      // of positions
  std::vector<CalibrationBin> calibration;
  std::vector<LayerError> layers;
  std::vector<WorstItem> worst;       // at most 20
  load::LatencyReport latency;
  Seconds seconds;
};

// "PASS", "FAIL", "INCONCLUSIVE"; 0, 1, 5.
const char* VerdictName(Verdict verdict);
int VerdictExit(Verdict verdict);

}  // namespace hasten::gate
