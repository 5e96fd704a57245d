#include "calib/calibrate/text.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "calib/data/text_file.h"
#include "runtime/base/sha256.h"

namespace hasten::calib {
namespace {

std::string Trimmed(const std::string& text) {
  static constexpr char kSpace[] = " \t\r\n\f\v";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

Result<std::vector<std::string>> Lines(const std::string& path, const std::string& bytes) {
  std::vector<std::string> documents;
  int64_t number = 0;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    const std::string line = Trimmed(bytes.substr(at, end - at));
    at = end + 1, ++number;
    if (line.empty()) continue;
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("text") || !json["text"].is_string())
      return BadInput(path, ", line ", number, ": needs a JSON object with a string \"text\"");
    documents.push_back(Trimmed(json["text"].get<std::string>()));
  }
  return documents;
}

Result<std::vector<std::string>> Documents(const std::string& path) {
  HST_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  std::vector<std::string> documents;
  if (bytes.find('\0') != std::string::npos) return BadInput(path, ": has NUL bytes; calibration needs text");
  if (path.ends_with(".jsonl")) {
    HST_ASSIGN_OR_RETURN(documents, Lines(path, bytes));
  } else {
    documents.push_back(Trimmed(bytes));
  }
  std::erase(documents, std::string());
  if (documents.empty()) return BadInput(path, ": is empty; calibration needs text");
  return documents;
}

}  // namespace

Result<CalibrationText> ReadCalibrationText(const std::string& path, const Tokenizer& tokenizer, int64_t samples, int64_t context) {
  if (samples < 1) return UsageError("samples: ", samples, ", at least 1 is needed");
  HST_ASSIGN_OR_RETURN(const std::vector<std::string> documents, Documents(path));
  CalibrationText text;
  std::vector<int32_t> tokens;
  for (const std::string& document : documents) {
    const auto* bytes = reinterpret_cast<const std::byte*>(document.data());
    text.digests.push_back(HexDigest(Sha256Of({bytes, document.size()})));
    Result<std::vector<int32_t>> encoded = tokenizer.Encode(document);
    if (!encoded.ok()) return std::move(encoded).status().Annotate(path);
    tokens.insert(tokens.end(), encoded->begin(), encoded->end());
  }
  Result<Chunks> all = CutChunks(tokens, context, 0, std::nullopt);
  if (!all.ok()) return std::move(all).status().Annotate(path);
  text.samples.context = context;
  text.samples.count = std::min(samples, all->count);
  for (int64_t i = 0; i < text.samples.count; ++i) {
    const std::span<const int32_t> chunk = all->At(i * all->count / text.samples.count);
    text.samples.tokens.insert(text.samples.tokens.end(), chunk.begin(), chunk.end());
  }
  return text;
}

}  // namespace hasten::calib
