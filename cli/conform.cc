// hasten conform: recorded inputs and outputs of ONNX models, through as much of
// hasten as is asked for.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "calib/conform/conform.h"
#include "calib/conform/levels.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/threads.h"

namespace hasten::cli {
namespace {

namespace fs = std::filesystem;

struct ConformCommand {
  std::vector<std::string> folders;
  std::string through = "import";
  int threads = 0;
  bool json = false;
};

// A folder that is a case, or the cases in it, in order of name.
Result<std::vector<std::string>> FindCases(const std::vector<std::string>& folders) {
  std::vector<std::string> cases;
  for (const std::string& folder : folders) {
    std::error_code error;
    if (fs::exists(fs::path(folder) / "model.onnx", error)) {
      cases.push_back(folder);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (fs::exists(entry.path() / "model.onnx", error)) inside.push_back(entry.path());
    }
    if (!fs::is_directory(folder, error)) return ResourceError(folder, ": no such folder");
    if (inside.empty()) return BadInput(folder, ": neither it nor a folder in it has a model.onnx");
    std::sort(inside.begin(), inside.end());
    cases.insert(cases.end(), inside.begin(), inside.end());
  }
  return cases;
}

Result<conform::Level> LevelOf(const ConformCommand& c) {
  const int threads = ThreadsOf(c.threads);
  if (c.through == "import") {
    return conform::Level([threads](const std::string& model) { return conform::LoadThroughImport(model, threads); });
  }
  if (c.through == "passes") {
    return conform::Level([threads](const std::string& model) { return conform::LoadThroughPasses(model, threads); });
  }
  if (c.through == "runtime") {
    conform::RuntimeLevel how;
    how.threads = threads;
    return conform::Level([how](const std::string& model) { return conform::LoadThroughRuntime(model, how); });
  }
  return UsageError("--through ", c.through, ": it is import, passes or runtime");
}

Status Print(const std::vector<conform::CaseResult>& results, bool json) {
  nlohmann::ordered_json report = {{"cases", nlohmann::ordered_json::array()}};
  int counts[3] = {};
  TextTable table;
  for (const conform::CaseResult& r : results) {
    ++counts[static_cast<int>(r.outcome)];
    report["cases"].push_back({{"case", r.dir}, {"outcome", conform::OutcomeName(r.outcome)}, {"max_error", r.max_error}, {"reason", r.reason}});
    table.Row({std::string(conform::OutcomeName(r.outcome)), r.dir, Fixed(r.max_error, -1), r.reason});
  }
  report["passed"] = counts[static_cast<int>(conform::Outcome::kPassed)];
  report["failed"] = counts[static_cast<int>(conform::Outcome::kFailed)];
  report["skipped"] = counts[static_cast<int>(conform::Outcome::kSkipped)];
  if (json) return WriteOut(report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return WriteOut(StrCat(table.Text(), report["passed"].get<int>(), " passed, ", report["failed"].get<int>(), " failed, ",
                         report["skipped"].get<int>(), " skipped\n"));
}

Result<int> Run(const ConformCommand& c, const Context& context) {
  HST_ASSIGN_OR_RETURN(const conform::Level level, LevelOf(c));
  HST_ASSIGN_OR_RETURN(const std::vector<std::string> cases, FindCases(c.folders));
  Progress progress(c.json);
  progress.Stage(StrCat("conform through ", c.through));
  std::vector<conform::CaseResult> results;
  for (const std::string& folder : cases) {
    if (*context.interrupted) return Status(Code::kCancelled, "interrupted");
    // Node tests are named test_*; whole models are held to their largest value.
    const bool node = fs::path(folder).filename().string().starts_with("test_");
    results.push_back(conform::RunCase(folder, level, node ? conform::kNodeTolerance : conform::kModelTolerance));
    progress.Update(results.size(), cases.size());
  }
  progress.End();
  HST_RETURN_IF_ERROR(Print(results, c.json));
  const auto failed = [](const conform::CaseResult& r) { return r.outcome == conform::Outcome::kFailed; };
  return std::any_of(results.begin(), results.end(), failed) ? 1 : 0;
}

}  // namespace

Action AddConform(CLI::App& app) {
  const auto c = std::make_shared<ConformCommand>();
  app.add_option("dirs", c->folders, "Folders with model.onnx and test_data_set_*, or folders of such folders")->required()->type_name("DIR...");
  app.add_option("--through", c->through, "import: the interpreter on the imported graph; passes: after the passes; "
                 "runtime: through an artifact, fp32 [import]")->type_name("LEVEL");
  app.add_option("--threads", c->threads, "Threads [one a core]")->check(CLI::Range(1, 256))->type_name("N");
  app.add_flag("--json", c->json, "Print the results as JSON");
  return [c](const Context& context) { return Run(*c, context); };
}

}  // namespace hasten::cli
