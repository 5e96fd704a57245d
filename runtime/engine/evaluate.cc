// Context::Evaluate: items are checked, cache is reserved for all of them, then
// steps of at most max_rows rows run the program, and output rows are collected.
#include <algorithm>
#include <chrono>

#include "runtime/base/fp_env.h"
#include "runtime/engine/context.h"
#include "runtime/format/buffer_layout.h"

namespace hasten {
namespace {

Status CheckTokens(const EvalItem& item, int64_t vocab, int64_t types) {
  if (item.tokens.empty()) return UsageError("no tokens");
  for (size_t t = 0; t < item.tokens.size(); ++t)
    if (item.tokens[t] < 0 || item.tokens[t] >= vocab)
      return UsageError("token ", item.tokens[t], " (number ", t, ") is outside the vocabulary of ", vocab);
  if (item.token_types.empty()) return {};
  if (types == 0) return UsageError("the model has no token types");
  if (item.token_types.size() != item.tokens.size())
    return UsageError(item.token_types.size(), " token types for ", item.tokens.size(), " tokens");
  for (int32_t t : item.token_types)
    if (t < 0 || t >= types) return UsageError("token type ", t, "; 0 to ", types - 1, " are allowed");
  return {};
}

}  // namespace

Status Context::CheckItems(std::span<const EvalItem> items) {
  const int64_t limit = model_->max_positions();
  progress_.clear();
  for (size_t i = 0; i < items.size(); ++i) {
    const EvalItem& item = items[i];
    Status s = CheckTokens(item, model_->vocab(), model_->program().token_types());
    Slot* slot = Find(item.sequence);
    const int64_t count = static_cast<int64_t>(item.tokens.size());
    if (s.ok() && !slot) s = UsageError("sequence ", item.sequence, " does not exist in this context");
    if (s.ok() && item.want > Want::kAll) s = UsageError("want ", static_cast<int>(item.want), " is not known");
    const int64_t before = slot && model_->causal() ? slot->cache.length : 0;
    if (s.ok() && count > limit - before)
      s = UsageError("context overflow: ", before, " tokens and ", count, " more exceed the model's ", limit, " positions");
    if (s.ok() && !model_->causal()) {
      if (count > max_rows_)
        s = UsageError(count, " tokens; this model is an encoder and sees a text whole, at most max_rows = ", max_rows_, " tokens");
      for (int32_t row : pooled_rows_)
        if (s.ok() && row >= count) s = UsageError(count, " tokens; the model pools token ", row);
    }
    if (!s.ok()) return std::move(s).Annotate(StrCat("evaluate: item ", i));
    progress_.push_back({slot, 0, before});
  }
  // Each sequence once: ids are compared sorted, for calls with many items.
  called_.clear();
  for (const EvalItem& item : items) called_.push_back(item.sequence);
  std::sort(called_.begin(), called_.end());
  if (const auto twice = std::adjacent_find(called_.begin(), called_.end()); twice != called_.end())
    return UsageError("evaluate: sequence ", *twice, " appears twice");
  return {};
}

Status Context::ReserveItems(std::span<const EvalItem> items) {
  if (!model_->causal())
    for (Progress& p : progress_) pool_.Truncate(p.slot->cache, 0);
  for (size_t i = 0; i < items.size(); ++i) {
    const int64_t count = static_cast<int64_t>(items[i].tokens.size());
    if (pool_.Reserve(progress_[i].slot->cache, count)) continue;
    return ResourceError("evaluate: the KV cache is full: item ", i, " needs ",
                         pool_.BlocksNeeded(progress_[i].slot->cache, count) * kKvPageTokens, " more tokens, ",
                         free_kv_tokens(), " of ", kv_tokens(), " are free; free or truncate a sequence");
  }
  return {};
}

void Context::RollBack(std::span<const EvalItem> items) {
  for (size_t i = 0; i < items.size(); ++i) pool_.Truncate(progress_[i].slot->cache, progress_[i].before);
  pieces_.clear();
  items_ = 0;
}

Status Context::Evaluate(std::span<const EvalItem> items) {
  const ScopedFpEnv fp;
  items_ = 0;
  pieces_.clear();
  HST_RETURN_IF_ERROR(CheckItems(items));
  if (items.empty()) return {};
  Status status;
  try {
    status = ReserveItems(items);
    if (status.ok()) status = UseRope(items);
    if (status.ok()) status = RunSteps(items);
  } catch (...) {
    RollBack(items);
    throw;
  }
  if (!status.ok()) RollBack(items);
  return status;
}

Status Context::UseRope(std::span<const EvalItem> items) {
  int64_t last = 0;
  for (size_t i = 0; i < items.size(); ++i) last = std::max(last, progress_[i].before + static_cast<int64_t>(items[i].tokens.size()));
  if (rope_ && rope_->positions >= last) return {};
  HST_ASSIGN_OR_RETURN(rope_, model_->Rope(last, device_ ? device_->plan().positions : 0));
  return {};
}

Status Context::RunSteps(std::span<const EvalItem> items) {
  items_ = items.size();
  pieces_.assign(items.size() * stores_.size(), {});
  is_fetched_.assign(pieces_.size(), false);
  for (bool first = true, last = false; !last; first = false) {
    last = FillStep(items);
    if (first && !last) HST_RETURN_IF_ERROR(PrepareStores(items));
    HST_RETURN_IF_ERROR(RunStep());
    CollectOutputs(items, first && last);
    for (const StepItem& s : step_items_) progress_[s.item].slot->cache.length += s.rows;
  }
  return {};
}

bool Context::FillStep(std::span<const EvalItem> items) {
  step_items_.clear(), ids_.clear(), positions_.clear(), types_.clear(), output_rows_.clear();
  bool all = true;
  for (size_t i = 0; i < items.size(); ++i) {
    Progress& p = progress_[i];
    const int64_t left = static_cast<int64_t>(items[i].tokens.size()) - p.done;
    const int64_t room = max_rows_ - static_cast<int64_t>(ids_.size());
    if (left == 0) continue;
    const int64_t count = model_->causal() ? std::min({left, room, chunk_}) : left <= room ? left : 0;
    all = all && count == left;
    if (count == 0) break;
    step_items_.push_back({i, static_cast<int64_t>(ids_.size()), count, static_cast<int64_t>(output_rows_.size()), 0});
    AddRows(items[i], p, count);
    step_items_.back().outputs = static_cast<int64_t>(output_rows_.size()) - step_items_.back().first_output;
    p.done += count;
  }
  return all;
}

void Context::AddRows(const EvalItem& item, Progress& p, int64_t count) {
  const int64_t total = static_cast<int64_t>(item.tokens.size());
  const bool typed = model_->program().token_types() > 0;
  for (int64_t t = p.done; t < p.done + count; ++t) {
    const bool pooled = std::find(pooled_rows_.begin(), pooled_rows_.end(), t) != pooled_rows_.end();
    const bool wanted = item.want == Want::kAll || (item.want == Want::kLast && t + 1 == total) || (item.want != Want::kNone && pooled);
    if (wanted) output_rows_.push_back(static_cast<int32_t>(ids_.size()));
    ids_.push_back(item.tokens[static_cast<size_t>(t)]);
    positions_.push_back(static_cast<int32_t>(p.before + t));
    if (typed) types_.push_back(item.token_types.empty() ? 0 : item.token_types[static_cast<size_t>(t)]);
  }
}

Status Context::RunStepOnDevice() {
  if (cancel_ && cancel_->load(std::memory_order_relaxed)) return Status(Code::kCancelled, "evaluate: cancelled");
  device_->Clear();
  for (const StepItem& s : step_items_) {
    const KvPool::Sequence& cache = progress_[s.item].slot->cache;
    device_->AddSequence(s.row, s.rows, cache.length, cache.blocks);
  }
  const DeviceStep::Rows rows{ids_, positions_, types_, output_rows_};
  device_->Pad(rows);
  return device_->Run(rows, *rope_, profile_);
}

Status Context::RunStep() {
  if (device_) return RunStepOnDevice();
  const size_t layers = model_->layers().size();
  views_.clear();
  for (size_t l = 0; l < layers; ++l)
    for (const StepItem& s : step_items_) {
      const KvPool::Sequence& cache = progress_[s.item].slot->cache;
      views_.push_back({s.row, s.rows, cache.length, cache.pages[l].data()});
    }
  Step step;
  step.arena = arena_.data();
  step.rows = static_cast<int64_t>(ids_.size());
  step.outputs = static_cast<int64_t>(output_rows_.size());
  step.ids = ids_.data(), step.positions = positions_.data(), step.types = types_.data();
  step.output_rows = output_rows_.data();
  step.sequences = views_;
  step.sequence_count = static_cast<int64_t>(step_items_.size());
  step.rope = rope_->pointers;
  step.runner = runner_.get();
  model_->CountStep();
  return RunInstructions(step);
}

Status Context::RunInstructions(const Step& step) {
  const auto instructions = model_->instructions();
  constexpr int64_t kFewRows = 8;   // beyond them time goes into products, not into reading weights
  const bool few = step.rows <= kFewRows;
  for (size_t i = 0; i < instructions.size(); ++i) {
    if (cancel_ && cancel_->load(std::memory_order_relaxed)) return Status(Code::kCancelled, "evaluate: cancelled");
    if (few) runner_->WillRead(model_->WeightsAfter(i));
    if (profile_.empty()) {
      instructions[i]->Run(step);
      continue;
    }
    const auto start = std::chrono::steady_clock::now();
    instructions[i]->Run(step);
    const auto spent = std::chrono::steady_clock::now() - start;
    profile_[i].calls += 1;
    profile_[i].nanoseconds += static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count());
  }
  return {};
}

