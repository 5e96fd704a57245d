#include "tests/cli/run_command.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace hasten::testing {
namespace {

namespace fs = std::filesystem;

// In the child: never returns.
[[noreturn]] void Exec(const std::vector<std::string>& arguments, const RunHow& how, int out, int err) {
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  const int none = open("/dev/null", O_RDONLY);
  dup2(none, STDIN_FILENO);
  if (!how.folder.empty() && chdir(how.folder.c_str()) != 0) _exit(126);
  if (how.max_file_bytes > 0) {
    const rlimit limit = {static_cast<rlim_t>(how.max_file_bytes), static_cast<rlim_t>(how.max_file_bytes)};
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);  // write() answers EFBIG instead
  }
  if (how.max_data_bytes > 0) {
    const rlimit limit = {static_cast<rlim_t>(how.max_data_bytes), static_cast<rlim_t>(how.max_data_bytes)};
    setrlimit(RLIMIT_DATA, &limit);
  }
  std::vector<char*> argv;
  std::string binary = std::string(HASTEN_BINARY_DIR) + "/bin/" + how.command;
  argv.push_back(binary.data());
  std::vector<std::string> copy = arguments;
  for (std::string& a : copy) argv.push_back(a.data());
  argv.push_back(nullptr);
  execv(binary.c_str(), argv.data());
  _exit(127);
}

// Both pipes to their ends, so that neither fills up while the other is read.
void Drain(std::array<int, 2> fds, std::array<std::string*, 2> texts) {
  std::array<pollfd, 2> polls = {pollfd{fds[0], POLLIN, 0}, pollfd{fds[1], POLLIN, 0}};
  for (int open_ends = 2; open_ends > 0;) {
    if (poll(polls.data(), polls.size(), -1) < 0) continue;
    for (size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].fd < 0 || polls[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t got = read(polls[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        texts[i]->append(buffer, static_cast<size_t>(got));
      } else {
        polls[i].fd = -1;
        --open_ends;
      }
    }
  }
}

}  // namespace

Outcome RunHasten(const std::vector<std::string>& arguments, const RunHow& how) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) return {};
  const pid_t child = fork();
  if (child == 0) Exec(arguments, how, out[1], err[1]);
  close(out[1]);
  close(err[1]);
  std::jthread interrupter;
  if (how.interrupt_after.count() > 0) {
    interrupter = std::jthread([child, &how](std::stop_token stop) {
      const auto until = std::chrono::steady_clock::now() + how.interrupt_after;
      while (!stop.stop_requested() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (!stop.stop_requested()) kill(child, SIGINT);
    });
  }
  Outcome outcome;
  Drain({out[0], err[0]}, {&outcome.out, &outcome.err});
  close(out[0]);
  close(err[0]);
  if (interrupter.joinable()) {
    interrupter.request_stop();  // its output is closed: it ends by itself
    interrupter.join();
  }
  int status = 0;
  waitpid(child, &status, 0);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  return outcome;
}

std::string FreshFolder() {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string(test->test_suite_name()) + "." + test->name();
  std::replace(name.begin(), name.end(), '/', '-');
  const fs::path folder = fs::path(HASTEN_BINARY_DIR) / "test-output" / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

std::vector<std::string> List(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::string Fixture(const std::string& name) { return std::string(HASTEN_BINARY_DIR) + "/fixtures/models/" + name; }

}  // namespace hasten::testing
