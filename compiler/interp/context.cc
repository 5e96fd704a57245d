#include "compiler/interp/context.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <set>

#include "compiler/interp/dispatch.h"
#include "runtime/base/checked.h"
#include "runtime/base/half.h"

namespace hasten::interp {

BufferPool::~BufferPool() {
  for (auto& [bytes, p] : free_) std::free(p);
}

std::shared_ptr<std::byte> BufferPool::Get(size_t bytes) {
  // Sizes in steps of an eighth of their power of two, so that near sizes share.
  size_t size = (bytes + 127) / 64 * 64;
  if (size >= kSmallest) {
    size_t step = kSmallest / 8;
    while (step * 16 <= size) step *= 2;
    size = (size + step - 1) / step * step;
  }
  if (size >= kSmallest) {
    const std::lock_guard lock(mutex_);
    for (auto it = free_.rbegin(); it != free_.rend(); ++it) {
      if (it->first != size) continue;
      std::byte* p = it->second;
      free_.erase(std::next(it).base());
      held_ -= size;
      return {p, [self = shared_from_this(), size](std::byte* q) { self->Put(q, size); }};
    }
  }
  auto* p = static_cast<std::byte*>(std::aligned_alloc(64, size));
  if (!p) return nullptr;
  if (size < kSmallest) return {p, [](std::byte* q) { std::free(q); }};
  return {p, [self = shared_from_this(), size](std::byte* q) { self->Put(q, size); }};
}

void BufferPool::Put(std::byte* p, size_t bytes) {
  const std::lock_guard lock(mutex_);
  free_.emplace_back(bytes, p);
  held_ += bytes;
  while (held_ > kMostHeld) {  // the longest unused goes
    held_ -= free_.front().first;
    std::free(free_.front().second);
    free_.erase(free_.begin());
  }
}

Status EvalContext::Spend(uint64_t each, std::initializer_list<int64_t> counts) const {
  Checked steps = each;
  bool none = false;
  for (const int64_t n : counts) {
    none |= n <= 0;
    steps = steps * Checked::FromSigned(std::max<int64_t>(n, 1));
  }
  if (none) return {};
  if (!steps.AtMost(steps_left))
    return ResourceError("[", node.op, "] needs ", steps.ok() ? StrCat(steps.value()) : "more than 2^64", " steps of work, ", steps_left,
                         " of ", options.max_steps, " are left (node \"", node.loc, "\")");
  steps_left -= steps.value();
  return {};
}

void EvalContext::Parallel(int64_t n, int64_t cost, RangeFn call, const void* f) const {
  if (n <= 0) return;
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, cost));
  if (pool.threads() == 1 || n <= grain) return call(f, 0, n);
  pool.Run(n, grain, [&](int64_t begin, int64_t end, int) { call(f, begin, end); });
}

Result<Tensor> EvalContext::Make(DType dtype, std::vector<int64_t> dims) const {
  Checked elements = 1;
  bool empty = false;
  for (int64_t d : dims) {
    if (d < 0) return Error("the output would have dims ", DimsText(dims));
    empty |= d == 0;
  }
  // The dims of an empty tensor must multiply without overflow all the same.
  for (int64_t d : dims) elements = elements * Checked::FromSigned(std::max<int64_t>(d, 1));
  const Checked bytes = elements * Checked(DTypeSize(dtype));
  if (!bytes.AtMost(empty ? uint64_t{1} << 62 : options.max_bytes))
    return ResourceError("[", node.op, "] an output of dims ", DimsText(dims), " is larger than the limit of ",
                         options.max_bytes, " bytes (node \"", node.loc, "\")");
  if (!empty) HST_RETURN_IF_ERROR(Spend(kElementSteps, {static_cast<int64_t>(elements.value())}));
  std::shared_ptr<std::byte> p = buffers.Get(empty ? 0 : bytes.value());
  if (!p) return ResourceError("[", node.op, "] out of memory: ", bytes.value(), " bytes (node \"", node.loc, "\")");
  const std::byte* data = p.get();
  return Tensor::View(dtype, std::move(dims), data, std::move(p));
}

