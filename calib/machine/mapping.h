// Memory for the probe's sweeps: pages of the process's own, small or huge, or of
// a temporary file without a name, mapped as an artifact is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/base/status.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

class Mapping {
 public:
  // `bytes` of own memory in pages of 4 KiB, with something written to every one. kResource.
  static Result<Mapping> SmallPages(uint64_t bytes, ThreadPool& pool);
  // The same in huge pages; kResource also when the kernel gives fewer of them.
  static Result<Mapping> HugePages(uint64_t bytes, ThreadPool& pool);
  // A file in the folder for temporary files with the same contents, read-only.
  static Result<Mapping> File(const Mapping& contents);
  ~Mapping();
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&&) = delete;

  const std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  Mapping() = default;
  static Result<Mapping> Anonymous(uint64_t bytes, int advice, ThreadPool& pool);
  void* mapped_ = nullptr;        // what munmap takes
  uint64_t mapped_size_ = 0;
  std::byte* data_ = nullptr;     // in it
  uint64_t size_ = 0;
};

}  // namespace hasten::calib
