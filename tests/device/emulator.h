// An emulator of CUDA's execution model, enough to run this project's kernels on the
// CPU and compare their bits without a GPU: a grid's blocks one after another, a
// block's threads as fibers that change at barriers and warp operations. Shared memory
// is poisoned before each block, threads run in a different order each time
// (so that a missing barrier shows), and threads that wait for each other in vain end
// the program with a message. Warp operations take the full mask only.
// Force-included before device code (runtime/kernels/cuda/simt.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define HST_EMULATED 1
#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((unused))
#define __launch_bounds__(...)
#define __grid_constant__
#define HST_DEVICE_UNROLL
#define HST_DEVICE_ROLLED

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(16) uint4 { uint32_t x, y, z, w; };
struct alignas(16) int4 { int32_t x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) uint2 { uint32_t x, y; };
struct alignas(8) int2 { int32_t x, y; };
struct alignas(8) float2 { float x, y; };
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }

namespace emulated {

struct Thread {
  dim3 thread, block, threads, blocks;
};
extern thread_local Thread current;

// Runs the kernel for every thread of every block. What a device of the architecture
// would refuse ends the program: too many threads, too large a grid, too much shared memory.
void Run(dim3 grid, dim3 block, size_t shared, const std::function<void()>& kernel, int arch = 90, const char* name = "a kernel");
// While it lives, what this thread launches is checked and counted, but not run.
class NotRun {
 public:
  NotRun();
  ~NotRun();
  int64_t launches() const { return launches_; }
  void Count() { ++launches_; }

 private:
  int64_t launches_ = 0;
};
// The order of threads from here on; 0: ascending, 1: descending, else random by it.
void SetOrder(uint64_t seed);

void SyncBlock();
void SyncWarpgroup();   // threads 128 i to 128 i + 127
size_t ThreadIndex();   // in its block
size_t DynamicSharedBytes();
int SyncBlockCount(bool vote);
// All lanes give `value`; the slots of all 32 lanes, until the next warp operation but one.
const uint64_t* Exchange(uint64_t value);
int Lane();
std::byte* DynamicShared();
// Memory to poison before every block, and what each thread that uses it says; for HST_SHARED.
bool PoisonEachBlock(void* p, size_t bytes);
void UseShared(const void* p, size_t bytes);

// The tensor cores (emulated_tensor_cores.cc). Products of a warpgroup run when they are
// asked for or, in all orders but the first, as late as a GPU might: when they are waited for,
// with what registers and shared memory hold then. They end the program where not all
// threads of the warpgroup take part, or no fence came before a group.
void Mma(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool a_signed);
void WgmmaFence();
void WgmmaCommit();
void WgmmaWait(int later);
void WgmmaS8S8(int32_t (&d)[32], const uint32_t (&a)[4], uint64_t b, bool add);
// An address in dynamic shared memory as descriptors have it. It begins where a GPU's may at worst: a multiple of 16.
uint32_t SharedAddress(const std::byte* p);
constexpr uint32_t kSharedBegins = 0x410;
// For it:
void BeginProducts(size_t threads);
void RunProductsLate(bool late);

template <class T>
T ShuffleFrom(T value, int lane) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  const uint64_t got = Exchange(bits)[lane & 31];
  std::memcpy(&value, &got, sizeof value);
  return value;
}

}  // namespace emulated
namespace hasten::cuda { namespace emulated = ::emulated; }

#define threadIdx (emulated::current.thread)
#define blockIdx (emulated::current.block)
#define blockDim (emulated::current.threads)
#define gridDim (emulated::current.blocks)

#define HST_SHARED(T, name, count)                 \
  static thread_local T name[count];               \
  static thread_local const bool name##_poisoned = ::emulated::PoisonEachBlock(name, sizeof(name)); \
  (void)name##_poisoned;                           \
  ::emulated::UseShared(name, sizeof(name))
#define HST_DYNAMIC_SHARED(name) std::byte* const name = ::emulated::DynamicShared()

inline void __syncthreads() { emulated::SyncBlock(); }
inline int __syncthreads_or(int vote) { return emulated::SyncBlockCount(vote != 0) > 0; }
inline int __syncthreads_count(int vote) { return emulated::SyncBlockCount(vote != 0); }
inline void __syncwarp(unsigned = 0xffffffffu) { emulated::Exchange(0); }
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T __shfl_sync(unsigned, T v, int lane, int width = 32) {
  const int base = emulated::Lane() / width * width;
  return emulated::ShuffleFrom(v, base + (lane & (width - 1)));
}
template <class T>
T __shfl_xor_sync(unsigned, T v, int mask, int width = 32) {
  const int from = emulated::Lane() ^ mask;
  return emulated::ShuffleFrom(v, from / width == emulated::Lane() / width ? from : emulated::Lane());
}
template <class T>
T __shfl_down_sync(unsigned, T v, int delta, int width = 32) {
  const int lane = emulated::Lane();
  return emulated::ShuffleFrom(v, lane % width + delta < width ? lane + delta : lane);
}
template <class T>
T __shfl_up_sync(unsigned, T v, int delta, int width = 32) {
  const int lane = emulated::Lane();
  return emulated::ShuffleFrom(v, lane % width - delta >= 0 ? lane - delta : lane);
}
inline unsigned __ballot_sync(unsigned, int vote) {
  const uint64_t* all = emulated::Exchange(vote != 0);
  unsigned mask = 0;
  for (int i = 0; i < 32; ++i) mask |= static_cast<unsigned>(all[i] & 1) << i;
  return mask;
}
inline int __any_sync(unsigned m, int vote) { return __ballot_sync(m, vote) != 0; }
inline int __all_sync(unsigned m, int vote) { return __ballot_sync(m, vote) == 0xffffffffu; }
template <class T>
T atomicAdd(T* p, T v) { const T old = *p; *p = old + v; return old; }
template <class T>
T atomicMax(T* p, T v) { const T old = *p; if (v > old) *p = v; return old; }
template <class T>
T atomicOr(T* p, T v) { const T old = *p; *p = old | v; return old; }
template <class T>
T atomicExch(T* p, T v) { const T old = *p; *p = v; return old; }
template <class T>
T __ldg(const T* p) { return *p; }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __clz(int v) { return v ? __builtin_clz(static_cast<unsigned>(v)) : 32; }
inline int __clzll(long long v) { return v ? __builtin_clzll(static_cast<unsigned long long>(v)) : 64; }
inline uint64_t __umul64hi(uint64_t a, uint64_t b) { return static_cast<uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64); }
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return static_cast<uint32_t>((uint64_t{a} * b) >> 32); }
