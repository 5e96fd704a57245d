// Text in the forms that reports have. What a model or its data says is hostile
// until it has passed one of these: each returns valid UTF-8 that means, in its
// form, the characters and nothing else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hasten::report {

// U+FFFD for what is not UTF-8, for characters that XML does not have, and for
// those that turn the direction of the text around them. Line feed and tab stay.
std::string Clean(std::string_view text);

// For elements and quoted attributes of HTML and XML; cleaned.
std::string Html(std::string_view text);

// For a cell of a Markdown table: no mark-up, mention, link or line end.
std::string Markdown(std::string_view text);
// The same as a code span: letter by letter what it is.
std::string MarkdownCode(std::string_view text);

// The first `most` bytes or fewer, at a character's end, with … where something is missing.
std::string Shorten(std::string_view text, size_t most);
// The last ones.
std::string ShortenFront(std::string_view text, size_t most);

// Four significant digits below 10 (ratios lie near 1), three to 100, whole numbers above,
// thousands grouped; "–" for what is not known.
std::string Number(double value);
std::string Number(const std::optional<double>& value);

}  // namespace hasten::report
