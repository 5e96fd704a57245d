// A recipe: everything that shapes what `hasten compile` makes of a model, as a
// TOML file. An artifact carries the resolved one (no defaults left to guess, no
// path): with it, the same model and the same text, the same bytes come out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/plan/plan.h"
#include "runtime/base/status.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten::calib {

struct Calibrated {
  std::string text;                 // the file; "" in an artifact
  std::string text_sha256;          // of the documents' digests; "" when any text will do
  std::optional<int64_t> samples;   // default: the effort's
  int64_t context = 512;
  std::optional<int64_t> round_steps;     // of calib/grad/sign_round.h, for each block; default: the effort's
  std::optional<int64_t> distill_steps;   // of calib/grad/distill.h, after the codes are chosen; default: the effort's
  std::optional<std::vector<std::string>> equalize;   // methods of calib/equalize, before all that; default: the effort's
  std::optional<std::vector<std::string>> chain;      // steps of calib/calibrate/chain.def beside GPTQ; default: all
  bool operator==(const Calibrated&) const = default;
};

struct Recipe {
  Scheme weights = Scheme::kI4G64;
  std::optional<Scheme> head;       // default: the weights', but int8:64 for INT4
  std::optional<Scheme> embed;      // default: the head's
  std::optional<KvType> kv;         // default: as precise as the weights
  int64_t activation_group = 64;
  bool tokenizer = true;            // false: leave it out; the artifact takes token ids only
  std::vector<std::string> disable_passes;
  std::optional<Calibrated> calibration;   // absent: round to nearest
  std::string effort = "standard";  // a row of efforts.def
  std::optional<uint64_t> budget;   // bytes of the artifact: schemes are chosen, and what says others is refused
  std::optional<double> target_kld; // in place of it: the predicted divergence, nats a token, that schemes keep to
  std::vector<plan::SchemeRule> rules;
  bool operator==(const Recipe&) const = default;
};

// Whether a budget or a target does.
inline bool ChoosesSchemes(const Recipe& r) { return r.budget || r.target_kld; }

Scheme DefaultHead(Scheme weights);
KvType DefaultKv(Scheme weights);       // int8 for integer weights, else the weights' own type
std::string_view KvName(KvType type);   // as the command line spells it
Result<KvType> ParseKv(std::string_view name);   // kUsage, lists the names

// Heads, caches and the like that the recipe leaves open, as they will be.
Recipe Resolved(Recipe recipe);

// What the plan asks of a resolved one. `max_positions`: the model's, 0 for unknown.
plan::PlanOptions PlanOptionsOf(const Recipe& recipe, uint64_t max_positions);

// kUsage names the line and key; for a key that there is not, the nearest that
// there is. `folder`: that of the file, which paths are relative to.
Result<Recipe> ParseRecipe(std::string_view text, const std::string& folder);
Result<Recipe> ReadRecipe(const std::string& path);
// The same text for the same recipe; ParseRecipe gives it back.
std::string WriteRecipe(const Recipe& recipe);
// What of a resolved one a reader wants to see at a glance.
std::map<std::string, std::string> InShort(const Recipe& recipe);

}  // namespace hasten::calib
