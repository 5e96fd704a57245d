// A step of attention over several sequences: with its caches on the host and the scalar
// row's result, and its arrays on the device.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <vector>

#include "runtime/kernels/attention/cuda/plan.h"
#include "runtime/kernels/attention/tile.h"
#include "tests/device/test_device.h"
#include "tests/kernels/attention/attention_fixture.h"

namespace hasten::testing {

struct Part {
  int64_t past, rows;
};

// A step of sequences with their caches on the host, and the scalar row's result.
struct HostStep {
  AttentionShape s;
  std::vector<Part> parts;
  std::vector<TestSequence> sequences;
  std::vector<float> q, want;   // rows of q_stride and out_stride
  int64_t rows = 0, q_stride = 0, out_stride = 0;
  int empty_tiles = 0;          // on the device, as a graph has where fewer sequences come than it was made for
};

using Change = std::function<void(std::vector<TestSequence>&)>;

inline HostStep MakeStep(const AttentionShape& s, const std::vector<Part>& parts, const Change& change = {}) {
  HostStep h{s, parts, {}, {}, {}};
  h.q_stride = s.heads * s.head_dim + 3, h.out_stride = s.heads * s.v_head_dim + 1;
  for (const Part& p : parts) h.sequences.push_back(MakeSequence(s, p.past + p.rows, static_cast<uint64_t>(p.past * 100 + p.rows)));
  if (change) change(h.sequences);
  std::vector<SequenceView> views;
  for (size_t i = 0; i < parts.size(); ++i) {
    const TestSequence& t = h.sequences[i];
    const SequenceView all{0, t.length, 0, t.page_list.data()};
    const KvAppendArgs append{s, {&all, 1}, t.k.data(), t.v.data(), s.kv_heads * s.head_dim, s.kv_heads * s.v_head_dim, {}, {}};
    RunShuffled(ScalarAppend(), append, 1);
    views.push_back({h.rows, parts[i].rows, parts[i].past, t.page_list.data()});
    h.rows += parts[i].rows;
    const int64_t width = s.heads * s.head_dim;
    for (int64_t p = parts[i].past; p < t.length; ++p) {
      h.q.insert(h.q.end(), t.q.begin() + p * width, t.q.begin() + (p + 1) * width);
      h.q.insert(h.q.end(), 3, NAN);
    }
  }
  h.want.assign(static_cast<size_t>(h.rows * h.out_stride), -7.0f);
  AttentionArgs a = ArgsOf(s);
  a.sequences = views, a.q = h.q.data(), a.q_stride = h.q_stride, a.out = h.want.data(), a.out_stride = h.out_stride;
  RunShuffled(ScalarAttend(), a, 1);
  return h;
}

// The step's arrays on the device: the layer's pages are the second of two in each block,
// and blocks have shuffled numbers.
class DeviceStep {
 public:
  explicit DeviceStep(const HostStep& h) : h_(h) {
    Rng rng(5);
    const size_t page = KvPageBytes(h.s), block_bytes = 2 * page + 64;
    std::vector<int32_t> blocks;
    std::vector<PagedSequence> sequences;
    std::vector<const std::byte*> pages;
    int32_t row = 0;
    for (size_t i = 0; i < h.parts.size(); ++i) {
      const auto rows = static_cast<int32_t>(h.parts[i].rows), past = static_cast<int32_t>(h.parts[i].past);
      sequences.push_back({row, rows, past, static_cast<int32_t>(pages.size())});
      row += rows;
      most_keys_ = std::max<int64_t>(most_keys_, past + rows);
      pages.insert(pages.end(), h.sequences[i].page_list.begin(), h.sequences[i].page_list.end());
    }
    for (size_t i = 0; i < pages.size(); ++i) blocks.push_back(static_cast<int32_t>(i));
    for (size_t i = blocks.size(); i > 1; --i)
      std::swap(blocks[i - 1], blocks[static_cast<size_t>(rng.Below(static_cast<int64_t>(i)))]);
    std::vector<std::byte> cache(pages.size() * block_bytes, std::byte{0xff});
    for (size_t i = 0; i < pages.size(); ++i)
      std::memcpy(cache.data() + static_cast<size_t>(blocks[i]) * block_bytes + page + 64, pages[i], page);
    // Pages before the first that a row sees, and those behind the last, are nowhere.
    for (size_t i = 0; i < h.parts.size(); ++i) {
      if (h.parts[i].rows == 0) continue;
      const int64_t seen = VisibleKeys(h.s, h.parts[i].past + h.parts[i].rows, h.parts[i].past).begin / kKvPageTokens;
      std::fill_n(blocks.begin() + sequences[i].first_block, seen, INT32_MAX);
    }
    blocks.insert(blocks.end(), 4, INT32_MAX);
    std::vector<PagedTile> tiles;
    cuda::PlanTiles(sequences, cuda::kPagedTileRows, tiles);
    for (int i = 0; i < h.empty_tiles; ++i) tiles.push_back({0, 0, 0});
    tile_count_ = static_cast<int64_t>(tiles.size());
    sequences_.emplace(sequences), blocks_.emplace(blocks), tiles_.emplace(tiles), cache_.emplace(cache), q_.emplace(h.q);
    if (h.s.slopes) slopes_.emplace(std::vector<float>(h.s.slopes, h.s.slopes + h.s.heads));
    block_bytes_ = static_cast<int64_t>(block_bytes), page_at_ = page + 64;
  }

  // most_keys: at least what the sequences have.
  AttentionArgs Args(float* out, int64_t most_keys) const {
    AttentionArgs a = ArgsOf(h_.s);
    if (h_.s.slopes) a.shape.slopes = slopes_->get();
    a.q = q_->get(), a.q_stride = h_.q_stride, a.out = out, a.out_stride = h_.out_stride;
    a.paged.sequences = sequences_->get(), a.paged.blocks = blocks_->get(), a.paged.tiles = tiles_->get();
    a.paged.rows = h_.rows, a.paged.tile_count = tile_count_, a.paged.most_keys = std::max(most_keys, most_keys_);
    a.cache = {cache_->get() + page_at_, block_bytes_};
    return a;
  }

 private:
  const HostStep& h_;
  std::optional<OnDevice<PagedSequence>> sequences_;
  std::optional<OnDevice<int32_t>> blocks_;
  std::optional<OnDevice<PagedTile>> tiles_;
  std::optional<OnDevice<std::byte>> cache_;
  std::optional<OnDevice<float>> q_, slopes_;
  int64_t tile_count_ = 0, most_keys_ = 0, block_bytes_ = 0;
  size_t page_at_ = 0;
};

}  // namespace hasten::testing
