#include "calib/report/plots.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "calib/report/figures.h"
#include "calib/report/svg.h"
#include "calib/report/text.h"
#include "runtime/base/status.h"

namespace hasten::report {
namespace {

using gate::Criterion;
using gate::Report;

constexpr double kL = Plot::kLeft, kR = Plot::kRight, kT = Plot::kTop, kB = Plot::kBottom;

// Series of subjects by their place: the candidate, then baselines.
const char* Series(size_t subject) { return subject == 0 ? "candidate" : "reference"; }

std::string MB(double bytes) { return StrCat(Number(bytes / 1e6), " MB"); }

// Rises by 1/n at each value.
std::vector<std::pair<double, double>> Steps(const std::vector<double>& sorted, const Axis& x, const Axis& y) {
  std::vector<std::pair<double, double>> points;
  double before = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const double share = static_cast<double>(i + 1) / static_cast<double>(sorted.size());
    points.emplace_back(x.At(sorted[i]), y.At(before));
    points.emplace_back(x.At(sorted[i]), y.At(share));
    before = share;
  }
  return points;
}

// Labels of about six edges: powers of ten where there are three of them.
std::vector<std::pair<double, std::string>> EdgeTicks(const std::vector<double>& edges) {
  std::vector<size_t> all, powers;
  for (size_t i = 0; i < edges.size(); ++i) {
    all.push_back(i);
    const double exponent = std::log10(edges[i]);
    if (edges[i] > 0 && std::abs(exponent - std::round(exponent)) < 1e-6) powers.push_back(i);
  }
  const std::vector<size_t>& from = powers.size() >= 3 ? powers : all;
  std::vector<std::pair<double, std::string>> ticks;
  for (size_t i = 0; i < from.size(); i += std::max<size_t>(1, (from.size() + 5) / 6)) ticks.emplace_back(static_cast<double>(from[i]), Number(edges[from[i]]));
  return ticks;
}

}  // namespace

// Bins of equal width, whatever their edges: edges that grow by a factor make a
// logarithmic axis of it, and the first bin may begin at 0.
std::string KldHistogram(const Report& report) {
  const auto& h = report.kld;
  if (h.counts.empty() || h.edges.size() != h.counts.size() + 1) return "";
  const double n = static_cast<double>(h.counts.size());
  const Axis x(0, n, false, kL, kR);
  const double most = static_cast<double>(*std::max_element(h.counts.begin(), h.counts.end()));
  const Axis y(0, std::max(1.0, most * 1.05), false, kB, kT);
  Plot plot("Histogram of the KL divergence of positions");
  plot.YAxis(y, y.Ticks(5), "positions");
  const double width = (kR - kL) / n;
  for (size_t i = 0; i < h.counts.size(); ++i) {
    const double top = y.At(static_cast<double>(h.counts[i]));
    const double gap = width > 4 ? 0.5 : 0;
    plot.Bar(kL + width * static_cast<double>(i) + gap, top, width - 2 * gap, kB - top, "bar candidate",
             StrCat(Number(h.edges[i]), " to ", Number(h.edges[i + 1]), " ", h.unit, ": ", h.counts[i]));
  }
  plot.XAxis(x, EdgeTicks(h.edges), StrCat("KL divergence, ", Shorten(h.unit, 12)));
  return std::move(plot).Finish();
}

std::string CalibrationPlot(const Report& report) {
  if (report.calibration.empty()) return "";
  const Axis x(0, 1, false, kL, kR), y(0, 1, false, kB, kT);
  Plot plot("How often the likeliest token came, by its probability");
  plot.YAxis(y, y.Ticks(5), "share that came");
  plot.XAxis(x, Labelled(x.Ticks(5)), "probability of the likeliest token");
  plot.Line({{x.At(0), y.At(0)}, {x.At(1), y.At(1)}}, "limit");
  std::vector<std::pair<double, double>> reference, candidate;
  for (const auto& bin : report.calibration) {
    if (bin.reference_n) reference.emplace_back(x.At(bin.reference_confidence), y.At(bin.reference_accuracy));
    if (bin.candidate_n) candidate.emplace_back(x.At(bin.candidate_confidence), y.At(bin.candidate_accuracy));
  }
  plot.Line(reference, "line reference");
  plot.Line(candidate, "line candidate");
  for (const auto& bin : report.calibration) {
    if (bin.reference_n) plot.Dot(x.At(bin.reference_confidence), y.At(bin.reference_accuracy), "dot reference", StrCat("reference: ", bin.reference_n, " positions"));
    if (bin.candidate_n) plot.Dot(x.At(bin.candidate_confidence), y.At(bin.candidate_accuracy), "dot candidate", StrCat("candidate: ", bin.candidate_n, " positions"));
  }
  return std::move(plot).Finish();
}

