#include "calib/conform/conform.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "compiler/interp/interp.h"
#include "compiler/onnx/import.h"

namespace hasten::conform {
namespace {

namespace fs = std::filesystem;

std::string DimsText(const ir::Tensor& t) {
  std::string out(DTypeName(t.dtype()));
  out += '[';
  for (int64_t i = 0; i < t.rank(); ++i) out += StrCat(i ? "," : "", t.dim(i));
  return out + ']';
}

double Difference(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double d = std::fabs(a - b);
  return std::isnan(d) ? INFINITY : d;
}

// input_0.pb, input_1.pb ... as far as they go.
Result<std::vector<NamedTensor>> ReadSet(const fs::path& set, std::string_view kind) {
  std::vector<NamedTensor> out;
  for (size_t i = 0;; ++i) {
    const fs::path file = set / StrCat(kind, "_", i, ".pb");
    std::error_code error;
    if (!fs::exists(file, error)) return out;
    HST_ASSIGN_OR_RETURN(NamedTensor t, ReadTensorFile(file.string()));
    out.push_back(std::move(t));
  }
}

Status RunSet(const fs::path& set, const LoadedModel& model, const Tolerance& tolerance, double* max_error) {
  HST_ASSIGN_OR_RETURN(std::vector<NamedTensor> inputs, ReadSet(set, "input"));
  HST_ASSIGN_OR_RETURN(const std::vector<NamedTensor> wanted, ReadSet(set, "output"));
  if (inputs.size() != model.input_names.size())
    return BadInput(set.filename().string(), " has ", inputs.size(), " inputs, the model ", model.input_names.size());
  if (wanted.size() > model.output_names.size())
    return BadInput(set.filename().string(), " has ", wanted.size(), " outputs, the model ", model.output_names.size());
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i].name = model.input_names[i];
  HST_ASSIGN_OR_RETURN(const std::vector<ir::Tensor> got, model.run(inputs));
  for (size_t i = 0; i < wanted.size(); ++i) {
    Status same = Compare(got[i], wanted[i].tensor, tolerance, max_error);
    if (!same.ok()) return std::move(same).Annotate(StrCat(set.filename().string(), ", output \"", model.output_names[i], "\""));
  }
  return {};
}

Status RunAll(const std::string& dir, const Level& level, const Tolerance& tolerance, double* max_error) {
  HST_ASSIGN_OR_RETURN(const LoadedModel model, level(StrCat(dir, "/model.onnx")));
  std::vector<fs::path> sets;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error))
    if (it->path().filename().string().starts_with("test_data_set_")) sets.push_back(it->path());
  if (sets.empty()) return BadInput(dir, ": holds no test_data_set_*");
  std::sort(sets.begin(), sets.end());
  for (const fs::path& set : sets) HST_RETURN_IF_ERROR(RunSet(set, model, tolerance, max_error));
  return {};
}

}  // namespace

std::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPassed: return "passed";
    case Outcome::kFailed: return "failed";
    case Outcome::kSkipped: return "skipped";
  }
  return "failed";
}

Result<LoadedModel> LoadThroughImport(const std::string& model_path, int threads) {
  HST_ASSIGN_OR_RETURN(ImportedModel imported, ImportModel(model_path));
  const std::shared_ptr<ir::Graph> graph = std::move(imported.graph);
  LoadedModel model;
  for (const ir::Value* in : graph->inputs()) model.input_names.push_back(in->name);
  model.output_names = graph->output_names();
  model.run = [graph, threads](std::span<const NamedTensor> inputs) -> Result<std::vector<ir::Tensor>> {
    std::vector<ir::Tensor> tensors;
    for (const NamedTensor& in : inputs) tensors.push_back(in.tensor);
    return interp::Run(*graph, tensors, {.threads = threads});
  };
  return model;
}

Status Compare(const ir::Tensor& got, const ir::Tensor& want, const Tolerance& tolerance, double* max_error) {
  if (got.dtype() != want.dtype() || got.dims() != want.dims())
    return BadInput("needed ", DimsText(want), ", came ", DimsText(got));
  double largest = 0, worst = 0;
  int64_t at = -1;
  for (int64_t i = 0; i < want.elements(); ++i) {
    const double b = want.At(i), d = Difference(got.At(i), b);
    if (std::isfinite(b)) largest = std::max(largest, std::fabs(b));
    const bool close = tolerance.of_largest > 0 || d == 0 || d <= tolerance.absolute + tolerance.relative * std::fabs(b);
    if ((!close && at < 0) || d > worst) {
      at = !close || tolerance.of_largest > 0 ? i : at;
      worst = std::max(worst, d);
    }
  }
  double error = worst;
  bool ok = at < 0;
  if (tolerance.of_largest > 0) {
    ok = worst <= tolerance.of_largest * largest;
    error = worst == 0 ? 0 : worst / largest;
  }
  if (max_error) *max_error = std::max(*max_error, error);
  if (ok) return {};
  return BadInput("element ", at, ": needed ", want.At(at), ", came ", got.At(at), " (worst difference ", worst, ")");
}

CaseResult RunCase(const std::string& dir, const Level& level, const Tolerance& tolerance) {
  CaseResult result;
  result.dir = dir;
  Status status;
  try {
    status = RunAll(dir, level, tolerance, &result.max_error);
  } catch (const std::exception& e) {  // one case must not end the others
    status = Internal(std::string_view(e.what()));
  }
  result.outcome = status.ok() ? Outcome::kPassed : status.code() == Code::kUnsupported ? Outcome::kSkipped : Outcome::kFailed;
  result.reason = status.message();
  return result;
}

}  // namespace hasten::conform
