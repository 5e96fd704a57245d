// hasten kernels: op by scheme by instruction set, with the gaps.
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/kernel_rows.h"
#include "cli/terminal.h"
#include "runtime/device/device.h"

namespace hasten::cli {
namespace {

Result<int> PrintTable() {
  TextTable table;
  const bool cuda = ExamineCuda().built;
  std::vector<std::string> head = {"op", "variant"};
  for (const Isa isa : kIsas) head.push_back(StrCat(IsaName(isa), IsaAvailable(isa) ? "" : " (not here)"));
  head.push_back("cuda");
  head.insert(head.end(), kNotBuilt.begin(), kNotBuilt.end());
  head.push_back("chosen here");
  table.Row(head);
  for (const KernelRow& row : AllKernelRows()) {
    std::vector<std::string> cells = {row.op, row.variant};
    for (const std::string& name : row.kernels) cells.push_back(name.empty() ? "-" : "yes");
    cells.push_back(!cuda ? "not built" : row.cuda.empty() ? "-" : row.cuda_trial.empty() ? "yes" : "yes, 1 on trial");
    cells.insert(cells.end(), kNotBuilt.size(), "not built");
    cells.push_back(row.chosen.empty() ? "none" : row.chosen);
    table.Row(cells);
  }
  HST_RETURN_IF_ERROR(WriteOut(table.Text()));
  HST_RETURN_IF_ERROR(WriteOut("\n-: no kernel of its own; the next lower instruction set serves, with the same bits.\n"));
  if (cuda) {
    HST_RETURN_IF_ERROR(WriteOut("on trial: a kernel that is tested like the others, but not chosen before a GPU has shown its bits and its speed.\n"));
  }
  return 0;
}

Result<int> PrintJson() {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const KernelRow& row : AllKernelRows()) {
    nlohmann::ordered_json kernels;
    for (size_t i = 0; i < kIsas.size(); ++i) {
      const std::string key(IsaName(kIsas[i]));
      kernels[key] = row.kernels[i].empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(row.kernels[i]);
    }
    kernels["cuda"] = row.cuda.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(row.cuda);
    for (const char* backend : kNotBuilt) kernels[backend] = nullptr;
    const nlohmann::ordered_json trial = row.cuda_trial.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(row.cuda_trial);
    rows.push_back({{"op", row.op}, {"variant", row.variant}, {"kernels", kernels}, {"cuda_on_trial", trial}, {"chosen", row.chosen}});
  }
  HST_RETURN_IF_ERROR(WriteOut(rows.dump(2) + "\n"));
  return 0;
}

}  // namespace

Action AddKernels(CLI::App& app) {
  const auto json = std::make_shared<bool>(false);
  app.add_flag("--json", *json, "Print the table as JSON");
  return [json](const Context&) { return *json ? PrintJson() : PrintTable(); };
}

}  // namespace hasten::cli
