// Anonymous mappings behind memory.h, between two inaccessible pages: a kernel
// that ran past the end would stop there instead of reading a neighbour.
#include "runtime/engine/memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base/checked.h"

namespace hasten {
namespace {

constexpr uint64_t kPage = 4096, kLine = 64;
constexpr uint64_t kHugeFrom = uint64_t{8} << 20;

// Of the mapping: a guard page, the memory in whole pages, a guard page.
Checked MappedBytes(uint64_t bytes) { return Checked(bytes).AlignUp(kPage) + 2 * kPage; }

}  // namespace

Result<Pages> Pages::Allocate(uint64_t bytes, const char* what) {
  Pages p;
  if (bytes == 0) return p;
  const auto refuse = [&](int error) { return ResourceError("no memory for ", what, " (", bytes, " bytes): ", std::strerror(error)); };
  const Checked lines = Checked(bytes).AlignUp(kLine), mapped = lines.ok() ? MappedBytes(lines.value()) : Checked::Invalid();
  if (!mapped.AtMost(SIZE_MAX / 2)) return refuse(ENOMEM);
  void* m = mmap(nullptr, mapped.value(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (m == MAP_FAILED) return refuse(errno);
  std::byte* const begin = static_cast<std::byte*>(m) + kPage;
  if (mprotect(begin, mapped.value() - 2 * kPage, PROT_READ | PROT_WRITE) != 0) {
    const int error = errno;
    munmap(m, mapped.value());
    return refuse(error);
  }
  // Fewer page-table walks for long caches; where there are no huge pages nothing is lost.
  if (lines.value() >= kHugeFrom) madvise(begin, mapped.value() - 2 * kPage, MADV_HUGEPAGE);
  p.size_ = lines.value();
  p.data_ = begin + (mapped.value() - 2 * kPage - p.size_);  // ends where the guard page begins
  return p;
}

Pages::~Pages() {
  if (!data_) return;
  const uint64_t mapped = MappedBytes(size_).value();
  munmap(data_ + size_ + kPage - mapped, mapped);
}

Pages::Pages(Pages&& o) noexcept : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}

Pages& Pages::operator=(Pages&& o) noexcept {
  std::swap(data_, o.data_);
  std::swap(size_, o.size_);
  return *this;
}

}  // namespace hasten
