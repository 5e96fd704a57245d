#include "calib/report/svg.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "calib/report/text.h"
#include "runtime/base/status.h"

namespace hasten::report {
namespace {

// Pixels to a tenth: a page of plots stays small.
std::string Px(double x) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f", x);
  return buffer;
}

std::string Title(std::string_view hint) { return hint.empty() ? "" : StrCat("<title>", Html(hint), "</title>"); }

}  // namespace

Axis::Axis(double low, double high, bool log, double from, double to) : low_(low), high_(high), log_(log), from_(from), to_(to) {}

double Axis::At(double value) const {
  const double t = log_ ? std::log(value / low_) / std::log(high_ / low_) : (value - low_) / (high_ - low_);
  return from_ + (to_ - from_) * (std::isnan(t) ? 0 : std::clamp(t, 0.0, 1.0));
}

std::vector<double> Axis::Ticks(int about) const {
  std::vector<double> ticks;
  if (log_) {
    const int first = static_cast<int>(std::ceil(std::log10(low_) - 1e-9)), last = static_cast<int>(std::floor(std::log10(high_) + 1e-9));
    const int step = std::max(1, (last - first + about) / about);
    for (int e = first; e <= last; e += step) ticks.push_back(std::pow(10, e));
    return ticks;
  }
  const double raw = (high_ - low_) / about, power = std::pow(10, std::floor(std::log10(raw)));
  const double m = raw / power, step = power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
  for (double k = std::ceil(low_ / step - 1e-9); k * step <= high_ + step * 1e-9; ++k) ticks.push_back(k * step);
  return ticks;
}

std::pair<double, double> RangeOf(const std::vector<double>& values, bool from_zero) {
  double low = INFINITY, high = -INFINITY;
  for (const double v : values) if (std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  if (!(low <= high)) return {0, 1};
  if (from_zero) low = std::min(0.0, low);
  const double pad = high > low ? 0.06 * (high - low) : std::max(1e-12, 0.1 * std::abs(high));
  return {from_zero && low == 0 ? 0 : low - pad, high + pad};
}

std::vector<std::pair<double, std::string>> Labelled(const std::vector<double>& ticks) {
  std::vector<std::pair<double, std::string>> labels;
  for (const double t : ticks) labels.emplace_back(t, Number(t));
  return labels;
}

Plot::Plot(std::string_view title) {
  out_ = StrCat("<svg class=\"plot\" role=\"img\" viewBox=\"0 0 ", kWidth, " ", kHeight, "\" aria-label=\"", Html(title), "\">\n");
}

void Plot::XAxis(const Axis& axis, const std::vector<std::pair<double, std::string>>& ticks, std::string_view label) {
  Line({{kLeft, kBottom}, {kRight, kBottom}}, "axis");
  for (const auto& [value, text] : ticks) {
    const double x = axis.At(value);
    Line({{x, kBottom}, {x, kBottom + 4}}, "axis");
    Label(x, kBottom + 16, "middle", "tick", text);
  }
  Label((kLeft + kRight) / 2, kBottom + 34, "middle", "axis-name", label);
}

void Plot::YAxis(const Axis& axis, const std::vector<double>& ticks, std::string_view label) {
  for (const double value : ticks) {
    const double y = axis.At(value);
    Line({{kLeft, y}, {kRight, y}}, "grid");
    Label(kLeft - 6, y + 3.5, "end", "tick", Number(value));
  }
  Label(6, 11, "start", "axis-name", label);
}

void Plot::Bar(double x, double y, double width, double height, std::string_view kind, std::string_view hint) {
  out_ += StrCat("<rect class=\"", kind, "\" x=\"", Px(x), "\" y=\"", Px(y), "\" width=\"", Px(width), "\" height=\"", Px(height), "\">", Title(hint), "</rect>\n");
}

void Plot::Line(const std::vector<std::pair<double, double>>& points, std::string_view kind) {
  out_ += StrCat("<polyline class=\"", kind, "\" points=\"");
  for (const auto& [x, y] : points) out_ += StrCat(Px(x), ",", Px(y), " ");
  out_ += "\"/>\n";
}

void Plot::Dot(double x, double y, std::string_view kind, std::string_view hint) {
  out_ += StrCat("<circle class=\"", kind, "\" cx=\"", Px(x), "\" cy=\"", Px(y), "\" r=\"4\">", Title(hint), "</circle>\n");
}

void Plot::Label(double x, double y, std::string_view anchor, std::string_view kind, std::string_view text) {
  out_ += StrCat("<text class=\"", kind, "\" x=\"", Px(x), "\" y=\"", Px(y), "\" text-anchor=\"", anchor, "\">", Html(text), "</text>\n");
}

std::string Plot::Finish() && { return std::move(out_) + "</svg>\n"; }

}  // namespace hasten::report
