// The tables of element rules by theme; FindElementRule (element.h) looks through all.
#pragma once

#include "passes/recognize/element.h"

namespace hasten::recognize {

// Whether v holds integers (truth values are none).
inline bool IsIntType(const ir::Value* v) { return !IsFloat(v->type.dtype) && v->type.dtype != DType::kBool; }

ElementRule FindReduceRule(std::string_view op);
ElementRule FindViewRule(std::string_view op);
ElementRule FindGatherRule(std::string_view op);

}  // namespace hasten::recognize
