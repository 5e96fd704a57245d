// The rows of grad.def as a table.
#include "calib/grad/backward.h"

namespace hasten::calib {
namespace {

constexpr BackwardInfo kBackwards[] = {
#define HST_BACKWARD(op, fn, reads) {#op, fn, BackwardReads::reads},
#include "calib/grad/grad.def"
#undef HST_BACKWARD
};

}  // namespace

std::span<const BackwardInfo> AllBackwards() { return kBackwards; }

const BackwardInfo* FindBackward(std::string_view op) {
  for (const BackwardInfo& row : kBackwards)
    if (row.op == op) return &row;
  return nullptr;
}

}  // namespace hasten::calib