std::string LayerPlot(const Report& report) {
  if (report.layers.empty()) return "";
  const double n = static_cast<double>(report.layers.size());
  std::vector<double> values;
  for (const auto& layer : report.layers) values.push_back(layer.key_error), values.push_back(layer.value_error);
  const auto [low, high] = RangeOf(values, true);
  const Axis x(0, std::max(1.0, n - 1), false, kL, kR), y(low, high, false, kB, kT);
  Plot plot("Relative error of cached keys and values by layer");
  plot.YAxis(y, y.Ticks(5), "relative error");
  std::vector<std::pair<double, double>> keys, cached;
  std::vector<std::pair<double, std::string>> ticks;
  const size_t step = std::max<size_t>(1, (report.layers.size() + 5) / 6);
  for (size_t i = 0; i < report.layers.size(); ++i) {
    const auto& layer = report.layers[i];
    const double at = static_cast<double>(i);
    keys.emplace_back(x.At(at), y.At(layer.key_error));
    cached.emplace_back(x.At(at), y.At(layer.value_error));
    if (i % step == 0) ticks.emplace_back(at, StrCat(i));
  }
  plot.XAxis(x, ticks, "layer");
  plot.Line(keys, "line candidate");
  plot.Line(cached, "line second");
  for (size_t i = 0; i < report.layers.size(); ++i) {
    const auto& layer = report.layers[i];
    plot.Dot(keys[i].first, keys[i].second, "dot candidate", StrCat(layer.name, ", keys: ", Number(layer.key_error)));
    plot.Dot(cached[i].first, cached[i].second, "dot second", StrCat(layer.name, ", values: ", Number(layer.value_error)));
  }
  return std::move(plot).Finish();
}

std::string LatencyPlot(const Report& report, const std::string& quantity) {
  std::vector<double> values;
  const auto& subjects = report.latency.subjects;
  for (const auto& subject : subjects) {
    for (const auto& s : subject.samples) if (s.quantity == quantity) values.insert(values.end(), s.values.begin(), s.values.end());
  }
  if (values.empty()) return "";
  const double largest = *std::max_element(values.begin(), values.end());
  // Limits far beyond everything measured would squeeze the curves: they are named, not drawn.
  const std::vector<const Criterion*> limits = LimitsOn(report, quantity);
  for (const Criterion* limit : limits) if (limit->margin < 3 * largest) values.push_back(limit->margin);
  const auto [low, high] = RangeOf(values, true);
  const Axis x(low, high, false, kL, kR), y(0, 1, false, kB, kT);
  Plot plot(StrCat("Distribution of ", quantity));
  plot.YAxis(y, y.Ticks(5), "share of requests within");
  plot.XAxis(x, Labelled(x.Ticks(5)), QuantityName(quantity));
  for (const Criterion* limit : limits) {
    const double share = PercentOf(limit->name) / 100;
    if (limit->margin >= 3 * largest) continue;
    plot.Line({{x.At(limit->margin), y.At(0)}, {x.At(limit->margin), y.At(1)}}, "limit");
    // What the limit asks for: the curve has to be left of this dot.
    plot.Dot(x.At(limit->margin), y.At(share), "mark", StrCat(limit->name, " at most ", Number(limit->margin), " ms"));
  }
  for (size_t i = subjects.size(); i-- > 0;) {   // the candidate last, on top
    for (const auto& s : subjects[i].samples) if (s.quantity == quantity) plot.Line(Steps(s.values, x, y), StrCat("line ", Series(i)));
  }
  return std::move(plot).Finish();
}

