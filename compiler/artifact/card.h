// A copy of an artifact with another quality card. The original stays as it is, so
// that a digest written down somewhere is still that of what was measured.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "compiler/artifact/writer.h"
#include "runtime/format/artifact.h"

namespace hasten {

// All sections of `file`, byte for byte, but for the card in model_info. The result is
// finished, not yet visible: Commit shows it under `target`. kUsage when the target is
// the file itself, kUnsupported for an optional section that this version cannot name.
Result<std::unique_ptr<ArtifactWriter>> CopyWithCard(const ArtifactFile& file, std::string_view card, const std::string& target,
                                                     const std::atomic<bool>* cancel = nullptr);

}  // namespace hasten
