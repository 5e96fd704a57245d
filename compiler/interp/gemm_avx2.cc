// The product as Eigen vectorizes it for this file's instruction set (set by its
// name, cmake/rooms.cmake).
#define HST_GEMM_NAME GemmAvx2
#define HST_GEMM_EIGEN hasten_eigen_avx2
#include "compiler/interp/gemm_impl.inc"
