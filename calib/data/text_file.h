// Text files that people hand in: read whole, up to a bound. Not a corpus
// format; one file is one text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/base/status.h"

namespace hasten::calib {

inline constexpr uint64_t kMaxTextBytes = uint64_t{1} << 30;

// The bytes of a regular file. kResource when it cannot be read; kBadInput when
// it is no regular file or larger than `max_bytes`.
Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes = kMaxTextBytes);

// As ReadFile; nullopt when there is no such file.
Result<std::optional<std::string>> ReadFileIfPresent(const std::string& path, uint64_t max_bytes = kMaxTextBytes);

}  // namespace hasten::calib
