// Calibration text: documents of a file, tokenised and cut into samples.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calib/data/chunks.h"
#include "runtime/base/sha256.h"
#include "runtime/base/status.h"
#include "runtime/engine/tokenizer/tokenizer.h"

namespace hasten::calib {

struct CalibrationText {
  std::vector<Sha256Digest> documents;   // of each one's trimmed text (calib/data/documents.h)
  Chunks samples;
};

// `path` is split into documents as evaluation splits its text. At most `samples` of
// `context` tokens, each inside one document (those shorter than a sample are joined),
// spread over the documents; what the tokenizer puts before and behind a text (BOS,
// CLS, SEP) takes a sample's first and last place. kBadInput with file and line for no
// text, bytes that are no text (a NUL), lines of a .jsonl file that are no document,
// and a text without one whole sample.
Result<CalibrationText> ReadCalibrationText(const std::string& path, const Tokenizer& tokenizer, int64_t samples, int64_t context);

}  // namespace hasten::calib
