// The C interface in process: what each call gives, and that other threads are
// answered, not crashed on. Wrong calls are in wrong_calls_test.cc.
#include <cmath>
#include <cstring>
#include <thread>

#include "tests/abi/c_api_fixture.h"

namespace hasten::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
  EXPECT_EQ(instr.weight_bytes, 0u);
  EXPECT_GE(instr.row_bytes, c.hidden * sizeof(float));
  instr.struct_size = offsetof(hst_instruction_info, output_rows);  // a host of the first version
  instr.row_bytes = 77;
  ASSERT_EQ(hst_model_get_instruction(model_, 0, &instr, error_), HST_OK);
  EXPECT_EQ(instr.row_bytes, 77u);
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
  int32_t from_row = -1;
  ASSERT_EQ(hst_sample_row(context_, 0, 0, rows.rows - 1, nullptr, 0, 5, &o, &from_row, error_), HST_OK);
  EXPECT_EQ(from_row, token);
  hst_sample_item items[2] = {HST_SAMPLE_ITEM_INIT, HST_SAMPLE_ITEM_INIT};
  items[0].row = rows.rows - 1, items[0].position = 5, items[0].options = &o;
  items[1].row = 0, items[1].position = 1;
  int32_t chosen[2] = {-2, -2};
  ASSERT_EQ(hst_sample_rows(context_, items, 2, chosen, error_), HST_OK) << error_.text();
  EXPECT_EQ(chosen[0], token);
  EXPECT_GE(chosen[1], 0);
  items[1].row = rows.rows;
  EXPECT_EQ(hst_sample_rows(context_, items, 2, chosen, error_), HST_USAGE);
  EXPECT_THAT(error_.text(), HasSubstr("item 1: sample: row 5 of 5"));
  EXPECT_EQ(hst_sample_rows(context_, nullptr, 0, nullptr, error_), HST_OK);
  EXPECT_EQ(hst_sample_row(context_, 0, 0, rows.rows, nullptr, 0, 5, &o, &from_row, error_), HST_USAGE);
  const int32_t unknown = 1 << 20;
  EXPECT_EQ(hst_sample_row(context_, 0, 0, 0, &unknown, 1, 5, &o, &from_row, error_), HST_BAD_INPUT);
  o.top_p = 3;
  EXPECT_EQ(hst_sample_row(context_, 0, 0, 0, nullptr, 0, 5, &o, &from_row, error_), HST_USAGE);
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
  EXPECT_EQ(info.device_bytes, 0u);
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
  EXPECT_THAT(log, HasSubstr("compared digests in "));
  hst_model_info info = HST_MODEL_INFO_INIT;
  ASSERT_EQ(hst_model_get_info(model_, &info, error_), HST_OK);
  EXPECT_GT(info.verify_nanoseconds, 0u);
  EXPECT_EQ(info.upload_nanoseconds + info.device_bytes + info.device_bytes_left, 0u);
  EXPECT_THAT(log, HasSubstr("KV cache"));
  ASSERT_EQ(Evaluate(Sequence(), {1, 2, 3}), HST_OK);
  uint64_t calls = 0, ns = 0;
  ASSERT_EQ(hst_get_profile(context_, 0, &calls, &ns, error_), HST_OK);
  EXPECT_EQ(calls, 1u);
}

}  // namespace
}  // namespace hasten::testing
