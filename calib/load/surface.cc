#include "calib/load/surface.h"

#include <algorithm>
#include <cmath>

#include "calib/load/judge.h"
#include "calib/load/order_statistics.h"

namespace hasten::load {
namespace {

Workload WorkloadOf(const gate::Surface& surface) {
  const gate::Workload& w = *surface.workload;
  return {.arrivals_per_s = w.arrivals_per_s, .prompt_min = w.prompt_tokens_min, .prompt_max = w.prompt_tokens_max, .output_tokens = w.output_tokens,
          .requests = RequestsFor(surface), .warmup = w.warmup};
}

MeasureOptions OptionsOf(const gate::Policy& policy, const gate::Surface& surface, const SurfaceOptions& o) {
  MeasureOptions m{.candidate = {"candidate", o.candidate, ""}, .isa = o.isa, .place = o.place, .threads = o.threads};
  if (!o.baseline.empty() || !o.baseline_command.empty()) m.baseline = Target{"baseline", o.baseline, o.baseline_command};
  for (const gate::Budget& b : surface.budgets) m.limits.push_back({b.quantity, b.percent, b.limit});
  if (surface.workload) m.workload = WorkloadOf(surface), m.sequences = surface.workload->sequences;
  m.price = {policy.price_per_hour, policy.currency};
  for (const gate::Limit& r : surface.resources) if (r.figure == "baseline_ratio") m.ratio_max = r.value;
  m.cancel = o.cancel, m.progress = o.progress;
  return m;
}

}  // namespace

bool HasLoad(const gate::Surface& surface) { return surface.workload || !surface.resources.empty(); }

int64_t RequestsFor(const gate::Surface& surface) {
  if (surface.workload && surface.workload->requests > 0) return surface.workload->requests;
  int64_t least = 15;
  for (const gate::Budget& b : surface.budgets) if (b.percent < 100) least = std::max(least, LeastCount(b.percent / 100));
  return (least * 4 + 2) / 3;
}

Status AddSurface(const gate::Policy& policy, const gate::Surface& surface, const SurfaceOptions& o, gate::Report& report) {
  const MeasureOptions how = OptionsOf(policy, surface, o);
  Result<LatencyReport> measured = surface.workload ? MeasureLatency(how) : MeasureOpening(how);
  if (!measured.ok()) return std::move(measured).status().Annotate(StrCat("surface.", surface.name));
  for (gate::Criterion& c : Judge(*measured, {how.limits, surface.resources}, surface.name)) report.criteria.push_back(std::move(c));
  LatencyReport& all = report.latency;
  if (all.subjects.empty()) all.arrivals_per_s = measured->arrivals_per_s, all.currency = policy.currency;
  const bool several = std::count_if(policy.surfaces.begin(), policy.surfaces.end(), HasLoad) > 1;
  for (Subject& s : measured->subjects) {
    if (several) s.name = StrCat(surface.name, " ", s.name);
    all.subjects.push_back(std::move(s));
  }
  for (Comparison& c : measured->comparisons) c.surface = surface.name, all.comparisons.push_back(std::move(c));
  all.note += StrCat(all.note.empty() ? "" : " ", several ? surface.name + ": " : "", measured->note);
  return {};
}

}  // namespace hasten::load
