// The small tokenizers of fixtures/ and what is expected of them.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "compiler/tokenizer/import.h"
#include "runtime/engine/tokenizer/tokenizer.h"

namespace hasten {

inline const char* const kFamilies[] = {"llama3", "roberta", "llama2", "mistral", "bert", "unigram_bytes", "word_level"};

inline std::string ReadFixture(const std::string& name) {
  std::ifstream file(std::string(HASTEN_SOURCE_DIR) + "/tests/tokenizer/fixtures/" + name, std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<uint8_t> ImportFixture(const std::string& name) {
  auto packed = ImportTokenizer(ReadFixture(name + ".json"), "");
  EXPECT_TRUE(packed.ok()) << packed.status().message();
  return packed.ok() ? *std::move(packed) : std::vector<uint8_t>();
}

}  // namespace hasten
