#include "compiler/interp/gemm.h"

#include <algorithm>

#include "runtime/base/isa.h"

namespace hasten::interp {
namespace {

// Eigen needs distinct, non-empty operands; nothing to sum gives zeros.
bool Trivial(const GemmArgs& g) {
  if (g.m <= 0 || g.n <= 0) return true;
  if (g.k > 0) return false;
  for (int64_t i = 0; i < g.m; ++i) std::fill_n(g.c + i * g.ldc, g.n, 0.0f);
  return true;
}

}  // namespace

void GemmSerial(const GemmArgs& g) {
  if (Trivial(g)) return;
  if (IsaAvailable(Isa::kAvx512Vnni)) GemmAvx512(g);
  else if (IsaAvailable(Isa::kAvx2)) GemmAvx2(g);
  else GemmBase(g);
}

void Gemm(const EvalContext& c, const GemmArgs& g) {
  if (Trivial(g)) return;
  const int64_t threads = c.pool.threads();
  // Below about a million products, waking a thread costs more than it saves.
  if (threads == 1 || g.m * g.n < (int64_t{1} << 20) / std::max<int64_t>(1, g.k)) return GemmSerial(g);
  const bool by_columns = g.n >= g.m;
  const int64_t whole = by_columns ? g.n : g.m;
  // Two parts a thread, in multiples of 16: packing is repeated for each part.
  const int64_t part = std::max<int64_t>(16, (whole / (2 * threads) + 15) / 16 * 16);
  c.pool.Run((whole + part - 1) / part, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t from = t * part, count = std::min(part, whole - from);
      GemmArgs p = g;
      if (by_columns) {
        p.n = count;
        p.b = g.b + (g.tb ? from * g.ldb : from);
        p.c = g.c + from;
      } else {
        p.m = count;
        p.a = g.a + (g.ta ? from : from * g.lda);
        p.c = g.c + from * g.ldc;
      }
      GemmSerial(p);
    }
  });
}

}  // namespace hasten::interp
