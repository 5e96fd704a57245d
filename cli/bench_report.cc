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

// A row's figures, from time and work.
struct Rates {
  Rates(const calib::ProfileRow& row, const ProfileReport& report)
      : roofline(calib::RooflineOf(row.work, row.arithmetic, report.machine, report.threads, report.isa)) {
    if (row.ms <= 0) return;
    gb_per_s = row.work.bytes * 1e-6 / row.ms;
    gops = 2e-6 * row.work.multiply_adds / row.ms;
    share = roofline.ms / row.ms;
  }
  calib::Roofline roofline;
  double gb_per_s = 0, gops = 0, share = 0;
};

double Percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

ordered_json RowJson(const calib::ProfileRow& row, const calib::PhaseProfile& phase, const ProfileReport& report) {
  const Rates rates(row, report);
  return {{"op", row.op}, {"kernel", row.kernel}, {"instructions", row.instructions}, {"calls", row.work.calls},
          {"ms", row.ms}, {"share", Percent(row.ms, phase.evaluate_ms) / 100}, {"weight_bytes", row.weight_bytes},
          {"bytes", row.work.bytes}, {"multiply_adds", row.work.multiply_adds}, {"gb_per_s", rates.gb_per_s}, {"gops", rates.gops},
          {"limit", rates.roofline.memory ? "memory" : "compute"}, {"roofline_ms", rates.roofline.ms}, {"roofline_share", rates.share}};
}

ordered_json PhaseJson(const calib::PhaseProfile& phase, const ProfileReport& report) {
  ordered_json rows = ordered_json::array();
  for (const calib::ProfileRow& row : phase.rows) rows.push_back(RowJson(row, phase, report));
  return {{"phase", phase.name}, {"steps", phase.steps}, {"tokens", phase.tokens}, {"evaluate_ms", phase.evaluate_ms},
          {"instructions_ms", phase.instructions_ms}, {"outside_ms", phase.evaluate_ms - phase.instructions_ms},
          {"sampling_ms", phase.sampling_ms}, {"instructions", rows}};
}

// Times are a step: what one token costs when decoding.
std::string PhaseText(const calib::PhaseProfile& phase, const ProfileReport& report) {
  const double steps = static_cast<double>(phase.steps);
  TextTable table;
  table.Row({phase.name, "kernel", "count", "weights each", "us a step", "share", "GB/s", "GOPS", "of roofline"});
  for (const calib::ProfileRow& row : phase.rows) {
    const Rates rates(row, report);
    table.Row({row.op, row.kernel, StrCat(row.instructions), row.weight_bytes ? HumanBytes(row.weight_bytes) : "-", Fixed(1e3 * row.ms / steps, 1),
               Fixed(Percent(row.ms, phase.evaluate_ms), 1) + " %", Fixed(rates.gb_per_s, 1), row.work.multiply_adds > 0 ? Fixed(rates.gops, 1) : "-",
               rates.roofline.ms > 0 ? StrCat(Fixed(100 * rates.share, 0), " % ", rates.roofline.memory ? "memory" : "compute") : "-"});
  }
  const double outside = phase.evaluate_ms - phase.instructions_ms;
  table.Row({"outside instructions", "", "", "", Fixed(1e3 * outside / steps, 1), Fixed(Percent(outside, phase.evaluate_ms), 1) + " %"});
  table.Row({"all of evaluate", "", "", "", Fixed(1e3 * phase.evaluate_ms / steps, 1), "100.0 %"});
  table.Row({"sampling", "", "", "", Fixed(1e3 * phase.sampling_ms / steps, 1)});
  return StrCat(table.Text(), phase.steps, " steps, ", phase.tokens, " tokens\n");
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

ordered_json ProfileJson(const ProfileReport& report) {
  ordered_json phases = ordered_json::array();
  for (const calib::PhaseProfile& phase : report.phases) phases.push_back(PhaseJson(phase, report));
  return {{"threads", report.threads}, {"isa", IsaName(report.isa)}, {"machine", MachineJson(report.machine)}, {"phases", phases}};
}

std::string ProfileText(const ProfileReport& report) {
  const int t = report.threads;
  std::string text = StrCat("limits with ", t, " threads, ", IsaName(report.isa), ": ", Fixed(report.machine.ReadGbPerS(t), 1), " GB/s, ",
                            Fixed(report.machine.Int8Gops(t, report.isa), 0), " GOPS int8, ",
                            Fixed(report.machine.Fp32Gflops(t, report.isa), 0), " GFLOPS fp32\n");
  for (const calib::PhaseProfile& phase : report.phases) text += "\n" + PhaseText(phase, report);
  return text;
}

}  // namespace hasten::cli
