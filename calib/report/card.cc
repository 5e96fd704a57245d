#include "calib/report/card.h"

#include <nlohmann/json.hpp>

#include "calib/report/figures.h"
#include "compiler/artifact/card.h"
#include "runtime/base/sha256.h"
#include "runtime/format/artifact.h"

namespace hasten::report {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kCardVersion = 1;

Json Optional(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }
std::string DigestOf(const gate::Report& report, const char* role) {
  const gate::File* file = FileOf(report, role);
  return file ? file->sha256 : "";
}

}  // namespace

std::string CardJson(const gate::Report& r) {
  Json card = {{"version", kCardVersion}, {"verdict", gate::VerdictName(r.verdict)}, {"reason", r.reason}, {"gated_sha256", DigestOf(r, "candidate")},
               {"policy_sha256", DigestOf(r, "policy")}, {"tool_version", r.tool_version}, {"instruction_set", r.instruction_set}};
  card["criteria"] = Json::array();
  for (const gate::Criterion& c : r.criteria) {
    Json row = {{"surface", c.surface}, {"name", c.name}, {"verdict", gate::VerdictName(c.verdict)}, {"estimate", Optional(c.estimate)}};
    if (c.interval) row["low"] = c.interval->low, row["high"] = c.interval->high;
    row["margin"] = c.margin, row["n"] = c.n;
    if (c.clusters) row["clusters"] = c.clusters;
    card["criteria"].push_back(std::move(row));
  }
  card["metrics"] = Json::object();
  for (const gate::Metric& m : r.metrics) card["metrics"][m.key] = Optional(m.value);
  card["tasks"] = Json::object();
  for (const gate::Task& t : r.tasks) card["tasks"][t.name] = {{"items", t.items}, {"reference", t.reference_accuracy_norm}, {"candidate", t.candidate_accuracy_norm}};
  return card.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Status WriteCard(const gate::Report& report, const std::string& artifact, const std::string& target, const std::atomic<bool>* cancel) {
  HST_ASSIGN_OR_RETURN(const std::shared_ptr<const ArtifactFile> file, ArtifactFile::Open(artifact));
  // Of the mapping that is copied below: the file behind the name may be another by now.
  const std::string digest = HexDigest(Sha256Of({reinterpret_cast<const std::byte*>(&file->header()), file->file_bytes()}));
  const std::string gated = DigestOf(report, "candidate");
  if (digest != gated) return UsageError(artifact, " is not what was gated: its SHA-256 is ", digest, ", the report's ", gated.empty() ? "missing" : gated);
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<ArtifactWriter> writer, CopyWithCard(*file, CardJson(report), target, cancel));
  HST_ASSIGN_OR_RETURN(const std::shared_ptr<const ArtifactFile> copy, ArtifactFile::Open(writer->pending_path()));
  HST_RETURN_IF_ERROR(copy->VerifyDigests(cancel));
  return writer->Commit();
}

}  // namespace hasten::report
