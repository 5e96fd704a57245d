#include "cli/precision.h"

#include "calib/recipe/recipe.h"

namespace hasten::cli {
namespace {

Result<Scheme> SchemeOr(const std::string& name, Scheme fallback) { return name.empty() ? Result<Scheme>(fallback) : ParseScheme(name); }

Result<KvType> KvOr(const std::string& name, KvType fallback) {
  if (name.empty()) return fallback;
  Result<KvType> kv = calib::ParseKv(name);
  return kv.ok() ? kv : Result<KvType>(std::move(kv).status().Annotate("--kv"));
}

}  // namespace

void AddPrecisionOptions(CLI::App& app, PrecisionOptions& o) {
  const char* group = "Precision";
  app.add_option("--weights", o.weights, "int4:G, int5:G, int6:G, int8:G (G: 32, 64, 128), int8 per channel, fp16, fp32 [int4:64]")->type_name("SCHEME")->group(group);
  app.add_option("--head", o.head, "Of the last linear [--weights, but int8:64 for INT4 to INT6]")->type_name("SCHEME")->group(group);
  app.add_option("--embed", o.embed, "Of the token table [--head]; one shared with the head is stored once")->type_name("SCHEME")->group(group);
  app.add_option("--kv", o.kv, "Of the KV cache: int8, fp16, fp32 [int8; for fp16 and fp32 weights the same as these]")->type_name("TYPE")->group(group);
}

Result<Precision> PrecisionOf(const PrecisionOptions& o) {
  Precision p{};
  HST_ASSIGN_OR_RETURN(p.weights, ParseScheme(o.weights));
  HST_ASSIGN_OR_RETURN(p.head, SchemeOr(o.head, calib::DefaultHead(p.weights)));
  HST_ASSIGN_OR_RETURN(p.embed, SchemeOr(o.embed, p.head));
  HST_ASSIGN_OR_RETURN(p.kv, KvOr(o.kv, calib::DefaultKv(p.weights)));
  return p;
}

}  // namespace hasten::cli
