// From evidence to a decision. The gate passes when every criterion passes: an
// intersection-union test (Berger 1982), in which each is tested at alpha and no
// correction is needed. To call a criterion failed is a claim of its own, and of
// several such claims one is likelier false, so that their p-values are adjusted
// (Holm 1979). What is neither shown to pass nor to fail is inconclusive.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hasten::stats {

inline constexpr double kAlpha = 0.05;   // one-sided
inline constexpr double kPower = 0.8;

// Holm's step-down adjustment, in the order given.
std::vector<double> Holm(std::span<const double> p_values);

// The smallest distance from a margin that is shown at kAlpha with kPower: how far the
// one-sided bound lies from the estimate, and what sampling takes off in one case of five.
double DetectableEffect(double bound_distance, double standard_error);
// How many samples of the kind whose n have this detectable effect show that an effect
// `distance` away from the margin is there; INT64_MAX when beyond counting.
int64_t SamplesToDecide(int64_t n, double detectable_effect, double distance);

}  // namespace hasten::stats
