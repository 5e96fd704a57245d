// What the tests of the C interface share: a tiny artifact, opened, with a context.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/include/hasten.h"
#include "tests/abi/artifact_fixture.h"

namespace hasten::testing {

// The message of a failed call; "" when it succeeded.
class Error {
 public:
  ~Error() { hst_error_free(e_); }
  operator hst_error**() {
    hst_error_free(e_);
    e_ = nullptr;
    return &e_;
  }
  std::string text() const { return hst_error_message(e_); }
  hst_status status() const { return hst_error_status(e_); }

 private:
  hst_error* e_ = nullptr;
};

class CApiTest : public ArtifactFixture {
 protected:
  void TearDown() override {
    hst_context_free(context_);
    hst_model_free(model_);
    ArtifactFixture::TearDown();
  }
  void Open(const TinyConfig& config = {}, bool with_tokenizer = true) {
    Write(config, with_tokenizer);
    ASSERT_EQ(hst_model_open(path_.c_str(), nullptr, &model_, error_), HST_OK) << error_.text();
    ASSERT_EQ(hst_context_create(model_, nullptr, &context_, error_), HST_OK) << error_.text();
  }
  hst_sequence Sequence() {
    hst_sequence s = 0;
    EXPECT_EQ(hst_sequence_create(context_, &s, error_), HST_OK);
    return s;
  }
  hst_status Evaluate(hst_sequence s, const std::vector<int32_t>& tokens, uint32_t want = HST_WANT_LAST) {
    hst_eval_item item = HST_EVAL_ITEM_INIT;
    item.sequence = s, item.tokens = tokens.data(), item.count = tokens.size(), item.want = want;
    return hst_evaluate(context_, &item, 1, error_);
  }

  hst_model* model_ = nullptr;
  hst_context* context_ = nullptr;
  Error error_;
};

}  // namespace hasten::testing
