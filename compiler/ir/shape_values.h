// Symbolic element values of small integer tensors (shapes, positions of slices,
// targets of reshapes), kept beside the types while inference runs. A tensor
// [B, 2*S] that feeds a Reshape is what gives that Reshape symbolic dims.
// Facts, not assumptions: an element that is not proved stays unknown.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "compiler/ir/graph.h"

namespace hasten::ir {

// Larger tensors are not tracked: no shape has so many dims.
inline constexpr size_t kMaxTrackedElements = 64;

class ShapeValues {
 public:
  // The elements of an integer or bool tensor of rank <= 1 (bool as 0 and 1), a
  // weight's included; nullopt when they are not tracked.
  std::optional<std::vector<Dim>> Find(const Value* value) const;
  // As Find, when every element is a known constant.
  std::optional<std::vector<int64_t>> FindConst(const Value* value) const;
  void Set(const Value* value, std::vector<Dim> elements) { map_[value] = std::move(elements); }
  void Erase(const Value* value) { map_.erase(value); }
  const std::unordered_map<const Value*, std::vector<Dim>>& all() const { return map_; }

 private:
  std::unordered_map<const Value*, std::vector<Dim>> map_;
};

// Dimension arithmetic. Unknown in gives unknown out; so do results with more
// terms or larger factors than any real shape has, so that hostile graphs can
// neither blow a polynomial up nor wrap it.
Dim DimAdd(const Dim& a, const Dim& b);
Dim DimSub(const Dim& a, const Dim& b);
Dim DimMul(const Dim& a, const Dim& b);
// a / b where the division is exact for every value of the symbols, or both are
// constants (truncated, as ONNX Div does for integers).
Dim DimDiv(const Dim& a, const Dim& b);
// True when p >= 0 for all symbols >= least (0 or 1).
bool ProvedNonNegative(const Poly& p, int64_t least = 0);
// The product of all (empty: 1).
Dim DimProduct(const std::vector<Dim>& dims);
// The one dimension that makes `known` (the others) hold as many elements as `from`.
Dim SolveDim(std::vector<Dim> from, std::vector<Dim> known);

}  // namespace hasten::ir
