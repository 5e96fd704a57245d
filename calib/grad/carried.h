// One tensor of each sample, from block to block of a network: in memory up to a bound,
// beyond it in an unnamed file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "calib/calibrate/spill.h"

namespace hasten::calib {

class Carried {
 public:
  // kResource when the file cannot be made.
  static Result<Carried> Create(int64_t samples, uint64_t resident_bytes, const std::string& folder) {
    Carried carried(samples, resident_bytes);
    HST_ASSIGN_OR_RETURN(carried.current_, Spill::Create(folder));
    HST_ASSIGN_OR_RETURN(carried.coming_, Spill::Create(folder));
    return carried;
  }

  Result<ir::Tensor> Get(int64_t sample) const {
    const Held& held = held_[static_cast<size_t>(sample)];
    if (held.place.dtype == DType::kInvalid) return held.tensor;
    return current_->Get(held.place);
  }
  // The sample's tensor of the next block. All samples are put, in order, then Turn is called.
  Status Put(int64_t sample, ir::Tensor tensor) {
    Held& next = next_[static_cast<size_t>(sample)];
    next = {};
    if ((bytes_ += tensor.bytes()) <= resident_bytes_) {
      next.tensor = std::move(tensor);
    } else {
      HST_ASSIGN_OR_RETURN(next.place, coming_->Put(tensor));
    }
    return {};
  }
  Status Turn() {
    std::swap(held_, next_);
    std::swap(current_, coming_);
    next_.assign(held_.size(), {});
    bytes_ = 0;
    return coming_->Clear();
  }

 private:
  struct Held {
    ir::Tensor tensor;
    Spill::Place place;   // where it is on disk
  };
  Carried(int64_t samples, uint64_t resident_bytes) : resident_bytes_(resident_bytes), held_(static_cast<size_t>(samples)), next_(held_) {}

  uint64_t resident_bytes_, bytes_ = 0;
  std::vector<Held> held_, next_;
  std::unique_ptr<Spill> current_, coming_;
};

}  // namespace hasten::calib