int64_t Context::RowsWanted(const EvalItem& item, const fb::Output& out) const {
  if (item.want == Want::kNone) return 0;
  if (out.row() >= 0 || item.want == Want::kLast) return 1;
  return static_cast<int64_t>(item.tokens.size());
}

Status Context::PrepareStores(std::span<const EvalItem> items) {
  const auto& outputs = *model_->program().outputs();
  for (uint32_t o = 0; o < outputs.size(); ++o) {
    const int64_t stride = RowStride(outputs.Get(o)->view()->cols());
    int64_t rows = 0;
    for (const EvalItem& item : items) rows += RowsWanted(item, *outputs.Get(o));
    if (Status s = stores_[o].Resize(static_cast<size_t>(rows * stride), device_ ? &device_->device() : nullptr); !s.ok())
      return std::move(s).Annotate(StrCat("evaluate: ", rows, " rows of output ", o, " are asked for in one call; ask for fewer at a time, or leave more memory beside kv_tokens"));
    int64_t at = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      pieces_[i * stores_.size() + o].data = stores_[o].data() + at * stride;
      at += RowsWanted(items[i], *outputs.Get(o));
    }
  }
  return {};
}

void Context::CollectOutputs(std::span<const EvalItem> items, bool only_step) {
  const fb::Program& p = model_->program();
  const int64_t step_rows = static_cast<int64_t>(ids_.size());
  for (const StepItem& s : step_items_) {
    const EvalItem& item = items[s.item];
    const bool ends = progress_[s.item].done == static_cast<int64_t>(item.tokens.size());
    for (uint32_t o = 0; o < p.outputs()->size(); ++o) {
      const fb::Output& out = *p.outputs()->Get(o);
      const fb::Buffer& buffer = *p.buffers()->Get(out.view()->buffer());
      // Rows [first, first + count) of the buffer, of those that the item has there.
      const bool packed = buffer.rows() == fb::Rows::Outputs;
      int64_t first = packed ? s.first_output : s.row, count = packed ? s.outputs : s.rows;
      if (out.row() >= 0) {
        const auto at = std::lower_bound(output_rows_.begin() + s.first_output, output_rows_.begin() + s.first_output + s.outputs, s.row + out.row());
        first = packed ? at - output_rows_.begin() : s.row + out.row();
        count = 1;
      } else if (item.want == Want::kLast) {
        first += count - 1;
        count = ends ? 1 : 0;
      }
      if (item.want == Want::kNone || count == 0) continue;
      const int64_t stride = RowStride(static_cast<int64_t>(buffer.cols())), cols = out.view()->cols();
      const float* from = reinterpret_cast<const float*>(arena() + buffer.offset() * static_cast<uint64_t>(step_rows)) + out.view()->col() + first * stride;
      Piece& piece = pieces_[s.item * stores_.size() + o];
      if (only_step) {
        piece.data = from;
      } else {
        const int64_t own = RowStride(cols);
        float* to = stores_[o].data() + (piece.data - stores_[o].data()) + piece.rows * own;
        RowStore::Copy(to, own, from, stride, cols, count, device_ ? &device_->queue() : nullptr);
      }
      piece.rows += count;
      piece.stride = only_step ? stride : RowStride(cols);
    }
  }
}

}  // namespace hasten
