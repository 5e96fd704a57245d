// Which lane of a warp holds which element of mma.m16n8k32's operands (PTX ISA,
// "Matrix Fragments for mma.m16n8k32"). Plain C++: the emulator computes by it and
// tests check it without a GPU; kernels use it to say what they load.
#pragma once

namespace hasten::cuda {

struct Place {
  int row, col;
};

// Byte `byte` (0 to 3) of register `reg` (0 to 3) of A, 16 rows by 32 of K.
constexpr Place PlaceInA(int lane, int reg, int byte) {
  return {lane / 4 + reg % 2 * 8, lane % 4 * 4 + byte + reg / 2 * 16};
}
// Byte `byte` of register `reg` (0 or 1) of B, 32 of K (row) by 8 columns.
constexpr Place PlaceInB(int lane, int reg, int byte) { return {lane % 4 * 4 + byte + reg * 16, lane / 4}; }
// Register `reg` (0 to 3) of the sums, 16 rows by 8 columns.
constexpr Place PlaceInSums(int lane, int reg) { return {lane / 4 + reg / 2 * 8, lane % 4 * 2 + reg % 2}; }

}  // namespace hasten::cuda
