#include "calib/gate/gather.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "calib/eval/logits_file.h"

namespace hasten::gate {
namespace {

using calib::KeyBuilder;

// The wall time until it is destroyed, added to a figure of the report.
class Clock {
 public:
  explicit Clock(double& seconds) : seconds_(seconds) {}
  ~Clock() { seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  double& seconds_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void Stage(const GateOptions& o, std::string_view name) {
  if (o.stage) o.stage(name);
}

// Of the documents that are scored: what is too short for a chunk is no leak.
Status CheckData(const Evidence& e) {
  std::vector<std::string> digests, documents;
  std::vector<bool> used(e.text.documents.size());
  for (const int32_t d : e.text.chunks.document) used[static_cast<size_t>(d)] = true;
  for (size_t d = 0; d < used.size(); ++d) {
    if (!used[d]) continue;
    digests.push_back(e.text.digests[d]);
    documents.push_back(e.text.documents[d]);
  }
  return CheckSeparation(e.facts, digests, documents);
}

Status OpenText(const Policy& policy, Evidence& e, Report& report) {
  HST_ASSIGN_OR_RETURN(File file, DescribeFile("text", policy.data.text));
  report.files.push_back(std::move(file));
  HST_ASSIGN_OR_RETURN(e.text, calib::ChunksOfText(*e.artifact, policy.data.text, policy.data.context, policy.data.chunks));
  e.has_text = true;
  Status separate = CheckData(e);
  return separate.ok() ? Status() : std::move(separate).Annotate(policy.data.text);
}

Status OpenLogits(const GateOptions& o, Evidence& e, Report& report) {
  HST_ASSIGN_OR_RETURN(File file, DescribeFile("reference_logits", o.reference_logits));
  report.files.push_back(std::move(file));
  HST_ASSIGN_OR_RETURN(calib::LogitsFile logits, calib::OpenLogitsFile(o.reference_logits));
  if (logits.vocab != e.artifact->info().vocab) {
    return BadInput(o.reference_logits, ": the reference has a vocabulary of ", logits.vocab, ", the candidate of ", e.artifact->info().vocab, "; they are not the same model");
  }
  e.text.chunks = std::move(logits.chunks);
  e.rows = std::move(logits.rows);
  e.has_text = true;
  return {};
}

std::vector<std::byte> ToBytes(std::span<const calib::TokenScore> scores) {
  std::vector<std::byte> bytes(scores.size_bytes());
  std::memcpy(bytes.data(), scores.data(), bytes.size());
  return bytes;
}

std::optional<std::vector<calib::TokenScore>> FromBytes(const std::optional<std::vector<std::byte>>& bytes, int64_t count) {
  if (!bytes || bytes->size() != static_cast<size_t>(count) * sizeof(calib::TokenScore)) return std::nullopt;
  std::vector<calib::TokenScore> scores(static_cast<size_t>(count));
  std::memcpy(scores.data(), bytes->data(), bytes->size());
  return scores;
}

std::string DigestOf(const Report& report, std::string_view role) {
  for (const File& file : report.files) {
    if (file.role == role) return file.sha256;
  }
  return "";
}

// Kept results are of the place that they were made in.
std::string CandidateKey(const Evidence& e) {
  return e.artifact->on_cpu() ? e.facts.file.sha256 : StrCat(e.facts.file.sha256, " on ", e.artifact->info().device);
}

Status CheckEncoder(const Policy& policy, const GateOptions& o) {
  if (o.reference.empty()) return UsageError("--reference is needed: the candidate is an encoder, and logits of a text are a language model's");
  for (const Surface& s : policy.surfaces) {
    if (!o.surface.empty() && s.name != o.surface) continue;
    if (!s.tasks.empty() || !s.generation.empty()) return UsageError(o.policy, ": surface.", s.name, ": the candidate is an encoder, which has no tasks and no generation");
    for (const Limit& limit : s.quality) {
      if (!calib::FindMetric(limit.figure)->of_outputs) return UsageError(o.policy, ": surface.", s.name, ".quality.", limit.name, ": the candidate is an encoder; cosine, top1 and top5 are judged");
    }
  }
  return {};
}

}  // namespace

Result<Needs> NeedsOf(const Policy& policy, const GateOptions& o) {
  Needs needs;
  for (const Surface& s : policy.surfaces) {
    if (!o.surface.empty() && s.name != o.surface) continue;
    needs.text = needs.text || !s.quality.empty();
    needs.generation = needs.generation || !s.generation.empty();
    for (const TaskLimit& task : s.tasks) {
      const auto [at, fresh] = needs.tasks.emplace(task.name, task.items);
      if (!fresh && (at->second == 0 || task.items == 0)) at->second = 0;
      else if (!fresh) at->second = std::max(at->second, task.items);
    }
  }
  if ((needs.text || needs.generation) && policy.data.text.empty() && o.reference_logits.empty()) return UsageError(o.policy, ": data.text is missing: quality is judged on a text");
  if (o.reference.empty() && (needs.generation || !needs.tasks.empty())) return UsageError("--reference is needed: the policy asks for tasks or generation, which logits of a text do not give");
  if (needs.generation && policy.data.prompts == 0) return UsageError(o.policy, ": data.prompts is 0, but generation is judged");
  return needs;
}

Result<Evidence> OpenAll(const Policy& policy, const Needs& needs, const GateOptions& o, Report& report) {
  Stage(o, "open");
  Evidence e;
  HST_ASSIGN_OR_RETURN(e.facts, ReadCandidate(o.candidate, o.cancel));
  HST_ASSIGN_OR_RETURN(e.artifact, calib::Artifact::Open(o.candidate, "", o.place));
  if (!e.artifact->info().fallback.empty() && o.note) o.note(e.artifact->info().fallback);
  if (!e.artifact->info().causal) HST_RETURN_IF_ERROR(CheckEncoder(policy, o));
  HST_ASSIGN_OR_RETURN(e.store, calib::Store::Open(o.cache));
  report.files.push_back(e.facts.file);
  report.instruction_set = e.artifact->on_cpu() ? e.artifact->info().isa : e.artifact->info().device;
  report.threads = o.threads;
  report.weights = e.facts.weights;
  if (!o.reference.empty()) {
    HST_ASSIGN_OR_RETURN(e.reference, calib::ReferenceModel::Open(o.reference, o.threads, o.cancel));
    if (e.artifact->info().causal) HST_RETURN_IF_ERROR(calib::CheckSameVocabulary(*e.reference, e.artifact->info().vocab));
    report.files.push_back({"reference", e.reference->name(), e.reference->digest(), e.reference->bytes()});
  }
  HST_ASSIGN_OR_RETURN(File file, DescribeFile("policy", o.policy));
  report.files.push_back(std::move(file));
  if (!o.reference_logits.empty() && needs.text) HST_RETURN_IF_ERROR(OpenLogits(o, e, report));
  else if (!policy.data.text.empty() && (needs.text || needs.generation)) HST_RETURN_IF_ERROR(OpenText(policy, e, report));
  return e;
}

Status ScoreText(Evidence& e, const GateOptions& o, Report& report) {
  if (!e.has_text) return {};
  Stage(o, "score the text");
  const calib::Chunks& chunks = e.text.chunks;
  if (!e.artifact->info().causal) {
    HST_ASSIGN_OR_RETURN(e.scores, calib::ScoreTexts(*e.artifact, e.text, *e.reference, {.threads = o.threads, .progress = o.update, .cancel = o.cancel}));
    return {};
  }
  if (!e.rows) e.rows = calib::KeptRows(*e.reference, chunks, e.store);
  const std::string reference = DigestOf(report, o.reference_logits.empty() ? "reference" : "reference_logits");
  const auto key = [&](int64_t i) {
    return KeyBuilder("scores 1").Add(CandidateKey(e)).Add(reference).Add(chunks.first_scored).Add(chunks.At(i)).Finish();
  };
  calib::ScoreOptions options{.threads = o.threads, .progress = o.update, .cancel = o.cancel};
  options.made = [&](int64_t i, std::span<const calib::TokenScore> scores) { e.store.Put(key(i), ToBytes(scores)); };
  if (o.resume) options.known = [&](int64_t i) { return FromBytes(e.store.Get(key(i)), chunks.scored()); };
  Result<calib::Scores> scores = calib::ScoreChunks(*e.artifact, chunks, e.rows, options);
  if (!scores.ok()) return std::move(scores).status();
  e.scores = *std::move(scores);
  for (size_t i = 0; i < e.scores.scores.size(); ++i) {
    if (std::isfinite(e.scores.scores[i].reference_nll)) continue;
    const int64_t scored = chunks.scored(), at = static_cast<int64_t>(i);
    return BadInput("the reference's logits of chunk ", at / scored + 1, ", position ", chunks.first_scored + at % scored,
                    " have a NaN or an infinity, or give the token that came no probability; nothing can be judged by them");
  }
  report.seconds.reference += e.scores.reference.seconds;
  report.seconds.candidate += e.scores.candidate.seconds;
  return {};
}

Status ScoreTasks(Evidence& e, const Policy& policy, const Needs& needs, const GateOptions& o, Report& report) {
  const Clock clock(report.seconds.tasks);
  HST_ASSIGN_OR_RETURN(const std::optional<int32_t> bos, needs.tasks.empty() ? Result<std::optional<int32_t>>(std::optional<int32_t>()) : calib::LeadingToken(*e.artifact));
  const std::vector<int32_t> leading = bos ? std::vector<int32_t>{*bos} : std::vector<int32_t>();
  for (const TaskFile& task : policy.data.tasks) {
    const auto needed = needs.tasks.find(task.name);
    if (needed == needs.tasks.end()) continue;
    HST_ASSIGN_OR_RETURN(File file, DescribeFile("task:" + task.name, task.path));
    report.files.push_back(std::move(file));
    TaskEvidence& evidence = e.tasks[task.name];
    HST_ASSIGN_OR_RETURN(evidence.items, calib::ReadChoices(task.path, needed->second));
    std::vector<calib::EncodedItem> encoded;
    for (const calib::ChoiceItem& item : evidence.items) {
      Result<calib::EncodedItem> one = calib::EncodeChoice(*e.artifact, item, leading);
      if (!one.ok()) return std::move(one).status().Annotate(StrCat(task.path, ": item ", encoded.size() + 1));
      encoded.push_back(*std::move(one));
    }
    const calib::ChoiceProgress progress{o.update, o.cancel};
    Stage(o, StrCat(task.name, ", the candidate"));
    HST_ASSIGN_OR_RETURN(evidence.candidate, calib::ScoreByCandidate(*e.artifact, encoded, o.threads, {e.store, CandidateKey(e), o.resume}, progress));
    Stage(o, StrCat(task.name, ", the reference"));
    HST_ASSIGN_OR_RETURN(evidence.reference, calib::ScoreByReference(*e.reference, encoded, o.threads, e.store, progress));
    for (size_t i = 0; i < evidence.reference.size(); ++i) {
      if (std::all_of(evidence.reference[i].begin(), evidence.reference[i].end(), [](double x) { return std::isfinite(x); })) continue;
      return BadInput(task.path, ": item ", i + 1, ": the reference's log likelihoods have a NaN or an infinity; nothing can be judged by them");
    }
  }
  return {};
}

Status Generate(Evidence& e, const Policy& policy, const GateOptions& o, Report& report) {
  if (!e.reference || policy.data.prompts == 0) return {};
  Stage(o, "generate");
  const Clock clock(report.seconds.candidate);
  // Beginnings of documents that are evenly spaced among those long enough.
  std::vector<std::vector<int32_t>> all;
  for (const std::string& document : e.text.documents) {
    HST_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, e.artifact->Encode(document, /*special=*/true));
    if (static_cast<int64_t>(tokens.size()) < policy.data.prompt_tokens) continue;
    tokens.resize(static_cast<size_t>(policy.data.prompt_tokens));
    all.push_back(std::move(tokens));
  }
  const size_t count = std::min(all.size(), static_cast<size_t>(policy.data.prompts));
  for (size_t i = 0; i < count; ++i) e.prompts.push_back(all[i * all.size() / count]);
  HST_ASSIGN_OR_RETURN(e.candidate_greedy, GreedyByCandidate(*e.artifact, e.prompts, policy.data.output_tokens, o.threads, o.cancel));
  HST_ASSIGN_OR_RETURN(e.reference_greedy, GreedyByReference(*e.reference, e.prompts, policy.data.output_tokens, e.artifact->info().eos_ids, o.cancel));
  for (size_t i = 0; i < e.prompts.size(); ++i) {
    if (e.reference_greedy[i].broken) return BadInput("the reference's logits after prompt ", i + 1, " have a NaN or an infinity; nothing can be judged by them");
  }
  return {};
}

}  // namespace hasten::gate
