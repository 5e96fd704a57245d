// Checks of the packed tables, and look-ups in them.
#include "runtime/engine/tokenizer/packed.h"

#include <algorithm>
#include <bit>

#include "runtime/format/tokenizer_generated.h"

namespace hasten::tok {
namespace {

template <class T>
std::span<const T> Span(const flatbuffers::Vector<T>* v) {
  return v ? std::span<const T>(v->data(), v->size()) : std::span<const T>();
}

// A slot table is usable when probing ends (some slot is empty) and points inside.
Status CheckSlots(std::span<const uint32_t> slots, uint64_t entries, std::string_view what) {
  if (slots.empty() || !std::has_single_bit(slots.size()) || slots.size() > 4ull * kMaxVocab)
    return BadInput("tokenizer: ", what, " has ", slots.size(), " hash slots, needs a power of two");
  size_t used = 0;
  for (const uint32_t s : slots) {
    if (s > entries) return BadInput("tokenizer: ", what, " hash slot points to entry ", s, " of ", entries);
    used += s != 0;
  }
  if (used == slots.size()) return BadInput("tokenizer: ", what, " hash table is full");
  return {};
}

}  // namespace

Result<VocabView> VocabView::Make(const tokfb::Vocab& packed) {
  VocabView v;
  const auto offsets = Span(packed.offsets());
  if (offsets.empty() || offsets.size() - 1 > kMaxVocab)
    return BadInput("tokenizer: vocabulary has ", offsets.size(), " offsets, needs 1 to ", kMaxVocab + 1);
  if (offsets.front() != 0 || !std::is_sorted(offsets.begin(), offsets.end()) ||
      offsets.back() != packed.bytes()->size())
    return BadInput("tokenizer: vocabulary offsets do not cover its ", packed.bytes()->size(), " bytes in order");
  v.bytes_ = reinterpret_cast<const char*>(packed.bytes()->data());
  v.offsets_ = offsets.data();
  v.size_ = static_cast<uint32_t>(offsets.size() - 1);
  v.holes_ = Span(packed.holes());
  if (!std::is_sorted(v.holes_.begin(), v.holes_.end())) return BadInput("tokenizer: vocabulary holes are not sorted");
  v.slots_ = Span(packed.slots());
  HST_RETURN_IF_ERROR(CheckSlots(v.slots_, v.size_, "vocabulary"));
  return v;
}

bool VocabView::Has(uint32_t id) const {
  return id < size_ && (holes_.empty() || !std::binary_search(holes_.begin(), holes_.end(), id));
}

int32_t VocabView::Find(std::string_view piece) const {
  const uint64_t mask = slots_.size() - 1;
  for (uint64_t at = HashBytes(piece) & mask; slots_[at] != 0; at = (at + 1) & mask) {
    const uint32_t id = slots_[at] - 1;
    if (Piece(id) == piece) return static_cast<int32_t>(id);
  }
  return -1;
}

Result<MergeView> MergeView::Make(const tokfb::Model& packed, uint32_t vocab_size) {
  MergeView v;
  const auto* merges = packed.merges();
  const uint32_t count = merges ? merges->size() : 0;
  if (count > 4 * kMaxVocab) return BadInput("tokenizer: ", count, " merges, at most ", 4 * kMaxVocab);
  v.merges_ = count ? reinterpret_cast<const tokfb::Merge*>(merges->Data()) : nullptr;
  for (uint32_t i = 0; i < count; ++i) {
    const tokfb::Merge& m = v.merges_[i];
    if (m.left() >= vocab_size || m.right() >= vocab_size || m.result() >= vocab_size)
      return BadInput("tokenizer: merge ", i, " names a token beyond the vocabulary of ", vocab_size);
  }
  v.slots_ = Span(packed.merge_slots());
  HST_RETURN_IF_ERROR(CheckSlots(v.slots_, count, "merges"));
  return v;
}

int32_t MergeView::Rank(uint32_t left, uint32_t right) const {
  const uint64_t mask = slots_.size() - 1;
  for (uint64_t at = HashPair(left, right) & mask; slots_[at] != 0; at = (at + 1) & mask) {
    const tokfb::Merge& m = merges_[slots_[at] - 1];
    if (m.left() == left && m.right() == right) return static_cast<int32_t>(slots_[at] - 1);
  }
  return -1;
}

uint32_t MergeView::ResultOf(int32_t rank) const { return merges_[rank].result(); }

Result<TrieView> TrieView::Make(const tokfb::Trie& packed, uint32_t vocab_size) {
  TrieView t(Span(packed.labels()), Span(packed.first_child()), Span(packed.values()));
  const size_t n = t.values_.size();
  if (n == 0 || n > (1u << 28) || t.labels_.size() != n || t.first_child_.size() != n + 1 || t.first_child_[0] != 1 ||
      t.first_child_[n] != n)
    return BadInput("tokenizer: trie arrays do not match (", n, " nodes)");
  for (size_t i = 0; i < n; ++i) {
    // Children come later than their parent, so that every walk ends.
    if (t.first_child_[i] <= i || t.first_child_[i] > t.first_child_[i + 1])
      return BadInput("tokenizer: trie node ", i, " has children out of order");
    if (t.values_[i] < -1 || (t.values_[i] >= 0 && static_cast<uint32_t>(t.values_[i]) >= vocab_size))
      return BadInput("tokenizer: trie node ", i, " names token ", t.values_[i], " of ", vocab_size);
  }
  return t;
}

uint32_t TrieView::Child(uint32_t node, uint8_t label) const {
  uint32_t lo = first_child_[node], hi = first_child_[node + 1];
  while (hi - lo > 8) {
    const uint32_t mid = lo + (hi - lo) / 2;
    (labels_[mid] <= label ? lo : hi) = mid;
  }
  for (; lo < hi; ++lo)
    if (labels_[lo] == label) return lo;
  return 0;
}

uint32_t TrieView::Walk(std::string_view s) const {
  uint32_t node = 0;
  for (const char c : s) {
    node = Child(node, static_cast<uint8_t>(c));
    if (node == 0) return 0;
  }
  return node;
}

TrieArrays TrieArrays::Build(std::vector<std::pair<std::string, int32_t>> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  entries.erase(std::unique(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first == b.first; }),
                entries.end());
  // A node is a run of sorted entries that share their first `depth` bytes.
  struct Run {
    size_t begin, end, depth;
  };
  TrieArrays t;
  std::vector<Run> nodes{{0, entries.size(), 0}};
  t.labels.push_back(0);
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Run run = nodes[i];
    size_t at = run.begin;
    const bool ends = at < run.end && entries[at].first.size() == run.depth;
    t.values.push_back(ends ? entries[at].second : -1);
    at += ends;
    t.first_child.push_back(static_cast<uint32_t>(nodes.size()));
    while (at < run.end) {
      const char label = entries[at].first[run.depth];
      size_t stop = at;
      while (stop < run.end && entries[stop].first[run.depth] == label) ++stop;
      nodes.push_back({at, stop, run.depth + 1});
      t.labels.push_back(static_cast<uint8_t>(label));
      at = stop;
    }
  }
  t.first_child.push_back(static_cast<uint32_t>(nodes.size()));
  return t;
}

}  // namespace hasten::tok
