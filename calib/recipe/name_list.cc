#include "calib/recipe/name_list.h"

#include <algorithm>

namespace hasten::calib {

Result<std::vector<std::string>> ParseNameList(std::string_view what, std::string_view text, std::span<const std::string_view> known) {
  std::vector<std::string_view> asked;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    asked.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  std::vector<std::string> names;
  std::string all = "none, all";
  std::ptrdiff_t found = 0;
  for (const std::string_view name : known) {
    const std::ptrdiff_t count = std::count(asked.begin(), asked.end(), name);
    if (count > 0 || text == "all") names.emplace_back(name);
    found += count;
    all += StrCat(", ", name);
  }
  if (text == "none" || text == "all" || found == std::ssize(asked)) return names;
  return UsageError(what, " \"", text, "\": there are ", all, "; names may be joined by commas");
}

std::string NameList(std::span<const std::string> names) {
  std::string list;
  for (const std::string& name : names) list += StrCat(list.empty() ? "" : ",", name);
  return list.empty() ? "none" : list;
}

}  // namespace hasten::calib
