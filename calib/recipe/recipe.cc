#include "calib/recipe/recipe.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "calib/data/text_file.h"
#include "calib/equalize/equalize.h"
#include "calib/gate/toml_reader.h"
#include "calib/calibrate/chain.h"
#include "calib/recipe/efforts.h"
#include "calib/recipe/name_list.h"

namespace hasten::calib {
namespace {

using gate::TomlReader;

constexpr uint64_t kMostRecipeBytes = 16 << 20;   // a rule for each of 100,000 tensors
constexpr KvType kKvTypes[] = {KvType::kI8, KvType::kF16, KvType::kF32};

void ReadScheme(TomlReader& reader, std::string_view key, std::optional<Scheme>& out) {
  if (!reader.Has(key)) {
    std::string unused;
    return reader.Text(key, unused);   // so that it is known
  }
  std::string name;
  reader.Text(key, name);
  const Result<Scheme> scheme = ParseScheme(name);
  if (!scheme.ok()) return reader.Fail(UsageError(reader.Path(key), ": ", scheme.status().message()));
  out = *scheme;
}

void ReadKv(TomlReader& reader, std::optional<KvType>& out) {
  std::string name;
  reader.Text("kv", name);
  if (!reader.Has("kv")) return;
  const Result<KvType> kv = ParseKv(name);
  if (!kv.ok()) return reader.Fail(UsageError(reader.Path("kv"), ": ", kv.status().message()));
  out = *kv;
}

void ReadActivationGroup(TomlReader& reader, std::optional<int64_t>& out) {
  int64_t group = 64;
  reader.Integer("activation_group", group, 32, 128);
  if (!reader.Has("activation_group")) return;
  if (group != 32 && group != 64 && group != 128) reader.Fail(UsageError(reader.Path("activation_group"), " = ", group, ": 32, 64 or 128 is needed"));
  out = group;
}

void ReadResidual(TomlReader& reader, std::optional<bool>& out) {
  bool residual = false;
  reader.Flag("activation_residual", residual);
  if (reader.Has("activation_residual")) out = residual;
}

void ReadNames(TomlReader& reader, std::string_view key, std::span<const std::string_view> known, std::optional<std::vector<std::string>>& out) {
  std::string text;
  reader.Text(key, text);
  if (!reader.Has(key)) return;
  Result<std::vector<std::string>> names = ParseNameList(reader.Path(key), text, known);
  if (!names.ok()) return reader.Fail(names.status());
  out = *std::move(names);
}

Status ReadCalibration(const toml::table& table, const std::string& folder, Calibrated& c) {
  TomlReader reader(table, "calibration");
  reader.Text("text", c.text);
  reader.Text("text_sha256", c.text_sha256);
  int64_t samples = 0;
  reader.Integer("samples", samples, 1, int64_t{1} << 20);
  if (samples > 0) c.samples = samples;
  reader.Integer("context", c.context, 4, int64_t{1} << 20);
  for (const auto& [key, steps] : {std::pair{"round_steps", &c.round_steps}, {"distill_steps", &c.distill_steps}}) {
    int64_t n = 0;
    reader.Integer(key, n, 0, int64_t{1} << 20);
    if (reader.Has(key)) *steps = n;
  }
  ReadNames(reader, "equalize", EqualizerNames(), c.equalize);
  ReadNames(reader, "chain", ChainSteps(), c.chain);
  if (!c.text.empty() && !c.text.starts_with("/") && !folder.empty()) c.text = (std::filesystem::path(folder) / c.text).string();
  return reader.Finish();
}

Status ReadRule(const toml::node& node, size_t number, std::vector<plan::SchemeRule>& rules) {
  const std::string where = StrCat("tensor[", number, "]");
  if (!node.is_table()) return UsageError(where, ": a table is needed, [[tensor]]");
  TomlReader reader(*node.as_table(), where);
  plan::SchemeRule rule;
  reader.Text("name", rule.tensor);
  ReadScheme(reader, "scheme", rule.scheme);
  ReadActivationGroup(reader, rule.activation_group);
  ReadResidual(reader, rule.activation_residual);
  HST_RETURN_IF_ERROR(reader.Finish());
  if (rule.tensor.empty()) return UsageError(where, ": name is missing, a pattern like \"*.mlp.down_proj*\", \"head\" or \"embed\"");
  if (!rule.scheme && !rule.activation_group && !rule.activation_residual)
    return UsageError(where, ": scheme, activation_group or activation_residual is missing");
  rules.push_back(std::move(rule));
  return {};
}

Status ReadPassNames(const toml::array& names, std::vector<std::string>& out) {
  for (const toml::node& name : names) {
    if (!name.is_string()) return UsageError("disable_passes: a list of names in quotes is needed");
    out.push_back(name.as_string()->get());
  }
  return {};
}

// Text as a TOML string.
std::string Quoted(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\', out += c;
    else if (u < 0x20 || u == 0x7f) out += "\\u00", out += kHex[u >> 4], out += kHex[u & 15];
    else out += c;
  }
  return out + "\"";
}

std::string Line(std::string_view key, std::string_view value) { return StrCat(key, " = ", value, "\n"); }
std::string SchemeLine(std::string_view key, Scheme scheme) { return Line(key, Quoted(GetScheme(scheme).name)); }

}  // namespace

