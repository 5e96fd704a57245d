// Read-only memory-mapped files: the model, and external data beneath its
// folder. External data is never followed out of that folder, by "..", an
// absolute path, a symbolic link or a hard link (a stranger's model names it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace hasten::onnx_import {

struct MappedFile {
  std::string name;                   // as messages show it
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  // unmaps when the last view is gone
};

// A regular file, whole. Symbolic links are followed: the user named this path.
// kBadInput for folders, devices, pipes and empty files, kResource for I/O.
Result<MappedFile> MapFile(const std::string& path);

// kBadInput when the file is a Git LFS pointer: the text that stands for a large
// file until it is fetched.
Status RefuseLfsPointer(const MappedFile& file);

// `location` is relative to `folder` ("" is the working folder); the file must
// be regular, have one link, and lie beneath the folder.
Result<MappedFile> MapBeneath(const std::string& folder, std::string_view location);

}  // namespace hasten::onnx_import
