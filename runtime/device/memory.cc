// What owns a device's memory.
#include "runtime/device/device.h"

#include <utility>

namespace hasten {

DeviceMemory::~DeviceMemory() {
  if (data_) device_->Free(data_, size_, host_);
}

DeviceMemory::DeviceMemory(DeviceMemory&& o) noexcept
    : device_(std::move(o.device_)), data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)), host_(o.host_) {}

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& o) noexcept {
  std::swap(device_, o.device_), std::swap(data_, o.data_), std::swap(size_, o.size_), std::swap(host_, o.host_);
  return *this;
}

}  // namespace hasten
