// The hasten command: parses a command line, runs the subcommand, and turns its
// Status into a message and the exit status of docs/cli.md.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "cli/version.h"
#include "passes/nearest.h"

namespace hasten::cli {
namespace {

int Fail(const Status& status) {
  std::fprintf(stderr, "hasten: %s%s\n", status.code() == Code::kInternal ? "internal error, please report it: " : "",
               status.message().c_str());
  return ExitStatus(status.code());
}

std::string DidYouMean(std::string_view wrong, const std::vector<std::string>& known) {
  const std::vector<std::string_view> names(known.begin(), known.end());
  const std::string_view nearest = passes::Nearest(wrong, names, wrong.size() / 2);  // beyond half of it, a guess is noise
  return nearest.empty() ? "" : StrCat("; did you mean ", nearest, "?");
}

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// CLI11's message, with the nearest option when one was mistyped.
Status UsageOf(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  const CLI::App& sub = chosen.empty() ? app : *chosen.front();
  const std::string see = StrCat("\nsee: hasten ", chosen.empty() ? "" : sub.get_name() + " ", "--help");
  for (const std::string& extra : app.remaining(true)) {
    if (extra.size() > 1 && extra.starts_with("-")) {
      const std::string name = extra.substr(0, extra.find('='));
      return UsageError("no option ", name, DidYouMean(name, OptionNames(sub)), see);
    }
    return UsageError("unexpected argument \"", extra, "\"", see);
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) && chosen.empty()) return UsageError("a command is required", see);
  return UsageError(error.what(), see);
}

int Run(int argc, char** argv) {
  const Context context{InstallInterruptHandler()};
  CLI::App app("hasten compiles transformers from ONNX ahead of time, and runs what it compiled.", "hasten");
  app.set_version_flag("--version", VersionLine(), "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.footer("\nExit status: 0 done, 1 a check failed, 2 usage, 3 bad input, 4 resources, 5 inconclusive, 70 a bug, 130 interrupted.\n"
             "hasten COMMAND --help explains a command.");
  std::vector<std::pair<CLI::App*, Action>> actions;
  std::vector<std::string> names;
  for (const Command& command : AllCommands()) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->set_help_flag("-h,--help", "Print this help and exit");
    actions.emplace_back(sub, command.add(*sub));
    names.push_back(command.name);
  }
  if (argc > 1 && argv[1][0] != '-' && std::find(names.begin(), names.end(), argv[1]) == names.end()) {
    return Fail(UsageError("no command \"", argv[1], "\"", DidYouMean(argv[1], names), "\nsee: hasten --help"));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    return Fail(UsageOf(app, error));
  }
  for (const auto& [sub, action] : actions) {
    if (!sub->parsed()) continue;
    const Result<int> result = action(context);
    if (!result.ok()) return Fail(result.status());
    return *result;
  }
  return Fail(Internal("no command ran"));
}

}  // namespace
}  // namespace hasten::cli

int main(int argc, char** argv) {
  try {
    return hasten::cli::Run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "hasten: out of memory\n");
    return hasten::ExitStatus(hasten::Code::kResource);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hasten: internal error, please report it: %s\n", error.what());
    return hasten::ExitStatus(hasten::Code::kInternal);
  }
}
