// The C interface, evaluating and sampling.
#include <algorithm>
#include <memory>

#include "runtime/c_handles.h"
#include "runtime/kernels/sample/contract.h"

namespace {

using hasten::Code;
using hasten::Status;
using hasten::UsageError;
using namespace hasten::c_api;  // NOLINT: what this file is made of

}  // namespace

extern "C" {

hst_status hst_evaluate(hst_context* context, const hst_eval_item* items, size_t count, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    if (!items && count > 0) return UsageError("items is NULL");
    context->items.clear();
    const size_t stride = count ? items[0].struct_size : 0;
    if (count && stride < sizeof(hst_eval_item)) return UsageError("struct_size is ", stride, "; use HST_EVAL_ITEM_INIT");
    for (size_t i = 0; i < count; ++i) {
      const auto& item = *reinterpret_cast<const hst_eval_item*>(reinterpret_cast<const char*>(items) + i * stride);
      if (item.struct_size != stride) return UsageError("item ", i, ": struct_size is ", item.struct_size, ", of the first item ", stride);
      if (!item.tokens && item.count > 0) return UsageError("item ", i, ": tokens is NULL");
      if (item.want > HST_WANT_ALL) return UsageError("item ", i, ": want ", item.want, " is not known");
      context->items.push_back({item.sequence, {item.tokens, item.count}, {}, static_cast<hasten::Want>(item.want)});
      if (item.token_types) context->items.back().token_types = {item.token_types, item.count};
    }
    Status status = c.Evaluate(context->items);
    if (status.code() == Code::kCancelled) context->cancel.store(false, std::memory_order_relaxed);
    return status;
  });
}

void hst_cancel(hst_context* context) {
  if (context) context->cancel.store(true, std::memory_order_relaxed);
}

hst_status hst_get_rows(hst_context* context, size_t item, uint32_t output, hst_rows* rows, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_ASSIGN_OR_RETURN(const hasten::OutputRows r, c.Output(item, output));
    return WriteInfo(rows, {0, 0, r.data, r.rows, r.cols, r.stride});
  });
}

hst_status hst_sample_row(hst_context* context, size_t item, uint32_t output, int64_t row, const int32_t* recent, size_t recent_count,
                          int64_t position, const hst_sample_options* options, int32_t* token, hst_error** error) {
  const hst_sample_item one = {sizeof(hst_sample_item), output, item, row, recent, recent_count, position, options};
  return hst_sample_rows(context, &one, 1, token, error);
}

hst_status hst_sample_rows(hst_context* context, const hst_sample_item* items, size_t count, int32_t* tokens, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    if (count == 0) return {};
    HST_NOT_NULL(items);
    HST_NOT_NULL(tokens);
    std::vector<hasten::SampleRequest>& requests = context->samples;   // allocated once
    requests.clear();
    const size_t stride = items[0].struct_size;
    if (stride < sizeof(hst_sample_item)) return UsageError("struct_size is ", stride, "; use HST_SAMPLE_ITEM_INIT");
    for (size_t i = 0; i < count; ++i) {
      const auto& item = *reinterpret_cast<const hst_sample_item*>(reinterpret_cast<const char*>(items) + i * stride);
      if (item.struct_size != stride) return UsageError("item ", i, ": struct_size is ", item.struct_size, ", of the first item ", stride);
      if (!item.recent && item.recent_count > 0) return UsageError("item ", i, ": recent is NULL");
      HST_ASSIGN_OR_RETURN(const hst_sample_options o, ReadOptions<hst_sample_options>(item.options, HST_SAMPLE_OPTIONS_INIT));
      requests.push_back({item.item, item.output, item.row, {item.recent, item.recent_count}, item.position,
                          {o.temperature, o.top_k, o.top_p, o.min_p, o.repetition_penalty, o.seed}});
    }
    return c.SampleRows(requests, {tokens, count});
  });
}

hst_status hst_sample(hst_context* context, const float* logits, size_t count, const int32_t* recent, size_t recent_count,
                      int64_t position, const hst_sample_options* options, int32_t* token, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(logits);
    HST_NOT_NULL(token);
    if (!recent && recent_count > 0) return UsageError("recent is NULL");
    if (count == 0 || count > (1u << 30)) return UsageError("count is ", count);
    HST_ASSIGN_OR_RETURN(const hst_sample_options o, ReadOptions<hst_sample_options>(options, HST_SAMPLE_OPTIONS_INIT));
    const hasten::SampleOptions so{o.temperature, o.top_k, o.top_p, o.min_p, o.repetition_penalty, o.seed};
    HST_RETURN_IF_ERROR(hasten::CheckSampleOptions(so));
    // Rows that pad the head beyond the vocabulary are never chosen.
    count = std::min(count, static_cast<size_t>(c.model().vocab()));
    for (size_t i = 0; i < recent_count; ++i)
      if (recent[i] < 0) return UsageError("recent token ", recent[i], " is negative");
    context->sample_work.resize(hasten::SampleWorkBytes(count));
    HST_ASSIGN_OR_RETURN(*token, hasten::Sample({logits, count}, {recent, recent_count}, position, so, context->sample_work));
    return {};
  });
}

}  // extern "C"
