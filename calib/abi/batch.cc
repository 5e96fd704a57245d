#include "calib/abi/batch.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace hasten::calib {
namespace {

template <class F>
Status Call(const F& f) {
  hst_error* error = nullptr;
  const hst_status code = f(&error);
  if (code == HST_OK) return {};
  Status status(static_cast<Code>(code), error ? hst_error_message(error) : "failed");
  hst_error_free(error);
  return status;
}

uint32_t Want(Rows rows) { return rows == Rows::kNone ? HST_WANT_NONE : rows == Rows::kLast ? HST_WANT_LAST : HST_WANT_ALL; }

}  // namespace

Result<std::unique_ptr<BatchSession>> BatchSession::Create(const Artifact& artifact, const SessionOptions& options) {
  std::unique_ptr<BatchSession> session(new BatchSession());
  session->output_ = artifact.info().output;
  hst_context_options how = HST_CONTEXT_OPTIONS_INIT;
  how.threads = static_cast<uint32_t>(options.threads);
  how.prefill_chunk = options.prefill_chunk;
  how.max_rows = options.prefill_chunk > kUsualRows ? options.prefill_chunk : 0;
  how.kv_tokens = options.capacity;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_context_create(artifact.get(), &how, &session->context_, e); }));
  if (options.cancel) {
    session->watcher_ = std::jthread([context = session->context_, cancel = options.cancel](std::stop_token stop) {
      while (!stop.stop_requested() && !*cancel) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (*cancel) hst_cancel(context);
    });
  }
  return session;
}

BatchSession::~BatchSession() {
  watcher_ = {};  // ends before its context does
  hst_context_free(context_);
}

Result<hst_sequence> BatchSession::New() {
  hst_sequence sequence = 0;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_sequence_create(context_, &sequence, e); }));
  return sequence;
}

Result<hst_sequence> BatchSession::Fork(hst_sequence source) {
  hst_sequence sequence = 0;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_sequence_fork(context_, source, &sequence, e); }));
  return sequence;
}

Status BatchSession::Free(hst_sequence sequence) {
  return Call([&](hst_error** e) { return hst_sequence_free(context_, sequence, e); });
}

Status BatchSession::Evaluate(std::span<const BatchItem> items) {
  std::vector<hst_eval_item> list;
  rows_.clear();
  for (const BatchItem& i : items) {
    hst_eval_item item = HST_EVAL_ITEM_INIT;
    item.want = Want(i.want);
    item.sequence = i.sequence;
    item.tokens = i.tokens.data();
    item.count = i.tokens.size();
    list.push_back(item);
    rows_.push_back(i.want == Rows::kAll ? static_cast<int64_t>(i.tokens.size()) : i.want == Rows::kLast ? 1 : 0);
  }
  return Call([&](hst_error** e) { return hst_evaluate(context_, list.data(), list.size(), e); });
}

Result<RowBlock> BatchSession::RowsOf(size_t item) {
  hst_rows block = HST_ROWS_INIT;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_get_rows(context_, item, output_, &block, e); }));
  return RowBlock{block.data, block.rows, block.cols, block.stride};
}

Result<std::vector<int32_t>> BatchSession::SampleNext(std::span<const BatchChoice> choices) {
  std::vector<hst_sample_options> options;
  options.reserve(choices.size());   // the items hold their addresses
  std::vector<hst_sample_item> items;
  for (const BatchChoice& c : choices) {
    hst_sample_item item = HST_SAMPLE_ITEM_INIT;
    item.item = c.item, item.output = output_, item.row = c.item < rows_.size() ? rows_[c.item] - 1 : 0;
    item.recent = c.history.data(), item.recent_count = c.history.size(), item.position = static_cast<int64_t>(c.history.size());
    options.push_back(OptionsOf(c.sampling));
    item.options = &options.back();
    items.push_back(item);
  }
  std::vector<int32_t> tokens(choices.size(), -2);
  const Status status = Call([&](hst_error** e) { return hst_sample_rows(context_, items.data(), items.size(), tokens.data(), e); });
  // Which rows have no token is known where others were chosen from.
  const bool chosen = std::find(tokens.begin(), tokens.end(), -2) == tokens.end();
  if (!status.ok() && !(status.code() == Code::kBadInput && chosen)) return status;
  return tokens;
}

Status BatchSession::ExportLayer(hst_sequence sequence, uint32_t layer, std::span<float> keys, std::span<float> values) {
  return Call([&](hst_error** e) {
    return hst_kv_export(context_, sequence, layer, keys.data(), keys.size(), values.data(), values.size(), e);
  });
}

}  // namespace hasten::calib
