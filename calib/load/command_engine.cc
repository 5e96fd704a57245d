#include "calib/load/command_engine.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "calib/machine/proc.h"

namespace hasten::load {
namespace {

using nlohmann::json;

constexpr size_t kMaxLine = size_t{1} << 20;
constexpr std::chrono::milliseconds kSlice(20);   // between looks at the clock and at cancel

// In the child; never returns.
[[noreturn]] void Exec(const char* command, int in, int out) {
  setpgid(0, 0);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  execl("/bin/sh", "sh", "-c", command, static_cast<char*>(nullptr));
  _exit(127);
}

}  // namespace

Result<std::unique_ptr<CommandEngine>> CommandEngine::Start(const std::string& command, double timeout_s, Clock& clock,
                                                            const std::atomic<bool>* cancel) {
  std::unique_ptr<CommandEngine> engine(new CommandEngine(timeout_s, clock, cancel));
  HST_RETURN_IF_ERROR(engine->Spawn(command));
  HST_RETURN_IF_ERROR(engine->AwaitReady().ok() ? Status() : ResourceError("the baseline command \"", command, "\": ", engine->broken_));
  return engine;
}

Status CommandEngine::Spawn(const std::string& command) {
  // Sockets, not pipes: a write to one whose reader is gone can be told to raise no SIGPIPE.
  int in[2], out[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0) return ResourceError("the baseline command: ", std::strerror(errno));
  if (pipe2(out, O_CLOEXEC) != 0) {
    close(in[0]), close(in[1]);
    return ResourceError("the baseline command: ", std::strerror(errno));
  }
  in_ = in[0], out_ = out[0];
  child_ = fork();
  if (child_ == 0) Exec(command.c_str(), in[1], out[1]);
  close(in[1]), close(out[1]);
  if (child_ < 0) return ResourceError("the baseline command: ", std::strerror(errno));
  setpgid(child_, child_);   // here as well: whoever comes first
  reader_ = std::jthread([this](const std::stop_token& stop) { Read(stop); });
  return {};
}

Status CommandEngine::AwaitReady() {
  const double begin = clock_.Now();
  std::unique_lock lock(mutex_);
  while (!ready_ && broken_.empty()) {
    changed_.wait_for(lock, kSlice);
    if (cancel_ && *cancel_) broken_ = "interrupted";
    else if (clock_.Now() - begin > timeout_s_) broken_ = StrCat("was not ready after ", timeout_s_, " s: it has to write {\"event\": \"ready\"}");
  }
  if (!ready_) return ResourceError(broken_);
  load_ms_ = 1e3 * (clock_.Now() - begin);
  return {};
}

CommandEngine::~CommandEngine() {
  if (child_ > 0) kill(-child_, SIGKILL);
  reader_.request_stop();
  if (reader_.joinable()) reader_.join();
  if (child_ > 0) waitpid(child_, nullptr, 0);
  if (in_ >= 0) close(in_);
  if (out_ >= 0) close(out_);
}

void CommandEngine::Submit(const Request& request, std::function<void(Outcome)> done) {
  const std::string line = json{{"id", request.id}, {"prompt", request.prompt}, {"output_tokens", request.output_tokens}}.dump() + "\n";
  std::unique_lock lock(mutex_);
  Open& open = open_[request.id];
  open = {request.output_tokens, clock_.Now(), {}, std::move(done)};
  open.outcome.start = open.sent;
  if (!broken_.empty()) return Finish(request.id, broken_);
  lock.unlock();
  // A command that does not read blocks here once the socket's buffer is full (200 KB);
  // that shows as the generator's lag.
  for (size_t at = 0; at < line.size();) {
    const ssize_t wrote = send(in_, line.data() + at, line.size() - at, MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) break;       // the reader will see the end and fail the request
    at += static_cast<size_t>(wrote);
  }
}

void CommandEngine::Drain() {
  std::unique_lock lock(mutex_);
  while (!open_.empty()) {
    changed_.wait_for(lock, kSlice);
    if (cancel_ && *cancel_) FailAll("interrupted");
    std::vector<int64_t> late;
    for (const auto& [id, open] : open_) if (clock_.Now() - open.sent > timeout_s_) late.push_back(id);
    for (const int64_t id : late) Finish(id, StrCat("given up after ", timeout_s_, " s"));
  }
}

int64_t CommandEngine::PeakBytes() { return calib::PeakMemoryBytes(StrCat(child_)); }

void CommandEngine::Read(const std::stop_token& stop) {
  std::string pending;
  char buffer[65536];
  for (;;) {
    pollfd wait = {out_, POLLIN, 0};
    if (stop.stop_requested()) return;
    if (poll(&wait, 1, static_cast<int>(kSlice.count())) <= 0) continue;
    const ssize_t got = read(out_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    const std::lock_guard lock(mutex_);
    if (got <= 0) return FailAll("the command ended");
    pending.append(buffer, static_cast<size_t>(got));
    size_t begin = 0;
    for (size_t end; broken_.empty() && (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) Line(pending.substr(begin, end - begin));
    pending.erase(0, begin);
    if (pending.size() > kMaxLine) FailAll("a line of its output is longer than 1 MiB");
    if (!broken_.empty()) return;
  }
}

void CommandEngine::Line(const std::string& line) {
  const double now = clock_.Now();
  const json j = json::parse(line, nullptr, /*allow_exceptions=*/false);
  const std::string event = j.is_object() && j.contains("event") && j["event"].is_string() ? j["event"].get<std::string>() : "";
  if (event == "ready") {
    ready_ = true;
    return changed_.notify_all();
  }
  const bool known = event == "start" || event == "token" || event == "error";
  if (!known || !j.contains("id") || !j["id"].is_number_integer()) {
    return FailAll(StrCat("wrote \"", line.substr(0, 80), "\", which is none of {\"event\": \"ready\"} and {\"id\": N, \"event\": \"start\", \"token\" or \"error\"}"));
  }
  const auto it = open_.find(j["id"].get<int64_t>());
  if (it == open_.end()) return;   // given up before
  if (event == "start") it->second.outcome.start = now;
  if (event == "error") return Finish(it->first, j.contains("message") && j["message"].is_string() ? j["message"].get<std::string>() : "the command reports an error");
  if (event != "token") return;
  it->second.outcome.tokens.push_back(now);
  if (static_cast<int64_t>(it->second.outcome.tokens.size()) == it->second.output_tokens) Finish(it->first, "");
}

void CommandEngine::Finish(int64_t id, std::string error) {
  const auto it = open_.find(id);
  it->second.outcome.error = std::move(error);
  it->second.done(std::move(it->second.outcome));
  open_.erase(it);
  changed_.notify_all();
}

void CommandEngine::FailAll(const std::string& error) {
  broken_ = error;
  while (!open_.empty()) Finish(open_.begin()->first, error);
  changed_.notify_all();
}

}  // namespace hasten::load
