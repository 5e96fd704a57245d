#include "tests/device/gpu/int8_peak.h"

#include <cublasLt.h>
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

namespace hasten::check {
namespace {

void* Library() {
  // The loader's path first; then where toolkits are installed, which it may not know.
  for (const char* name : {"libcublasLt.so.13", "libcublasLt.so", "/usr/local/cuda/lib64/libcublasLt.so.13", "/usr/local/cuda/targets/x86_64-linux/lib/libcublasLt.so.13"})
    if (void* library = ::dlopen(name, RTLD_NOW)) return library;
  return nullptr;
}

template <class F>
F Find(void* library, const char* name) { return reinterpret_cast<F>(::dlsym(library, name)); }

}  // namespace

#define HST_FIND(f) const auto f##_ = Find<decltype(&f)>(library, #f)

double Int8PeakTops(void* a, void* b, uint64_t bytes, void* stream) {
  constexpr int64_t n = 8192;
  void* const library = Library();
  if (!library || bytes < static_cast<uint64_t>(n * n * 5)) return 0;
  HST_FIND(cublasLtCreate);
  HST_FIND(cublasLtMatmulDescCreate);
  HST_FIND(cublasLtMatmulDescSetAttribute);
  HST_FIND(cublasLtMatrixLayoutCreate);
  HST_FIND(cublasLtMatmul);
  if (!cublasLtCreate_ || !cublasLtMatmulDescCreate_ || !cublasLtMatmulDescSetAttribute_ || !cublasLtMatrixLayoutCreate_ || !cublasLtMatmul_) return 0;
  cublasLtHandle_t handle;
  cublasLtMatmulDesc_t product;
  cublasLtMatrixLayout_t in, out;
  if (cublasLtCreate_(&handle) != CUBLAS_STATUS_SUCCESS) return 0;
  const cublasOperation_t transposed = CUBLAS_OP_T;
  cublasLtMatmulDescCreate_(&product, CUBLAS_COMPUTE_32I, CUDA_R_32I);
  cublasLtMatmulDescSetAttribute_(product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed);
  cublasLtMatrixLayoutCreate_(&in, CUDA_R_8I, n, n, n);
  cublasLtMatrixLayoutCreate_(&out, CUDA_R_32I, n, n, n);
  const int32_t one = 1, zero = 0;
  auto* sums = static_cast<char*>(b) + n * n;
  const auto run = [&] {
    return cublasLtMatmul_(handle, product, &one, a, in, b, in, &zero, sums, out, sums, out, nullptr, nullptr, 0, static_cast<cudaStream_t>(stream));
  };
  cudaEvent_t begin, end;
  cudaEventCreate(&begin), cudaEventCreate(&end);
  std::vector<double> tops;
  for (int i = 0; i < 12; ++i) {
    cudaEventRecord(begin, static_cast<cudaStream_t>(stream));
    if (run() != CUBLAS_STATUS_SUCCESS) return 0;
    cudaEventRecord(end, static_cast<cudaStream_t>(stream));
    cudaEventSynchronize(end);
    float ms = 0;
    cudaEventElapsedTime(&ms, begin, end);
    if (i >= 2) tops.push_back(2e-9 * static_cast<double>(n) * n * n / ms);
  }
  std::sort(tops.begin(), tops.end());
  return tops[tops.size() / 2];
}

}  // namespace hasten::check
