// Where a command runs an artifact: --device and --device-memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include "calib/abi/artifact.h"

namespace hasten::cli {

struct DeviceOptions {
  std::string name, memory;        // as they were given; "" when not

  bool on_cpu() const { return name.empty() || name == "cpu"; }
};

void AddDeviceOptions(CLI::App& app, DeviceOptions& device, const char* group = "");

// kUsage for a size that is none, or one without a device.
Result<calib::Place> PlaceOf(const DeviceOptions& device);

// Opens it there; says on stderr when "auto" is the CPU, and why.
Result<std::unique_ptr<calib::Artifact>> OpenOn(const std::string& path, const std::string& isa, const DeviceOptions& device);

// "8G", "512M", "1.5G": powers of 1000; "8GiB": of 1024. At least a byte.
Result<uint64_t> ParseBytes(std::string_view text, const char* option);

}  // namespace hasten::cli
