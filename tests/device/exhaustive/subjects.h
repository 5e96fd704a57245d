// What the exhaustive check compares: ops that make something of each float by itself,
// all their rows on the same floats.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hasten::testing {

inline constexpr size_t kPiece = size_t{1} << 20;   // floats at once, at most

struct Difference {
  size_t index;       // of the float
  std::string what;   // which row gives what
};

// One thread's own: the scalar row's results and every other row's against them.
class Subject {
 public:
  virtual ~Subject() = default;
  // The names of the other rows.
  virtual std::vector<std::string_view> Rows() const = 0;
  // The first of the floats for which a row's bits are not the scalar row's.
  virtual std::optional<Difference> Compare(std::span<const float> x) = 0;
};

struct SubjectKind {
  std::string name;
  std::function<std::unique_ptr<Subject>(bool device)> make;
};
// Every unary function, and quantization.
std::vector<SubjectKind> AllSubjects();

}  // namespace hasten::testing
