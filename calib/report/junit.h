// The report as JUnit XML, which CI systems show: a case a criterion, in a suite a
// surface. FAIL is a failure and INCONCLUSIVE an error, since neither may pass.
#pragma once

#include <string>

#include "calib/gate/report.h"

namespace hasten::report {

std::string JunitXml(const gate::Report& report);

}  // namespace hasten::report
