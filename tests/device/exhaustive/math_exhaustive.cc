// math_exhaustive: the functions of one float, for all 2^32 floats: every instruction
// set's row that this machine runs, and the device's, against the scalar row in bits.
//
//   math_exhaustive [--op NAME] [--stride S] [--device | --no-device] [--threads N]
//
// Prints a line an op; exits with 1 where bits differ, 2 for a wrong command, 4 without a device.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

#include "runtime/base/status.h"
#include "tests/device/exhaustive/subjects.h"
#include "tests/device/test_device.h"

namespace hasten::testing {
namespace {

struct Options {
  std::string op;        // empty: all
  uint64_t stride = 1;   // every so many-th float
  bool device = true;
  unsigned threads = 0;
};

// What the threads share while they go through the pieces of an op's floats.
struct Progress {
  explicit Progress(uint64_t stride) : count(((uint64_t{1} << 32) + stride - 1) / stride), pieces((count + kPiece - 1) / kPiece) {}
  const uint64_t count, pieces;
  std::atomic<uint64_t> next = 0, done = 0;
  std::mutex mutex;
  std::string rows;
  uint64_t first_float = ~uint64_t{0};   // the first difference: its number among the floats
  std::string first;
};

// Pieces are taken in order, so that the least one with a difference is always looked at.
void Work(const SubjectKind& kind, const Options& o, Progress& p) {
  std::unique_ptr<Subject> subject;
  {
    const std::lock_guard lock(p.mutex);   // devices allocate for one thread at a time
    subject = kind.make(o.device);
    p.rows.clear();
    for (const std::string_view row : subject->Rows()) p.rows += " " + std::string(row);
  }
  std::vector<float> x;
  for (uint64_t piece; (piece = p.next++) < p.pieces;) {
    const uint64_t begin = piece * kPiece;
    x.resize(std::min<uint64_t>(kPiece, p.count - begin));
    for (size_t i = 0; i < x.size(); ++i) x[i] = std::bit_cast<float>(static_cast<uint32_t>((begin + i) * o.stride));
    const std::optional<Difference> d = subject->Compare(x);
    const uint64_t done = ++p.done;
    const std::lock_guard lock(p.mutex);
    if (p.pieces >= 64 && done % (p.pieces / 8) == 0) std::fprintf(stderr, "%s: %d%%\n", kind.name.c_str(), static_cast<int>(100 * done / p.pieces));
    if (!d) continue;
    p.next = p.pieces;
    if (begin + d->index >= p.first_float) continue;
    p.first_float = begin + d->index;
    const float at = x[d->index];
    char text[64];
    std::snprintf(text, sizeof text, "of 0x%08x (%.9g) ", std::bit_cast<uint32_t>(at), static_cast<double>(at));
    p.first = text + d->what;
  }
}

// Whether all rows agree, and there are any.
bool Check(const SubjectKind& kind, const Options& o) {
  Progress p(o.stride);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::min<uint64_t>(o.threads, p.pieces); ++i) threads.emplace_back([&] { Work(kind, o, p); });
  for (std::thread& t : threads) t.join();
  const uint64_t compared = std::min<uint64_t>(p.done * kPiece, p.count);
  const std::string verdict = !p.first.empty() ? "DIFFERS: " + p.first : p.rows.empty() ? "there is nothing to compare with" : "the same bits from" + p.rows;
  std::printf("%-18s %10llu floats: %s\n", kind.name.c_str(), static_cast<unsigned long long>(compared), verdict.c_str());
  std::fflush(stdout);
  return p.first.empty() && !p.rows.empty();
}

bool Parse(int argc, char** argv, Options& o) {
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (a == "--device") o.device = true;
    else if (a == "--no-device") o.device = false;
    else if (a == "--op") o.op = value, ++i;
    else if (a == "--stride") o.stride = std::strtoull(value, nullptr, 10), ++i;
    else if (a == "--threads") o.threads = static_cast<unsigned>(std::strtoul(value, nullptr, 10)), ++i;
    else return false;
  }
  return o.stride % 2 == 1 && o.stride < uint64_t{1} << 32;   // an even one would never meet half of the mantissas
}

int Main(int argc, char** argv) {
  Options o;
  if (!Parse(argc, argv, o)) {
    std::fprintf(stderr, "usage: math_exhaustive [--op NAME] [--stride ODD] [--device | --no-device] [--threads N]\n");
    return 2;
  }
  if (o.threads == 0) o.threads = std::max(1u, std::thread::hardware_concurrency());
  if (const Status s = HasTestDevice(); o.device && !s.ok()) {
    std::fprintf(stderr, "math_exhaustive: %s\n", s.message().c_str());
    return 4;
  }
  bool found = false, same = true;
  for (const SubjectKind& kind : AllSubjects())
    if (o.op.empty() || o.op == kind.name) found = true, same = Check(kind, o) && same;
  if (!found) {
    std::fprintf(stderr, "math_exhaustive: there is no op \"%s\"; there are", o.op.c_str());
    for (const SubjectKind& kind : AllSubjects()) std::fprintf(stderr, " %s", kind.name.c_str());
    std::fprintf(stderr, "\n");
    return 2;
  }
  return same ? 0 : 1;
}

}  // namespace
}  // namespace hasten::testing

int main(int argc, char** argv) { return hasten::testing::Main(argc, argv); }
