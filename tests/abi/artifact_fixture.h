// A tiny artifact with a word-level tokenizer and a chat template, for tests of
// the C interface.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "compiler/tokenizer/import.h"
#include "runtime/base/status.h"
#include "tests/format/tiny_model.h"

namespace hasten::testing {

// {"w0": 0, ...} with <s> = 1, </s> = 2.
inline std::string TinyTokenizerJson(uint32_t vocab) {
  std::string words;
  for (uint32_t i = 0; i < vocab; ++i) {
    const std::string word = i == 0 ? "<unk>" : i == 1 ? "<s>" : i == 2 ? "</s>" : StrCat("w", i);
    words += StrCat(i ? "," : "", "\"", word, "\":", i);
  }
  return StrCat(R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[
    {"id":1,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
    {"id":2,"content":"</s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
    "normalizer":null,"pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":null,"decoder":null,
    "model":{"type":"WordLevel","vocab":{)", words, R"(},"unk_token":"<unk>"}})");
}

class ArtifactFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = std::filesystem::path(::testing::TempDir()) /
           StrCat("hst-abi-", getpid(), "-", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(dir_);
    path_ = (dir_ / "tiny.hst").string();
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void Write(const TinyConfig& config, bool with_tokenizer = true) {
    tiny_ = MakeTinyModel(config);
    if (with_tokenizer) {
      auto packed = ImportTokenizer(TinyTokenizerJson(config.vocab), R"({"bos_token":"<s>","eos_token":"</s>"})",
                                    "{{ bos_token }}{% for m in messages %} {{ m.role }}: {{ m.content }}{% endfor %}");
      ASSERT_TRUE(packed.ok()) << packed.status().message();
      const auto bytes = std::as_bytes(std::span(*packed));
      tiny_.tokenizer.assign(bytes.begin(), bytes.end());
    }
    const Status s = WriteTinyModel(tiny_, path_);
    ASSERT_TRUE(s.ok()) << s.message();
  }

  std::filesystem::path dir_;
  std::string path_;
  TinyModel tiny_;
};

}  // namespace hasten::testing
