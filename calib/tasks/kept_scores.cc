#include "calib/tasks/kept_scores.h"

#include <cstring>

namespace hasten::calib {

std::string KeyOfScores(std::string_view kind, const std::string& digest, std::span<const EncodedItem* const> items) {
  KeyBuilder key(kind);
  key.Add(digest);
  for (const EncodedItem* item : items) {
    key.Add(item->scored_from);
    for (const auto& whole : item->whole) key.Add(std::span<const int32_t>(whole));
  }
  return key.Finish();
}

std::optional<std::vector<EndingScores>> ReadScores(const Store& store, const std::string& key, std::span<const EncodedItem* const> items) {
  const auto bytes = store.Get(key);
  size_t endings = 0;
  for (const EncodedItem* item : items) endings += item->whole.size();
  if (!bytes || bytes->size() != endings * sizeof(double)) return std::nullopt;
  std::vector<EndingScores> scores;
  const std::byte* at = bytes->data();
  for (const EncodedItem* item : items) {
    EndingScores& mine = scores.emplace_back(item->whole.size());
    std::memcpy(mine.data(), at, mine.size() * sizeof(double));
    at += mine.size() * sizeof(double);
  }
  return scores;
}

void KeepScores(const Store& store, const std::string& key, std::span<const EndingScores> scores) {
  std::vector<double> all;
  for (const EndingScores& s : scores) all.insert(all.end(), s.begin(), s.end());
  store.Put(key, std::as_bytes(std::span(all)));
}

}  // namespace hasten::calib
