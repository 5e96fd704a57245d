#include "calib/data/documents.h"

#include <nlohmann/json.hpp>

#include "runtime/base/sha256.h"
#include "runtime/engine/tokenizer/unicode.h"

namespace hasten::calib {
namespace {

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

// " = Title = ", not " = = Section = = ".
bool IsTitle(std::string_view line) {
  return line.size() > 6 && line.starts_with(" = ") && line.ends_with(" = ") && line[3] != '=' && line[line.size() - 4] != '=';
}

bool IsBlank(const std::vector<std::string_view>& lines, size_t i) { return i >= lines.size() || Trimmed(lines[i]).empty(); }

Result<std::vector<std::string>> FromJsonLines(std::string_view text, size_t most_line_bytes) {
  std::vector<std::string> documents;
  size_t number = 0;
  for (const std::string_view line : LinesOf(text)) {
    ++number;
    if (Trimmed(line).empty()) continue;
    if (line.size() > most_line_bytes) return BadInput("line ", number, ": ", line.size(), " bytes, at most ", most_line_bytes, " are read");
    const nlohmann::json j = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (j.is_discarded()) return BadInput("line ", number, ": is not JSON");
    const nlohmann::json* const value = j.is_object() && j.contains("text") ? &j["text"] : &j;
    if (!value->is_string()) return BadInput("line ", number, ": neither text nor an object with a \"text\"");
    documents.push_back(value->get<std::string>());
  }
  return documents;
}

}  // namespace

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string DocumentDigest(std::string_view text) {
  return HexDigest(Sha256Of(std::as_bytes(std::span(Trimmed(text)))));
}

Result<std::vector<std::string>> SplitDocuments(std::string_view text, std::string_view name, size_t most_line_bytes) {
  std::vector<std::string> documents;
  if (name.ends_with(".jsonl")) {
    HST_ASSIGN_OR_RETURN(documents, FromJsonLines(text, most_line_bytes));
  } else {
    const std::vector<std::string_view> lines = LinesOf(text);
    bool titles = false, blanks = false;
    std::vector<bool> starts(lines.size());
    for (size_t i = 0; i < lines.size(); ++i) {
      if (!tok::IsValidUtf8(lines[i])) return BadInput("line ", i + 1, ": is not UTF-8 text");
    }
    for (size_t i = 0; i < lines.size(); ++i) {
      starts[i] = IsTitle(lines[i]) && (i == 0 || IsBlank(lines, i - 1)) && IsBlank(lines, i + 1);
      titles = titles || starts[i];
      blanks = blanks || IsBlank(lines, i);
    }
    const char* begin = text.data();
    for (size_t i = 0; i < lines.size(); ++i) {
      const bool cut = titles ? starts[i] : blanks && IsBlank(lines, i);
      if (!cut) continue;
      documents.emplace_back(begin, lines[i].data());
      begin = lines[i].data();
    }
    documents.emplace_back(begin, text.data() + text.size());
  }
  std::erase_if(documents, [](const std::string& d) { return Trimmed(d).empty(); });
  return documents;
}

}  // namespace hasten::calib
