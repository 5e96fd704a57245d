// The C interface, contexts: their sequences, the cached state of these, and how
// long instructions took. Evaluating is in c_api_evaluate.cc.
#include <memory>
#include <thread>

#include "runtime/c_handles.h"

namespace {

using hasten::Status;
using hasten::UsageError;
using namespace hasten::c_api;  // NOLINT: what this file is made of

}  // namespace

extern "C" {

hst_status hst_context_create(const hst_model* model, const hst_context_options* options, hst_context** context, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    HST_NOT_NULL(context);
    *context = nullptr;
    HST_ASSIGN_OR_RETURN(const hst_context_options o, ReadOptions<hst_context_options>(options, HST_CONTEXT_OPTIONS_INIT));
    if (o.threads > 256) return UsageError("threads is ", o.threads, "; 0 (automatic) to 256 are allowed");
    auto handle = std::make_unique<hst_context>();
    hasten::ContextOptions co;
    co.threads = static_cast<int>(o.threads);
    co.kv_tokens = o.kv_tokens;
    co.max_rows = o.max_rows;
    co.prefill_chunk = o.prefill_chunk;
    co.profile = o.profile != 0;
    co.stream = o.stream;
    co.cancel = &handle->cancel;
    handle->model = model->model;
    HST_ASSIGN_OR_RETURN(handle->context, hasten::Context::Create(model->model, co));
    Log(*model, hasten::StrCat("context: ", handle->context->threads(), " threads, steps of ", handle->context->max_rows(),
                               " rows, KV cache of ", handle->context->kv_tokens(), " tokens",
                               model->model->on_device() ? hasten::StrCat(", ", (handle->context->device_bytes() + 999999) / 1000000, " MB of the device's memory") : ""));
    *context = handle.release();
    return {};
  });
}

void hst_context_free(hst_context* context) {
  if (!context) return;
  while (context->busy.exchange(true, std::memory_order_acquire)) {
    context->cancel.store(true, std::memory_order_relaxed);
    std::this_thread::yield();
  }
  delete context;
}

hst_status hst_context_get_info(hst_context* context, hst_context_info* info, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) {
    return WriteInfo(info, {0, static_cast<uint32_t>(c.threads()), c.max_rows(), c.kv_tokens(), c.free_kv_tokens(), c.device_bytes()});
  });
}

hst_status hst_sequence_create(hst_context* context, hst_sequence* sequence, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(sequence);
    *sequence = c.CreateSequence();
    return *sequence ? Status() : hasten::ResourceError("too many sequences");
  });
}

hst_status hst_sequence_fork(hst_context* context, hst_sequence source, hst_sequence* sequence, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(sequence);
    HST_ASSIGN_OR_RETURN(*sequence, c.ForkSequence(source));
    return {};
  });
}

hst_status hst_sequence_truncate(hst_context* context, hst_sequence sequence, int64_t length, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) { return c.TruncateSequence(sequence, length); });
}

hst_status hst_sequence_length(hst_context* context, hst_sequence sequence, int64_t* length, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(length);
    HST_ASSIGN_OR_RETURN(*length, c.SequenceLength(sequence));
    return {};
  });
}

hst_status hst_sequence_free(hst_context* context, hst_sequence sequence, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) { return c.FreeSequence(sequence); });
}

hst_status hst_kv_export(hst_context* context, hst_sequence sequence, uint32_t layer, float* k, size_t k_count, float* v, size_t v_count,
                         hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    if ((!k && k_count > 0) || (!v && v_count > 0)) return UsageError("k or v is NULL");
    return c.ExportKv(sequence, layer, {k, k_count}, {v, v_count});
  });
}

hst_status hst_kv_import(hst_context* context, hst_sequence sequence, int64_t tokens, const float* const* k, const float* const* v,
                         uint32_t layers, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(k);
    HST_NOT_NULL(v);
    return c.ImportKv(sequence, tokens, {k, layers}, {v, layers});
  });
}

hst_status hst_kv_saved_size(hst_context* context, hst_sequence sequence, size_t* size, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(size);
    HST_ASSIGN_OR_RETURN(*size, c.SavedBytes(sequence));
    return {};
  });
}

hst_status hst_kv_save(hst_context* context, hst_sequence sequence, void* data, size_t size, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(data);
    return c.SaveKv(sequence, {static_cast<std::byte*>(data), size});
  });
}

hst_status hst_kv_restore(hst_context* context, hst_sequence sequence, const void* data, size_t size, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(data);
    return c.RestoreKv(sequence, {static_cast<const std::byte*>(data), size});
  });
}

hst_status hst_get_profile(hst_context* context, uint32_t instruction, uint64_t* calls, uint64_t* nanoseconds, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(calls);
    HST_NOT_NULL(nanoseconds);
    if (instruction >= c.model().instructions().size()) return UsageError("instruction ", instruction, " of ", c.model().instructions().size());
    const bool measured = instruction < c.profile().size();
    *calls = measured ? c.profile()[instruction].calls : 0;
    *nanoseconds = measured ? c.profile()[instruction].nanoseconds : 0;
    return {};
  });
}

}  // extern "C"
