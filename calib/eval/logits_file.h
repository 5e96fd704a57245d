// Reference logits that another tool captured, as a safetensors file: `tokens` I32
// [chunks, context], `logits` F16 or F32 [chunks, positions, vocab], metadata
// "first_scored": the position of the first row, which predicts the token after it. There
// are rows for positions first_scored .. context - 2; one more, of the last position, is
// let be. Optional `documents` I32 [chunks]: which document each chunk is from; without
// it every chunk counts as a document of its own. The file is mapped and trusted in nothing.
#pragma once

#include <memory>
#include <string>

#include "calib/eval/evaluate.h"

namespace hasten::calib {

struct LogitsFile {
  Chunks chunks;
  ReferenceRows rows;        // keeps the mapping alive
  int64_t vocab = 0;
  bool has_documents = false;
};

// kBadInput with the place; kResource when it cannot be mapped.
Result<LogitsFile> OpenLogitsFile(const std::string& path);

}  // namespace hasten::calib
