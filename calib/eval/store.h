// A folder of results by key: what is expensive to compute and follows from digests
// alone (a model's logits of given tokens). Bounded: the oldest entries go when the
// folder grows beyond its limit. Entries that are damaged count as absent. Several
// processes may use one folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/sha256.h"
#include "runtime/base/status.h"

namespace hasten::calib {

// The key of a result: a digest of everything that it follows from.
class KeyBuilder {
 public:
  // `kind`: names the result and the version of its form.
  explicit KeyBuilder(std::string_view kind) { Add(kind); }
  KeyBuilder& Add(std::string_view text);
  KeyBuilder& Add(int64_t value);
  KeyBuilder& Add(std::span<const int32_t> tokens);
  std::string Finish() { return HexDigest(sha_.Finish()); }

 private:
  Sha256 sha_;
};

class Store {
 public:
  static constexpr uint64_t kDefaultBytes = uint64_t{4} << 30;

  // Makes the folder; its parents must be there or be makeable. "" for a store that
  // keeps nothing. kResource.
  static Result<Store> Open(std::string folder, uint64_t most_bytes = kDefaultBytes);
  // $XDG_CACHE_HOME/hasten, else ~/.cache/hasten, else "".
  static std::string DefaultFolder();

  std::optional<std::vector<std::byte>> Get(const std::string& key) const;
  // An entry that cannot be written (no space) is not kept; nothing else is affected.
  void Put(const std::string& key, std::span<const std::byte> bytes) const;

 private:
  void Prune(uint64_t coming) const;
  std::string folder_;
  uint64_t most_bytes_ = 0;
};

}  // namespace hasten::calib
