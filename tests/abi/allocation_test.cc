// Every allocation of a whole run fails once, in turn: each time the call must
// answer HST_RESOURCE, leak nothing (asan build), and the next try must work.
// And decoding in steady state allocates nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "runtime/include/hasten.h"
#include "tests/abi/artifact_fixture.h"

namespace {

std::atomic<int64_t> g_allocations{0};
std::atomic<int64_t> g_fail_at{-1};  // number of the allocation that fails, -1: none

void* Allocate(size_t size, size_t align) {
  if (g_allocations.fetch_add(1) == g_fail_at.load()) throw std::bad_alloc();
  void* p = align > alignof(std::max_align_t) ? std::aligned_alloc(align, (size + align - 1) / align * align) : std::malloc(size ? size : 1);
  if (!p) throw std::bad_alloc();
  return p;
}

}  // namespace

// gcc sees free() for what its own operator new gave, once both are inlined.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

void* operator new(size_t size) { return Allocate(size, 0); }
void* operator new[](size_t size) { return Allocate(size, 0); }
void* operator new(size_t size, std::align_val_t a) { return Allocate(size, static_cast<size_t>(a)); }
void* operator new[](size_t size, std::align_val_t a) { return Allocate(size, static_cast<size_t>(a)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  try {
    return Allocate(size, 0);
  } catch (...) {
    return nullptr;
  }
}
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { std::free(p); }

namespace hasten::testing {
namespace {

// All that one request does; the first status that is not HST_OK.
hst_status RunOnce(const char* path) {
  hst_model* model = nullptr;
  hst_context* context = nullptr;
  hst_tokens* tokens = nullptr;
  hst_text* text = nullptr;
  hst_stream* stream = nullptr;
  hst_context_options o = HST_CONTEXT_OPTIONS_INIT;
  o.threads = 2, o.max_rows = 3, o.kv_tokens = 256;
  const hst_chat_message message = {{"user", 4}, {"w3 w4 w9", 8}};
  hst_eval_item item = HST_EVAL_ITEM_INIT;
  hst_rows rows = HST_ROWS_INIT;
  const char* piece = nullptr;
  size_t size = 0;
  int32_t token = 0;
  hst_sequence fork = 0;
  hst_status s = hst_model_open(path, nullptr, &model, nullptr);
  if (s == HST_OK) s = hst_context_create(model, &o, &context, nullptr);
  if (s == HST_OK) s = hst_chat_render(model, &message, 1, nullptr, &text, nullptr);
  if (s == HST_OK) s = hst_encode(model, "w3 w4 w9 w9 w9", 14, nullptr, &tokens, nullptr);
  if (s == HST_OK) s = hst_stream_create(model, nullptr, &stream, nullptr);
  if (s == HST_OK) s = hst_sequence_create(context, &item.sequence, nullptr);
  if (s == HST_OK) {
    item.tokens = hst_tokens_data(tokens, &item.count);
    s = hst_evaluate(context, &item, 1, nullptr);
  }
  if (s == HST_OK) s = hst_get_rows(context, 0, 0, &rows, nullptr);
  if (s == HST_OK) s = hst_sample(context, rows.data, static_cast<size_t>(rows.cols), nullptr, 0, 5, nullptr, &token, nullptr);
  if (s == HST_OK) s = hst_stream_push(stream, token, &piece, &size, nullptr, nullptr);
  if (s == HST_OK) s = hst_sequence_fork(context, item.sequence, &fork, nullptr);
  hst_text_free(text);
  hst_tokens_free(tokens);
  hst_stream_free(stream);
  hst_context_free(context);
  hst_model_free(model);
  return s;
}

using AllocationTest = ArtifactFixture;

TEST_F(AllocationTest, EveryFailureIsAnswered) {
  TinyConfig c;
  c.hidden = 32, c.inter = 32, c.vocab = 20, c.layers = 1;
  Write(c);
  ASSERT_EQ(RunOnce(path_.c_str()), HST_OK);
  g_allocations = 0;
  ASSERT_EQ(RunOnce(path_.c_str()), HST_OK);
  const int64_t total = g_allocations;
  EXPECT_GT(total, 100);
  int64_t refused = 0;
  for (int64_t n = 0; n < total; ++n) {
    g_allocations = 0;
    g_fail_at = n;
    const hst_status s = RunOnce(path_.c_str());
    g_fail_at = -1;
    // HST_OK: std::stable_sort does without its buffer.
    ASSERT_TRUE(s == HST_RESOURCE || s == HST_OK) << "allocation " << n << " of " << total << " status " << s;
    refused += s == HST_RESOURCE;
  }
  EXPECT_GT(refused, total * 9 / 10);
  EXPECT_EQ(RunOnce(path_.c_str()), HST_OK);
}

TEST_F(AllocationTest, SteadyDecodeAllocatesNothing) {
  Write({});
  hst_model* model = nullptr;
  hst_context* context = nullptr;
  hst_context_options o = HST_CONTEXT_OPTIONS_INIT;
  o.threads = 2;
  ASSERT_EQ(hst_model_open(path_.c_str(), nullptr, &model, nullptr), HST_OK);
  ASSERT_EQ(hst_context_create(model, &o, &context, nullptr), HST_OK);
  hst_eval_item item = HST_EVAL_ITEM_INIT;
  ASSERT_EQ(hst_sequence_create(context, &item.sequence, nullptr), HST_OK);
  const int32_t token = 9;
  item.tokens = &token, item.count = 1;
  const auto step = [&] {
    hst_rows rows = HST_ROWS_INIT;
    int32_t next = 0;
    ASSERT_EQ(hst_evaluate(context, &item, 1, nullptr), HST_OK);
    ASSERT_EQ(hst_get_rows(context, 0, 0, &rows, nullptr), HST_OK);
    ASSERT_EQ(hst_sample(context, rows.data, static_cast<size_t>(rows.cols), nullptr, 0, 5, nullptr, &next, nullptr), HST_OK);
  };
  for (int i = 0; i < 5; ++i) step();
  const int64_t before = g_allocations;
  for (int i = 0; i < 50; ++i) step();  // within the sequence's first page
  EXPECT_EQ(g_allocations - before, 0);
  hst_context_free(context);
  hst_model_free(model);
}

}  // namespace
}  // namespace hasten::testing
