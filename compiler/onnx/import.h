// ONNX import: a model file (or its folder) to an IR graph of general ops, one
// to one with its nodes but for composite operators, which are expanded
// (docs/onnx-operators.md lists all). Weights stay memory-mapped. The file is
// untrusted: whatever it holds, the answer is a graph or a Status.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/ir/graph.h"
#include "runtime/base/sha256.h"
#include "runtime/base/status.h"

namespace hasten {

// Opsets of ai.onnx: models from kOldestOpset are read; what changed after
// kNewestOpset is refused operator by operator.
inline constexpr int64_t kOldestOpset = 13, kNewestOpset = 24;

struct SourceFile {
  std::string name;                   // relative to the model's folder
  std::span<const std::byte> bytes;   // mapped
  std::shared_ptr<const void> owner;
};

struct ImportedModel {
  std::unique_ptr<ir::Graph> graph;
  std::map<std::string, int64_t> opsets;         // "" is ai.onnx
  std::string producer;                          // name and version
  std::map<std::string, std::string> metadata;   // metadata_props
  std::vector<SourceFile> files;                 // the model, then external data by name
  std::string folder;                            // where tokenizer.json and its like would be
};

struct ImportOptions {
  int64_t max_nodes = 1 << 20;   // after inlining and unrolling
};

// `path`: a file, or a folder that holds model.onnx or exactly one .onnx file
// (itself or in its subfolder onnx/). kBadInput: malformed, with the place;
// kUnsupported: every node that cannot be imported at once, with what to do.
Result<ImportedModel> ImportModel(const std::string& path, const ImportOptions& options = {});

// The identity of a source: SHA-256 over the model's bytes and then those of
// each external file, in order of name. Reads every byte.
Sha256Digest DigestSource(const ImportedModel& model);

// One operator of the import table, for documents and tests.
struct OnnxOperator {
  std::string_view domain, name;
  int since;                 // the oldest opset whose meaning is handled
  bool expanded;             // converted or expanded, not one to one
  std::string ir_op;         // for one-to-one rows
};
std::vector<OnnxOperator> OnnxOperators();

}  // namespace hasten
