#include "calib/compile/companions.h"

#include <array>
#include <filesystem>
#include <vector>

#include "calib/data/text_file.h"

namespace hasten::calib {
namespace {

constexpr uint64_t kMaxTokenizerBytes = uint64_t{256} << 20;  // the largest public one has 35 MB
constexpr uint64_t kMaxConfigBytes = uint64_t{4} << 20;
constexpr std::array kLicenceNames = {"LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING"};

}  // namespace

Result<Companions> ReadCompanions(const std::string& folder) {
  const std::filesystem::path own = folder.empty() ? "." : folder;
  std::vector<std::filesystem::path> places = {own};
  if (own.filename() == "onnx") places.push_back(own.has_parent_path() ? own.parent_path() : "..");
  Companions found;
  const auto read = [&places](const char* name, uint64_t limit, std::string& into) -> Status {
    for (const std::filesystem::path& place : places) {
      if (!into.empty()) break;
      HST_ASSIGN_OR_RETURN(std::optional<std::string> text, ReadFileIfPresent(place / name, limit));
      if (!text) continue;
      if (text->starts_with("version https://git-lfs"))
        return BadInput((place / name).string(), ": is a Git LFS pointer, not the file itself: fetch it with git lfs pull");
      into = *std::move(text);
    }
    return {};
  };
  HST_RETURN_IF_ERROR(read("tokenizer.json", kMaxTokenizerBytes, found.tokenizer_json));
  HST_RETURN_IF_ERROR(read("tokenizer_config.json", kMaxConfigBytes, found.tokenizer_config));
  HST_RETURN_IF_ERROR(read("chat_template.jinja", kMaxConfigBytes, found.chat_template));
  HST_RETURN_IF_ERROR(read("config.json", kMaxConfigBytes, found.config));
  HST_RETURN_IF_ERROR(read("generation_config.json", kMaxConfigBytes, found.generation_config));
  for (const char* name : kLicenceNames) HST_RETURN_IF_ERROR(read(name, kMaxConfigBytes, found.licence));
  return found;
}

}  // namespace hasten::calib