std::string SizeQualityPlot(const Report& report, std::span<const Report> others) {
  struct Point {
    double bytes, kld;
    std::string name;
    bool here;
  };
  std::vector<Point> points;
  const auto add = [&](const Report& r, bool here) {
    const auto kld = MetricValue(r, "kld_mean");
    const gate::File* file = FileOf(r, "candidate");
    if (kld && file) points.push_back({static_cast<double>(file->bytes), *kld, r.weights.empty() ? file->name : r.weights, here});
  };
  for (const Report& other : others) add(other, false);
  add(report, true);
  if (points.empty()) return "";
  if (const gate::File* file = FileOf(report, "reference"); file && file->bytes > 0) points.push_back({static_cast<double>(file->bytes), 0, "reference", false});
  std::vector<double> sizes, divergences;
  for (const Point& p : points) sizes.push_back(p.bytes / 1e6), divergences.push_back(p.kld);
  const Criterion* limit = CriterionNamed(report, "kld_mean_max");
  if (limit && limit->margin < 10 * *std::max_element(divergences.begin(), divergences.end())) divergences.push_back(limit->margin);
  const auto [left, right] = RangeOf(sizes, true);
  const auto [bottom, top] = RangeOf(divergences, true);
  const Axis x(left, right, false, kL, kR), y(bottom, top, false, kB, kT);
  Plot plot("Size of the artifact against mean KL divergence");
  plot.YAxis(y, y.Ticks(5), "mean KL divergence, nats");
  plot.XAxis(x, Labelled(x.Ticks(5)), "size, MB");
  if (limit && limit->margin <= top) {
    plot.Line({{kL, y.At(limit->margin)}, {kR, y.At(limit->margin)}}, "limit");
    plot.Label(kL + 4, y.At(limit->margin) - 5, "start", "note", "limit");
  }
  for (const Point& p : points) {
    const double at = x.At(p.bytes / 1e6);
    plot.Dot(at, y.At(p.kld), p.here ? "dot candidate" : "dot reference", StrCat(p.name, ": ", MB(p.bytes), ", ", Number(p.kld), " nats"));
    const bool right_half = at > (kL + kR) / 2;
    plot.Label(at + (right_half ? -8 : 8), y.At(p.kld) - 7, right_half ? "end" : "start", "note", Shorten(p.name.substr(0, p.name.find(',')), 20));   // the weights; the hint has all
  }
  return std::move(plot).Finish();
}

std::string CriterionStrip(const Criterion& c) {
  if (!c.estimate) return "";
  constexpr double kWidth = 140, kHeight = 18, kMiddle = kHeight / 2;
  std::vector<double> values = {c.margin, *c.estimate};
  if (c.interval) values.push_back(c.interval->low), values.push_back(c.interval->high);
  const auto [low, high] = RangeOf(values, false);
  if (!(low < high)) return "";
  const Axis x(low, high, false, 2, kWidth - 2);
  const double limit = x.At(c.margin);
  std::string out = StrCat("<svg class=\"strip\" aria-hidden=\"true\" viewBox=\"0 0 ", kWidth, " ", kHeight, "\">");
  const double good_from = c.at_most ? 0 : limit, good_to = c.at_most ? limit : kWidth;
  out += StrCat("<rect class=\"good\" x=\"", good_from, "\" y=\"1\" width=\"", good_to - good_from, "\" height=\"", kHeight - 2, "\"/>");
  if (c.interval) {
    const double from = x.At(c.interval->low), to = x.At(c.interval->high);
    out += StrCat("<rect class=\"interval\" x=\"", from, "\" y=\"", kMiddle - 2, "\" width=\"", std::max(1.0, to - from), "\" height=\"4\"/>");
  }
  out += StrCat("<line class=\"limit-mark\" x1=\"", limit, "\" x2=\"", limit, "\" y1=\"0\" y2=\"", kHeight, "\"/>");
  return out + StrCat("<circle class=\"estimate\" cx=\"", x.At(*c.estimate), "\" cy=\"", kMiddle, "\" r=\"4\"/></svg>");
}

}  // namespace hasten::report
