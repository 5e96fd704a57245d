// A model's constants on a device: the weights as they are in the file, which the
// kernels read as they are, and what else of the file a kernel reads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/device.h"
#include "runtime/format/artifact.h"

namespace hasten {

class DeviceModel {
 public:
  // Copies the weights through page-locked memory, reading the file while the piece before
  // is on its way. `layers`: slopes in the host's memory become addresses on the device.
  static Result<std::unique_ptr<DeviceModel>> Load(std::shared_ptr<Device> device, const ArtifactFile& file,
                                                   std::span<const AttentionShape> layers);

  Device& device() const { return *device_; }
  std::span<const std::byte> weights() const { return {weights_.data(), bytes_}; }
  std::span<const AttentionShape> layers() const { return layers_; }
  double upload_seconds() const { return upload_seconds_; }

 private:
  DeviceModel() = default;
  Status Upload(std::span<const std::byte> from, std::byte* to);

  std::shared_ptr<Device> device_;
  std::unique_ptr<Queue> queue_;
  DeviceMemory weights_, slopes_;
  uint64_t bytes_ = 0;
  std::vector<AttentionShape> layers_;
  double upload_seconds_ = 0;
};

// Copies fp32 values to a device's memory, and waits.
Status UploadFloats(Device& device, Queue& queue, std::span<const float> values, std::byte* to, const char* what);

}  // namespace hasten
