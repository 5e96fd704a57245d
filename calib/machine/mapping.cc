#include "calib/machine/mapping.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calib/machine/proc.h"
#include "calib/machine/temp_folder.h"

namespace hasten::calib {
namespace {

constexpr int64_t kPage = 4096;
constexpr uint64_t kHugePage = uint64_t{2} << 20;   // of x86-64

// Bytes of this process that are in huge pages; 0 when the kernel does not say.
uint64_t HugeBytes() {
  const std::string text = ProcValue("/proc/self/smaps_rollup", "AnonHugePages");
  uint64_t kilobytes = 0;
  std::from_chars(text.data(), text.data() + text.size(), kilobytes);
  return kilobytes * 1024;
}

// An open file that disappears when it is closed; -1 with errno.
int OpenNameless() {
  std::string name = TempFolder() + "/hasten-probe-XXXXXX";
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  if (fd >= 0) unlink(name.c_str());
  return fd;
}

bool WriteAll(int fd, const std::byte* data, uint64_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n, size -= static_cast<uint64_t>(n);
  }
  return true;
}

}  // namespace

Result<Mapping> Mapping::Anonymous(uint64_t bytes, int advice, ThreadPool& pool) {
  Mapping m;
  m.mapped_size_ = bytes + kHugePage;
  void* p = mmap(nullptr, m.mapped_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return ResourceError("cannot have ", bytes, " bytes of memory to sweep: ", std::strerror(errno));
  m.mapped_ = p;
  const uint64_t address = reinterpret_cast<uintptr_t>(p), over = address % kHugePage;
  m.data_ = static_cast<std::byte*>(p) + (over ? kHugePage - over : 0), m.size_ = bytes;
  madvise(m.data_, m.size_, advice);   // a kernel without huge pages knows neither advice
  pool.Run(static_cast<int64_t>(bytes) / kPage, 256, [&](int64_t begin, int64_t end, int) {
    std::memset(m.data_ + begin * kPage, 0x5a, static_cast<size_t>((end - begin) * kPage));
  });
  return m;
}

Result<Mapping> Mapping::SmallPages(uint64_t bytes, ThreadPool& pool) { return Anonymous(bytes, MADV_NOHUGEPAGE, pool); }

Result<Mapping> Mapping::HugePages(uint64_t bytes, ThreadPool& pool) {
  const uint64_t before = HugeBytes();
  HST_ASSIGN_OR_RETURN(Mapping m, Anonymous(bytes, MADV_HUGEPAGE, pool));
  const uint64_t after = HugeBytes(), got = after - std::min(after, before);
  if (got / kHugePage * kHugePage < bytes / kHugePage * kHugePage)
    return ResourceError("of ", bytes, " bytes the kernel gave ", got, " in huge pages");
  return m;
}

Result<Mapping> Mapping::File(const Mapping& contents) {
  const auto failed = [&](const char* what) {
    return ResourceError("cannot ", what, " a temporary file of ", contents.size(), " bytes in ", TempFolder(), ": ", std::strerror(errno));
  };
  const int fd = OpenNameless();
  if (fd < 0) return failed("make");
  Mapping m;
  Status status;
  if (!WriteAll(fd, contents.data(), contents.size())) {
    status = failed("write");
  } else if (void* p = mmap(nullptr, contents.size(), PROT_READ, MAP_PRIVATE, fd, 0); p == MAP_FAILED) {
    status = failed("map");
  } else {
    m.mapped_ = p, m.mapped_size_ = contents.size();
    m.data_ = static_cast<std::byte*>(p), m.size_ = contents.size();
  }
  close(fd);
  if (!status.ok()) return status;
  return m;
}

Mapping::~Mapping() {
  if (mapped_) munmap(mapped_, mapped_size_);
}

Mapping::Mapping(Mapping&& other) noexcept
    : mapped_(std::exchange(other.mapped_, nullptr)), mapped_size_(other.mapped_size_), data_(other.data_), size_(other.size_) {}

}  // namespace hasten::calib
