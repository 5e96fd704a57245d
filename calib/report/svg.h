// A small plot as an SVG element: axes, bars, lines, points. Colours and fonts are
// the page's style sheet's, by class, so that a plot follows light and dark; there
// is no script. All text given is escaped here.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hasten::report {

// Values to pixels, linear or by logarithm.
class Axis {
 public:
  // `low` < `high`; both above 0 when `log`. `from` and `to` are pixels.
  Axis(double low, double high, bool log, double from, double to);
  double At(double value) const;    // clamped to the axis
  // Round numbers within: 1, 2 or 5 times a power of ten, or powers when `log`.
  std::vector<double> Ticks(int about) const;

 private:
  double low_, high_;
  bool log_;
  double from_, to_;
};

// A range that holds the values and a little more, never empty. Not for log axes.
std::pair<double, double> RangeOf(const std::vector<double>& values, bool from_zero);

class Plot {
 public:
  static constexpr double kWidth = 380, kHeight = 250;             // of the view box
  static constexpr double kLeft = 52, kRight = 368, kTop = 22, kBottom = 206;   // of the data

  // `title` is read out by screen readers.
  explicit Plot(std::string_view title);
  void XAxis(const Axis& axis, const std::vector<std::pair<double, std::string>>& ticks, std::string_view label);
  void YAxis(const Axis& axis, const std::vector<double>& ticks, std::string_view label);

  // `kind` is a class of the style sheet. A `hint` is shown by the browser under the pointer.
  void Bar(double x, double y, double width, double height, std::string_view kind, std::string_view hint);
  void Line(const std::vector<std::pair<double, double>>& points, std::string_view kind);
  void Dot(double x, double y, std::string_view kind, std::string_view hint);
  void Label(double x, double y, std::string_view anchor, std::string_view kind, std::string_view text);
  std::string Finish() &&;

 private:
  std::string out_;
};

// Ticks with their numbers as labels.
std::vector<std::pair<double, std::string>> Labelled(const std::vector<double>& ticks);

}  // namespace hasten::report
