// The C interface's text: tokens and back, chat templates, streams.
#include "tests/abi/c_api_fixture.h"

namespace hasten::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(CApiTest, Text) {
  Open();
  hst_tokens* tokens = nullptr;
  ASSERT_EQ(hst_encode(model_, "<s> w7 w8", 9, nullptr, &tokens, error_), HST_OK) << error_.text();
  size_t count = 0;
  const int32_t* ids = hst_tokens_data(tokens, &count);
  EXPECT_THAT(std::vector<int32_t>(ids, ids + count), ElementsAre(1, 7, 8));
  hst_tokens_free(tokens);
  hst_text* text = nullptr;
  const int32_t some[] = {1, 7, 8, 2};
  ASSERT_EQ(hst_decode(model_, some, 4, 0, &text, error_), HST_OK);
  EXPECT_STREQ(hst_text_data(text, nullptr), "w7 w8");
  hst_text_free(text);
  ASSERT_EQ(hst_token_text(model_, 9, &text, error_), HST_OK);
  EXPECT_STREQ(hst_text_data(text, nullptr), "w9");
  hst_text_free(text);
  EXPECT_EQ(hst_token_text(model_, 5000, &text, error_), HST_USAGE);
  int32_t id = 0;
  ASSERT_EQ(hst_token_id(model_, "</s>", 4, &id, error_), HST_OK);
  EXPECT_EQ(id, 2);
  EXPECT_EQ(hst_token_id(model_, "nope", 4, &id, error_), HST_USAGE);
  const hst_chat_message message = {{"user", 4}, {"w3", 2}};
  ASSERT_EQ(hst_chat_render(model_, &message, 1, nullptr, &text, error_), HST_OK) << error_.text();
  EXPECT_STREQ(hst_text_data(text, nullptr), "<s> user: w3");
  hst_text_free(text);
  hst_chat_options options = HST_CHAT_OPTIONS_INIT;
  options.template_name = "other";
  EXPECT_EQ(hst_chat_render(model_, &message, 1, &options, &text, error_), HST_USAGE);
}

TEST_F(CApiTest, StreamStopsAtStopStrings) {
  Open();
  const hst_string stops[] = {{"w8 w9", 5}, {"", 0}};
  hst_stream_options o = HST_STREAM_OPTIONS_INIT;
  o.stops = stops, o.stop_count = 2;
  hst_stream* stream = nullptr;
  ASSERT_EQ(hst_stream_create(model_, &o, &stream, error_), HST_OK);
  std::string all;
  uint32_t stopped = 0;
  const char* piece = nullptr;
  size_t size = 0;
  for (int32_t t : {7, 8, 10, 8, 9, 11}) {
    ASSERT_EQ(hst_stream_push(stream, t, &piece, &size, &stopped, error_), HST_OK);
    all.append(piece, size);
    EXPECT_EQ(all.find("w9"), std::string::npos);
    EXPECT_EQ(stopped != 0, t == 9 || t == 11);
  }
  ASSERT_EQ(hst_stream_finish(stream, &piece, &size, error_), HST_OK);
  all.append(piece, size);
  EXPECT_EQ(all, "w7 w8 w10 ");
  hst_stream_free(stream);
}

TEST_F(CApiTest, WithoutTokenizer) {
  Open({}, false);
  hst_tokens* tokens = nullptr;
  EXPECT_EQ(hst_encode(model_, "x", 1, nullptr, &tokens, error_), HST_UNSUPPORTED);
  EXPECT_THAT(error_.text(), HasSubstr("no tokenizer"));
}

}  // namespace
}  // namespace hasten::testing
