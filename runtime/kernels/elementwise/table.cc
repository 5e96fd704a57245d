// The elementwise tables, gathered from kernels.def.
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/elementwise/rows.h"

namespace hasten {
namespace {

int64_t Blocks(int64_t rows, int64_t cols) { return rows * ((cols + kElementwiseBlock - 1) / kElementwiseBlock); }

}  // namespace

int64_t UnaryTiles(const UnaryArgs& a) { return Blocks(a.rows, a.cols); }
int64_t BinaryTiles(const BinaryArgs& a) { return Blocks(a.rows, a.cols); }
int64_t GatedTiles(const GatedArgs& a) { return Blocks(a.rows, a.cols); }
size_t NoScratch(const UnaryArgs&) { return 0; }
size_t NoScratch(const BinaryArgs&) { return 0; }
size_t NoScratch(const GatedArgs&) { return 0; }

std::span<const Kernel<UnaryArgs>> UnaryKernels() {
  static const Kernel<UnaryArgs> table[] = {
#define HST_UNARY(row) row,
#define HST_BINARY(row)
#define HST_GATED(row)
#include "runtime/kernels/elementwise/kernels.def"
  };
  return table;
}

std::span<const Kernel<BinaryArgs>> BinaryKernels() {
  static const Kernel<BinaryArgs> table[] = {
#define HST_UNARY(row)
#define HST_BINARY(row) row,
#define HST_GATED(row)
#include "runtime/kernels/elementwise/kernels.def"
  };
  return table;
}

std::span<const Kernel<GatedArgs>> GatedKernels() {
  static const Kernel<GatedArgs> table[] = {
#define HST_UNARY(row)
#define HST_BINARY(row)
#define HST_GATED(row) row,
#include "runtime/kernels/elementwise/kernels.def"
  };
  return table;
}

}  // namespace hasten
