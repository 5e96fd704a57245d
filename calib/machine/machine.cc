#include "calib/machine/machine.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "calib/machine/mapping.h"
#include "calib/machine/probe.h"
#include "calib/machine/proc.h"
#include "runtime/base/threads.h"

namespace hasten::calib {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRounds = 9;
constexpr int64_t kSweepTile = int64_t{1} << 20;   // of one thread at a time: far beyond what a region costs
// About 0.3 ms of one core: short enough that a busy core leaves its share to others.
constexpr int64_t kPeakIterations = 100'000;
constexpr int64_t kPeakTiles = 8;                  // a thread
constexpr int64_t kRegions = 5'000;

double SecondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Seconds of each round of `work`, after one that is not counted.
template <class F>
std::vector<double> Rounds(const F& work) {
  work();
  std::vector<double> seconds;
  for (int i = 0; i < kRounds; ++i) {
    const Clock::time_point begin = Clock::now();
    work();
    seconds.push_back(SecondsSince(begin));
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

// amount / seconds; `amount` in 1e9 of something.
Figure Rate(double amount, const std::vector<double>& seconds) { return {amount / seconds.front(), amount / seconds[seconds.size() / 2]}; }

const Probe& WidestReader() {
  const Probe* widest = &AllProbes().front();
  for (const Probe& p : AllProbes())
    if (IsaAvailable(p.isa)) widest = &p;
  return *widest;
}

Figure MeasureRead(ThreadPool& pool, const Mapping& memory) {
  const Probe& probe = WidestReader();
  std::atomic<uint64_t> kept{0};
  const auto sweep = [&] {
    pool.Run(static_cast<int64_t>(memory.size()) / kSweepTile, 1, [&](int64_t begin, int64_t end, int) {
      kept.fetch_xor(probe.read(memory.data() + begin * kSweepTile, static_cast<size_t>((end - begin) * kSweepTile)), std::memory_order_relaxed);
    });
  };
  return Rate(static_cast<double>(memory.size()) * 1e-9, Rounds(sweep));
}

std::optional<Figure> MeasurePeak(ThreadPool& pool, void (*loop)(int64_t), int64_t lanes) {
  if (!loop) return std::nullopt;
  const int64_t tiles = kPeakTiles * pool.threads();
  const auto work = [&] {
    pool.Run(tiles, 1, [&](int64_t begin, int64_t end, int) { loop(kPeakIterations * (end - begin)); });
  };
  const double multiply_adds = static_cast<double>(tiles * kPeakIterations * kChains * lanes);
  return Rate(2e-9 * multiply_adds, Rounds(work));
}

Figure MeasureRegion(ThreadPool& pool) {
  // Two tiles a thread: one tile alone runs without a region.
  const auto work = [&] {
    for (int64_t i = 0; i < kRegions; ++i) pool.Run(2 * pool.threads(), 1, [](int64_t, int64_t, int) {});
  };
  const std::vector<double> seconds = Rounds(work);
  const double us = 1e6 / static_cast<double>(kRegions);
  return {us * seconds.front(), us * seconds[seconds.size() / 2]};
}

class Measurement {
 public:
  explicit Measurement(const MachineOptions& options) : o_(options) {}

  Result<Machine> Run() {
    m_.cpu = ProcValue("/proc/cpuinfo", "model name");
    m_.cores = UsableCores();
    m_.sweep_bytes = o_.sweep_bytes;
    for (int threads : o_.threads) {
      HST_ASSIGN_OR_RETURN(std::unique_ptr<ThreadPool> pool, ThreadPool::Create(threads));
      pools_.push_back(std::move(pool));
    }
    HST_RETURN_IF_ERROR(Peaks());
    HST_RETURN_IF_ERROR(Reads());
    return std::move(m_);
  }

 private:
  Status Interrupted() const {
    if (o_.cancel && *o_.cancel) return Status(Code::kCancelled, "interrupted");
    return {};
  }

  Status Stage(std::string_view name) const {
    HST_RETURN_IF_ERROR(Interrupted());
    if (o_.stage) o_.stage(name);
    return {};
  }

  Status Peaks() {
    HST_RETURN_IF_ERROR(Stage("multiply-adds and regions"));
    for (const auto& pool : pools_) {
      m_.regions.push_back({pool->threads(), MeasureRegion(*pool)});
      for (const Probe& probe : AllProbes()) {
        if (!IsaAvailable(probe.isa) || (!probe.int8 && !probe.fp32)) continue;
        m_.peaks.push_back({probe.isa, pool->threads(), MeasurePeak(*pool, probe.int8, probe.int8_lanes),
                            MeasurePeak(*pool, probe.fp32, probe.fp32_lanes)});
      }
    }
    return {};
  }

  Status Reads() {
    HST_RETURN_IF_ERROR(Stage("reading memory"));
    {
      HST_ASSIGN_OR_RETURN(const Mapping memory, Mapping::SmallPages(o_.sweep_bytes, *pools_.back()));
      for (const auto& pool : pools_) m_.reads.push_back({pool->threads(), MeasureRead(*pool, memory), {}, {}});
      HST_RETURN_IF_ERROR(Stage("reading a mapped file"));
      const Result<Mapping> file = Mapping::File(memory);
      if (!file.ok()) m_.file_note = file.status().message();
      for (size_t i = 0; file.ok() && i < pools_.size(); ++i) m_.reads[i].file = MeasureRead(*pools_[i], *file);
    }
    HST_RETURN_IF_ERROR(Stage("reading huge pages"));
    const Result<Mapping> huge = Mapping::HugePages(o_.sweep_bytes, *pools_.back());
    if (!huge.ok()) m_.huge_note = huge.status().message();
    for (size_t i = 0; huge.ok() && i < pools_.size(); ++i) m_.reads[i].huge = MeasureRead(*pools_[i], *huge);
    return Interrupted();
  }

  const MachineOptions& o_;
  Machine m_;
  std::vector<std::unique_ptr<ThreadPool>> pools_;
};

}  // namespace

std::vector<int> ThreadCounts(int threads) {
  std::vector<int> counts;
  for (int n = 1; n < threads; n *= 2) counts.push_back(n);
  counts.push_back(threads);
  return counts;
}

Result<Machine> MeasureMachine(const MachineOptions& options) { return Measurement(options).Run(); }

double Machine::ReadGbPerS(int threads) const {
  double best = 0;
  for (const ReadRate& r : reads)
    if (r.threads == threads) best = std::max({best, r.small.best, r.huge ? r.huge->best : 0, r.file ? r.file->best : 0});
  return best;
}

double Machine::Int8Gops(int threads, Isa isa) const {
  double best = 0;
  for (const Peak& p : peaks)
    if (p.threads == threads && p.isa <= isa && p.int8) best = std::max(best, p.int8->best);
  return best;
}

double Machine::Fp32Gflops(int threads, Isa isa) const {
  double best = 0;
  for (const Peak& p : peaks)
    if (p.threads == threads && p.isa <= isa && p.fp32) best = std::max(best, p.fp32->best);
  return best;
}

}  // namespace hasten::calib
