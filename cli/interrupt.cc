#include "cli/interrupt.h"

#include <csignal>
#include <unistd.h>

#include "runtime/base/status.h"

namespace hasten::cli {
namespace {

std::atomic<bool> g_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // or the handler could not touch it

void OnSignal(int) {
  if (g_interrupted.exchange(true)) _exit(ExitStatus(Code::kCancelled));
}

}  // namespace

const std::atomic<bool>* InstallInterruptHandler() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
  return &g_interrupted;
}

}  // namespace hasten::cli
