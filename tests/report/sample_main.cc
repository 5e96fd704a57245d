// Writes the made-up reports for browser_test.py: report_sample FOLDER
#include <cstdio>

#include "calib/report/write.h"
#include "tests/report/sample_report.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  using namespace hasten;
  const std::string folder = argv[1];
  const std::vector<gate::Report> earlier = {report::PassingReport()};
  for (const auto& [name, made] : {std::pair{"full", report::FullReport()}, {"hostile", report::HostileReport()}, {"passing", report::PassingReport()}, {"empty", gate::Report()}}) {
    const Status status = report::WriteReports(made, folder + "/" + name, std::string_view(name) == "full" ? earlier : std::vector<gate::Report>{});
    if (!status.ok()) return std::fprintf(stderr, "%s\n", status.message().c_str()), 1;
  }
  return 0;
}
