// The product as Eigen vectorizes it for this file's instruction set (set by its
// name, cmake/rooms.cmake).
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own intrinsics read "undefined" vectors when inlined here (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define HST_GEMM_NAME GemmAvx512
#define HST_GEMM_EIGEN hasten_eigen_avx512
#include "compiler/interp/gemm_impl.inc"
