// What `hasten bench` prints about the machine and about a profile: as JSON and
// as tables for people.
#pragma once

#include <span>
#include <string>

#include <nlohmann/json.hpp>

#include "calib/machine/machine.h"
#include "calib/profile/profile.h"

namespace hasten::cli {

nlohmann::ordered_json MachineJson(const calib::Machine& machine);
std::string MachineText(const calib::Machine& machine);

struct ProfileReport {
  std::span<const calib::PhaseProfile> phases;
  const calib::Machine& machine;   // measured with `threads`
  int threads;
  Isa isa;                         // of the kernels
};

nlohmann::ordered_json ProfileJson(const ProfileReport& report);
std::string ProfileText(const ProfileReport& report);

}  // namespace hasten::cli
