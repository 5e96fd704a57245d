// Runs an artifact of unknown intent: opened, then a few tokens evaluated and
// every output read. Shared by the hostile-program test and the fuzzer.
#pragma once

#include <string>
#include <vector>

#include "runtime/engine/context.h"

namespace hasten::testing {

// True when the artifact was accepted. A refusal must have a message.
inline bool TryArtifact(const std::string& path) {
  auto model = Model::Open(path);
  if (!model.ok()) {
    HST_CHECK(!model.status().message().empty());
    return false;
  }
  ContextOptions options;
  options.threads = 1, options.max_rows = 4, options.kv_tokens = 64;
  auto context = Context::Create(*model, options);
  if (!context.ok()) return true;
  const SequenceId id = (*context)->CreateSequence();
  volatile float touched = 0;
  for (int32_t token : {0, 1}) {
    const std::vector<int32_t> tokens = {token, 0, token};
    const EvalItem item{id, tokens, {}, Want::kAll};
    if (!(*context)->Evaluate({&item, 1}).ok()) continue;
    for (size_t o = 0; o < (*model)->program().outputs()->size(); ++o) {
      const OutputRows rows = *(*context)->Output(0, o);
      for (int64_t r = 0; r < rows.rows; ++r)
        for (int64_t c = 0; c < rows.cols; ++c) touched = touched + rows.data[r * rows.stride + c];
    }
  }
  return true;
}

}  // namespace hasten::testing
