// The model_info section of an artifact: generation defaults and provenance.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calib/compile/generation.h"
#include "runtime/base/sha256.h"

namespace hasten::calib {

struct Provenance {
  std::string tool_version;                       // "0.1.0"
  std::optional<Sha256Digest> source;             // of the ONNX file and its external data, if there is one
  std::map<std::string, std::string> recipe;      // the options that shape the result
  std::string licence;                            // text
  std::vector<Sha256Digest> calibration_documents;   // of each one's trimmed text (calib/data/documents.h)
};

// A FlatBuffer of runtime/format/model_info.fbs; the same bytes for the same
// content.
std::vector<std::byte> BuildModelInfo(const GenerationDefaults& generation, const Provenance& provenance);

}  // namespace hasten::calib
