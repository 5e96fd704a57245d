#include "calib/eval/rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/base/checked.h"

namespace hasten::calib {
namespace {

constexpr uint64_t kMagic = 0x31'73'77'6f'72'54'53'48;   // "HSTrows1"
constexpr int64_t kMostRows = 1 << 24, kMostCols = 1 << 24;

template <class T>
void Append(std::vector<std::byte>& out, const T* data, size_t count) {
  const auto bytes = std::as_bytes(std::span(data, count));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

std::shared_ptr<const StoredRows> StoredRows::From(const float* logits, int64_t rows, int64_t cols, std::span<const int32_t> next) {
  HST_CHECK(rows >= 0 && cols > 0 && static_cast<int64_t>(next.size()) == rows);
  std::shared_ptr<StoredRows> stored(new StoredRows(rows, cols));
  stored->scales_.resize(static_cast<size_t>(rows));
  stored->exact_.assign(static_cast<size_t>(rows * kExact), {-1, 0});
  stored->codes_.resize(static_cast<size_t>(rows * cols));
  for (int64_t r = 0; r < rows; ++r) stored->Store(r, logits + r * cols, next[static_cast<size_t>(r)]);
  return stored;
}

void StoredRows::Store(int64_t r, const float* row, int32_t next) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  float top = -kInf, low = kInf;
  bool broken = false;
  for (int64_t i = 0; i < cols_; ++i) {
    broken = broken || std::isnan(row[i]) || row[i] == kInf;
    top = std::max(top, row[i]);
    if (row[i] != -kInf) low = std::min(low, row[i]);
  }
  Scale& scale = scales_[static_cast<size_t>(r)];
  if (broken || top == -kInf) {
    scale = {std::nanf(""), 0};
    return;
  }
  scale = {top, std::min(top - low, kRange) / (kNone - 1)};
  uint16_t* codes = codes_.data() + r * cols_;
  const float inverse = scale.step > 0 ? 1 / scale.step : 0;
  for (int64_t i = 0; i < cols_; ++i) {
    codes[i] = row[i] == -kInf ? kNone : static_cast<uint16_t>(std::min(std::nearbyint((top - row[i]) * inverse), float{kNone - 1}));
  }
  // The largest are among the smallest codes.
  std::vector<int32_t> ids(static_cast<size_t>(cols_));
  for (int64_t i = 0; i < cols_; ++i) ids[static_cast<size_t>(i)] = static_cast<int32_t>(i);
  const int64_t kept = std::min<int64_t>(kExact - 1, cols_);
  std::partial_sort(ids.begin(), ids.begin() + kept, ids.end(), [row](int32_t a, int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
  Exact* exact = exact_.data() + r * kExact;
  for (int64_t k = 0; k < kept; ++k) exact[k] = {ids[static_cast<size_t>(k)], row[ids[static_cast<size_t>(k)]]};
  exact[kExact - 1] = {next, row[next]};
}

void StoredRows::Row(int64_t r, std::span<float> out) const {
  const Scale scale = scales_[static_cast<size_t>(r)];
  const uint16_t* codes = codes_.data() + r * cols_;
  for (int64_t i = 0; i < cols_; ++i) out[static_cast<size_t>(i)] = scale.top - scale.step * codes[i];
  for (int64_t i = 0; i < cols_; ++i) {
    if (codes[i] == kNone) out[static_cast<size_t>(i)] = -std::numeric_limits<float>::infinity();
  }
  for (const Exact& e : std::span(exact_).subspan(static_cast<size_t>(r * kExact), kExact)) {
    if (e.id >= 0) out[static_cast<size_t>(e.id)] = e.value;
  }
}

std::vector<std::byte> StoredRows::Bytes() const {
  std::vector<std::byte> out;
  out.reserve(24 + scales_.size() * sizeof(Scale) + exact_.size() * sizeof(Exact) + codes_.size() * 2);
  Append(out, &kMagic, 1);
  Append(out, &rows_, 1);
  Append(out, &cols_, 1);
  Append(out, scales_.data(), scales_.size());
  Append(out, exact_.data(), exact_.size());
  Append(out, codes_.data(), codes_.size());
  return out;
}

Result<std::shared_ptr<const StoredRows>> StoredRows::Parse(std::span<const std::byte> bytes) {
  uint64_t magic = 0;
  int64_t rows = 0, cols = 0;
  if (bytes.size() < 24) return BadInput("stored rows: truncated");
  std::memcpy(&magic, bytes.data(), 8);
  std::memcpy(&rows, bytes.data() + 8, 8);
  std::memcpy(&cols, bytes.data() + 16, 8);
  if (magic != kMagic || rows < 0 || rows > kMostRows || cols < 1 || cols > kMostCols) return BadInput("stored rows: not in this form");
  const uint64_t n = static_cast<uint64_t>(rows), v = static_cast<uint64_t>(cols);
  if (bytes.size() != 24 + n * (sizeof(Scale) + kExact * sizeof(Exact) + v * 2)) return BadInput("stored rows: of another size than it says");
  std::shared_ptr<StoredRows> stored(new StoredRows(rows, cols));
  stored->scales_.resize(n);
  stored->exact_.resize(n * kExact);
  stored->codes_.resize(n * v);
  const std::byte* at = bytes.data() + 24;
  if (n == 0) return std::shared_ptr<const StoredRows>(stored);
  std::memcpy(stored->scales_.data(), at, n * sizeof(Scale));
  at += n * sizeof(Scale);
  std::memcpy(stored->exact_.data(), at, n * kExact * sizeof(Exact));
  at += n * kExact * sizeof(Exact);
  std::memcpy(stored->codes_.data(), at, n * v * 2);
  for (const Exact& e : stored->exact_) {
    if (e.id < -1 || e.id >= cols) return BadInput("stored rows: a token outside the vocabulary");
  }
  return std::shared_ptr<const StoredRows>(stored);
}

}  // namespace hasten::calib
