#include "compiler/plan/rules.h"

#include <algorithm>

#include "compiler/plan/kernel_ops.h"
#include "compiler/plan/plan.h"

namespace hasten::plan {
namespace {

// "a+b+c" as its pieces, when there are `count` of them; else the whole for each.
std::vector<std::string_view> PiecesOf(std::string_view loc, size_t count) {
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at <= loc.size();) {
    const size_t end = std::min(loc.find('+', at), loc.size());
    pieces.push_back(loc.substr(at, end - at));
    at = end + 1;
  }
  return pieces.size() == count ? pieces : std::vector<std::string_view>(count, loc);
}

}  // namespace

bool MatchesPattern(std::string_view pattern, std::string_view name) {
  // Greedy with one place to return to, the last `*`: linear in practice, n * m at worst.
  size_t p = 0, n = 0, star = std::string_view::npos, mark = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, mark = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1, n = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string NameOf(const ir::Node& linear) {
  std::string name;
  for (size_t i = 2; i < linear.inputs().size(); ++i) name += (i > 2 ? "+" : "") + linear.input(i)->name;
  return name;
}

bool IsHead(const ir::Graph& graph, const ir::Value* v, int depth) {
  if (graph.IsOutput(v)) return true;
  if (depth > 8) return false;
  return std::any_of(v->users().begin(), v->users().end(), [&](const ir::Node* user) {
    return (user->op == "act" || user->op == "take_row" || FindBinary(user->op)) && IsHead(graph, user->output(), depth + 1);
  });
}

RuleBook::RuleBook(const PlanOptions& options) : options_(options), used_(options.rules.size()) {}

TensorChoice RuleBook::Choose(TensorChoice choice, std::string_view whole, std::span<const std::string_view> names) {
  for (size_t i = 0; i < options_.rules.size(); ++i) {
    const SchemeRule& rule = options_.rules[i];
    if (rule.tensor != whole && std::none_of(names.begin(), names.end(), [&](std::string_view n) { return MatchesPattern(rule.tensor, n); })) continue;
    used_[i] = true;
    if (rule.scheme) choice.scheme = *rule.scheme;
    if (rule.activation_group) choice.activation_group = *rule.activation_group;
    if (rule.activation_residual) choice.activation_residual = *rule.activation_residual;
  }
  return choice;
}

TensorChoice RuleBook::Embed(const ir::Node& embed) {
  const std::string& name = embed.input(1)->name;
  seen_.push_back(name);
  const std::string_view names[] = {name, embed.loc, "embed"};
  return Choose({options_.embed, options_.activation_group, false}, name, names);
}

std::vector<TensorChoice> RuleBook::Linear(const ir::Node& linear, bool head) {
  const std::string whole = NameOf(linear);
  seen_.push_back(whole);
  const size_t parts = linear.inputs().size() - 2;
  const std::vector<std::string_view> locs = PiecesOf(linear.loc, parts);
  std::vector<TensorChoice> choices;
  for (size_t i = 0; i < parts; ++i) {
    const std::string_view names[] = {linear.input(2 + i)->name, locs[i], head ? "head" : "linear"};
    choices.push_back(Choose({head ? options_.head : options_.weights, options_.activation_group, false}, whole, names));
  }
  return choices;
}

Status RuleBook::CheckAllUsed() const {
  for (size_t i = 0; i < used_.size(); ++i) {
    if (used_[i]) continue;
    std::string some;
    for (size_t s = 0; s < std::min<size_t>(seen_.size(), 6); ++s) some += StrCat(s ? ", " : "", "\"", seen_[s], "\"");
    return UsageError("rule ", i + 1, ": \"", options_.rules[i].tensor, "\" names no tensor of this model; there are ", some, seen_.size() > 6 ? ", ..." : "",
                      " (hasten inspect lists them)");
  }
  return {};
}

}  // namespace hasten::plan
