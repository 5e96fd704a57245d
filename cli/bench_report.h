// What `hasten bench` prints about the machine: as JSON and as tables for people.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "calib/machine/machine.h"

namespace hasten::cli {

nlohmann::ordered_json MachineJson(const calib::Machine& machine);
std::string MachineText(const calib::Machine& machine);

}  // namespace hasten::cli
