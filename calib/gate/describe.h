// What the report shows beside the verdict: every metric, the distribution of errors, the
// calibration of probabilities, errors by layer, and the worst items with their text.
#pragma once

#include "calib/gate/evidence.h"

namespace hasten::gate {

void DescribeText(const Evidence& e, Report& report);
// With the items that the candidate lost.
void DescribeTasks(const Evidence& e, Report& report);
// The worst positions of the text, as many as there is room for.
Status DescribeWorst(const Evidence& e, Report& report);
Status DescribeGenerations(const Evidence& e, Report& report);
// Cached keys and values of the first chunk, both models'. Empty where the reference has
// no cache or other names for it.
Status DescribeLayers(const Evidence& e, int threads, Report& report);

}  // namespace hasten::gate
