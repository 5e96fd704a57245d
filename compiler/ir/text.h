// The textual form of the IR (docs/architecture.md): Print writes it, Parse
// reads it, and Print(Parse(Print(g))) is Print(g). Weights larger than a few
// elements stand as a digest line, with their bytes in a blob file beside the
// text when one is asked for. Not kept: the loc of values (nodes keep theirs).
//
//   graph @main(%ids: i64[B,S]) -> (logits: f32[B,S,V]) {
//     %h = gather(@embed, %ids) {axis = 0} : f32[B,S,64] loc("/embed")
//     %a, %b = split(%h, _) : f32[B,S,32], f32[B,S,32]
//     return %a
//   }
//   weight @embed : f32[V,64] = blob(0, sha256:...)
//   weight @eps : f32[] = 1e-05
//
// Types and locs may be left out; "//" starts a comment. Attributes are ints,
// floats (always with '.', 'e', inf or nan), strings, lists ([1, 2]; empty:
// [], floats [], strings []), tensor(TYPE, VALUES) and graph @name(...) {...}.
// VALUES of a weight: numbers, blob(offset, sha256:DIGEST), splat(x), or
// random(seed), the last two for tests.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "compiler/ir/graph.h"

namespace hasten::ir {

// Digests of weights already printed, so that dumping after every pass hashes
// the model once. Keeps the tensors alive, so an address never means two of them.
using DigestCache = std::map<std::pair<const std::byte*, size_t>, std::pair<Tensor, std::string>>;

struct PrintOptions {
  int64_t max_inline_elements = 16;   // larger weights print as blob(offset, sha256:...)
  std::string* blob = nullptr;        // receives the bytes of blob weights when not null
  DigestCache* digests = nullptr;     // filled and used when not null
};
std::string Print(const Graph& graph, const PrintOptions& options = {});
// One line: what a message shows of a node.
std::string PrintNode(const Node& node);

// kBadInput "line:column: needed X, came Y". `blob`: the blob file's bytes; a
// blob weight without them (or with another digest) becomes seeded random data
// when `allow_missing_blobs`, else an error.
struct ParseOptions {
  std::string_view blob;
  bool allow_missing_blobs = false;
  // All random and splat weights together; beyond that kResource.
  uint64_t max_generated_bytes = uint64_t{1} << 30;
};
Result<std::unique_ptr<Graph>> Parse(std::string_view text, const ParseOptions& options = {});

}  // namespace hasten::ir
