// Made-up reports for tests: a whole one with hostile text in every field that
// carries text, one that passed, and one without anything.
#pragma once

#include "calib/gate/report.h"

namespace hasten::report {

// What someone would put into data to take over a page, a table or a terminal.
extern const char kHostile[];

gate::Report FullReport();      // FAIL
gate::Report HostileReport();   // the same, every text field hostile
gate::Report PassingReport();   // of 8-bit weights, an earlier state of the same model

}  // namespace hasten::report
