// What others read of a resolved recipe.
#include <algorithm>

#include "calib/recipe/name_list.h"
#include "calib/recipe/recipe.h"

namespace hasten::calib {

std::map<std::string, std::string> InShort(const Recipe& recipe) {
  std::map<std::string, std::string> facts = {{"weights", std::string(GetScheme(recipe.weights).name)},
                                              {"head", std::string(GetScheme(*recipe.head).name)},
                                              {"embed", std::string(GetScheme(*recipe.embed).name)},
                                              {"kv", std::string(KvName(*recipe.kv))},
                                              {"quantizer", recipe.calibration ? "gptq" : "round-to-nearest"}};
  if (const std::optional<Calibrated>& c = recipe.calibration) {
    facts["calibration.samples"] = StrCat(c->samples.value());
    facts["calibration.context"] = StrCat(c->context);
    facts["calibration.chain"] = NameList(*c->chain);
    if (!c->equalize->empty()) facts["calibration.equalize"] = NameList(*c->equalize);
    if (*c->round_steps) facts["calibration.round_steps"] = StrCat(*c->round_steps);
    if (*c->distill_steps) facts["calibration.distill_steps"] = StrCat(*c->distill_steps);
  }
  if (!recipe.rules.empty()) facts["rules"] = StrCat(recipe.rules.size());
  for (const std::string& pass : recipe.disable_passes) facts.emplace("disable-pass." + pass, std::string(1, '1'));
  return facts;
}

plan::PlanOptions PlanOptionsOf(const Recipe& recipe, uint64_t max_positions) {
  plan::PlanOptions options;
  options.weights = recipe.weights;
  options.head = *recipe.head;
  options.embed = *recipe.embed;
  options.kv = *recipe.kv;
  options.activation_group = recipe.activation_group;
  options.rules = recipe.rules;
  options.max_positions = static_cast<int64_t>(std::min(max_positions, uint64_t{1} << 40));
  return options;
}

}  // namespace hasten::calib
