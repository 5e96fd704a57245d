// Where the reference's rows come from: the model, interpreted (and kept in a store,
// when there is one), or a safetensors file that any other tool wrote.
#pragma once

#include <memory>
#include <string>

#include "calib/eval/evaluate.h"
#include "calib/eval/reference.h"
#include "calib/eval/store.h"

namespace hasten::calib {

// As fp32, computed every time; the arguments outlive the function.
ReferenceRows InterpretedRows(ReferenceModel& model, const Chunks& chunks);
// As StoredRows, from the store where it has them: the same figures whether it has or
// not. A token outside the reference's vocabulary is kBadInput.
ReferenceRows KeptRows(ReferenceModel& model, const Chunks& chunks, const Store& store);

}  // namespace hasten::calib
