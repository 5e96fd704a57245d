#include "calib/calibrate/text.h"

#include <algorithm>
#include <utility>

#include "calib/data/documents.h"
#include "calib/data/text_file.h"

namespace hasten::calib {

Result<CalibrationText> ReadCalibrationText(const std::string& path, const Tokenizer& tokenizer, int64_t samples, int64_t context) {
  if (samples < 1) return UsageError("samples: ", samples, ", at least 1 is needed");
  HST_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  if (bytes.find('\0') != std::string::npos) return BadInput(path, ": has NUL bytes; calibration needs text");
  const Result<std::vector<std::string>> split = SplitDocuments(bytes, path);
  if (!split.ok()) return Status(split.status()).Annotate(path);
  const std::vector<std::string>& documents = *split;
  if (documents.empty()) return BadInput(path, ": is empty; calibration needs text");
  CalibrationText text;
  std::vector<int32_t> tokens;
  for (const std::string& document : documents) {
    text.documents.push_back(Sha256Of(std::as_bytes(std::span(Trimmed(document)))));
    Result<std::vector<int32_t>> encoded = tokenizer.Encode(document);
    if (!encoded.ok()) return std::move(encoded).status().Annotate(path);
    tokens.insert(tokens.end(), encoded->begin(), encoded->end());
  }
  // Joined: a document may be shorter than a sample.
  Result<Chunks> all = CutChunks(std::span(&tokens, 1), context, 0, std::nullopt);
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
