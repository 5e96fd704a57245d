// A text as documents: the units that evaluation resamples and that calibration and
// evaluation data must not share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::calib {

// Splits by the first rule that applies:
// - a `name` that ends in .jsonl: one document a line, an object with a "text", or text;
// - lines " = Title = " between blank ones (WikiText): an article each;
// - paragraphs between blank lines, when there is a blank line;
// - else the whole text is one.
// What trims to nothing is no document. kBadInput names the line of a .jsonl file that is
// not JSON or has no text; `most_line_bytes` bounds a line of it.
inline constexpr size_t kMostLineBytes = size_t{1} << 26;
Result<std::vector<std::string>> SplitDocuments(std::string_view text, std::string_view name, size_t most_line_bytes = kMostLineBytes);

// The text without ASCII white space at its ends.
std::string_view Trimmed(std::string_view text);
// SHA-256 of the trimmed text, in hexadecimal: how provenance lists calibration data.
std::string DocumentDigest(std::string_view text);

}  // namespace hasten::calib
