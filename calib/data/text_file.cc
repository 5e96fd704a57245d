#include "calib/data/text_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hasten::calib {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<std::string> ReadAll(const std::string& path, int fd, uint64_t max_bytes) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ResourceError("cannot read ", path, ": ", std::strerror(errno));
  if (S_ISDIR(info.st_mode)) return BadInput(path, ": is a folder, not a file");
  if (!S_ISREG(info.st_mode)) return BadInput(path, ": not a regular file");
  const uint64_t size = static_cast<uint64_t>(info.st_size);
  if (size > max_bytes) return BadInput(path, ": ", size, " bytes, at most ", max_bytes, " are read");
  std::string text(size, '\0');
  for (uint64_t done = 0; done < size;) {
    const ssize_t got = read(fd, text.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ResourceError("cannot read ", path, ": ", std::strerror(errno));
    if (got == 0) return BadInput(path, ": became shorter while it was read");
    done += static_cast<uint64_t>(got);
  }
  return text;
}

}  // namespace

Result<std::optional<std::string>> ReadFileIfPresent(const std::string& path, uint64_t max_bytes) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::string>();
    return ResourceError("cannot open ", path, ": ", std::strerror(errno));
  }
  HST_ASSIGN_OR_RETURN(std::string text, ReadAll(path, fd.get(), max_bytes));
  return std::optional<std::string>(std::move(text));
}

Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes) {
  HST_ASSIGN_OR_RETURN(std::optional<std::string> text, ReadFileIfPresent(path, max_bytes));
  if (!text) return ResourceError("cannot open ", path, ": no such file");
  return *std::move(text);
}

}  // namespace hasten::calib
