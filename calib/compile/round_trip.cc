#include "calib/compile/round_trip.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <vector>

#include "calib/abi/artifact.h"
#include "calib/eval/reference.h"
#include "runtime/format/artifact.h"

namespace hasten::calib {
namespace {

constexpr int64_t kTokens = 12;
// fp32 weights and cache differ from the interpreter by the order of sums
// only: 1e-6 of the largest value and layer on real models.
constexpr double kLosslessError = 1e-3;
// What is packed or wired wrongly is uncorrelated with the original, near 0; 4 bits
// by round to nearest stay above 0.9 on real models.
constexpr double kLeastAgreement = 0.3;
// Fewer values (a classifier's few scores) may differ that much by chance.
constexpr int64_t kTellingValues = 64;

// Arbitrary ids of the vocabulary, the same every time; not all below 256.
std::vector<int32_t> CheckTokens(int64_t vocab) {
  std::vector<int32_t> tokens;
  uint64_t state = 0x9E3779B97F4A7C15;
  for (int64_t i = 0; i < kTokens; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX generator
    tokens.push_back(static_cast<int32_t>((state >> 33) % static_cast<uint64_t>(vocab)));
  }
  return tokens;
}

struct Comparison {
  double cosine = 0;         // of the rows less their means, over all rows
  double error = 0;          // max |a - b| / max |b|
  bool finite = true;
};

void Accumulate(std::span<const float> a, std::span<const float> b, double (&sums)[3], Comparison& c, double& largest) {
  double mean_a = 0, mean_b = 0;
  for (size_t i = 0; i < a.size(); ++i) mean_a += a[i], mean_b += b[i];
  mean_a /= static_cast<double>(a.size()), mean_b /= static_cast<double>(b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i] - mean_a, y = b[i] - mean_b;
    sums[0] += x * y, sums[1] += x * x, sums[2] += y * y;
    c.error = std::max(c.error, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
    c.finite = c.finite && std::isfinite(a[i]);
  }
}

Result<Comparison> Compare(Session& session, std::span<const int32_t> tokens, const ir::Tensor& reference) {
  HST_ASSIGN_OR_RETURN(const RowBlock rows, session.Evaluate(tokens, Rows::kAll));
  if (rows.cols != reference.dim(-1) || rows.rows > reference.dim(0)) {
    return Internal("the artifact gives [", rows.rows, ", ", rows.cols, "] and the model [", reference.dim(0), ", ",
                    reference.dim(-1), "]");
  }
  Comparison c;
  double sums[3] = {}, largest = 0;
  const int64_t skip = reference.dim(0) - rows.rows;  // an output of the last token only
  for (int64_t r = 0; r < rows.rows; ++r) {
    const float* b = reference.data<float>() + (skip + r) * rows.cols;
    Accumulate(rows.At(r), {b, static_cast<size_t>(rows.cols)}, sums, c, largest);
  }
  c.error = largest > 0 ? c.error / largest : c.error;
  // Two constant rows agree.
  c.cosine = sums[1] > 0 && sums[2] > 0 ? sums[0] / std::sqrt(sums[1] * sums[2]) : (sums[1] == sums[2] ? 1 : 0);
  return c;
}

}  // namespace

Result<RoundTripReport> CheckRoundTrip(const RoundTripOptions& options) {
  RoundTripReport report;
  {
    HST_ASSIGN_OR_RETURN(const std::shared_ptr<const ArtifactFile> file, ArtifactFile::Open(options.artifact));
    HST_RETURN_IF_ERROR(file->VerifyDigests(options.cancel));
    report.artifact_bytes = file->file_bytes();
  }
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Artifact> artifact, Artifact::Open(options.artifact));
  const std::vector<int32_t> tokens = CheckTokens(artifact->info().vocab);
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<ReferenceModel> model,
                       ReferenceModel::Open(options.model, options.threads, options.cancel));
  HST_ASSIGN_OR_RETURN(const ir::Tensor reference, model->MainRows(tokens));
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session,
                       Session::Create(*artifact, {.threads = options.threads, .capacity = kTokens, .cancel = options.cancel}));
  HST_ASSIGN_OR_RETURN(const Comparison c, Compare(*session, tokens, reference));
  report.agreement = c.cosine;
  const bool telling = reference.elements() >= kTellingValues;
  if (!c.finite || (options.lossless ? !(c.error <= kLosslessError) : telling && !(c.cosine >= kLeastAgreement))) {
    return Internal(options.shown_as, ": the packed model does not agree with the original (largest difference ", c.error,
                    " of the largest value, cosine ", c.cosine, "); nothing was written");
  }
  return report;
}

}  // namespace hasten::calib
