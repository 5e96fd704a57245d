#include "calib/allocate/report.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include <nlohmann/json.hpp>

#include "calib/allocate/knapsack.h"
#include "calib/report/svg.h"
#include "calib/report/text.h"

namespace hasten::calib {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kPoints = 24;   // of the frontier

std::string Number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", v);
  return text;
}

std::string SchemesText(const FrontierPoint& p) {
  std::string text;
  for (const auto& [scheme, count] : p.schemes) text += StrCat(text.empty() ? "" : ", ", count, " × ", scheme);
  return text;
}

// Items by what the cheapest choice costs, the costliest first.
std::vector<const Item*> ByCost(std::span<const Item> items) {
  std::vector<const Item*> order;
  for (const Item& item : items) order.push_back(&item);
  std::stable_sort(order.begin(), order.end(), [](const Item* a, const Item* b) { return a->choices[0].kld > b->choices[0].kld; });
  return order;
}

std::string Markdown(std::span<const Item> items, std::span<const FrontierPoint> frontier) {
  std::string out = "# Sensitivity\n\nPredicted divergence (nats a token; of an encoder, relative squared error) when a tensor alone gets a scheme, "
                    "rounded to nearest; costs are taken to add up.\n\n| Tensor | Shape |";
  std::string rule = "|---|---|";
  for (const Choice& c : items[0].choices) out += StrCat(" ", GetScheme(c.scheme).name, " |"), rule += "---|";
  out += "\n" + rule + "\n";
  for (const Item* item : ByCost(items)) {
    out += StrCat("| ", report::MarkdownCode(item->name), " | ", item->n, " × ", item->k, " |");
    for (const Choice& c : items[0].choices) {
      const auto same = std::find_if(item->choices.begin(), item->choices.end(), [&](const Choice& own) { return own.scheme == c.scheme; });
      out += same == item->choices.end() ? " – |" : StrCat(" ", Number(same->kld), " |");
    }
    out += "\n";
  }
  out += "\n## Frontier\n\n| Bytes | Predicted | Schemes |\n|---|---|---|\n";
  for (const FrontierPoint& p : frontier) out += StrCat("| ", p.bytes, " | ", Number(p.kld), " | ", SchemesText(p), " |\n");
  return out;
}

// A picture by itself: no style sheet around it.
std::string Picture(std::span<const FrontierPoint> frontier) {
  double low = 1e300, high = 0, from = 1e300, to = 0;
  for (const FrontierPoint& p : frontier) {
    const double mb = static_cast<double>(p.bytes) / 1e6;
    from = std::min(from, mb), to = std::max(to, mb);
    if (p.kld > 0) low = std::min(low, p.kld), high = std::max(high, p.kld);
  }
  if (!(low < high)) low = high > 0 ? high / 2 : 1e-6, high = 2 * low;
  if (!(from < to)) to = from + 1;
  report::Plot plot("Predicted divergence by bytes of the artifact");
  const report::Axis x(from, to, false, report::Plot::kLeft, report::Plot::kRight), y(low, high, true, report::Plot::kBottom, report::Plot::kTop);
  plot.XAxis(x, report::Labelled(x.Ticks(6)), "MB of the artifact");
  plot.YAxis(y, y.Ticks(5), "predicted KLD");
  std::vector<std::pair<double, double>> line;
  for (const FrontierPoint& p : frontier)
    if (p.kld > 0) line.emplace_back(x.At(static_cast<double>(p.bytes) / 1e6), y.At(p.kld));
  plot.Line(line, "line");
  for (const FrontierPoint& p : frontier) {
    if (p.kld <= 0) continue;
    plot.Dot(x.At(static_cast<double>(p.bytes) / 1e6), y.At(p.kld), "dot", StrCat(p.bytes, " bytes, ", Number(p.kld), ": ", SchemesText(p)));
  }
  std::string svg = std::move(plot).Finish();
  const size_t at = svg.find('>');
  svg.insert(at + 1, "<style>text{font:10px sans-serif;fill:#333}line,path,polyline{stroke:#888;fill:none}.line{stroke:#06c;stroke-width:1.5}.dot{fill:#06c}</style>");
  if (svg.find("xmlns") == std::string::npos) svg.insert(svg.find("<svg") + 4, " xmlns=\"http://www.w3.org/2000/svg\"");
  return svg;
}

Status WriteFile(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  return out ? Status() : ResourceError("cannot write ", path.string());
}

}  // namespace

std::vector<FrontierPoint> FrontierOf(std::span<const Item> items, uint64_t other_bytes) {
  uint64_t most = 0;
  for (const Item& item : items) most += item.choices.back().bytes;
  const uint64_t least = LeastBytes(items);
  std::vector<FrontierPoint> frontier;
  for (int i = 0; i < kPoints; ++i) {
    const auto chosen = Knapsack(items, least + (most - least) * static_cast<uint64_t>(i) / (kPoints - 1));
    if (!chosen) continue;
    FrontierPoint point{.bytes = other_bytes + BytesOf(items, *chosen), .kld = PredictedKld(items, *chosen)};
    std::map<Scheme, int> counts;
    for (size_t j = 0; j < items.size(); ++j) ++counts[items[j].choices[(*chosen)[j]].scheme];
    for (const auto& [scheme, count] : counts) point.schemes.emplace_back(GetScheme(scheme).name, count);
    frontier.push_back(std::move(point));
  }
  return frontier;
}

std::string SensitivityJson(std::span<const Item> items, std::span<const FrontierPoint> frontier) {
  Json report;
  report["tensors"] = Json::array();
  for (const Item& item : items) {
    Json choices = Json::object();
    for (const Choice& c : item.choices) choices[std::string(GetScheme(c.scheme).name)] = {{"bytes", c.bytes}, {"error", c.error}, {"kld", c.kld}};
    report["tensors"].push_back({{"name", item.name}, {"tied", item.embed && item.head}, {"shape", {item.n, item.k}}, {"schemes", choices}});
  }
  report["frontier"] = Json::array();
  for (const FrontierPoint& p : frontier) report["frontier"].push_back({{"bytes", p.bytes}, {"kld", p.kld}, {"schemes", p.schemes}});
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Status WriteSensitivityReport(const std::string& folder, std::span<const Item> items, uint64_t other_bytes) {
  if (items.empty()) return Unsupported("the model has no tensor that a scheme could be chosen for");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ResourceError("cannot make the folder ", folder, ": ", error.message());
  const std::vector<FrontierPoint> frontier = FrontierOf(items, other_bytes);
  HST_RETURN_IF_ERROR(WriteFile(std::filesystem::path(folder) / "sensitivity.json", SensitivityJson(items, frontier)));
  HST_RETURN_IF_ERROR(WriteFile(std::filesystem::path(folder) / "sensitivity.md", Markdown(items, frontier)));
  return WriteFile(std::filesystem::path(folder) / "frontier.svg", Picture(frontier));
}

}  // namespace hasten::calib