std::string_view KvName(KvType type) {
  switch (type) {
    case KvType::kI8: return "int8";
    case KvType::kF16: return "fp16";
    case KvType::kF32: return "fp32";
  }
  return "";
}

Result<KvType> ParseKv(std::string_view name) {
  for (const KvType type : kKvTypes)
    if (name == KvName(type)) return type;
  return UsageError("\"", name, "\": the cache is int8, fp16 or fp32");
}

KvType DefaultKv(Scheme weights) {
  const SchemeInfo& info = GetScheme(weights);
  if (info.integer) return KvType::kI8;
  return info.bits == 16 ? KvType::kF16 : KvType::kF32;
}

Scheme DefaultHead(Scheme weights) { return GetScheme(weights).zero_point ? Scheme::kI8G64 : weights; }

Recipe Resolved(Recipe r) {
  r.head = r.head.value_or(DefaultHead(r.weights));
  r.embed = r.embed.value_or(*r.head);
  r.kv = r.kv.value_or(DefaultKv(r.weights));
  if (const Result<const Effort*> effort = FindEffort(r.effort); effort.ok() && r.calibration) {
    r.calibration->samples = r.calibration->samples.value_or((*effort)->samples);
    r.calibration->round_steps = r.calibration->round_steps.value_or((*effort)->round_steps);
    r.calibration->distill_steps = r.calibration->distill_steps.value_or((*effort)->distill_steps);
    if (!r.calibration->equalize) r.calibration->equalize = *ParseNameList("equalize", (*effort)->equalize, EqualizerNames());   // a row of the table
    if (!r.calibration->chain) r.calibration->chain = *ParseNameList("chain", "all", ChainSteps());
  }
  return r;
}

