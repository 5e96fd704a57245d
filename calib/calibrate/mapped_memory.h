// Memory whose pages a file stands behind, so that the system can put them there when
// it needs room: what is large, long-lived and seldom read, as the codes of a whole
// model are, then bounds no model.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <string>

namespace hasten::calib {

class MappedMemory : public std::pmr::memory_resource {
 public:
  // An unnamed file of `folder`. Where there is none, or no room in it, and for what takes
  // less than 1 MB, memory is the process's own.
  explicit MappedMemory(const std::string& folder);
  ~MappedMemory() override;
  MappedMemory(const MappedMemory&) = delete;
  MappedMemory& operator=(const MappedMemory&) = delete;

  uint64_t mapped() const;   // bytes that are in use in the file

 private:
  void* do_allocate(size_t bytes, size_t alignment) override;
  void do_deallocate(void* data, size_t bytes, size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  int file_;
  mutable std::mutex mutex_;
  uint64_t end_ = 0;
  std::map<void*, std::pair<uint64_t, size_t>> stretches_;   // offset in the file and length, by address
};

}  // namespace hasten::calib
