#include "cli/device.h"

#include <charconv>
#include <cmath>

#include "cli/terminal.h"

namespace hasten::cli {

void AddDeviceOptions(CLI::App& app, DeviceOptions& device, const char* group) {
  CLI::Option* where = app.add_option("--device", device.name, "Where it runs, with the same bits: cpu, cuda, cuda:N, or auto (CUDA where it can be used) [cpu]")
                           ->type_name("DEVICE");
  CLI::Option* memory = app.add_option("--device-memory", device.memory, "The most memory that it takes of the device, such as 8G or 512M [all]")->type_name("SIZE");
  if (*group) where->group(group), memory->group(group);
}

Result<calib::Place> PlaceOf(const DeviceOptions& device) {
  calib::Place place{device.name, 0};
  if (device.memory.empty()) return place;
  if (device.on_cpu()) return UsageError("--device-memory limits what is taken of a device; give --device with it");
  HST_ASSIGN_OR_RETURN(place.memory, ParseBytes(device.memory, "--device-memory"));
  return place;
}

Result<std::unique_ptr<calib::Artifact>> OpenOn(const std::string& path, const std::string& isa, const DeviceOptions& device) {
  HST_ASSIGN_OR_RETURN(const calib::Place place, PlaceOf(device));
  HST_ASSIGN_OR_RETURN(std::unique_ptr<calib::Artifact> artifact, calib::Artifact::Open(path, isa, place));
  if (!artifact->info().fallback.empty()) Note(artifact->info().fallback);
  return artifact;
}

Result<uint64_t> ParseBytes(std::string_view text, const char* option) {
  double value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  std::string_view unit(at, static_cast<size_t>(text.data() + text.size() - at));
  if (unit.ends_with('B')) unit.remove_suffix(1);
  const double base = unit.size() == 2 && unit[1] == 'i' ? 1024 : 1000;
  if (base == 1024) unit.remove_suffix(1);
  const size_t power = unit.empty() ? 0 : std::string_view("KMGT").find(unit) + 1;   // 0: none of them
  const double bytes = std::floor(value * std::pow(base, static_cast<double>(power)));
  if (error != std::errc() || (!unit.empty() && (unit.size() > 1 || power == 0)) || !(bytes >= 1) || bytes > 1e18)
    return UsageError(option, " ", text, ": a size is a number with K, M, G or T behind it, such as 8G or 512M");
  return static_cast<uint64_t>(bytes);
}

}  // namespace hasten::cli
