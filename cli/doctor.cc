// hasten doctor: the machine as hasten sees it, and what it would use of it.
#include <charconv>
#include <memory>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include "calib/machine/proc.h"
#include "cli/command.h"
#include "cli/kernel_rows.h"
#include "cli/terminal.h"
#include "cli/version.h"
#include "runtime/device/device.h"

namespace hasten::cli {
namespace {

// "24018 kB" of /proc/meminfo in bytes; 0 when unreadable.
uint64_t MemoryBytes(std::string_view key) {
  const std::string text = calib::ProcValue("/proc/meminfo", key);
  uint64_t kilobytes = 0;
  std::from_chars(text.data(), text.data() + text.size(), kilobytes);
  return kilobytes * 1024;
}

std::string CudaVersion(int v) { return StrCat(v / 1000, ".", v % 1000 / 10); }

nlohmann::ordered_json Examine() {
  nlohmann::ordered_json report;
  report["version"] = VersionLine();
  report["cpu"] = calib::ProcValue("/proc/cpuinfo", "model name");
  report["cores"] = calib::UsableCores();
  report["memory_bytes"] = MemoryBytes("MemTotal");
  report["memory_available_bytes"] = MemoryBytes("MemAvailable");
  report["isa_best"] = IsaName(BestIsa());
  for (const Isa isa : kIsas) report["isa"][std::string(IsaName(isa))] = IsaAvailable(isa);
  const CudaReport cuda = ExamineCuda();
  report["cuda"] = {{"built", cuda.built}, {"architectures", cuda.architectures}, {"problem", cuda.problem}};
  report["cuda"]["devices"] = nlohmann::ordered_json::array();
  for (const DeviceInfo& d : cuda.devices)
    report["cuda"]["devices"].push_back({{"name", d.name}, {"architecture", StrCat("sm_", d.arch)}, {"multiprocessors", d.processors},
                                         {"memory_bytes", d.memory_bytes}, {"memory_free_bytes", d.free_bytes},
                                         {"driver", CudaVersion(d.driver)}, {"toolkit", CudaVersion(d.toolkit)}});
  for (const char* backend : kNotBuilt) report["not_built"].push_back(backend);
  for (const KernelRow& row : AllKernelRows()) report["kernels"][row.op][row.variant] = row.chosen;
  return report;
}

Result<int> Print(const nlohmann::ordered_json& report) {
  TextTable table;
  table.Row({"version", report["version"]});
  table.Row({"cpu", report["cpu"]});
  table.Row({"cores", StrCat(report["cores"].get<int>(), " usable by this process")});
  table.Row({"memory", StrCat(HumanBytes(report["memory_bytes"]), ", ", HumanBytes(report["memory_available_bytes"]), " available")});
  std::string has, lacks;
  for (const auto& [name, available] : report["isa"].items()) (available.get<bool>() ? has : lacks) += " " + name;
  table.Row({"instruction sets", StrCat("uses ", report["isa_best"].get<std::string>(), " of", has, lacks.empty() ? "" : "; lacks", lacks)});
  const auto& cuda = report["cuda"];
  if (cuda["built"].get<bool>()) table.Row({"cuda", StrCat("built for ", cuda["architectures"].get<std::string>())});
  for (const auto& d : cuda["devices"])
    table.Row({"cuda device", StrCat(d["name"].get<std::string>(), ", ", d["architecture"].get<std::string>(), ", ", d["multiprocessors"].get<int>(),
                                     " multiprocessors, ", HumanBytes(d["memory_bytes"]), ", ", HumanBytes(d["memory_free_bytes"]),
                                     " free, driver for CUDA ", d["driver"].get<std::string>())});
  if (const std::string problem = cuda["problem"]; !problem.empty()) table.Row({"cuda problem", problem});
  std::string gaps;
  for (const auto& backend : report["not_built"]) gaps += (gaps.empty() ? "" : ", ") + backend.get<std::string>();
  table.Row({"not built", gaps});
  for (const auto& [op, variants] : report["kernels"].items()) {
    // Variants that share a kernel stand together.
    std::set<std::string> chosen;
    for (const auto& [variant, name] : variants.items()) chosen.insert(name.get<std::string>());
    std::string names;
    for (const std::string& name : chosen) names += (names.empty() ? "" : ", ") + name;
    table.Row({"kernels of " + op, names});
  }
  HST_RETURN_IF_ERROR(WriteOut(table.Text()));
  return 0;
}

}  // namespace

Action AddDoctor(CLI::App& app) {
  const auto json = std::make_shared<bool>(false);
  app.add_flag("--json", *json, "Print the report as JSON");
  return [json](const Context&) -> Result<int> {
    const nlohmann::ordered_json report = Examine();
    if (!*json) return Print(report);
    HST_RETURN_IF_ERROR(WriteOut(report.dump(2) + "\n"));
    return 0;
  };
}

}  // namespace hasten::cli
