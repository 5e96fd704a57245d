#include "compiler/plan/tensors.h"

#include <algorithm>
#include <cstring>

#include "runtime/base/checked.h"
#include "runtime/base/half.h"

namespace hasten::plan {
namespace {

// Element `i` of a stored float tensor; mapped data may be unaligned.
float FloatAt(const ir::Tensor& t, int64_t i) {
  const std::byte* p = t.raw();
  if (t.dtype() == DType::kF32) {
    float v;
    std::memcpy(&v, p + i * 4, 4);
    return v;
  }
  return static_cast<float>(t.At(i));
}

void GatherPart(const WeightPart& part, int64_t begin, int64_t end, int64_t k, float* out) {
  const ir::Tensor& t = part.value->weight();
  if (part.trans) {
    if (t.dtype() == DType::kF32) {
      std::memcpy(out, t.raw() + begin * k * 4, static_cast<size_t>((end - begin) * k) * 4);
      return;
    }
    for (int64_t i = begin * k; i < end * k; ++i) *out++ = FloatAt(t, i);
    return;
  }
  const int64_t stored_n = t.dim(1);
  for (int64_t j = 0; j < k; ++j)  // along the stored rows: one pass over the mapped pages
    for (int64_t i = begin; i < end; ++i) out[(i - begin) * k + j] = FloatAt(t, j * stored_n + i);
}

// Whether a [K, N] matrix is the transpose of a [N, K] one, value by value.
bool IsTranspose(const ir::Tensor& kn, const ir::Tensor& nk) {
  const int64_t k = kn.dim(0), n = kn.dim(1);
  if (nk.rank() != 2 || nk.dim(0) != n || nk.dim(1) != k || kn.dtype() != nk.dtype()) return false;
  for (int64_t i = 0; i < n; i += std::max<int64_t>(1, n / 64))  // a cheap look first
    if (FloatAt(kn, i) != FloatAt(nk, i * k)) return false;
  constexpr int64_t kBlock = 64;  // both sides stay in cache
  for (int64_t i0 = 0; i0 < n; i0 += kBlock)
    for (int64_t j = 0; j < k; ++j)
      for (int64_t i = i0; i < std::min(n, i0 + kBlock); ++i)
        if (FloatAt(kn, j * n + i) != FloatAt(nk, i * k + j)) return false;
  return true;
}

}  // namespace

void TensorPlan::GatherRows(int64_t begin, int64_t end, float* out) const {
  int64_t at = 0;
  for (const WeightPart& part : parts) {
    const int64_t rows = part.end - part.begin;
    const int64_t lo = std::max(begin, at), hi = std::min(end, at + rows);
    if (lo < hi) {
      GatherPart(part, part.begin + lo - at, part.begin + hi - at, k, out);
      out += (hi - lo) * k;
    }
    at += rows;
  }
}

int TensorTable::Matrix(std::vector<WeightPart> parts, Scheme scheme, std::string name) {
  TensorPlan t;
  t.scheme = scheme;
  t.name = std::move(name);
  const ir::Tensor& first = parts[0].value->weight();
  t.k = first.dim(parts[0].trans ? 1 : 0);
  for (const WeightPart& p : parts) t.n += p.end - p.begin;
  t.parts = std::move(parts);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const TensorPlan& other = tensors_[i];
    if (other.n != t.n || other.k != t.k || other.scheme != t.scheme) continue;
    if (other.parts == t.parts) return static_cast<int>(i);
    if (other.parts.size() != 1 || t.parts.size() != 1) continue;
    const WeightPart &a = other.parts[0], &b = t.parts[0];
    const bool whole = a.begin == 0 && b.begin == 0;
    if (whole && a.trans && !b.trans && IsTranspose(b.value->weight(), a.value->weight())) return static_cast<int>(i);
    if (whole && !a.trans && b.trans && IsTranspose(a.value->weight(), b.value->weight())) return static_cast<int>(i);
  }
  tensors_.push_back(std::move(t));
  return static_cast<int>(tensors_.size() - 1);
}

int TensorTable::Vector(const ir::Value* v) {
  WeightPart part{v, true, 0, 1};
  for (size_t i = 0; i < tensors_.size(); ++i)
    if (tensors_[i].parts.size() == 1 && tensors_[i].parts[0] == part && tensors_[i].n == 1) return static_cast<int>(i);
  TensorPlan t;
  t.name = v->name;
  t.scheme = Scheme::kF32;
  t.n = 1;
  t.k = v->weight().elements();
  t.parts = {part};
  tensors_.push_back(std::move(t));
  return static_cast<int>(tensors_.size() - 1);
}

Result<uint64_t> TensorTable::Place() {
  Checked at = 0;
  for (TensorPlan& t : tensors_) {
    const auto bytes = PackedBytes(t.scheme, t.n, t.k);
    if (!bytes) return Unsupported("tensor \"", t.name, "\" [", t.n, ", ", t.k, "] is too large to pack");
    constexpr uint64_t kLargeTensor = 1 << 20;   // starts on a page: mapped and advised by itself
    at = at.AlignUp(*bytes >= kLargeTensor ? 4096 : 64);
    t.offset = at.value();
    t.bytes = *bytes;
    at = at + *bytes;
    if (!at.ok()) return Unsupported("the weights are larger than a file can be");
  }
  return at.value();
}

}  // namespace hasten::plan
