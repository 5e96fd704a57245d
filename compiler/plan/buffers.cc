// Arena offsets: buffers that never live at the same time share bytes. Greedy
// by size (Pisarchyk & Lee 2020, arXiv:2001.03288, "greedy by size").
#include "compiler/plan/buffers.h"

#include <algorithm>
#include <numeric>

#include "runtime/format/buffer_layout.h"

namespace hasten::plan {
namespace {

bool RowWise(InstrKind kind) {
  switch (kind) {
    case InstrKind::kNorm: case InstrKind::kQuantize: case InstrKind::kRope: case InstrKind::kKvAppend:
    case InstrKind::kUnary: case InstrKind::kBinary: case InstrKind::kGated: return true;
    default: return false;
  }
}

}  // namespace

void KeepThroughRuns(const std::vector<InstrPlan>& instrs, std::vector<BufferPlan>& buffers) {
  std::vector<int> end(instrs.size());   // of the run that an instruction is in
  for (size_t i = instrs.size(); i-- > 0;)
    end[i] = RowWise(instrs[i].kind) && i + 1 < instrs.size() && RowWise(instrs[i + 1].kind) ? end[i + 1] : static_cast<int>(i);
  for (BufferPlan& b : buffers)
    if (b.last < static_cast<int>(instrs.size())) b.last = end[static_cast<size_t>(b.last)];
}

uint64_t BufferPlan::bytes_per_row() const {
  return quantized ? QuantizedBytesPerRow(cols, group, residual) : FloatBytesPerRow(cols);
}

uint64_t PlaceBuffers(std::vector<BufferPlan>& buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return buffers[a].bytes_per_row() > buffers[b].bytes_per_row(); });
  std::vector<size_t> placed;
  uint64_t total = 0;
  for (size_t i : order) {
    BufferPlan& buffer = buffers[i];
    // Spans taken by buffers alive at the same time, by offset.
    std::vector<std::pair<uint64_t, uint64_t>> taken;
    for (size_t p : placed)
      if (buffers[p].first <= buffer.last && buffer.first <= buffers[p].last)
        taken.emplace_back(buffers[p].offset, buffers[p].offset + buffers[p].bytes_per_row());
    std::sort(taken.begin(), taken.end());
    uint64_t at = 0;
    for (const auto& [begin, end] : taken) {
      if (at + buffer.bytes_per_row() <= begin) break;
      at = std::max(at, end);
    }
    buffer.offset = at;
    total = std::max(total, at + buffer.bytes_per_row());
    placed.push_back(i);
  }
  return total;
}

}  // namespace hasten::plan