Result<Tensor> EvalContext::MakeZeros(DType dtype, std::vector<int64_t> dims) const {
  HST_ASSIGN_OR_RETURN(Tensor t, Make(dtype, std::move(dims)));
  std::fill_n(t.mutable_raw(), t.bytes(), std::byte{0});
  return t;
}

Status EvalContext::WrongType(size_t i) const {
  return Unsupported("[", node.op, "] operand ", i, " of type ", DTypeName(in[i].dtype()), " (node \"", node.loc, "\")");
}

Status EvalContext::NeedRank(size_t i, int64_t rank) const {
  if (Has(i) && in[i].rank() == rank) return {};
  return Error("operand ", i, ": needed rank ", rank, ", came ", Has(i) ? DimsText(in[i].dims()) : "none");
}

Status EvalContext::NeedType(size_t i, DType dtype) const {
  if (Has(i) && in[i].dtype() == dtype) return {};
  return Error("operand ", i, ": needed ", DTypeName(dtype), ", came ", Has(i) ? DTypeName(in[i].dtype()) : "none");
}

Status EvalContext::NeedDims(size_t i, const std::vector<int64_t>& dims) const {
  if (Has(i) && in[i].dims() == dims) return {};
  return Error("operand ", i, ": needed dims ", DimsText(dims), ", came ", Has(i) ? DimsText(in[i].dims()) : "none");
}

Result<int64_t> EvalContext::Axis(int64_t axis, int64_t rank) const {
  if (axis < -rank || axis >= rank) return Error("axis ", axis, " is outside of a tensor of rank ", rank);
  return axis < 0 ? axis + rank : axis;
}

Result<std::vector<int64_t>> EvalContext::Axes(std::vector<int64_t> axes, int64_t rank) const {
  std::set<int64_t> seen;
  for (int64_t& a : axes) {
    HST_ASSIGN_OR_RETURN(a, Axis(a, rank));
    if (!seen.insert(a).second) return Error("axis ", a, " stands twice in axes");
  }
  return axes;
}

Result<std::vector<int64_t>> EvalContext::Ints(size_t i, int64_t most) const {
  if (!Has(i)) return Error("operand ", i, " is missing");
  if (IsFloat(in[i].dtype()) || in[i].rank() > 1) return Error("operand ", i, " needs a list of integers");
  if (in[i].elements() > most) return Error("operand ", i, " has ", in[i].elements(), " elements");
  return in[i].ToInts();
}

Result<int64_t> EvalContext::ScalarInt(size_t i) const {
  if (!Has(i) || in[i].elements() != 1 || IsFloat(in[i].dtype())) return Error("operand ", i, " needs one integer");
  return in[i].IntAt(0);
}

Result<double> EvalContext::ScalarFloat(size_t i) const {
  if (!Has(i) || in[i].elements() != 1) return Error("operand ", i, " needs one number");
  return in[i].At(0);
}

std::string DimsText(const std::vector<int64_t>& dims) {
  std::string out = "[";
  for (size_t i = 0; i < dims.size(); ++i) out += StrCat(i ? "," : "", dims[i]);
  return out + "]";
}

int64_t Product(const std::vector<int64_t>& dims, size_t begin, size_t end) {
  int64_t n = 1;
  for (size_t i = begin; i < end; ++i) n *= dims[i];
  return n;
}

int64_t BoundedProduct(const std::vector<int64_t>& dims) {
  Checked n = 1;
  for (const int64_t d : dims) n = n * Checked::FromSigned(d);
  return n.AtMost(INT64_MAX) ? static_cast<int64_t>(n.value()) : INT64_MAX;
}

std::vector<int64_t> RowMajorStrides(const std::vector<int64_t>& dims) {
  std::vector<int64_t> strides(dims.size());
  int64_t n = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = n;
    n *= dims[i];
  }
  return strides;
}

Result<std::vector<int64_t>> BroadcastShape(const EvalContext& c, const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  std::vector<int64_t> out(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out.size(); ++i) {  // from the right
    const int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1, db = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1) return c.Error("shapes do not broadcast: ", DimsText(a), " and ", DimsText(b));
    out[out.size() - 1 - i] = da == 1 ? db : da;
  }
  return out;
}

}  // namespace hasten::interp
