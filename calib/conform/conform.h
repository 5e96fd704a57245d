// Conformance: runs models against recorded inputs and outputs in the layout of
// the ONNX backend tests, through whatever level of hasten is asked for.
//
//   DIR/model.onnx
//   DIR/test_data_set_*/input_<i>.pb, output_<i>.pb   TensorProtos, in the model's order
//
// A level is a function that loads a model; this file knows the importer's own
// (the interpreter on the raw graph). Others plug in beside it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/onnx/tensor_file.h"
#include "runtime/base/status.h"

namespace hasten::conform {

// A model that is ready to run. The runner gets one tensor for each name of
// input_names, in that order, and answers one for each of output_names.
struct LoadedModel {
  std::vector<std::string> input_names, output_names;
  std::function<Result<std::vector<ir::Tensor>>(std::span<const NamedTensor> inputs)> run;
};
using Level = std::function<Result<LoadedModel>(const std::string& model_path)>;

// Import, then the interpreter on the imported graph.
Result<LoadedModel> LoadThroughImport(const std::string& model_path, int threads = 1);

struct Tolerance {
  // Element by element, as the ONNX backend tests compare: |a-b| <= absolute + relative * |b|.
  double relative = 1e-3, absolute = 1e-7;
  // Else, for whole models: max|a-b| <= of_largest * max|b|, when of_largest > 0.
  double of_largest = 0;
};
inline constexpr Tolerance kNodeTolerance{};
inline constexpr Tolerance kModelTolerance{.of_largest = 1e-4};

enum class Outcome { kPassed, kFailed, kSkipped };   // skipped: a type, operator or file out of scope
std::string_view OutcomeName(Outcome outcome);

struct CaseResult {
  std::string dir;
  Outcome outcome = Outcome::kFailed;
  std::string reason;                                // empty when passed
  // The largest |a-b|, divided by max|b| under of_largest.
  double max_error = 0;
};

// All data sets of one test folder.
CaseResult RunCase(const std::string& dir, const Level& level, const Tolerance& tolerance);

// Whether `got` equals `want` in dtype, dims and, within the tolerance, values.
// kBadInput says where they differ. max_error may be null.
Status Compare(const ir::Tensor& got, const ir::Tensor& want, const Tolerance& tolerance, double* max_error);

}  // namespace hasten::conform
