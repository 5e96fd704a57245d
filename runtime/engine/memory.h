// Large zeroed memory straight from the operating system: 64-byte aligned,
// fenced by inaccessible pages, physically there only where it has been touched.
// For the arena and the KV pool, whose declared sizes are bounds rather than use.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/base/status.h"

namespace hasten {

class Pages {
 public:
  Pages() = default;
  // kResource when the system refuses. 0 bytes is an empty object.
  static Result<Pages> Allocate(uint64_t bytes, const char* what);
  ~Pages();
  Pages(Pages&& o) noexcept;
  Pages& operator=(Pages&& o) noexcept;

  std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace hasten
