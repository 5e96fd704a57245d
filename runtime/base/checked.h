// Checked arithmetic: the one way to combine sizes, counts and offsets that
// came from a file. An operation that would wrap makes the value invalid, and
// it stays so; ask once, at the end, with ok().
#pragma once

#include <cstdint>
#include <optional>

namespace hasten {

class Checked {
 public:
  constexpr Checked(uint64_t v) : v_(v), ok_(true) {}  // NOLINT: implicit on purpose
  static constexpr Checked FromSigned(int64_t v) { return v < 0 ? Invalid() : Checked(static_cast<uint64_t>(v)); }
  static constexpr Checked Invalid() { Checked c(0); c.ok_ = false; return c; }

  constexpr bool ok() const { return ok_; }
  constexpr uint64_t value() const { return v_; }  // only when ok()
  constexpr std::optional<uint64_t> get() const { return ok_ ? std::optional<uint64_t>(v_) : std::nullopt; }
  // True when the value is valid and at most `limit`.
  constexpr bool AtMost(uint64_t limit) const { return ok_ && v_ <= limit; }

  friend constexpr Checked operator+(Checked a, Checked b) {
    uint64_t r = 0;
    return a.ok_ && b.ok_ && !__builtin_add_overflow(a.v_, b.v_, &r) ? Checked(r) : Invalid();
  }
  friend constexpr Checked operator*(Checked a, Checked b) {
    uint64_t r = 0;
    return a.ok_ && b.ok_ && !__builtin_mul_overflow(a.v_, b.v_, &r) ? Checked(r) : Invalid();
  }
  friend constexpr Checked operator-(Checked a, Checked b) {
    return a.ok_ && b.ok_ && a.v_ >= b.v_ ? Checked(a.v_ - b.v_) : Invalid();
  }
  // Rounds up to a multiple of `align` (a power of two or not; at least 1).
  constexpr Checked AlignUp(uint64_t align) const {
    if (align == 0) return Invalid();
    const uint64_t rest = ok_ ? v_ % align : 0;
    return rest ? *this + Checked(align - rest) : *this;
  }

 private:
  uint64_t v_;
  bool ok_;
};

}  // namespace hasten
