// SHA-256 (FIPS 180-4): the identity of artifact sections and of source models.
// A small implementation of our own with the processor's SHA instructions where
// it has them, because 540 MB sources are digested on every compile. Not a MAC,
// not constant-time: nothing secret is ever hashed here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace hasten {

using Sha256Digest = std::array<uint8_t, 32>;

class Sha256 {
 public:
  // With `portable` the plain C++ rounds are used even where the CPU has better
  // ones (tests compare the two).
  explicit Sha256(bool portable = false);

  void Update(std::span<const std::byte> bytes);
  void Update(const void* data, size_t size) { Update({static_cast<const std::byte*>(data), size}); }
  // Ends the message; the object must not be updated after it.
  Sha256Digest Finish();

 private:
  void Blocks(const std::byte* data, size_t blocks);

  uint32_t state_[8];
  std::byte buffer_[64];
  size_t buffered_ = 0;
  uint64_t total_ = 0;
  bool accelerated_;
};

Sha256Digest Sha256Of(std::span<const std::byte> bytes);
std::string HexDigest(std::span<const uint8_t> digest);  // lower case

}  // namespace hasten
