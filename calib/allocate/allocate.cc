#include "calib/allocate/allocate.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "calib/allocate/knapsack.h"

namespace hasten::calib {
namespace {

// What is left of a budget that is not worth another round.
constexpr double kSlack = 1e-4;
constexpr int kRounds = 12;

// The name of a rule for all parts of a linear when they get the same, else of each part.
void AddRules(const ir::Node& linear, const std::map<std::string, Scheme>& schemes, Scheme common, std::set<std::string>& named, Recipe& recipe) {
  std::vector<std::string> names;
  for (size_t i = 2; i < linear.inputs().size(); ++i) names.push_back(linear.input(i)->name);
  const Scheme first = schemes.at(names[0]);
  const bool same = std::all_of(names.begin(), names.end(), [&](const std::string& n) { return schemes.at(n) == first; });
  if (same) names = {plan::NameOf(linear)};
  for (const std::string& name : names) {
    const Scheme scheme = same ? first : schemes.at(name);
    if (scheme != common && named.insert(name).second) recipe.rules.push_back({.tensor = name, .scheme = scheme});
  }
}

}  // namespace

Recipe RecipeOf(const Recipe& base, std::span<const Item> items, std::span<const size_t> chosen) {
  Recipe recipe = base;
  std::map<std::string, Scheme> schemes;
  std::map<Scheme, int> counts;
  for (size_t i = 0; i < items.size(); ++i) {
    const Scheme scheme = items[i].choices[chosen[i]].scheme;
    if (items[i].embed) recipe.embed = scheme;
    if (items[i].head) recipe.head = scheme;
    if (items[i].embed || items[i].head) continue;
    schemes[items[i].name] = scheme;
    ++counts[scheme];
  }
  if (counts.empty()) return recipe;
  recipe.weights = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; })->first;
  std::set<std::string> named;
  for (const Item& item : items) {
    if (item.embed || item.head) continue;
    for (const Use& use : item.uses) AddRules(*use.node, schemes, recipe.weights, named, recipe);
  }
  return recipe;
}

Result<Recipe> Allocate(const Recipe& base, std::span<const Item> items, uint64_t budget, const ArtifactSize& size) {
  const std::vector<size_t> smallest(items.size(), 0);
  Recipe best = RecipeOf(base, items, smallest);
  HST_ASSIGN_OR_RETURN(const uint64_t least, size(best));
  if (least > budget) return UsageError("a budget of ", budget, " bytes: the smallest artifact of this model has ", least);
  // What a file holds beside weights depends on the choice (rules, padding): corrected
  // until the file is within the budget and little of it is left.
  uint64_t target = budget - least + LeastBytes(items), below = 0;
  double predicted = PredictedKld(items, smallest);
  for (int round = 0; round < kRounds; ++round) {
    const std::optional<std::vector<size_t>> chosen = Knapsack(items, target);
    if (!chosen) break;
    Recipe recipe = RecipeOf(base, items, *chosen);
    HST_ASSIGN_OR_RETURN(const uint64_t bytes, size(recipe));
    if (bytes > budget) {
      if (target <= below + (bytes - budget)) break;   // it cannot get nearer
      target -= bytes - budget;
      continue;
    }
    const double now = PredictedKld(items, *chosen);
    if (now < predicted) best = std::move(recipe), predicted = now;
    if (static_cast<double>(budget - bytes) < kSlack * static_cast<double>(budget) || target <= below) break;
    below = target;
    target += budget - bytes;
  }
  return best;
}

}  // namespace hasten::calib
