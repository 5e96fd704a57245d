// An artifact as a JSON document: what `inspect` prints and `diff` compares.
#pragma once

#include <nlohmann/json.hpp>

#include "runtime/format/artifact.h"

namespace hasten::cli {

// Sections with digests, program, tensors, generation defaults, provenance.
nlohmann::ordered_json Describe(const ArtifactFile& file);

}  // namespace hasten::cli
