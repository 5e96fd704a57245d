// Context: the rows that an Evaluate made. What a device made stays there until it is
// asked for.
#include "runtime/engine/context.h"

namespace hasten {

Result<const Context::Piece*> Context::PieceOf(size_t item, size_t output) const {
  if (item >= items_ || output >= stores_.size())
    return UsageError("output ", output, " of item ", item, ": the last evaluate had ", items_, " items and ", stores_.size(), " outputs");
  return &pieces_[item * stores_.size() + output];
}

Result<OutputRows> Context::Output(size_t item, size_t output) {
  HST_ASSIGN_OR_RETURN(const Piece* const piece, PieceOf(item, output));
  const int64_t cols = model_->program().outputs()->Get(static_cast<uint32_t>(output))->view()->cols();
  if (!device_ || piece->rows == 0) return OutputRows{piece->data, piece->rows, cols, piece->stride};
  const size_t index = item * stores_.size() + output;
  if (fetched_.size() <= index) fetched_.resize(index + 1);
  DeviceMemory& rows = fetched_[index];
  if (!is_fetched_[index]) {
    // To the end of the last row's columns: what lies behind may be nothing's.
    const uint64_t bytes = static_cast<uint64_t>((piece->rows - 1) * piece->stride + cols) * sizeof(float);
    HST_RETURN_IF_ERROR(GrowHost(rows, bytes, device_->device(), "output rows"));
    device_->queue().Download(rows.data(), reinterpret_cast<const std::byte*>(piece->data), bytes);
    HST_RETURN_IF_ERROR(device_->Wait());
    is_fetched_[index] = true;
  }
  return OutputRows{reinterpret_cast<const float*>(rows.data()), piece->rows, cols, piece->stride};
}

}  // namespace hasten
