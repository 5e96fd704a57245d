#include "runtime/base/decimal.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace hasten {
namespace {

float Read(const char* s, float) { return std::strtof(s, nullptr); }
double Read(const char* s, double) { return std::strtod(s, nullptr); }

template <class T>
Decimal Shortest(T v) {
  char text[64];   // sign, 17 digits, a locale's decimal point, exponent
  for (int digits = 1; digits <= std::numeric_limits<T>::max_digits10; ++digits) {
    std::snprintf(text, sizeof text, "%.*e", digits - 1, static_cast<double>(v));
    if (Read(text, v) == v) break;
  }
  Decimal d;
  const char* c = text;
  d.negative = *c == '-';
  for (; *c != 'e'; ++c)
    if (*c >= '0' && *c <= '9') d.digits += *c;   // and not the point, whatever it is
  d.exponent = std::atoi(c + 1);
  return d;
}

template <class T>
std::string Text(T v) {
  if (std::isnan(v)) return std::signbit(v) ? "-nan" : "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  const Decimal d = Shortest(v);
  const std::string sign = d.negative ? "-" : "";
  const int count = static_cast<int>(d.digits.size()), magnitude = std::abs(d.exponent);
  const int scientific = count + (count > 1) + (magnitude < 100 ? 4 : 5);
  const int fixed = d.exponent < 0 ? count + 1 + magnitude : count > d.exponent + 1 ? count + 1 : d.exponent + 1;
  if (fixed > scientific) {
    return sign + d.digits.substr(0, 1) + (count > 1 ? "." + d.digits.substr(1) : "") + (d.exponent < 0 ? "e-" : "e+") +
           (magnitude < 10 ? "0" : "") + std::to_string(magnitude);
  }
  if (d.exponent < 0) return sign + "0." + std::string(static_cast<size_t>(magnitude - 1), '0') + d.digits;
  const size_t whole = static_cast<size_t>(d.exponent) + 1;
  if (d.digits.size() <= whole) {   // an integer: in full, as digits behind the shortest are known
    char text[64];
    std::snprintf(text, sizeof text, "%.0f", static_cast<double>(v));
    return text;
  }
  return sign + d.digits.substr(0, whole) + "." + d.digits.substr(whole);
}

}  // namespace

Decimal ShortestDecimal(double v) { return Shortest(v); }
Decimal ShortestDecimal(float v) { return Shortest(v); }
std::string ShortestText(double v) { return Text(v); }
std::string ShortestText(float v) { return Text(v); }

}  // namespace hasten
