// The C interface in process: what each call gives, and that wrong arguments,
// other struct versions and other threads are answered, not crashed on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "runtime/include/hasten.h"
#include "tests/abi/artifact_fixture.h"

namespace hasten::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

TEST_F(CApiTest, ModelQueries) {
  TinyConfig c;
  c.window = 7;
  Open(c);
  hst_model_info info = HST_MODEL_INFO_INIT;
  ASSERT_EQ(hst_model_get_info(model_, &info, error_), HST_OK);
  EXPECT_EQ(info.vocab, c.vocab);
  EXPECT_EQ(info.layers, 2u);
  EXPECT_EQ(info.max_positions, 512);
  EXPECT_EQ(info.kv_type, static_cast<uint32_t>(HST_KV_F32));
  EXPECT_TRUE(info.causal && info.has_tokenizer && info.has_chat_template);
  hst_layer_info layer = HST_LAYER_INFO_INIT;
  ASSERT_EQ(hst_model_get_layer(model_, 1, &layer, error_), HST_OK);
  EXPECT_EQ(layer.kv_heads, c.kv_heads);
  EXPECT_EQ(layer.window, 7);
  EXPECT_STREQ(layer.past_k, "");
  EXPECT_EQ(hst_model_get_layer(model_, 2, &layer, error_), HST_USAGE);
  hst_output_info out = HST_OUTPUT_INFO_INIT;
  ASSERT_EQ(hst_model_get_output(model_, 0, &out, error_), HST_OK);
  EXPECT_STREQ(out.name, "logits");
  EXPECT_EQ(out.cols, c.vocab);
  hst_generation g = HST_GENERATION_INIT;
  ASSERT_EQ(hst_model_get_generation(model_, &g, error_), HST_OK);
  EXPECT_THAT(std::vector<int32_t>(g.eos_ids, g.eos_ids + g.eos_count), ElementsAre(2, 5));
  EXPECT_EQ(g.bos_id, 1);
  hst_instruction_info instr = HST_INSTRUCTION_INFO_INIT;
  ASSERT_EQ(hst_model_get_instruction(model_, 0, &instr, error_), HST_OK);
  EXPECT_STREQ(instr.op, "Embed");
  EXPECT_STREQ(instr.loc, "embed");
  const char* s = nullptr;
  size_t n = 0;
  ASSERT_EQ(hst_model_get_string(model_, HST_STRING_ARCHITECTURE, &s, &n, error_), HST_OK);
  EXPECT_EQ(std::string(s, n), "tiny");
  EXPECT_EQ(hst_model_get_string(model_, 99, &s, &n, error_), HST_USAGE);
  EXPECT_EQ(hst_model_verify(model_, error_), HST_OK);
  EXPECT_EQ(hst_abi_version(), HST_ABI_VERSION);
  EXPECT_GT(std::strlen(hst_version()), 0u);
}

TEST_F(CApiTest, EvaluateSampleAndState) {
  Open();
  const std::vector<int32_t> tokens = {1, 20, 30, 40, 50};
  const hst_sequence a = Sequence();
  ASSERT_EQ(Evaluate(a, tokens, HST_WANT_ALL), HST_OK) << error_.text();
  hst_rows rows = HST_ROWS_INIT;
  ASSERT_EQ(hst_get_rows(context_, 0, 0, &rows, error_), HST_OK);
  ASSERT_EQ(rows.rows, 5);
  const std::vector<float> last(rows.data + 4 * rows.stride, rows.data + 4 * rows.stride + rows.cols);
  const auto naive = NaiveForward(tiny_, tokens);
  for (size_t i = 0; i < last.size(); ++i) EXPECT_NEAR(last[i], naive[4][i], 1e-4);  // fp32 against double

  hst_sample_options o = HST_SAMPLE_OPTIONS_INIT;
  o.temperature = 0;
  int32_t token = -1;
  ASSERT_EQ(hst_sample(context_, last.data(), last.size(), nullptr, 0, 5, &o, &token, error_), HST_OK);
  EXPECT_EQ(token, std::max_element(last.begin(), last.end()) - last.begin());
  o.top_p = 3;
  EXPECT_EQ(hst_sample(context_, last.data(), last.size(), nullptr, 0, 5, &o, &token, error_), HST_USAGE);

  // Export, import into another sequence, and go on: the same bits.
  hst_sequence b = 0;
  ASSERT_EQ(hst_sequence_fork(context_, a, &b, error_), HST_OK);
  ASSERT_EQ(hst_sequence_truncate(context_, b, 4, error_), HST_OK);
  const size_t n = 2 * 4 * 16;
  std::vector<std::vector<float>> k(2, std::vector<float>(n)), v = k;
  for (uint32_t l = 0; l < 2; ++l) ASSERT_EQ(hst_kv_export(context_, b, l, k[l].data(), n, v[l].data(), n, error_), HST_OK);
  EXPECT_EQ(hst_kv_export(context_, b, 0, k[0].data(), n - 1, v[0].data(), n, error_), HST_USAGE);
  const hst_sequence c = Sequence();
  const float* ks[] = {k[0].data(), k[1].data()};
  const float* vs[] = {v[0].data(), v[1].data()};
  EXPECT_EQ(hst_kv_import(context_, c, 4, ks, vs, 1, error_), HST_USAGE);
  ASSERT_EQ(hst_kv_import(context_, c, 4, ks, vs, 2, error_), HST_OK) << error_.text();
  ASSERT_EQ(Evaluate(c, {50}), HST_OK);
  ASSERT_EQ(hst_get_rows(context_, 0, 0, &rows, error_), HST_OK);
  EXPECT_EQ(std::vector<float>(rows.data, rows.data + rows.cols), last);
  int64_t length = 0;
  EXPECT_EQ(hst_sequence_length(context_, c, &length, error_), HST_OK);
  EXPECT_EQ(length, 5);

  // Saved as bytes and restored: the same bits.
  size_t bytes = 0;
  ASSERT_EQ(hst_kv_saved_size(context_, b, &bytes, error_), HST_OK) << error_.text();
  std::vector<char> state(bytes);
  EXPECT_EQ(hst_kv_save(context_, b, state.data(), bytes - 1, error_), HST_USAGE);
  ASSERT_EQ(hst_kv_save(context_, b, state.data(), bytes, error_), HST_OK) << error_.text();
  const hst_sequence d = Sequence();
  EXPECT_EQ(hst_kv_restore(context_, d, state.data(), bytes - 1, error_), HST_BAD_INPUT);
  ASSERT_EQ(hst_kv_restore(context_, d, state.data(), bytes, error_), HST_OK) << error_.text();
  ASSERT_EQ(Evaluate(d, {50}), HST_OK);
  ASSERT_EQ(hst_get_rows(context_, 0, 0, &rows, error_), HST_OK);
  EXPECT_EQ(std::vector<float>(rows.data, rows.data + rows.cols), last);
  for (hst_sequence s : {a, b, c, d}) EXPECT_EQ(hst_sequence_free(context_, s, error_), HST_OK);
  hst_context_info info = HST_CONTEXT_INFO_INIT;
  ASSERT_EQ(hst_context_get_info(context_, &info, error_), HST_OK);
  EXPECT_EQ(info.free_kv_tokens, info.kv_tokens);
  EXPECT_EQ(info.max_rows, 512);
}

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

