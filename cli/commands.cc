// The command table, made from commands.def.
#include "cli/command.h"

namespace hasten::cli {

#define HASTEN_COMMAND(name, function, summary) Action function(CLI::App& app);
#include "cli/commands.def"
#undef HASTEN_COMMAND

namespace {
constexpr Command kCommands[] = {
#define HASTEN_COMMAND(name, function, summary) {#name, summary, &function},
#include "cli/commands.def"
#undef HASTEN_COMMAND
};
}  // namespace

std::span<const Command> AllCommands() { return kCommands; }

}  // namespace hasten::cli
