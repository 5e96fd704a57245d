// Wrong arguments and structs of other versions: answered, never crashed on.
#include "tests/abi/c_api_fixture.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(CApiTest, ErrorsNameFileAndPlace) {
  hst_model* m = reinterpret_cast<hst_model*>(1);
  EXPECT_EQ(hst_model_open("/no/such/file.hst", nullptr, &m, error_), HST_RESOURCE);
  EXPECT_EQ(m, nullptr);
  EXPECT_EQ(error_.status(), HST_RESOURCE);
  EXPECT_THAT(error_.text(), HasSubstr("/no/such/file.hst"));
  Write({});
  hst_model_options o = HST_MODEL_OPTIONS_INIT;
  o.isa = "mmx";
  EXPECT_EQ(hst_model_open(path_.c_str(), &o, &m, error_), HST_USAGE);
  EXPECT_THAT(error_.text(), HasSubstr("scalar"));
  EXPECT_EQ(hst_model_open(path_.c_str(), &o, &m, nullptr), HST_USAGE);
}

TEST_F(CApiTest, NullsAreUsageErrors) {
  Open();
  hst_sequence s = Sequence();
  const hst_model* no_model = nullptr;
  hst_context* no_context = nullptr;
  hst_tokens* tokens;
  hst_text* text;
  const char* data;
  size_t size;
  int32_t token;
  int64_t length;
  uint64_t u;
  float f = 0;
  EXPECT_EQ(hst_model_open(nullptr, nullptr, &model_, error_), HST_USAGE);
  EXPECT_EQ(hst_model_open("x", nullptr, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_model_verify(no_model, error_), HST_USAGE);
  EXPECT_EQ(hst_model_get_info(no_model, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_model_get_info(model_, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_model_get_string(no_model, 0, &data, &size, error_), HST_USAGE);
  EXPECT_EQ(hst_model_get_string(model_, 0, nullptr, &size, error_), HST_USAGE);
  EXPECT_EQ(hst_model_get_generation(model_, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_model_get_layer(model_, 0, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_model_get_output(model_, 0, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_model_get_instruction(model_, 0, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_encode(no_model, "a", 1, nullptr, &tokens, error_), HST_USAGE);
  EXPECT_EQ(hst_encode(model_, nullptr, 1, nullptr, &tokens, error_), HST_USAGE);
  EXPECT_EQ(hst_encode(model_, "a", 1, nullptr, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_decode(model_, nullptr, 1, 0, &text, error_), HST_USAGE);
  EXPECT_EQ(hst_decode(model_, &token, 0, 0, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_token_text(model_, 0, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_token_id(model_, "a", 1, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_chat_render(model_, nullptr, 1, nullptr, &text, error_), HST_USAGE);
  EXPECT_EQ(hst_stream_create(model_, nullptr, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_stream_push(nullptr, 0, &data, &size, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_stream_finish(nullptr, &data, &size, error_), HST_USAGE);
  EXPECT_EQ(hst_context_create(no_model, nullptr, &context_, error_), HST_USAGE);
  EXPECT_EQ(hst_context_create(model_, nullptr, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_context_get_info(no_context, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_context_get_info(context_, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_sequence_create(no_context, &s, error_), HST_USAGE);
  EXPECT_EQ(hst_sequence_create(context_, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_sequence_fork(context_, s, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_sequence_fork(context_, 12345, &s, error_), HST_USAGE);
  EXPECT_EQ(hst_sequence_length(context_, s, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_sequence_length(no_context, s, &length, error_), HST_USAGE);
  EXPECT_EQ(hst_evaluate(context_, nullptr, 1, error_), HST_USAGE);
  EXPECT_EQ(hst_evaluate(context_, nullptr, 0, error_), HST_OK);
  EXPECT_EQ(hst_get_rows(context_, 0, 0, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_sample_row(context_, 0, 0, 0, nullptr, 0, 0, nullptr, &token, error_), HST_USAGE);   // nothing was evaluated
  EXPECT_EQ(hst_sample_row(context_, 0, 0, 0, nullptr, 1, 0, nullptr, &token, error_), HST_USAGE);
  EXPECT_EQ(hst_sample_row(context_, 0, 0, 0, nullptr, 0, 0, nullptr, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_sample_row(nullptr, 0, 0, 0, nullptr, 0, 0, nullptr, &token, error_), HST_USAGE);
  hst_sample_item item = HST_SAMPLE_ITEM_INIT;
  EXPECT_EQ(hst_sample_rows(context_, nullptr, 1, &token, error_), HST_USAGE);
  EXPECT_EQ(hst_sample_rows(context_, &item, 1, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_sample_rows(nullptr, &item, 1, &token, error_), HST_USAGE);
  item.recent_count = 1;
  EXPECT_EQ(hst_sample_rows(context_, &item, 1, &token, error_), HST_USAGE);
  item.struct_size = 4;
  EXPECT_EQ(hst_sample_rows(context_, &item, 1, &token, error_), HST_USAGE);
  EXPECT_EQ(hst_sample(context_, nullptr, 1, nullptr, 0, 0, nullptr, &token, error_), HST_USAGE);
  EXPECT_EQ(hst_sample(context_, &f, 1, nullptr, 0, 0, nullptr, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_sample(context_, &f, 1, nullptr, 1, 0, nullptr, &token, error_), HST_USAGE);
  EXPECT_EQ(hst_sample(context_, &f, 0, nullptr, 0, 0, nullptr, &token, error_), HST_USAGE);
  EXPECT_EQ(hst_kv_export(context_, s, 0, nullptr, 1, nullptr, 1, error_), HST_USAGE);
  EXPECT_EQ(hst_kv_import(context_, s, 1, nullptr, nullptr, 2, error_), HST_USAGE);
  size_t bytes = 0;
  EXPECT_EQ(hst_kv_saved_size(context_, s, nullptr, error_), HST_USAGE);
  EXPECT_EQ(hst_kv_saved_size(context_, s, &bytes, error_), HST_USAGE);  // it has no tokens
  EXPECT_EQ(hst_kv_save(context_, s, nullptr, 0, error_), HST_USAGE);
  EXPECT_EQ(hst_kv_restore(context_, s, nullptr, 0, error_), HST_USAGE);
  EXPECT_EQ(hst_get_profile(context_, 0, nullptr, &u, error_), HST_USAGE);
  EXPECT_EQ(hst_get_profile(context_, 9999, &u, &u, error_), HST_USAGE);
  hst_cancel(nullptr);
  hst_model_free(nullptr), hst_context_free(nullptr), hst_stream_free(nullptr);
  hst_tokens_free(nullptr), hst_text_free(nullptr), hst_error_free(nullptr);
  EXPECT_EQ(hst_error_status(nullptr), HST_OK);
  EXPECT_STREQ(hst_error_message(nullptr), "");
}

TEST_F(CApiTest, StructsOfOtherVersions) {
  Open();
  struct Newer {
    hst_context_options known;
    uint64_t later;
  } newer = {HST_CONTEXT_OPTIONS_INIT, 0};
  newer.known.struct_size = sizeof newer;
  hst_context* c = nullptr;
  ASSERT_EQ(hst_context_create(model_, &newer.known, &c, error_), HST_OK);
  hst_context_free(c);
  newer.later = 1;
  EXPECT_EQ(hst_context_create(model_, &newer.known, &c, error_), HST_USAGE);
  hst_context_options older = HST_CONTEXT_OPTIONS_INIT;
  older.struct_size = 8;  // struct_size and threads only
  older.max_rows = -7;    // not to be looked at
  ASSERT_EQ(hst_context_create(model_, &older, &c, error_), HST_OK) << error_.text();
  hst_context_free(c);
  older.struct_size = 0;
  EXPECT_EQ(hst_context_create(model_, &older, &c, error_), HST_USAGE);
  hst_model_info info = HST_MODEL_INFO_INIT;
  info.struct_size = 8;
  info.layers = 77;
  ASSERT_EQ(hst_model_get_info(model_, &info, error_), HST_OK);
  EXPECT_EQ(info.vocab, 97u);
  EXPECT_EQ(info.layers, 77u);
}

}  // namespace
}  // namespace hasten::testing