TEST_F(CApiTest, CancelFromAnotherThreadAndFreeWhileRunning) {
  TinyConfig config;
  config.max_positions = 1 << 16;
  Write(config);
  ASSERT_EQ(hst_model_open(path_.c_str(), nullptr, &model_, error_), HST_OK);
  hst_context_options o = HST_CONTEXT_OPTIONS_INIT;
  o.threads = 1, o.kv_tokens = 60000;
  ASSERT_EQ(hst_context_create(model_, &o, &context_, error_), HST_OK);
  const hst_sequence s = Sequence();
  const std::vector<int32_t> tokens(30000, 3);
  // A cancel before the call counts for it, and for it alone.
  hst_cancel(context_);
  EXPECT_EQ(Evaluate(s, {1}), HST_CANCELLED);
  EXPECT_EQ(Evaluate(s, {1}), HST_OK);
  std::atomic<bool> started{false};
  std::thread runner([&] {
    hst_eval_item item = HST_EVAL_ITEM_INIT;
    item.sequence = s, item.tokens = tokens.data(), item.count = tokens.size();
    started = true;
    EXPECT_EQ(hst_evaluate(context_, &item, 1, nullptr), HST_CANCELLED);
  });
  while (!started) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  int64_t length = 0;
  EXPECT_EQ(hst_sequence_length(context_, s, &length, error_), HST_USAGE);
  EXPECT_THAT(error_.text(), HasSubstr("another thread"));
  hst_context_free(context_);  // cancels and waits
  context_ = nullptr;
  runner.join();
}

TEST_F(CApiTest, ManyContextsOfOneModelAtOnce) {
  Open();
  const std::vector<int32_t> tokens = {1, 2, 3, 4, 5, 6, 7};
  const hst_sequence s = Sequence();
  ASSERT_EQ(Evaluate(s, tokens), HST_OK);
  hst_rows rows = HST_ROWS_INIT;
  ASSERT_EQ(hst_get_rows(context_, 0, 0, &rows, error_), HST_OK);
  const std::vector<float> want(rows.data, rows.data + rows.cols);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      hst_context_options o = HST_CONTEXT_OPTIONS_INIT;
      o.threads = 2;
      hst_context* c = nullptr;
      ASSERT_EQ(hst_context_create(model_, &o, &c, nullptr), HST_OK);
      for (int i = 0; i < 5; ++i) {
        hst_eval_item item = HST_EVAL_ITEM_INIT;
        ASSERT_EQ(hst_sequence_create(c, &item.sequence, nullptr), HST_OK);
        item.tokens = tokens.data(), item.count = tokens.size();
        ASSERT_EQ(hst_evaluate(c, &item, 1, nullptr), HST_OK);
        hst_rows r = HST_ROWS_INIT;
        ASSERT_EQ(hst_get_rows(c, 0, 0, &r, nullptr), HST_OK);
        EXPECT_EQ(std::vector<float>(r.data, r.data + r.cols), want);
      }
      hst_context_free(c);
    });
  for (std::thread& t : threads) t.join();
}

TEST_F(CApiTest, LogAndProfile) {
  Write({});
  std::string log;
  hst_model_options o = HST_MODEL_OPTIONS_INIT;
  o.log = [](void* user, const char* message, size_t size) { static_cast<std::string*>(user)->append(message, size); };
  o.log_user = &log;
  o.verify = 1;
  ASSERT_EQ(hst_model_open(path_.c_str(), &o, &model_, error_), HST_OK);
  hst_context_options co = HST_CONTEXT_OPTIONS_INIT;
  co.profile = 1;
  ASSERT_EQ(hst_context_create(model_, &co, &context_, error_), HST_OK);
  EXPECT_THAT(log, HasSubstr("instructions"));
  EXPECT_THAT(log, HasSubstr("KV cache"));
  ASSERT_EQ(Evaluate(Sequence(), {1, 2, 3}), HST_OK);
  uint64_t calls = 0, ns = 0;
  ASSERT_EQ(hst_get_profile(context_, 0, &calls, &ns, error_), HST_OK);
  EXPECT_EQ(calls, 1u);
}

}  // namespace
}  // namespace hasten::testing
