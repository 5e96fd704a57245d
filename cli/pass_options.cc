#include "cli/pass_options.h"

#include "cli/terminal.h"

namespace hasten::cli {

void AddPassOptions(CLI::App& app, PassOptions& options) {
  const char* const group = "Passes";
  app.add_option("--dump-ir", options.dump_ir, "Write the graph after every pass to this folder")->type_name("DIR")->group(group);
  app.add_option("--print-after", options.print_after, "Print the graph after these passes to stderr")
      ->delimiter(',')->allow_extra_args(false)->type_name("PASS,...")->group(group);
  app.add_option("--disable-pass", options.disable, "Leave these passes out")
      ->delimiter(',')->allow_extra_args(false)->type_name("PASS,...")->group(group);
  app.add_option("--stop-after", options.stop_after, "Run no pass after this one")->type_name("PASS")->group(group);
  app.add_option("--verify", options.verify, "numeric: interpret the graph before and after every pass")
      ->type_name("KIND")->group(group);
  app.add_flag("--stats", options.stats, "Report time, op counts and counters of every pass")->group(group);
}

Result<passes::RunOptions> RunOptionsOf(const PassOptions& options, const std::atomic<bool>* cancel) {
  if (!options.verify.empty() && options.verify != "numeric") {
    return UsageError("--verify=", options.verify, ": only --verify=numeric is known");
  }
  passes::RunOptions run;
  run.dump_ir = options.dump_ir;
  run.print_after = options.print_after;
  run.disable = options.disable;
  run.stop_after = options.stop_after;
  run.verify_numeric = options.verify == "numeric";
  run.print = [](std::string_view text) { Note(text); };
  run.cancel = cancel;
  return run;
}

}  // namespace hasten::cli
