#include "tests/device/gpu/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <thread>

namespace hasten::check {
namespace {

std::string ReadAndRemove(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  ::unlink(path.c_str());
  return text;
}

Finished Start(const std::vector<std::string>& command, int limit_s, const std::string& out, const std::string& err) {
  const auto begin = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child < 0) return {127, 0, "no process could be started"};
  if (child == 0) {
    ::setpgid(0, 0);
    const int o = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const int e = err == out ? o : ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(o, 1), ::dup2(e, 2);
    std::vector<char*> argv;
    for (const std::string& a : command) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  Finished f;
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    f.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (f.seconds < limit_s) continue;
    ::kill(-child, SIGKILL);
    ::waitpid(child, &status, 0);
    f.status = 124;
    return f;
  }
  f.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  f.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return f;
}

}  // namespace

Finished Run(const std::vector<std::string>& command, int limit_s) {
  const std::string log = "/tmp/hasten-gpu-check-log-" + std::to_string(::getpid());
  Finished f = Start(command, limit_s, log, log);
  f.output = ReadAndRemove(log) + f.output;
  return f;
}

std::string OutputOf(const std::vector<std::string>& command, int limit_s, Finished* finished) {
  const std::string log = "/tmp/hasten-gpu-check-log-" + std::to_string(::getpid());
  *finished = Start(command, limit_s, log + ".out", log + ".err");
  const std::string out = ReadAndRemove(log + ".out");
  finished->output = ReadAndRemove(log + ".err");
  return finished->status == 0 ? out : std::string();
}

}  // namespace hasten::check
