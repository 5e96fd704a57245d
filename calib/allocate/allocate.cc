#include "calib/allocate/allocate.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "calib/allocate/knapsack.h"

namespace hasten::calib {
namespace {

// What is left of a budget that is not worth another round.
constexpr double kSlack = 1e-4;
constexpr int kRounds = 12;
// Of the probes' divergences, in the order they are tried: 1 is as measured; at half,
// a tensor that costs a hundred times another counts ten times.
constexpr double kPowers[] = {1.0, 0.8, 0.9, 0.7, 0.6, 0.5};

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

Result<std::vector<size_t>> Allocate(const Recipe& base, std::span<const Item> items, uint64_t budget, const ArtifactSize& size) {
  std::vector<size_t> best(items.size(), 0);   // the smallest
  HST_ASSIGN_OR_RETURN(const uint64_t least, size(RecipeOf(base, items, best)));
  if (least > budget) return UsageError("a budget of ", budget, " bytes: the smallest artifact of this model has ", least);
  // What a file holds beside weights depends on the choice (rules, padding): corrected
  // by what was over or left, then halved between what was within and what was not.
  uint64_t target = budget - least + LeastBytes(items), within = LeastBytes(items);
  std::optional<uint64_t> beyond;
  double predicted = PredictedKld(items, best);
  for (int round = 0; round < kRounds; ++round) {
    std::optional<std::vector<size_t>> chosen = Knapsack(items, target);
    if (!chosen) break;
    HST_ASSIGN_OR_RETURN(const uint64_t bytes, size(RecipeOf(base, items, *chosen)));
    uint64_t next = 0;
    if (bytes > budget) {
      beyond = target;
      next = target - std::min(target, bytes - budget);
    } else {
      if (const double now = PredictedKld(items, *chosen); now < predicted) best = *std::move(chosen), predicted = now;
      within = std::max(within, target);
      if (static_cast<double>(budget - bytes) < kSlack * static_cast<double>(budget)) break;
      next = target + (budget - bytes);
    }
    if (next <= within || (beyond && next >= *beyond)) next = within + (beyond.value_or(within) - within) / 2;
    if (next <= within) break;   // nothing between
    target = next;
  }
  return best;
}

Result<std::vector<size_t>> AllocateForKld(std::span<const Item> items, double kld) {
  std::vector<size_t> best;
  for (const Item& item : items) {
    const auto least = std::min_element(item.choices.begin(), item.choices.end(), [](const Choice& a, const Choice& b) { return a.kld < b.kld; });
    best.push_back(static_cast<size_t>(least - item.choices.begin()));
  }
  if (const double predicted = PredictedKld(items, best); predicted > kld)
    return UsageError("a divergence of ", kld, ": the most precise schemes are predicted ", predicted, ", before calibration");
  uint64_t least = LeastBytes(items), most = BytesOf(items, best);   // the bytes that do lie in (least, most]
  if (PredictedKld(items, std::vector<size_t>(items.size(), 0)) <= kld) return std::vector<size_t>(items.size(), 0);
  for (const uint64_t step = most >> 16; most - least > std::max<uint64_t>(1, step);) {
    const uint64_t middle = least + (most - least) / 2;
    std::optional<std::vector<size_t>> chosen = Knapsack(items, middle);
    const bool enough = chosen && PredictedKld(items, *chosen) <= kld;
    (enough ? most : least) = middle;
    if (enough) best = *std::move(chosen);
  }
  return best;
}

Result<std::vector<size_t>> AllocateBest(const Recipe& base, std::span<const Item> items, uint64_t budget, const ArtifactSize& size, int64_t count,
                                         const MeasureChosen& measure) {
  std::vector<size_t> best;
  double least = 0;
  for (size_t i = 0; i < std::min<size_t>(static_cast<size_t>(count), std::size(kPowers)); ++i) {
    std::vector<Item> read(items.begin(), items.end());
    for (Item& item : read) {   // what the item costs, narrowed; how its schemes compare stays
      const double cost = item.choices[0].kld, factor = cost > 0 ? std::pow(cost, kPowers[i] - 1) : 0;
      for (Choice& c : item.choices) c.kld *= factor;
    }
    HST_ASSIGN_OR_RETURN(std::vector<size_t> chosen, Allocate(base, read, budget, size));
    if (count == 1) return chosen;
    if (i > 0 && chosen == best) continue;
    HST_ASSIGN_OR_RETURN(const double measured, measure(chosen));
    if (i == 0 || measured < least) best = std::move(chosen), least = measured;
  }
  return best;
}

}  // namespace hasten::calib