Result<Recipe> ParseRecipe(std::string_view text, const std::string& folder) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) return UsageError("line ", static_cast<int64_t>(parsed.error().source().begin.line), ": is not TOML: ", parsed.error().description());
  Recipe r;
  TomlReader reader(parsed.table(), "");
  std::optional<Scheme> weights;
  ReadScheme(reader, "weights", weights);
  r.weights = weights.value_or(r.weights);
  ReadScheme(reader, "head", r.head);
  ReadScheme(reader, "embed", r.embed);
  ReadKv(reader, r.kv);
  std::optional<int64_t> group;
  ReadActivationGroup(reader, group);
  r.activation_group = group.value_or(r.activation_group);
  reader.Flag("tokenizer", r.tokenizer);
  reader.Text("effort", r.effort);
  if (const Result<const Effort*> effort = FindEffort(r.effort); !effort.ok()) reader.Fail(effort.status());
  double budget_mb = 0;
  reader.Number("budget_mb", budget_mb, 1e-3, 1e9);
  if (budget_mb > 0) r.budget = static_cast<uint64_t>(budget_mb * 1e6);
  double target_kld = 0;
  reader.Number("target_kld", target_kld, 1e-9, 1e3);
  if (target_kld > 0) r.target_kld = target_kld;
  for (const char* key : {"weights", "head", "embed"})
    if (ChoosesSchemes(r) && reader.Has(key)) reader.Fail(UsageError(key, ": ", r.budget ? "budget_mb" : "target_kld", " chooses the scheme of every tensor; leave one of the two out"));
  if (const toml::array* names = reader.Array("disable_passes")) HST_RETURN_IF_ERROR(ReadPassNames(*names, r.disable_passes));
  if (const toml::table* table = reader.Table("calibration")) HST_RETURN_IF_ERROR(ReadCalibration(*table, folder, r.calibration.emplace()));
  if (const toml::array* rules = reader.Array("tensor"))
    for (const toml::node& rule : *rules) HST_RETURN_IF_ERROR(ReadRule(rule, r.rules.size() + 1, r.rules));
  HST_RETURN_IF_ERROR(reader.Finish());
  return r;
}

Result<Recipe> ReadRecipe(const std::string& path) {
  HST_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMostRecipeBytes));
  Result<Recipe> recipe = ParseRecipe(text, std::filesystem::path(path).parent_path().string());
  if (!recipe.ok()) return std::move(recipe).status().Annotate(path);
  return recipe;
}

std::string WriteRecipe(const Recipe& r) {
  std::string out;
  if (r.budget) {
    out += Line("budget_mb", StrCat(*r.budget / 1000000, ".", std::to_string(1000000 + *r.budget % 1000000).substr(1)));
  } else if (r.target_kld) {
    out += Line("target_kld", StrCat(*r.target_kld));
  } else {
    out += SchemeLine("weights", r.weights);
    if (r.head) out += SchemeLine("head", *r.head);
    if (r.embed) out += SchemeLine("embed", *r.embed);
  }
  if (r.kv) out += Line("kv", Quoted(KvName(*r.kv)));
  out += Line("activation_group", StrCat(r.activation_group));
  out += Line("tokenizer", r.tokenizer ? "true" : "false");
  out += Line("effort", Quoted(r.effort));
  if (!r.disable_passes.empty()) {
    std::string list;
    for (const std::string& pass : r.disable_passes) list += (list.empty() ? "" : ", ") + Quoted(pass);
    out += Line("disable_passes", "[" + list + "]");
  }
  if (const std::optional<Calibrated>& c = r.calibration) {
    out += "\n[calibration]\n";
    if (!c->text.empty()) out += Line("text", Quoted(c->text));
    if (!c->text_sha256.empty()) out += Line("text_sha256", Quoted(c->text_sha256));
    if (c->samples) out += Line("samples", StrCat(*c->samples));
    out += Line("context", StrCat(c->context));
    if (c->round_steps) out += Line("round_steps", StrCat(*c->round_steps));
    if (c->distill_steps) out += Line("distill_steps", StrCat(*c->distill_steps));
    if (c->equalize) out += Line("equalize", Quoted(NameList(*c->equalize)));
    if (c->chain) out += Line("chain", Quoted(NameList(*c->chain)));
  }
  for (const plan::SchemeRule& rule : r.rules) {
    out += "\n[[tensor]]\n" + Line("name", Quoted(rule.tensor));
    if (rule.scheme) out += SchemeLine("scheme", *rule.scheme);
    if (rule.activation_group) out += Line("activation_group", StrCat(*rule.activation_group));
    if (rule.activation_residual) out += Line("activation_residual", *rule.activation_residual ? "true" : "false");
  }
  return out;
}

}  // namespace hasten::calib
