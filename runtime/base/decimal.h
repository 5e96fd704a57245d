// Floating-point numbers as the fewest decimal digits that read back the same, in any
// locale. std::to_chars does that too, with 130 KB of tables in a library that
// otherwise needs none of them.
#pragma once

#include <string>

namespace hasten {

// digits[0] . digits[1...] x 10^exponent; of 0 the digits are "0".
struct Decimal {
  bool negative = false;
  std::string digits;
  int exponent = 0;
};

// v must be finite.
Decimal ShortestDecimal(double v);
Decimal ShortestDecimal(float v);

// As std::to_chars(v): "0.5", "1e-05", "nan", "-inf"; fixed where that is not longer.
std::string ShortestText(double v);
std::string ShortestText(float v);

}  // namespace hasten
