// rope and kv_append on a device: a warp a token and KV head turns its key and appends it
// with its value; the blocks behind those turn the queries.
#pragma once

#include "runtime/kernels/attention/cuda/append.cuh"
#include "runtime/kernels/fused/contract.h"
#include "runtime/kernels/rope/cuda/rope.cuh"

namespace hasten::cuda {

static_assert(kAppendWarps * kWarp == kRopeThreads, "one block's threads do either");

template <KvType kKv>
__global__ void __launch_bounds__(kRopeThreads) FusedAppendKernel(FusedAppendArgs a, KvLayout l, int append_blocks) {
  WaitForPrevious();
  const int64_t row = blockIdx.x;
  const int block = static_cast<int>(blockIdx.y), warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  if (block >= append_blocks) {
    RopeRow(a.query, row, block - append_blocks, static_cast<int>(gridDim.y) - append_blocks);
    return;
  }
  const int head = block * kAppendWarps + warp;
  if (head < a.append.shape.kv_heads) {
    RopeHead(a.key, row, head, lane);
    __syncwarp();   // all of the key is there
    AppendHead<kKv>(a.append, l, row, head, lane);
  }
}

}  // namespace hasten::cuda
