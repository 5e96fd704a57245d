// Import of the model section of tokenizer.json: vocabulary, merges, scores.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/tokenizer/json_reader.h"
#include "runtime/engine/tokenizer/packed.h"
#include "runtime/format/tokenizer_generated.h"

namespace hasten::tokimport {

struct Model {
  tokfb::ModelKind kind{};
  std::vector<std::string> pieces;  // by id; holes are empty
  std::vector<uint32_t> holes;
  std::unordered_map<std::string, uint32_t> ids;
  std::vector<tokfb::Merge> merges;  // by rank
  std::vector<double> scores;
  int32_t unk_id = -1;
  bool unk_missing = false, byte_fallback = false, fuse_unk = false, ignore_merges = false;
  std::string prefix, suffix;
  uint32_t max_chars = 0;
};

Result<Model> ImportModel(const Node& node);
flatbuffers::Offset<tokfb::Model> PackModel(const Model& model, flatbuffers::FlatBufferBuilder& out);

}  // namespace hasten::tokimport
