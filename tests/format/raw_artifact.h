// An artifact as bytes, for tests that damage it: entries can be changed and the
// digests made right again, as an attacker would. Opened from memory, so that
// thousands of mutations do not wait for a disk.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/sha256.h"
#include "runtime/base/status.h"
#include "runtime/format/layout.h"

namespace hasten::testing {

struct RawArtifact {
  std::vector<char> bytes;

  static RawArtifact Read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::vector<char>(std::istreambuf_iterator<char>(in), {})};
  }
  FileHeader Header() const {
    FileHeader h;
    std::memcpy(&h, bytes.data(), sizeof h);
    return h;
  }
  void SetHeader(const FileHeader& h) { std::memcpy(bytes.data(), &h, sizeof h); }
  SectionEntry Entry(uint32_t i) const {
    SectionEntry e;
    std::memcpy(&e, bytes.data() + Header().table_offset + i * sizeof e, sizeof e);
    return e;
  }
  void SetEntry(uint32_t i, const SectionEntry& e) { std::memcpy(bytes.data() + Header().table_offset + i * sizeof e, &e, sizeof e); }
  std::span<char> Section(uint32_t i) { return std::span(bytes).subspan(Entry(i).offset, Entry(i).size); }

  // Recomputes the digest of header and table.
  void Sign() {
    FileHeader h = Header();
    std::memset(h.digest, 0, sizeof h.digest);
    Sha256 s;
    s.Update(&h, sizeof h);
    if (h.table_offset <= bytes.size()) s.Update(bytes.data() + h.table_offset, bytes.size() - h.table_offset);
    const Sha256Digest d = s.Finish();
    std::memcpy(bytes.data() + offsetof(FileHeader, digest), d.data(), d.size());
  }
  void SignSection(uint32_t i) {
    SectionEntry e = Entry(i);
    const Sha256Digest d = Sha256Of(std::as_bytes(Section(i)));
    std::copy(d.begin(), d.end(), e.digest);
    SetEntry(i, e);
    Sign();
  }
};

// A file in memory with a path that can be opened.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("artifact", MFD_CLOEXEC)) {}
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return StrCat("/proc/self/fd/", fd_); }
  bool Set(std::span<const char> bytes) {
    return pwrite(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()) && ftruncate(fd_, static_cast<off_t>(bytes.size())) == 0;
  }

 private:
  int fd_;
};

}  // namespace hasten::testing
