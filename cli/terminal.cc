#include "cli/terminal.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include <unistd.h>

namespace hasten::cli {
namespace {

constexpr int kBarWidth = 30;
constexpr auto kRedrawEvery = std::chrono::milliseconds(100);
constexpr auto kLogEvery = std::chrono::milliseconds(60'000);

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Characters, not bytes: what a continuation byte of UTF-8 belongs to is counted already.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

Status WriteOut(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return ResourceError("cannot write to stdout: ", std::strerror(errno));
  }
  return {};
}

void Note(std::string_view line) { std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data()); }

std::string Fixed(double value, int digits) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, digits < 0 ? "%.*g" : "%.*f", digits < 0 ? 6 : digits, value);
  return buffer;
}

std::string HumanBytes(uint64_t bytes) {
  const char* const units[] = {"bytes", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(units)) value /= 1000, ++unit;
  return StrCat(Fixed(value, unit == 0 ? 0 : 1), " ", units[unit]);
}

std::string WithCommas(uint64_t value) {
  std::string text = StrCat(value);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string TextTable::Text() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string text;
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - Width(row[i]) + 2, ' ');
    }
    text += '\n';
  }
  return text;
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() { End(); }

void Progress::Stage(std::string_view name) {
  End();
  stage_ = name;
  began_ = drawn_ = std::chrono::steady_clock::now();
  if (terminal_ && !quiet_) Draw(0, 0);
}

void Progress::Update(uint64_t done, uint64_t total) {
  if (quiet_ || std::chrono::steady_clock::now() - drawn_ < (terminal_ ? kRedrawEvery : kLogEvery)) return;
  Draw(done, total);
}

void Progress::Draw(uint64_t done, uint64_t total) {
  drawn_ = std::chrono::steady_clock::now();
  if (total == 0) {
    if (terminal_) std::fprintf(stderr, "\r\033[K%s ...", stage_.c_str());
  } else {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    const int full = static_cast<int>(std::lround(share * kBarWidth));
    const double seconds = SecondsSince(began_);
    if (!terminal_) std::fprintf(stderr, "%s %.0f %%, %.0f s", stage_.c_str(), 100 * share, seconds);
    else std::fprintf(stderr, "\r\033[K%s [%s%s] %3.0f %%  %.0f s", stage_.c_str(), std::string(static_cast<size_t>(full), '#').c_str(),
                 std::string(static_cast<size_t>(kBarWidth - full), '.').c_str(), 100 * share, seconds);
    if (share > 0 && seconds > 2) std::fprintf(stderr, ", about %.0f s left", seconds / share - seconds);
    if (!terminal_) std::fputc('\n', stderr);
  }
  std::fflush(stderr);
}

void Progress::End() {
  if (stage_.empty()) return;
  if (!quiet_) std::fprintf(stderr, "%s%s (%.1f s)\n", terminal_ ? "\r\033[K" : "", stage_.c_str(), SecondsSince(began_));
  stage_.clear();
}

}  // namespace hasten::cli
