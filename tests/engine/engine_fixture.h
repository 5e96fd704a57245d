// What tests of the executor share: the tiny model written to a file and opened,
// and a sequence's rows as numbers.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "runtime/engine/context.h"
#include "tests/format/tiny_model.h"

namespace hasten::testing {

namespace fs = std::filesystem;
using Logits = std::vector<std::vector<float>>;

inline std::vector<int32_t> RandomTokens(size_t count, uint32_t vocab, uint32_t seed) {
  std::mt19937 rng(seed);
  std::vector<int32_t> t(count);
  for (int32_t& v : t) v = static_cast<int32_t>(rng() % vocab);
  return t;
}

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = (fs::path(::testing::TempDir()) / StrCat("hst-engine-", getpid(), ".hst")).string();
  }
  void TearDown() override { fs::remove(path_); }

  std::shared_ptr<const Model> Open(const TinyConfig& c, ModelOptions options = {}) {
    tiny_ = MakeTinyModel(c);
    const Status s = WriteTinyModel(tiny_, path_);
    EXPECT_TRUE(s.ok()) << s.message();
    return Reopen(options);
  }
  std::shared_ptr<const Model> Reopen(ModelOptions options = {}) {
    auto m = Model::Open(path_, options);
    EXPECT_TRUE(m.ok()) << m.status().message();
    return m.ok() ? *m : nullptr;
  }
  static std::unique_ptr<Context> MakeContext(std::shared_ptr<const Model> m, ContextOptions o = {}) {
    if (o.threads == 0) o.threads = 1;
    auto c = Context::Create(std::move(m), o);
    EXPECT_TRUE(c.ok()) << c.status().message();
    return *std::move(c);
  }
  static Logits Rows(const OutputRows& r) {
    Logits out;
    for (int64_t i = 0; i < r.rows; ++i) out.emplace_back(r.data + i * r.stride, r.data + i * r.stride + r.cols);
    return out;
  }
  static Logits EvalAll(Context& c, const std::vector<int32_t>& tokens) {
    const SequenceId id = c.CreateSequence();
    const EvalItem item{id, tokens, {}, Want::kAll};
    const Status s = c.Evaluate({&item, 1});
    EXPECT_TRUE(s.ok()) << s.message();
    Logits out = Rows(*c.Output(0, 0));
    EXPECT_TRUE(c.FreeSequence(id).ok());
    return out;
  }

  std::string path_;
  TinyModel tiny_;
};

}  // namespace hasten::testing
