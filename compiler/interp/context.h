// What the evaluation of one op sees: its node, its operands' tensors, and the
// means to make outputs, to fail with a message and to use the threads.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/interp/interp.h"
#include "compiler/ir/graph.h"
#include "compiler/ir/tensor.h"
#include "runtime/base/dtype.h"
#include "runtime/base/threads.h"

namespace hasten::interp {

using ir::Tensor;

// Recycles the buffers of freed intermediates: fresh pages cost more than the
// arithmetic of most elementwise ops. Tensors keep it alive.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  ~BufferPool();
  // At least `bytes`, 64-byte aligned; null when memory is short.
  std::shared_ptr<std::byte> Get(size_t bytes);

 private:
  static constexpr size_t kSmallest = size_t{1} << 16, kMostHeld = size_t{1} << 28;
  void Put(std::byte* p, size_t bytes);
  std::mutex mutex_;
  std::vector<std::pair<size_t, std::byte*>> free_;
  size_t held_ = 0;
};

class EvalContext {
 public:
  // What work counts in steps (RunOptions::max_steps). A core was measured to make
  // about 4e10 multiply-adds a second through Eigen (SmolLM2, AVX-512). The others
  // are estimates beside it: 3 ns for the innermost step of a plain loop (a
  // window's cell, an einsum's term), 0.4 ns for an element that is made or read.
  static constexpr uint64_t kPlainSteps = 128, kElementSteps = 16;

  EvalContext(const ir::Node& n, const RunOptions& o, ThreadPool& p, BufferPool& b, uint64_t& s)
      : node(n), options(o), pool(p), buffers(b), steps_left(s) {}
  const ir::Node& node;
  const RunOptions& options;
  ThreadPool& pool;
  BufferPool& buffers;
  uint64_t& steps_left;      // of options.max_steps
  std::vector<Tensor> in;    // one for each operand; invalid: omitted. Aligned to the element.
  std::vector<Tensor> out;   // as many as the node's outputs, to be set

  bool Has(size_t i) const { return i < in.size() && in[i].valid(); }
  const Tensor& In(size_t i) const { return in[i]; }
  size_t OutputCount() const { return out.size(); }

  // Takes the product of `counts` plain-loop steps, or product steps, off what is
  // left; kResource when it is more. Before any loop whose length is not that of
  // an operand or output: those are charged where they are read and made.
  Status SpendPlain(std::initializer_list<int64_t> counts) const { return Spend(kPlainSteps, counts); }
  Status SpendProduct(std::initializer_list<int64_t> counts) const { return Spend(1, counts); }
  Status Spend(uint64_t each, std::initializer_list<int64_t> counts) const;

  // Uninitialized, within options.max_bytes.
  Result<Tensor> Make(DType dtype, std::vector<int64_t> dims) const;
  Result<Tensor> MakeZeros(DType dtype, std::vector<int64_t> dims) const;

  // "[op] what (node "loc")".
  template <class... Ts>
  Status Error(const Ts&... parts) const { return BadInput("[", node.op, "] ", parts..., " (node \"", node.loc, "\")"); }
  Status WrongType(size_t i) const;                      // operand i's dtype is not one the op takes
  Status NeedRank(size_t i, int64_t rank) const;
  Status NeedType(size_t i, DType dtype) const;
  Status NeedDims(size_t i, const std::vector<int64_t>& dims) const;
  // axis in [-rank, rank) to [0, rank).
  Result<int64_t> Axis(int64_t axis, int64_t rank) const;
  Result<std::vector<int64_t>> Axes(std::vector<int64_t> axes, int64_t rank) const;   // distinct
  // Operand i as integers; a list of more than `most` is an error.
  Result<std::vector<int64_t>> Ints(size_t i, int64_t most = 1 << 16) const;
  Result<int64_t> ScalarInt(size_t i) const;
  Result<double> ScalarFloat(size_t i) const;

  // fn(begin, end) over disjoint parts of [0, n); `cost`: about how many
  // elements one item touches. Small work stays on the caller. fn is compiled
  // once: it is called through a pointer, alone or from the threads.
  template <class F>
  void Parallel(int64_t n, int64_t cost, const F& fn) const {
    Parallel(n, cost, [](const void* f, int64_t begin, int64_t end) { (*static_cast<const F*>(f))(begin, end); }, &fn);
  }

 private:
  using RangeFn = void (*)(const void* f, int64_t begin, int64_t end);
  void Parallel(int64_t n, int64_t cost, RangeFn call, const void* f) const;
};

using EvalFn = Status (*)(EvalContext&);

// How half-precision operands reach an evaluation.
enum class Half {
  kWiden,   // as f32; f32 outputs are rounded back to the operands' half type
  kKeep,    // as they are: the op moves bytes, or handles them itself
  kOnlyIn,  // as f32, and results stay f32: semantic ops
};

struct EvalInfo {
  std::string_view name;
  EvalFn eval;
  Half half;
};
const EvalInfo* FindEval(std::string_view op);

std::string DimsText(const std::vector<int64_t>& dims);   // "[2,3]"
int64_t Product(const std::vector<int64_t>& dims, size_t begin, size_t end);
// The same for dims that bound a loop and belong to no tensor: INT64_MAX beyond it.
int64_t BoundedProduct(const std::vector<int64_t>& dims);
std::vector<int64_t> RowMajorStrides(const std::vector<int64_t>& dims);   // in elements
// The dims that all broadcast to (ONNX multidirectional); an error names the shapes.
Result<std::vector<int64_t>> BroadcastShape(const EvalContext& c, const std::vector<int64_t>& a, const std::vector<int64_t>& b);

// To another dtype elementwise, C++ conversion rules between numbers (saturating
// where a float does not fit an integer); for weights and half types.
Result<Tensor> ConvertTensor(const EvalContext& c, const Tensor& t, DType to);

}  // namespace hasten::interp
