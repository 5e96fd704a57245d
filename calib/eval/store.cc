#include "calib/eval/store.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "calib/data/text_file.h"

namespace hasten::calib {
namespace {

namespace fs = std::filesystem;
constexpr const char* kSuffix = ".result";
constexpr size_t kDigestBytes = sizeof(Sha256Digest);

}  // namespace

KeyBuilder& KeyBuilder::Add(std::string_view text) {
  Add(static_cast<int64_t>(text.size()));
  sha_.Update(text.data(), text.size());
  return *this;
}

KeyBuilder& KeyBuilder::Add(int64_t value) {
  sha_.Update(&value, sizeof(value));
  return *this;
}

KeyBuilder& KeyBuilder::Add(std::span<const int32_t> tokens) {
  Add(static_cast<int64_t>(tokens.size()));
  sha_.Update(tokens.data(), tokens.size_bytes());
  return *this;
}

std::string Store::DefaultFolder() {
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg && *xdg) return std::string(xdg) + "/hasten";
  if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.cache/hasten";
  return "";
}

Result<Store> Store::Open(std::string folder, uint64_t most_bytes) {
  Store store;
  store.folder_ = std::move(folder);
  store.most_bytes_ = most_bytes;
  if (store.folder_.empty()) return store;
  std::error_code error;
  fs::create_directories(store.folder_, error);
  if (error || !fs::is_directory(store.folder_, error)) return ResourceError("cannot make the cache folder ", store.folder_, ": ", error.message());
  return store;
}

std::optional<std::vector<std::byte>> Store::Get(const std::string& key) const {
  if (folder_.empty()) return std::nullopt;
  const std::string path = folder_ + "/" + key + kSuffix;
  const Result<std::optional<std::string>> file = ReadFileIfPresent(path, most_bytes_);
  if (!file.ok() || !*file || (*file)->size() < kDigestBytes) return std::nullopt;
  const auto all = std::as_bytes(std::span(**file));
  const auto body = all.first(all.size() - kDigestBytes);
  const Sha256Digest digest = Sha256Of(body);
  if (std::memcmp(digest.data(), all.data() + body.size(), kDigestBytes) != 0) return std::nullopt;
  std::error_code ignored;
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);   // the least recently used go first
  return std::vector<std::byte>(body.begin(), body.end());
}

void Store::Put(const std::string& key, std::span<const std::byte> bytes) const {
  if (folder_.empty() || bytes.size() + kDigestBytes > most_bytes_) return;
  Prune(bytes.size() + kDigestBytes);
  const std::string path = folder_ + "/" + key + kSuffix, temporary = path + "." + std::to_string(getpid()) + ".tmp";
  std::ofstream out(temporary, std::ios::binary);
  const Sha256Digest digest = Sha256Of(bytes);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.write(reinterpret_cast<const char*>(digest.data()), kDigestBytes);
  out.close();
  if (!out || std::rename(temporary.c_str(), path.c_str()) != 0) std::remove(temporary.c_str());
}

void Store::Prune(uint64_t coming) const {
  struct Entry {
    fs::file_time_type time;
    uint64_t bytes;
    fs::path path;
  };
  std::vector<Entry> entries;
  uint64_t total = coming;
  std::error_code error;
  for (const fs::directory_entry& e : fs::directory_iterator(folder_, error)) {
    if (e.path().extension() != kSuffix) continue;
    const uint64_t bytes = e.file_size(error);
    if (error) continue;
    entries.push_back({e.last_write_time(error), bytes, e.path()});
    total += bytes;
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.time < b.time; });
  for (const Entry& e : entries) {
    if (total <= most_bytes_) break;
    if (fs::remove(e.path, error)) total -= e.bytes;
  }
}

}  // namespace hasten::calib
