#include "calib/equalize/weight_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "calib/calibrate/spill.h"
#include "runtime/base/checked.h"

namespace hasten::calib {
namespace {

constexpr uint64_t kPage = 65536;   // of any system that runs it

// A mapped stretch of the file.
struct Stretch {
  std::shared_ptr<const int> file;
  void* data = nullptr;
  uint64_t offset = 0, bytes = 0;
  ~Stretch() {
    munmap(data, bytes);
    // Gives the disk back early; where a file system cannot, closing does.
    (void)!fallocate(*file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(bytes));
  }
};

Status NoRoom(int error) {
  return ResourceError("equalization: no room for rewritten weights on disk: ", std::strerror(error), "; set TMPDIR to a folder with room, or take --equalize none");
}

}  // namespace

Result<std::unique_ptr<WeightFile>> WeightFile::Create(const std::string& folder) {
  const int file = OpenUnnamedFile(folder);
  if (file < 0) return ResourceError(folder, ": cannot make a temporary file for equalization: ", std::strerror(errno));
  return std::unique_ptr<WeightFile>(new WeightFile(std::shared_ptr<const int>(new int(file), [](const int* f) { close(*f), delete f; })));
}

Result<ir::Tensor> WeightFile::Make(int64_t n, int64_t k, const std::function<Status(float*)>& fill) {
  const Checked bytes = (Checked(static_cast<uint64_t>(n)) * static_cast<uint64_t>(k) * sizeof(float)).AlignUp(kPage);
  if (n < 1 || k < 1 || !bytes.ok()) return UsageError("equalization: a matrix of ", n, " x ", k);
  // Reserved, so that a full disk is an error here and no signal later.
  if (const int error = posix_fallocate(*file_, static_cast<off_t>(end_), static_cast<off_t>(bytes.value()))) return NoRoom(error);
  void* data = mmap(nullptr, bytes.value(), PROT_READ | PROT_WRITE, MAP_SHARED, *file_, static_cast<off_t>(end_));
  if (data == MAP_FAILED) return NoRoom(errno);
  const auto stretch = std::make_shared<Stretch>();
  stretch->file = file_, stretch->data = data, stretch->offset = end_, stretch->bytes = bytes.value();
  end_ += bytes.value();
  HST_RETURN_IF_ERROR(fill(static_cast<float*>(data)));
  // Not this process's memory until it is read again.
  madvise(data, bytes.value(), MADV_DONTNEED);
  return ir::Tensor::View(DType::kF32, {n, k}, static_cast<const std::byte*>(data), stretch);
}

}  // namespace hasten::calib
