// Seeded inputs for a graph: what --verify=numeric, goldens and tests run on.
// Values fit the roles that names and types tell: token ids are small, masks
// are ones, positions follow the past. Not calibration data.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "compiler/ir/graph.h"
#include "runtime/base/status.h"

namespace hasten::passes {

using SymbolValues = std::map<std::string, int64_t, std::less<>>;

// A number for every symbol of the inputs' dims: those given, else by name a
// past of 3, a batch of 2, a total of past + 5; a cache's width as the present.*
// outputs say; anything else 5.
SymbolValues ChooseSymbols(const ir::Graph& graph, const SymbolValues& given = {});

// One tensor an input, in order; a function of the seed and the input's name
// and type alone. Floats are N(0,1) rounded to 8 bits, exact in every float type. kUnsupported
// for an input whose dims no symbol explains.
Result<std::vector<ir::Tensor>> SeededFeeds(const ir::Graph& graph, const SymbolValues& symbols, uint64_t seed);

}  // namespace hasten::passes
