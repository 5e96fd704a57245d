// hasten inspect: what a .hst file holds, for people or as JSON.
#include <map>
#include <memory>
#include <string>

#include "calib/report/text.h"
#include "cli/command.h"
#include "cli/describe.h"
#include "cli/terminal.h"

namespace hasten::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string Show(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Tensors by scheme: number, values, bytes.
std::string TensorSummary(const Json& report) {
  struct Sum {
    uint64_t count = 0, values = 0, bytes = 0;
  };
  std::map<std::string, Sum> sums;
  for (const Json& t : report["tensors"]) {
    Sum& s = sums[t["scheme"].get<std::string>()];
    ++s.count;
    s.values += t["shape"][0].get<uint64_t>() * t["shape"][1].get<uint64_t>();
    s.bytes += t["bytes"].get<uint64_t>();
  }
  TextTable table;
  table.Row({"scheme", "tensors", "values", "bytes", "bits a value"});
  for (const auto& [scheme, s] : sums) {
    table.Row({scheme, StrCat(s.count), WithCommas(s.values), HumanBytes(s.bytes),
               Fixed(s.values ? 8.0 * static_cast<double>(s.bytes) / static_cast<double>(s.values) : 0, 2)});
  }
  return table.Text();
}

// A tensor a row: its name comes from a file, and is cleaned.
std::string TensorTable(const Json& report) {
  TextTable table;
  table.Row({"tensor", "shape", "scheme", "bytes", "method", "error", "folds"});
  for (const Json& t : report["tensors"]) {
    if (t["shape"][0] == 1) continue;   // norms and biases
    table.Row({report::Clean(t["name"].get<std::string>()), StrCat(Show(t["shape"][0]), " x ", Show(t["shape"][1])), Show(t["scheme"]), WithCommas(t["bytes"]),
               t.contains("method") ? Show(t["method"]) : "", t.contains("error") && t["error"].is_number() ? Fixed(t["error"].get<double>(), -1) : "",
               t.contains("folds") ? Show(t["folds"]) : ""});
  }
  return table.Text();
}

std::string InstructionSummary(const Json& report) {
  std::map<std::string, int> counts;
  for (const Json& i : report["instructions"]) ++counts[i["op"].get<std::string>()];
  std::string text;
  for (const auto& [op, count] : counts) text += StrCat(text.empty() ? "" : ", ", count, " ", op);
  return text;
}

// What the last gate found, as calib/report/card.h writes it; another form is shown
// as it is. The card is text from a file: it may be anything, and is cleaned.
std::string CardSummary(const std::string& text) {
  if (text.empty()) return "never gated\n";
  const Json card = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!card.is_object() || !card.contains("verdict") || !card.contains("criteria") || !card["criteria"].is_array()) return "card: " + report::Clean(text) + "\n";
  const auto get = [](const Json& object, const char* key) { return object.is_object() && object.contains(key) ? report::Clean(Show(object[key])) : std::string(); };
  TextTable table;
  table.Row({"gate", StrCat(get(card, "verdict"), ", ", get(card, "reason"))});
  table.Row({"of", StrCat("sha256:", get(card, "gated_sha256"), ", policy sha256:", get(card, "policy_sha256").substr(0, 16))});
  for (const Json& c : card["criteria"]) {
    table.Row({"", StrCat(get(c, "verdict"), "  ", get(c, "surface"), " ", get(c, "name"), ": ", get(c, "estimate"), ", margin ", get(c, "margin"), ", n ", get(c, "n"))});
  }
  return table.Text();
}

std::string Summary(const Json& report) {
  TextTable head;
  head.Row({"format", StrCat(Show(report["format"]), ", numerics profile ", Show(report["numerics_profile"]))});
  head.Row({"size", HumanBytes(report["bytes"])});
  head.Row({"model", StrCat(Show(report["kind"]), ", ", Show(report["provenance"]["architecture"]), ", vocabulary ",
                            WithCommas(report["vocab"]), ", ", WithCommas(report["max_positions"]), " positions")});
  if (!report["layers"].empty()) {
    const Json& l = report["layers"][0];
    head.Row({"layers", StrCat(report["layers"].size(), ", the first with ", Show(l["heads"]), " heads, ", Show(l["kv_heads"]),
                               " KV heads of ", Show(l["head_dim"]), "; KV cache ", Show(report["kv"]))});
  }
  head.Row({"program", StrCat(report["instructions"].size(), " instructions: ", InstructionSummary(report))});
  head.Row({"memory", StrCat(Show(report["arena_bytes_per_row"]), " bytes a row, in ", Show(report["buffers"]), " buffers")});
  head.Row({"end tokens", Show(report["generation"]["eos_ids"])});
  const std::string source = Show(report["provenance"]["source_sha256"]);
  head.Row({"made by", StrCat("hasten ", Show(report["provenance"]["tool_version"]), source.empty() ? " from nothing" : " from sha256:" + source)});
  head.Row({"recipe", Show(report["provenance"]["recipe"])});
  TextTable sections;
  sections.Row({"section", "offset", "bytes", "sha256"});
  for (const Json& s : report["sections"]) {
    sections.Row({Show(s["name"]), Show(s["offset"]), WithCommas(s["bytes"]), Show(s["sha256"]).substr(0, 16)});
  }
  return StrCat(head.Text(), "\n", CardSummary(report["card"].get<std::string>()), "\n", sections.Text(), "\n", TensorSummary(report), "\n", TensorTable(report));
}

}  // namespace

Action AddInspect(CLI::App& app) {
  struct Options {
    std::string artifact;
    bool json = false, recipe = false;
  };
  const auto o = std::make_shared<Options>();
  app.add_option("artifact", o->artifact, "The artifact")->required()->type_name("out.hst");
  CLI::Option* json = app.add_flag("--json", o->json, "Print everything as JSON: every section, layer, tensor and instruction");
  app.add_flag("--recipe", o->recipe, "Print the recipe that reproduces it, for hasten compile --recipe")->excludes(json);
  return [o](const Context&) -> Result<int> {
    HST_ASSIGN_OR_RETURN(const std::shared_ptr<const ArtifactFile> file, ArtifactFile::Open(o->artifact));
    const Json report = Describe(*file);
    if (o->recipe) {
      const Json& made = report["provenance"];
      if (!made.is_object() || made["recipe_toml"] == "") return BadInput(o->artifact, ": holds no recipe");
      HST_RETURN_IF_ERROR(WriteOut(made["recipe_toml"].get<std::string>()));
      return 0;
    }
    HST_RETURN_IF_ERROR(WriteOut(o->json ? report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n" : Summary(report)));
    return 0;
  };
}

}  // namespace hasten::cli
