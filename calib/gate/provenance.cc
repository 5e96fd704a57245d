#include "calib/gate/provenance.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "calib/compile/companions.h"
#include "calib/data/documents.h"
#include "compiler/tokenizer/import.h"
#include "runtime/base/sha256.h"
#include "runtime/format/artifact.h"
#include "runtime/format/model_info_generated.h"

namespace hasten::gate {
namespace {

constexpr size_t kShown = 5;   // documents named in a message

// "weights=int4:64\nhead=int8:64\nkv=int8\n" as people say it.
std::string ShowRecipe(const std::string& recipe) {
  std::map<std::string, std::string> values;
  for (size_t at = 0; at < recipe.size();) {
    const size_t end = std::min(recipe.find('\n', at), recipe.size()), equals = recipe.find('=', at);
    if (equals < end) values[recipe.substr(at, equals - at)] = recipe.substr(equals + 1, end - equals - 1);
    at = end + 1;
  }
  std::string text = values["weights"];
  if (!values["rules"].empty()) text += StrCat(", other schemes by ", values["rules"], " rules");
  for (const char* part : {"head", "embed", "kv"}) {
    if (!values[part].empty()) text += StrCat(", ", part, " ", values[part]);
  }
  return text;
}

std::string Beginning(const std::string& document) {
  std::string text(calib::Trimmed(document).substr(0, 40));
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

Result<File> DescribeFile(const std::string& role, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return ResourceError("cannot open ", path);
  File file{role, std::filesystem::path(path).filename().string(), "", 0};
  Sha256 sha;
  std::vector<char> block(1 << 20);
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())), in.gcount() > 0) {
    sha.Update(block.data(), static_cast<size_t>(in.gcount()));
    file.bytes += in.gcount();
  }
  if (in.bad()) return ResourceError("cannot read ", path);
  file.sha256 = HexDigest(sha.Finish());
  return file;
}

Result<CandidateFacts> ReadCandidate(const std::string& path, const std::atomic<bool>* cancel) {
  CandidateFacts facts;
  HST_ASSIGN_OR_RETURN(facts.file, DescribeFile("candidate", path));
  HST_ASSIGN_OR_RETURN(const std::shared_ptr<const ArtifactFile> artifact, ArtifactFile::Open(path));
  HST_RETURN_IF_ERROR(artifact->VerifyDigests(cancel));   // what ships is what was compiled
  if (const Section* section = artifact->Find(SectionKind::kTokenizer)) facts.tokenizer.assign(section->bytes.begin(), section->bytes.end());
  const fb::Provenance* provenance = artifact->model_info().provenance();
  if (!provenance) return facts;
  if (provenance->recipe()) facts.weights = ShowRecipe(provenance->recipe()->str());
  if (const auto* documents = provenance->calibration_documents()) {
    constexpr size_t kBytes = sizeof(Sha256Digest);
    if (documents->size() % kBytes != 0) return BadInput(path, ": provenance: calibration_documents has ", documents->size(), " bytes, no multiple of ", kBytes);
    for (size_t i = 0; i < documents->size(); i += kBytes) facts.calibration_documents.push_back(HexDigest({documents->data() + i, kBytes}));
  }
  return facts;
}

Status CheckSeparation(const CandidateFacts& candidate, const std::vector<std::string>& digests, const std::vector<std::string>& documents) {
  const std::set<std::string> calibrated(candidate.calibration_documents.begin(), candidate.calibration_documents.end());
  std::map<std::string, size_t> first;
  std::string overlap, twice;
  size_t overlaps = 0, repeats = 0;
  for (size_t d = 0; d < digests.size(); ++d) {
    if (calibrated.contains(digests[d]) && ++overlaps <= kShown) overlap += StrCat("\n  document ", d + 1, " \"", Beginning(documents[d]), "\"");
    const auto [at, fresh] = first.emplace(digests[d], d);
    if (!fresh && ++repeats <= kShown) twice += StrCat("\n  document ", d + 1, " is document ", at->second + 1, " again: \"", Beginning(documents[d]), "\"");
  }
  if (overlaps) return BadInput("the candidate was calibrated on ", overlaps, " of the ", digests.size(), " documents it would be evaluated on; give other text:", overlap);
  if (repeats) return BadInput(repeats, " documents are there more than once, so that they are not independent; leave them out:", twice);
  return {};
}

Result<std::string> TokenizerDifference(const CandidateFacts& candidate, const std::string& folder) {
  HST_ASSIGN_OR_RETURN(const calib::Companions files, calib::ReadCompanions(folder));
  if (files.tokenizer_json.empty()) return std::string("the reference has no tokenizer.json to compare with");
  Result<std::vector<uint8_t>> packed = ImportTokenizer(files.tokenizer_json, files.tokenizer_config, files.chat_template);
  if (!packed.ok()) return std::move(packed).status().Annotate("the reference's tokenizer.json");
  const auto bytes = std::as_bytes(std::span(*packed));
  if (std::equal(bytes.begin(), bytes.end(), candidate.tokenizer.begin(), candidate.tokenizer.end())) return std::string();
  if (candidate.tokenizer.empty()) return std::string("the candidate has no tokenizer");
  return std::string("the candidate's tokenizer, packed, is not the reference's: another vocabulary, rule or chat template, or packed by another version (compile it again)");
}

}  // namespace hasten::gate
