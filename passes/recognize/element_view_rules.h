// Element rules of the ops that only move, repeat or generate elements.
#pragma once

#include "passes/recognize/element.h"

namespace hasten::recognize {

ElementRule FindViewRule(std::string_view op);

}  // namespace hasten::recognize
