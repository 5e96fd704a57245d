#include "calib/calibrate/text.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "calib/data/documents.h"
#include "calib/data/text_file.h"

namespace hasten::calib {
namespace {

// What the tokenizer puts around a sequence.
struct Frame {
  std::optional<int32_t> first, last;
};

Result<Frame> FrameOf(const Tokenizer& tokenizer) {
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> with, tokenizer.Encode("a"));
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> without, tokenizer.Encode("a", {.add_special_tokens = false}));
  Frame frame;
  if (with.size() <= without.size() || without.empty()) return frame;
  if (with.front() != without.front()) frame.first = with.front();
  if (with.back() != without.back()) frame.last = with.back();
  return frame;
}

// Documents long enough for a sample as they are, and the others joined, so that a
// file of short lines has samples too.
std::vector<std::vector<int32_t>> LongEnough(std::vector<std::vector<int32_t>> documents, int64_t context) {
  std::vector<std::vector<int32_t>> out;
  std::vector<int32_t> joined;
  for (std::vector<int32_t>& document : documents) {
    if (static_cast<int64_t>(document.size()) >= context) out.push_back(std::move(document));
    else joined.insert(joined.end(), document.begin(), document.end());
  }
  out.push_back(std::move(joined));
  return out;
}

}  // namespace

Result<CalibrationText> ReadCalibrationText(const std::string& path, const Tokenizer& tokenizer, int64_t samples, int64_t context) {
  if (samples < 1) return UsageError("samples: ", samples, ", at least 1 is needed");
  HST_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  if (bytes.find('\0') != std::string::npos) return BadInput(path, ": has NUL bytes; calibration needs text");
  const Result<std::vector<std::string>> split = SplitDocuments(bytes, path);
  if (!split.ok()) return Status(split.status()).Annotate(path);
  const std::vector<std::string>& documents = *split;
  if (documents.empty()) return BadInput(path, ": is empty; calibration needs text");
  CalibrationText text;
  std::vector<std::vector<int32_t>> tokens;
  for (const std::string& document : documents) {
    text.documents.push_back(Sha256Of(std::as_bytes(std::span(Trimmed(document)))));
    Result<std::vector<int32_t>> encoded = tokenizer.Encode(document, {.add_special_tokens = false});
    if (!encoded.ok()) return std::move(encoded).status().Annotate(path);
    tokens.push_back(*std::move(encoded));
  }
  tokens = LongEnough(std::move(tokens), context);
  int64_t whole = 0;
  for (const std::vector<int32_t>& t : tokens) whole += static_cast<int64_t>(t.size()) / context;
  HST_ASSIGN_OR_RETURN(const Frame frame, FrameOf(tokenizer));
  Result<Chunks> cut = CutChunks(tokens, context, std::min(samples, whole), frame.first);
  if (!cut.ok()) return std::move(cut).status().Annotate(path);
  text.samples = *std::move(cut);
  for (int64_t i = 1; frame.last && i <= text.samples.count; ++i) text.samples.tokens[static_cast<size_t>(i * context - 1)] = *frame.last;
  return text;
}

}  // namespace hasten::calib
