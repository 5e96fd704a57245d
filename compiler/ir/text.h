// The textual form of the IR (docs/architecture.md): Print writes it, Parse
// reads it, and Parse(Print(g)) prints the same text. Weights larger than a
// few elements stand as a digest line, with their bytes in a blob file beside
// the text when one is asked for.
#pragma once

#include <string>
#include <string_view>

#include "compiler/ir/graph.h"

namespace hasten::ir {

struct PrintOptions {
  int64_t max_inline_elements = 16;   // larger weights print as blob(offset, sha256:...)
  std::string* blob = nullptr;        // receives the bytes of blob weights when not null
};
std::string Print(const Graph& graph, const PrintOptions& options = {});

// kBadInput with line and column. `blob`: the blob file's bytes; a blob weight
// without them (or with another digest) becomes seeded random data when
// `allow_missing_blobs`, else an error.
struct ParseOptions {
  std::string_view blob;
  bool allow_missing_blobs = false;
};
Result<std::unique_ptr<Graph>> Parse(std::string_view text, const ParseOptions& options = {});

}  // namespace hasten::ir
