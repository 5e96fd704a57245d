// Calibration text: documents of a file, tokenised and cut into samples.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calib/data/chunks.h"
#include "runtime/base/status.h"
#include "runtime/engine/tokenizer/tokenizer.h"

namespace hasten::calib {

struct CalibrationText {
  std::vector<std::string> digests;   // SHA-256 of each document less the white space around it
  Chunks samples;
};

// `path`: text, one document; or, where it ends in .jsonl, an object a line whose
// "text" is a document. At most `samples` of `context` tokens, taken at equal
// distances, so that they cover the file. kBadInput with file and line for no
// text, bytes that are no text (a NUL), lines that are no such object, and a text
// without one whole sample.
Result<CalibrationText> ReadCalibrationText(const std::string& path, const Tokenizer& tokenizer, int64_t samples, int64_t context);

}  // namespace hasten::calib
