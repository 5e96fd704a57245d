// Runs of row-wise instructions that a device executes in one launch: what each of them
// would write is written, in the same bits, as if they were launched one after another
// (the definition is theirs, docs/numerics.md). Only devices have kernels for them: on
// the CPU a run costs no more than its parts.
//
// A row's values are used by that row alone. Within a run, two buffers never share memory.
#pragma once

#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/norm/contract.h"
#include "runtime/kernels/quantize/contract.h"
#include "runtime/kernels/rope/contract.h"

namespace hasten {

// add, norm, quantize: of the residual stream, before a linear.
struct FusedNormArgs {
  bool adds = false;
  BinaryArgs add;               // of two arrays of rows; its out is the norm's x
  NormArgs norm;                // of one group; out null: nobody else reads it
  int quantizes = 0;            // 0 to 2, of the norm's out
  QuantizeArgs quantize[2];
};

// An activation, gated or not, and the quantization of what it gives.
struct FusedActivationArgs {
  bool gated = false;
  GatedArgs gate;               // gated
  UnaryArgs unary;              // not gated
  QuantizeArgs quantize;        // of the activation's out, which is null where nobody else reads it
};

// The turning of queries and keys, and the append of keys and values.
struct FusedAppendArgs {
  RopeArgs key;                 // its out is the append's k
  bool queries = false;
  RopeArgs query;
  KvAppendArgs append;
};

// Attention, and the quantization of its output for the linear that follows.
struct FusedAttentionArgs {
  AttentionArgs attention;
  QuantizeArgs quantize;
};

}  // namespace hasten
