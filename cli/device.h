// The --device option of commands that run an artifact.
#pragma once

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "calib/abi/artifact.h"
#include "cli/terminal.h"

namespace hasten::cli {

inline void AddDeviceOption(CLI::App& app, std::string& device, const char* group = "") {
  CLI::Option* option = app.add_option("--device", device, "Where it runs, with the same bits: cpu, cuda, cuda:N, or auto (CUDA where it can be used) [cpu]")
                            ->type_name("DEVICE");
  if (*group) option->group(group);
}

// Opens it there; says on stderr when "auto" is the CPU, and why.
inline Result<std::unique_ptr<calib::Artifact>> OpenOn(const std::string& path, const std::string& isa, const std::string& device) {
  HST_ASSIGN_OR_RETURN(std::unique_ptr<calib::Artifact> artifact, calib::Artifact::Open(path, isa, device));
  if (!artifact->info().fallback.empty()) Note(artifact->info().fallback);
  return artifact;
}

}  // namespace hasten::cli
