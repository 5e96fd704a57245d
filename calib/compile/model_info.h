// The model_info section of an artifact: generation defaults and provenance.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calib/compile/generation.h"
#include "runtime/base/sha256.h"

namespace hasten::calib {

// How a tensor's codes were made. Numbers are written into artifacts: append.
enum class QuantizeMethod : uint8_t { kNone = 0, kRoundToNearest = 1, kGptq = 2 };
std::string_view MethodName(uint8_t method);   // "unknown" beyond these

// `error`: relative squared error: of the outputs under the observed inputs where
// calibrated, of the weights otherwise; 0 for floats that are kept as they are.
struct TensorMaking {
  QuantizeMethod method = QuantizeMethod::kNone;
  float error = 0;
  uint8_t folds = 0;   // of Equalize
};

struct Provenance {
  std::string tool_version;                       // "0.1.0"
  std::optional<Sha256Digest> source;             // of the ONNX file and its external data, if there is one
  std::map<std::string, std::string> recipe;      // the options that shape the result, in short
  std::string recipe_toml;                        // all of them (calib/recipe); "" when no recipe makes it
  std::vector<TensorMaking> tensors;              // of each of the plan's
  bool equalized = false;                         // whether their folds are told
  std::string licence;                            // text
  std::vector<Sha256Digest> calibration_documents;   // of each one's trimmed text (calib/data/documents.h)
};

// A FlatBuffer of runtime/format/model_info.fbs; the same bytes for the same
// content.
std::vector<std::byte> BuildModelInfo(const GenerationDefaults& generation, const Provenance& provenance);

}  // namespace hasten::calib
