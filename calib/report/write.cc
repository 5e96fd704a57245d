#include "calib/report/write.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "calib/data/text_file.h"
#include "calib/gate/report_json.h"
#include "calib/report/html.h"
#include "calib/report/junit.h"
#include "calib/report/markdown.h"

namespace hasten::report {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxReportBytes = uint64_t{64} << 20;

Status WriteWhole(const fs::path& path, const std::string& text) {
  const fs::path partial = path.string() + ".partial";
  std::ofstream out(partial, std::ios::binary | std::ios::trunc);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  if (out && std::rename(partial.c_str(), path.c_str()) == 0) return {};
  const Status status = ResourceError(path.string(), ": cannot be written: ", std::strerror(errno));
  std::remove(partial.c_str());
  return status;
}

}  // namespace

Status WriteReports(const gate::Report& report, const std::string& folder, std::span<const gate::Report> others) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!fs::is_directory(folder)) return ResourceError(folder, ": is no folder and cannot be made one", error ? ": " + error.message() : "");
  const fs::path in(folder);
  HST_RETURN_IF_ERROR(WriteWhole(in / "report.md", MarkdownText(report)));
  HST_RETURN_IF_ERROR(WriteWhole(in / "junit.xml", JunitXml(report)));
  HST_RETURN_IF_ERROR(WriteWhole(in / "report.html", HtmlPage(report, others)));
  return WriteWhole(in / "report.json", gate::ReportToJson(report));
}

Result<gate::Report> ReadReport(const std::string& path) {
  HST_ASSIGN_OR_RETURN(const std::string text, calib::ReadFile(path, kMaxReportBytes));
  Result<gate::Report> report = gate::ReportFromJson(text);
  if (!report.ok()) return std::move(report).status().Annotate(path);
  return report;
}

}  // namespace hasten::report
