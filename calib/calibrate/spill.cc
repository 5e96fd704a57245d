#include "calib/calibrate/spill.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace hasten::calib {
namespace {

Status IoError(const char* what) {
  return ResourceError("calibration: cannot ", what, " the samples' values on disk: ", std::strerror(errno),
                       "; set TMPDIR to a folder with room, or give fewer --samples");
}

}  // namespace

int OpenUnnamedFile(const std::string& folder) {
  const int file = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  std::string name = folder + "/.hasten-XXXXXX";   // a file system without unnamed files
  const int named = mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) unlink(name.c_str());
  return named;
}

std::string TemporaryFolder(const std::string& output) {
  const char* tmp = std::getenv("TMPDIR");
  const std::string beside = std::filesystem::path(output).parent_path().string();
  return tmp && *tmp ? tmp : beside.empty() ? "." : beside;
}

Result<std::unique_ptr<Spill>> Spill::Create(const std::string& folder) {
  const int file = OpenUnnamedFile(folder);
  if (file < 0) return ResourceError(folder, ": cannot make a temporary file for calibration: ", std::strerror(errno));
  return std::unique_ptr<Spill>(new Spill(file));
}

Spill::~Spill() { close(file_); }

Result<Spill::Place> Spill::Put(const ir::Tensor& tensor) {
  Place place{tensor.dtype(), tensor.dims(), end_.fetch_add(tensor.bytes())};
  size_t done = 0;
  while (done < tensor.bytes()) {
    const ssize_t wrote = pwrite(file_, tensor.raw() + done, tensor.bytes() - done, static_cast<off_t>(place.offset + done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return IoError("keep");
    done += static_cast<size_t>(wrote);
  }
  return place;
}

Result<ir::Tensor> Spill::Get(const Place& place) const {
  HST_ASSIGN_OR_RETURN(ir::Tensor tensor, ir::Tensor::Uninitialized(place.dtype, place.dims));
  size_t done = 0;
  while (done < tensor.bytes()) {
    const ssize_t got = pread(file_, tensor.mutable_raw() + done, tensor.bytes() - done, static_cast<off_t>(place.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return IoError("read");
    done += static_cast<size_t>(got);
  }
  return tensor;
}

Status Spill::Clear() {
  end_ = 0;
  if (ftruncate(file_, 0) != 0) return IoError("free");
  return {};
}

}  // namespace hasten::calib
