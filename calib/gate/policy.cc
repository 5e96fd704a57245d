#include "calib/gate/policy.h"

#include <algorithm>
#include <filesystem>

#include "calib/data/text_file.h"
#include "calib/gate/toml_reader.h"
#include "calib/metrics/metric.h"
#include "runtime/base/sha256.h"

namespace hasten::gate {
namespace {

constexpr double kHuge = 1e12;
constexpr uint64_t kMostPolicyBytes = 1 << 20;
constexpr struct {
  const char* key;
  double percent;
} kPercents[] = {{"p50", 50}, {"p90", 90}, {"p95", 95}, {"p99", 99}, {"max", 100}};
constexpr const char* kQuantities[] = {"ttft_ms", "tpot_ms", "itl_ms", "e2e_ms", "queue_ms", "prefill_ms"};
constexpr const char* kResources[] = {"load_ms_max", "peak_rss_mb_max", "artifact_mb_max", "goodput_min", "cost_per_1m_tokens_max", "cost_per_1k_requests_max",
                                       "baseline_ratio_max"};
constexpr const char* kGeneration[] = {"divergent_max", "length_ratio_min", "length_ratio_max", "repetition_max", "finish_changed_max"};

std::string Joined(const std::string& folder, const std::string& path) {
  if (path.empty() || folder.empty() || path.starts_with("/")) return path;
  return (std::filesystem::path(folder) / path).string();
}

// The limit under `name`, when it is there; its ending says the side.
void ReadLimit(TomlReader& reader, std::string_view name, std::string figure, double least, std::vector<Limit>& out) {
  if (!reader.Has(name)) {
    double unused = 0;
    reader.Number(name, unused, least, kHuge);   // so that it is known
    return;
  }
  Limit limit{std::string(name), std::move(figure), name.ends_with("_max"), 0};
  reader.Number(name, limit.value, least, kHuge);
  out.push_back(std::move(limit));
}

Status ReadData(const toml::table& table, const std::string& folder, PolicyData& data) {
  TomlReader reader(table, "data");
  reader.Text("text", data.text);
  data.text = Joined(folder, data.text);
  reader.Integer("context", data.context, 8, 1 << 20);
  reader.Integer("chunks", data.chunks, 1, 1 << 20);
  reader.Integer("prompts", data.prompts, 0, 10000);
  reader.Integer("prompt_tokens", data.prompt_tokens, 1, 1 << 20);
  reader.Integer("output_tokens", data.output_tokens, 1, 1 << 20);
  if (const toml::table* tasks = reader.Table("tasks")) {
    TomlReader names(*tasks, "data.tasks");
    for (const auto& [key, node] : *tasks) {
      TaskFile task{std::string(key.str()), ""};
      names.Text(key.str(), task.path);
      task.path = Joined(folder, task.path);
      data.tasks.push_back(std::move(task));
    }
    HST_RETURN_IF_ERROR(names.Finish());
  }
  return reader.Finish();
}

Status ReadWorkload(const toml::table& table, const std::string& where, Workload& w) {
  TomlReader reader(table, where);
  reader.Number("arrivals_per_s", w.arrivals_per_s, 1e-6, 1e6);
  reader.Integer("output_tokens", w.output_tokens, 1, 1 << 20);
  reader.Integer("requests", w.requests, 0, 1 << 30);
  reader.Integer("warmup", w.warmup, 0, 1 << 20);
  reader.Integer("sequences", w.sequences, 1, 1024);
  if (const toml::array* range = reader.Array("prompt_tokens")) {
    const auto at = [&](size_t i) { return range->size() == 2 ? range->get(i)->value<int64_t>().value_or(0) : 0; };
    w.prompt_tokens_min = at(0), w.prompt_tokens_max = at(1);
    if (w.prompt_tokens_min < 1 || w.prompt_tokens_max < w.prompt_tokens_min || w.prompt_tokens_max > 1 << 20) {
      reader.Fail(UsageError(reader.Path("prompt_tokens"), ": two integers are needed, the least and the most, as [64, 512]"));
    }
  }
  return reader.Finish();
}

Status ReadTasks(const toml::table& table, const std::string& where, const PolicyData& data, std::vector<TaskLimit>& tasks) {
  TomlReader names(table, where);
  for (const TaskFile& file : data.tasks) {
    const toml::table* task = names.Table(file.name);
    if (!task) continue;
    TaskLimit limit{.name = file.name, .margin_pp = -1};
    TomlReader reader(*task, names.Path(file.name));
    reader.Number("margin_pp", limit.margin_pp, 0.01, 99);
    reader.Integer("items", limit.items, 1, 1 << 24);
    reader.Flag("normalized", limit.normalized);
    HST_RETURN_IF_ERROR(reader.Finish());
    if (limit.margin_pp < 0) return UsageError(names.Path(file.name), ": margin_pp is missing");
    tasks.push_back(std::move(limit));
  }
  Status status = names.Finish();
  return status.ok() ? Status() : UsageError(status.message(), " (tasks are named under [data.tasks])");
}

Status ReadQuality(const toml::table& table, const std::string& where, const PolicyData& data, Surface& surface) {
  TomlReader reader(table, where);
  for (const calib::Metric& metric : calib::AllMetrics()) {
    if (metric.stem.empty()) continue;
    for (const char* side : {"_max", "_min"}) ReadLimit(reader, StrCat(metric.stem, side), std::string(metric.key), -kHuge, surface.quality);
  }
  if (const toml::table* tasks = reader.Table("task")) HST_RETURN_IF_ERROR(ReadTasks(*tasks, StrCat(where, ".task"), data, surface.tasks));
  if (const toml::table* generation = reader.Table("generation")) {
    TomlReader inner(*generation, StrCat(where, ".generation"));
    for (const std::string_view name : kGeneration) ReadLimit(inner, name, std::string(name.substr(0, name.size() - 4)), 0, surface.generation);
    HST_RETURN_IF_ERROR(inner.Finish());
  }
  return reader.Finish();
}

Status ReadSurface(const toml::table& table, const PolicyData& data, Surface& surface) {
  const std::string where = StrCat("surface.", surface.name);
  TomlReader reader(table, where);
  if (const toml::table* workload = reader.Table("workload")) {
    HST_RETURN_IF_ERROR(ReadWorkload(*workload, StrCat(where, ".workload"), surface.workload.emplace()));
  }
  for (const char* quantity : kQuantities) {
    const toml::table* budgets = reader.Table(quantity);
    if (!budgets) continue;
    TomlReader inner(*budgets, reader.Path(quantity));
    for (const auto& [key, percent] : kPercents) {
      Budget budget{quantity, percent, -1};
      inner.Number(key, budget.limit, 0, kHuge);
      if (budget.limit >= 0) surface.budgets.push_back(budget);
    }
    HST_RETURN_IF_ERROR(inner.Finish());
  }
  for (const std::string_view name : kResources) ReadLimit(reader, name, std::string(name.substr(0, name.size() - 4)), 0, surface.resources);
  if (const toml::table* quality = reader.Table("quality")) HST_RETURN_IF_ERROR(ReadQuality(*quality, StrCat(where, ".quality"), data, surface));
  HST_RETURN_IF_ERROR(reader.Finish());
  if (!surface.workload && !surface.budgets.empty()) return UsageError(where, ": budgets of latency need a workload = { arrivals_per_s = ... }");
  return {};
}

}  // namespace

std::string Budget::Name() const {
  return StrCat(quantity, ".", percent == 100 ? std::string("max") : StrCat("p", static_cast<int64_t>(percent)));
}

Result<Policy> ParsePolicy(std::string_view text, const std::string& folder) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return UsageError("line ", static_cast<int64_t>(parsed.error().source().begin.line), ": is not TOML: ", parsed.error().description());
  }
  Policy policy;
  policy.digest = HexDigest(Sha256Of(std::as_bytes(std::span(text))));
  TomlReader reader(parsed.table(), "");
  if (const toml::table* data = reader.Table("data")) HST_RETURN_IF_ERROR(ReadData(*data, folder, policy.data));
  if (const toml::table* cost = reader.Table("cost")) {
    TomlReader inner(*cost, "cost");
    inner.Number("price_per_hour", policy.price_per_hour, 0, kHuge);
    inner.Text("currency", policy.currency);
    HST_RETURN_IF_ERROR(inner.Finish());
  }
  if (const toml::table* surfaces = reader.Table("surface")) {
    for (const auto& [key, node] : *surfaces) {
      if (!node.is_table()) return UsageError("surface.", key.str(), ": a table is needed");
      Surface surface;
      surface.name = key.str();
      HST_RETURN_IF_ERROR(ReadSurface(*node.as_table(), policy.data, surface));
      policy.surfaces.push_back(std::move(surface));
    }
  }
  HST_RETURN_IF_ERROR(reader.Finish());
  if (policy.surfaces.empty()) return UsageError("no [surface.NAME]: nothing would be judged");
  return policy;
}

Result<Policy> ReadPolicy(const std::string& path) {
  Result<std::string> text = calib::ReadFile(path, kMostPolicyBytes);
  if (!text.ok()) return std::move(text).status();
  Result<Policy> policy = ParsePolicy(*text, std::filesystem::path(path).parent_path().string());
  if (!policy.ok()) return std::move(policy).status().Annotate(path);
  return policy;
}

}  // namespace hasten::gate
