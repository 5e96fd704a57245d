// hasten diff: how two artifacts differ, section by section, then by what the
// metadata say. Exit 0 when they are the same, 1 when not.
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/describe.h"
#include "cli/terminal.h"

namespace hasten::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShown = 40;  // differences printed for people; JSON has all

std::string Brief(const Json& value) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

// Appends every place where the two differ.
void Compare(const std::string& path, const Json& a, const Json& b, std::vector<Json>& out) {
  if (a == b) return;
  if (a.is_object() && b.is_object()) {
    for (const auto& [key, value] : a.items()) Compare(path + "/" + key, value, b.contains(key) ? b[key] : Json(), out);
    for (const auto& [key, value] : b.items()) {
      if (!a.contains(key)) Compare(path + "/" + key, Json(), value, out);
    }
  } else if (a.is_array() && b.is_array() && a.size() == b.size()) {
    for (size_t i = 0; i < a.size(); ++i) {
      const std::string name = a[i].is_object() && a[i].contains("name") ? a[i]["name"].get<std::string>() : StrCat(i);
      Compare(path + "/" + name, a[i], b[i], out);
    }
  } else if (a.is_array() && b.is_array()) {
    out.push_back({{"at", path}, {"a", StrCat(a.size(), " entries")}, {"b", StrCat(b.size(), " entries")}});
  } else {
    out.push_back({{"at", path}, {"a", a}, {"b", b}});
  }
}

Status Print(const std::vector<Json>& differences) {
  TextTable table;
  for (size_t i = 0; i < differences.size() && i < kShown; ++i) {
    table.Row({differences[i]["at"].get<std::string>(), Brief(differences[i]["a"]), Brief(differences[i]["b"])});
  }
  HST_RETURN_IF_ERROR(WriteOut(table.Text()));
  return differences.size() > kShown ? WriteOut(StrCat("and ", differences.size() - kShown, " more (--json has all)\n")) : Status();
}

}  // namespace

Action AddDiff(CLI::App& app) {
  struct Options {
    std::string a, b;
    bool json = false;
  };
  const auto o = std::make_shared<Options>();
  app.add_option("a", o->a, "An artifact")->required()->type_name("a.hst");
  app.add_option("b", o->b, "Another")->required()->type_name("b.hst");
  app.add_flag("--json", o->json, "Print the differences as JSON");
  app.footer("\nExit status 0: the files hold the same. 1: they differ.");
  return [o](const Context&) -> Result<int> {
    HST_ASSIGN_OR_RETURN(const std::shared_ptr<const ArtifactFile> a, ArtifactFile::Open(o->a));
    HST_ASSIGN_OR_RETURN(const std::shared_ptr<const ArtifactFile> b, ArtifactFile::Open(o->b));
    std::vector<Json> differences;
    Compare("", Describe(*a), Describe(*b), differences);
    if (o->json) {
      const Json report = {{"same", differences.empty()}, {"differences", differences}};
      HST_RETURN_IF_ERROR(WriteOut(report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"));
    } else {
      HST_RETURN_IF_ERROR(Print(differences));
    }
    return differences.empty() ? 0 : 1;
  };
}

}  // namespace hasten::cli
