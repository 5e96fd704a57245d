#include "calib/tasks/choices.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include "calib/data/text_file.h"
#include "calib/metrics/score.h"

namespace hasten::calib {
namespace {

using Json = nlohmann::json;
constexpr uint64_t kMostFileBytes = uint64_t{1} << 28;
constexpr size_t kMostLineBytes = 1 << 20;
constexpr size_t kMostEndings = 64;

Result<ChoiceItem> ParseItem(std::string_view line) {
  if (line.size() > kMostLineBytes) return BadInput(line.size(), " bytes, at most ", kMostLineBytes, " are read");
  const Json j = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!j.is_object()) return BadInput("is no JSON object");
  const auto context = j.find("context"), endings = j.find("endings"), label = j.find("label");
  if (context == j.end() || !context->is_string()) return BadInput("\"context\": text is needed");
  if (endings == j.end() || !endings->is_array() || endings->size() < 2 || endings->size() > kMostEndings) {
    return BadInput("\"endings\": a list of 2 to ", kMostEndings, " texts is needed");
  }
  ChoiceItem item{context->get<std::string>(), {}, 0};
  for (const Json& ending : *endings) {
    if (!ending.is_string() || ending.get_ref<const std::string&>().empty()) return BadInput("\"endings\": each must be a text that is not empty");
    item.endings.push_back(ending.get<std::string>());
  }
  if (label == j.end() || !label->is_number_integer() || label->get<int64_t>() < 0 || label->get<int64_t>() >= static_cast<int64_t>(item.endings.size())) {
    return BadInput("\"label\": the index of an ending is needed, 0 to ", item.endings.size() - 1);
  }
  item.label = label->get<int64_t>();
  return item;
}

// UTF-8 characters.
double Characters(std::string_view text) {
  return static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

Result<std::vector<ChoiceItem>> ParseChoices(std::string_view text, int64_t most) {
  std::vector<ChoiceItem> items;
  std::map<std::string, size_t> seen;   // item to line
  for (size_t number = 1; !text.empty() && (most == 0 || static_cast<int64_t>(items.size()) < most); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    Result<ChoiceItem> item = ParseItem(line);
    if (!item.ok()) return std::move(item).status().Annotate(StrCat("line ", number));
    std::string identity = item->context;
    for (const std::string& ending : item->endings) identity.append(1, '\0').append(ending);
    if (const auto [at, fresh] = seen.emplace(std::move(identity), number); !fresh) {
      return BadInput("line ", number, ": is the item of line ", at->second, " again; items must be independent");
    }
    items.push_back(*std::move(item));
  }
  if (items.empty()) return BadInput("has no item");
  return items;
}

Result<std::vector<ChoiceItem>> ReadChoices(const std::string& path, int64_t most) {
  HST_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMostFileBytes));
  Result<std::vector<ChoiceItem>> items = ParseChoices(text, most);
  if (!items.ok()) return std::move(items).status().Annotate(path);
  return items;
}

Result<EncodedItem> EncodeChoice(const Artifact& artifact, const ChoiceItem& item, std::span<const int32_t> leading) {
  EncodedItem out;
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> context, artifact.Encode(item.context, /*special=*/false));
  out.scored_from = static_cast<int64_t>(leading.size() + context.size());
  size_t common = SIZE_MAX;
  for (const std::string& ending : item.endings) {
    HST_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, artifact.Encode(item.context + " " + ending, /*special=*/false));
    std::vector<int32_t> whole(leading.begin(), leading.end());
    whole.insert(whole.end(), tokens.begin(), tokens.end());
    if (static_cast<int64_t>(whole.size()) <= out.scored_from) return BadInput("the ending \"", ending, "\" adds no token to its context");
    const std::vector<int32_t>& first = out.whole.empty() ? whole : out.whole[0];
    common = std::min<size_t>(common, static_cast<size_t>(std::mismatch(whole.begin(), whole.end(), first.begin(), first.end()).first - whole.begin()));
    out.whole.push_back(std::move(whole));
  }
  // The last token that all share is evaluated with each ending: it predicts the ending's first.
  out.shared = std::max<int64_t>(0, std::min<int64_t>(static_cast<int64_t>(common), out.scored_from) - 1);
  if (out.scored_from == 0) return BadInput("an empty context gives no distribution for the first token of an ending");
  return out;
}

int64_t Answer(const ChoiceItem& item, const EndingScores& scores, bool normalized) {
  int64_t best = -1;
  double most = 0;
  for (size_t e = 0; e < scores.size(); ++e) {
    const double value = normalized ? scores[e] / Characters(item.endings[e]) : scores[e];
    if (std::isnan(value) || (best >= 0 && value <= most)) continue;
    best = static_cast<int64_t>(e);
    most = value;
  }
  return best;
}

ChoiceResult CompareChoices(std::span<const ChoiceItem> items, std::span<const EndingScores> reference,
                            std::span<const EndingScores> candidate, bool normalized) {
  ChoiceResult r;
  for (size_t i = 0; i < items.size(); ++i) {
    const bool by_reference = Answer(items[i], reference[i], normalized) == items[i].label;
    const bool by_candidate = Answer(items[i], candidate[i], normalized) == items[i].label;
    ++r.items;
    r.reference_right += by_reference;
    r.candidate_right += by_candidate;
    r.paired.only_reference += by_reference && !by_candidate;
    r.paired.only_candidate += by_candidate && !by_reference;
  }
  r.paired.n = r.items;
  return r;
}

}  // namespace hasten::calib
