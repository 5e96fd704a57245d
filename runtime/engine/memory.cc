// Anonymous mappings behind memory.h.
#include "runtime/engine/memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace hasten {

Result<Pages> Pages::Allocate(uint64_t bytes, const char* what) {
  Pages p;
  if (bytes == 0) return p;
  void* m = bytes > SIZE_MAX / 2 ? MAP_FAILED
                                 : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (m == MAP_FAILED) return ResourceError("no memory for ", what, " (", bytes, " bytes): ", std::strerror(ENOMEM));
  p.data_ = static_cast<std::byte*>(m);
  p.size_ = bytes;
  return p;
}

Pages::~Pages() {
  if (data_) munmap(data_, size_);
}

Pages::Pages(Pages&& o) noexcept : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}

Pages& Pages::operator=(Pages&& o) noexcept {
  std::swap(data_, o.data_);
  std::swap(size_, o.size_);
  return *this;
}

}  // namespace hasten
