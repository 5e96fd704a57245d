// Memory of a device that was planned for a purpose, and more of its own where a call turns
// out to need that.
#pragma once

#include "runtime/device/device.h"

namespace hasten {

// At least so many bytes in the host's memory; what it held is not kept when it moves. kResource.
inline Status GrowHost(DeviceMemory& memory, uint64_t bytes, Device& device, const char* what) {
  if (bytes <= memory.size()) return {};
  memory = {};
  HST_ASSIGN_OR_RETURN(memory, device.AllocateHost(bytes, what));
  return {};
}

class PlannedMemory {
 public:
  // What was planned; it outlives this.
  void Use(std::span<std::byte> planned) { planned_ = planned; }
  // At least so many bytes; what it held is not kept when it moves. kResource.
  Status Grow(uint64_t bytes, Device& device, const char* what) {
    if (bytes <= size()) return {};
    more_ = {};
    HST_ASSIGN_OR_RETURN(more_, device.Allocate(bytes, what));
    return {};
  }
  std::byte* data() const { return more_.size() ? more_.data() : planned_.data(); }
  uint64_t size() const { return more_.size() ? more_.size() : planned_.size(); }

 private:
  std::span<std::byte> planned_;
  DeviceMemory more_;
};

}  // namespace hasten
