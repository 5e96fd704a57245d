#include "cli/bench_report.h"

#include <optional>

#include "cli/terminal.h"

namespace hasten::cli {
namespace {

using nlohmann::ordered_json;

ordered_json FigureJson(const calib::Figure& f) { return {{"best", f.best}, {"median", f.median}}; }
ordered_json FigureJson(const std::optional<calib::Figure>& f) { return f ? FigureJson(*f) : ordered_json(nullptr); }

std::string FigureText(const std::optional<calib::Figure>& f, int digits) {
  return f ? StrCat(Fixed(f->best, digits), " (", Fixed(f->median, digits), ")") : "-";
}

}  // namespace

ordered_json MachineJson(const calib::Machine& m) {
  ordered_json report = {{"cpu", m.cpu}, {"cores", m.cores}, {"sweep_bytes", m.sweep_bytes}};
  report["read"] = report["peak"] = report["region"] = ordered_json::array();
  for (const calib::ReadRate& r : m.reads)
    report["read"].push_back({{"threads", r.threads}, {"small_pages_gb_per_s", FigureJson(r.small)}, {"huge_pages_gb_per_s", FigureJson(r.huge)},
                              {"file_gb_per_s", FigureJson(r.file)}});
  for (const calib::Peak& p : m.peaks)
    report["peak"].push_back({{"isa", IsaName(p.isa)}, {"threads", p.threads}, {"int8_gops", FigureJson(p.int8)}, {"fp32_gflops", FigureJson(p.fp32)}});
  for (const calib::RegionTime& r : m.regions) report["region"].push_back({{"threads", r.threads}, {"us", FigureJson(r.us)}});
  if (!m.huge_note.empty()) report["huge_note"] = m.huge_note;
  if (!m.file_note.empty()) report["file_note"] = m.file_note;
  return report;
}

std::string MachineText(const calib::Machine& m) {
  std::string text = StrCat(m.cpu, ", ", m.cores, " cores; best (median)\n\n");
  TextTable reads;
  reads.Row({StrCat("reading ", HumanBytes(m.sweep_bytes)), "4 KiB pages, GB/s", "huge pages, GB/s", "mapped file, GB/s", "empty region, us"});
  for (size_t i = 0; i < m.reads.size(); ++i)
    reads.Row({StrCat(m.reads[i].threads, m.reads[i].threads == 1 ? " thread" : " threads"), FigureText(m.reads[i].small, 1),
               FigureText(m.reads[i].huge, 1), FigureText(m.reads[i].file, 1), FigureText(m.regions[i].us, 2)});
  text += reads.Text() + "\n";
  TextTable peaks;
  peaks.Row({"multiply-adds", "threads", "int8, GOPS", "fp32, GFLOPS"});
  for (const calib::Peak& p : m.peaks)
    peaks.Row({std::string(IsaName(p.isa)), StrCat(p.threads), FigureText(p.int8, 0), FigureText(p.fp32, 0)});
  text += peaks.Text();
  if (!m.huge_note.empty()) text += StrCat("\nno huge pages: ", m.huge_note, "\n");
  if (!m.file_note.empty()) text += StrCat("\nno mapped file: ", m.file_note, "\n");
  return text;
}

}  // namespace hasten::cli
