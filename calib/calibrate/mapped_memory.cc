#include "calib/calibrate/mapped_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "calib/calibrate/spill.h"

namespace hasten::calib {
namespace {

constexpr size_t kLeast = size_t{1} << 20;
constexpr size_t kPage = 65536;   // of any system that runs it

}  // namespace

MappedMemory::MappedMemory(const std::string& folder) : file_(OpenUnnamedFile(folder)) {}

MappedMemory::~MappedMemory() {
  for (const auto& [data, stretch] : stretches_) munmap(data, stretch.second);
  if (file_ >= 0) close(file_);
}

uint64_t MappedMemory::mapped() const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const auto& [data, stretch] : stretches_) sum += stretch.second;
  return sum;
}

void* MappedMemory::do_allocate(size_t bytes, size_t alignment) {
  const std::lock_guard lock(mutex_);
  const size_t whole = bytes > SIZE_MAX - kPage ? 0 : (bytes + kPage - 1) / kPage * kPage;
  // Reserved, so that a full disk costs memory here and is no signal later.
  if (file_ >= 0 && bytes >= kLeast && whole > 0 && posix_fallocate(file_, static_cast<off_t>(end_), static_cast<off_t>(whole)) == 0) {
    void* data = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_SHARED, file_, static_cast<off_t>(end_));
    if (data != MAP_FAILED) {
      stretches_[data] = {std::exchange(end_, end_ + whole), whole};
      return data;
    }
  }
  return std::pmr::new_delete_resource()->allocate(bytes, alignment);
}

void MappedMemory::do_deallocate(void* data, size_t bytes, size_t alignment) {
  const std::lock_guard lock(mutex_);
  const auto stretch = stretches_.find(data);
  if (stretch == stretches_.end()) return std::pmr::new_delete_resource()->deallocate(data, bytes, alignment);
  munmap(data, stretch->second.second);
  // Gives the disk back early; where a file system cannot, closing does.
  (void)!fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(stretch->second.first), static_cast<off_t>(stretch->second.second));
  stretches_.erase(stretch);
}

}  // namespace hasten::calib
