// What the command writes: data to stdout, progress to stderr. A bar is drawn
// on a terminal only; a log gets one line a stage, and one a minute of a long one.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::cli {

// Writes all bytes to stdout and flushes; kResource when they cannot be written
// (disk full, reader gone).
Status WriteOut(std::string_view text);

// A line to stderr.
void Note(std::string_view line);

// "512.3 MB", decimal units; "1,234,567".
std::string HumanBytes(uint64_t bytes);
std::string WithCommas(uint64_t value);
// A double with `digits` after the point, or in %g form when digits < 0.
std::string Fixed(double value, int digits);

// A table in columns, two spaces apart, for people; the first row is the head.
class TextTable {
 public:
  void Row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string Text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// The progress of one stage at a time. Silent when `quiet`.
class Progress {
 public:
  explicit Progress(bool quiet = false);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Begins a stage (the one before it ends): a line in a log, a bar on a terminal.
  void Stage(std::string_view name);
  // Work done in this stage, in any unit; total 0: not known.
  void Update(uint64_t done, uint64_t total);
  void End();

 private:
  void Draw(uint64_t done, uint64_t total);
  bool quiet_, terminal_;
  std::string stage_;
  std::chrono::steady_clock::time_point began_, drawn_;
};

}  // namespace hasten::cli
