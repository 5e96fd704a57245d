// The options about precision that `compile` and `bench --synthetic` share.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "runtime/base/status.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten::cli {

struct PrecisionOptions {
  std::string weights = "int4:64", head, embed, kv;   // empty: the default
};

void AddPrecisionOptions(CLI::App& app, PrecisionOptions& options);

struct Precision {
  Scheme weights, head, embed;
  KvType kv;
};

// kUsage for a name that is not known.
Result<Precision> PrecisionOf(const PrecisionOptions& options);

}  // namespace hasten::cli
