// The runner's per-thread scratch.
#include "runtime/engine/step.h"

#include <cstdlib>
#include <new>

namespace hasten {

Runner::Runner(std::unique_ptr<ThreadPool> pool) : pool_(std::move(pool)), scratch_(static_cast<size_t>(pool_->threads())) {}

void Runner::Free::operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{64}); }

void Runner::Reserve(size_t bytes) {
  if (bytes <= scratch_bytes_) return;
  for (auto& s : scratch_) {
    s.reset();
    s.reset(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{64})));
  }
  scratch_bytes_ = bytes;
}

std::byte* Runner::Shared(size_t bytes) {
  if (bytes > shared_bytes_) {
    shared_.reset();
    shared_bytes_ = 0;
    shared_.reset(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{64})));
    shared_bytes_ = bytes;
  }
  return shared_.get();
}

}  // namespace hasten
