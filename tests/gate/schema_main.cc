// Prints the schema of the gate's report: docs/gate-report.schema.json is made by
//   build/bin/gate_schema > docs/gate-report.schema.json
#include <cstdio>

#include "calib/gate/report_json.h"

int main() { std::fputs(hasten::gate::ReportSchema().c_str(), stdout); }
