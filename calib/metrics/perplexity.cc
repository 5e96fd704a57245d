// Perplexity (Jelinek et al. 1977): exp of the mean negative log likelihood.
#include <cmath>

#include "calib/metrics/metric.h"

namespace hasten::calib {
namespace {

double ExpOfMean(std::span<const TokenScore> scores, double TokenScore::* nll) {
  double sum = 0;
  for (const TokenScore& s : scores) sum += s.*nll;
  return std::exp(sum / static_cast<double>(scores.size()));
}

}  // namespace

double Perplexity(std::span<const TokenScore> scores) { return ExpOfMean(scores, &TokenScore::candidate_nll); }
double ReferencePerplexity(std::span<const TokenScore> scores) { return ExpOfMean(scores, &TokenScore::reference_nll); }

}  // namespace hasten::calib
