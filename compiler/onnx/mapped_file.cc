#include "compiler/onnx/mapped_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace hasten::onnx_import {
namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  Fd& operator=(Fd&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

// O_NONBLOCK: opening a pipe must not hang; it is refused right after.
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

Status OpenError(std::string_view name, int error) {
  if (error == ENOENT || error == ENOTDIR) return BadInput(name, ": no such file");
  return ResourceError(name, ": ", std::string_view(std::strerror(error)));
}

Result<MappedFile> Map(const Fd& fd, std::string name, bool single_link) {
  struct stat st {};
  if (fstat(fd.get(), &st) != 0) return OpenError(name, errno);
  if (!S_ISREG(st.st_mode)) return BadInput(name, ": not a regular file");
  if (single_link && st.st_nlink > 1)
    return BadInput(name, ": is a hard link; external data must be a plain file in the model's folder (copy it there)");
  MappedFile file;
  file.name = std::move(name);
  const auto size = static_cast<size_t>(st.st_size);
  if (size == 0) return file;
  void* p = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (p == MAP_FAILED) return OpenError(file.name, errno);
  file.owner = std::shared_ptr<const void>(p, [size](const void* q) { munmap(const_cast<void*>(q), size); });
  file.bytes = {static_cast<const std::byte*>(p), size};
  return file;
}

// Each component opened without following links: for kernels without openat2.
int OpenComponents(int dir, const std::vector<std::string>& parts) {
  Fd at(dup(dir));
  for (size_t i = 0; at.ok() && i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    at = Fd(openat(at.get(), parts[i].c_str(), kOpenFlags | O_NOFOLLOW | (last ? 0 : O_DIRECTORY)));
  }
  return at.ok() ? dup(at.get()) : -1;
}

int OpenBeneath(int dir, const std::string& location, const std::vector<std::string>& parts) {
  open_how how{};
  how.flags = static_cast<uint64_t>(kOpenFlags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long fd = syscall(SYS_openat2, dir, location.c_str(), &how, sizeof how);
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != EINVAL)) return static_cast<int>(fd);
  return OpenComponents(dir, parts);
}

}  // namespace

Result<MappedFile> MapFile(const std::string& path) {
  const Fd fd(open(path.c_str(), kOpenFlags));
  if (!fd.ok()) return OpenError(path, errno);
  HST_ASSIGN_OR_RETURN(MappedFile file, Map(fd, path, false));
  if (file.bytes.empty()) return BadInput(path, ": the file is empty");
  return file;
}

Result<MappedFile> MapBeneath(const std::string& folder, std::string_view location) {
  const auto refuse = [&](std::string_view why) {
    return BadInput("external data \"", location, "\": ", why, "; it must be a plain file in the model's folder");
  };
  if (location.empty() || location.size() > 4096) return refuse("the name is empty or longer than 4096 bytes");
  if (location.find('\0') != location.npos) return refuse("the name holds a zero byte");
  if (location[0] == '/') return refuse("the path is absolute");
  std::vector<std::string> parts;
  for (size_t i = 0; i <= location.size();) {
    const size_t end = std::min(location.find('/', i), location.size());
    const std::string_view part = location.substr(i, end - i);
    if (part == "..") return refuse("the path leaves the folder");
    if (!part.empty() && part != ".") parts.emplace_back(part);
    i = end + 1;
  }
  if (parts.empty()) return refuse("the path names no file");
  const Fd dir(open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.ok()) return OpenError(folder, errno);
  const Fd fd(OpenBeneath(dir.get(), std::string(location), parts));
  if (!fd.ok() && (errno == ELOOP || errno == EXDEV)) return refuse("the path goes through a symbolic link");
  if (!fd.ok()) return OpenError(StrCat("external data \"", location, "\""), errno);
  return Map(fd, StrCat("external data \"", location, "\""), true);
}

Status RefuseLfsPointer(const MappedFile& file) {
  constexpr std::string_view kStart = "version https://git-lfs";
  const std::string_view start(reinterpret_cast<const char*>(file.bytes.data()), std::min(file.bytes.size(), kStart.size()));
  return start == kStart ? BadInput(file.name, ": is a Git LFS pointer, not the file itself: fetch it with git lfs pull") : Status();
}

}  // namespace hasten::onnx_import
