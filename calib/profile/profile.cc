#include "calib/profile/profile.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <tuple>

namespace hasten::calib {
namespace {

using Clock = std::chrono::steady_clock;

double MsSince(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

// Keys that the rows see, summed over rows; row i is position past + i.
double VisiblePairs(const StepShape& s, int64_t rows, int64_t window) {
  double pairs = 0;
  for (int64_t i = s.rows - rows; i < s.rows; ++i) {
    const int64_t before = s.past + i + 1;
    pairs += static_cast<double>(window ? std::min(window, before) : before);
  }
  return pairs;
}

// Keys that any of the rows sees.
int64_t VisibleKeys(const StepShape& s, int64_t rows, int64_t window) {
  const int64_t first_row = s.past + s.rows - rows;
  return s.past + s.rows - (window ? std::max<int64_t>(0, first_row + 1 - window) : 0);
}

// The prompt's steps, as the context cuts them; an output row of its last token.
std::vector<StepShape> PromptSteps(int64_t tokens, int64_t chunk) {
  std::vector<StepShape> steps;
  for (int64_t at = 0; at < tokens; at += chunk) {
    const int64_t rows = std::min(chunk, tokens - at);
    steps.push_back({rows, at + rows == tokens ? 1 : 0, at});
  }
  return steps;
}

class Profiler {
 public:
  Profiler(const ProfileOptions& options, Session& session, std::span<const hst_instruction_info> instructions)
      : o_(options), session_(session), instructions_(instructions), history_(options.prompt.begin(), options.prompt.end()) {}

  Result<PhaseProfile> Prefill() {
    PhaseProfile phase{"prefill"};
    const std::vector<StepShape> steps = PromptSteps(static_cast<int64_t>(o_.prompt.size()), session_.chunk());
    HST_RETURN_IF_ERROR(Evaluate(o_.prompt, phase));
    HST_RETURN_IF_ERROR(Sample(phase));
    HST_RETURN_IF_ERROR(Finish(steps, phase));
    return phase;
  }

  Result<PhaseProfile> Decode() {
    PhaseProfile phase{"decode"};
    std::vector<StepShape> steps;
    for (int64_t i = 0; i < o_.new_tokens; ++i) {
      steps.push_back({1, 1, session_.length()});
      HST_RETURN_IF_ERROR(Evaluate({&history_.back(), 1}, phase));
      HST_RETURN_IF_ERROR(Sample(phase));
    }
    HST_RETURN_IF_ERROR(Finish(steps, phase));
    return phase;
  }

 private:
  Status Evaluate(std::span<const int32_t> tokens, PhaseProfile& phase) {
    const Clock::time_point begin = Clock::now();
    HST_RETURN_IF_ERROR(session_.Append(tokens));
    phase.evaluate_ms += MsSince(begin);
    phase.tokens += static_cast<int64_t>(tokens.size());
    return {};
  }

  Status Sample(PhaseProfile& phase) {
    const Clock::time_point begin = Clock::now();
    HST_ASSIGN_OR_RETURN(const int32_t token, session_.SampleNext(history_, {}));
    phase.sampling_ms += MsSince(begin);
    history_.push_back(token);
    return {};
  }

  // What the instructions took since the phase before, by kind.
  Status Finish(std::span<const StepShape> steps, PhaseProfile& phase) {
    HST_ASSIGN_OR_RETURN(const std::vector<uint64_t> times, session_.InstructionTimes());
    before_.resize(times.size());
    using Key = std::tuple<std::string, std::string, uint64_t, uint64_t>;
    std::map<Key, ProfileRow> kinds;
    for (size_t i = 0; i < times.size(); ++i) {
      const hst_instruction_info& info = instructions_[i];
      ProfileRow& row = kinds[{info.op, info.kernel, info.weight_bytes, info.row_multiply_adds}];
      const Work work = WorkOf(info, steps);
      row.op = info.op, row.kernel = info.kernel, row.arithmetic = info.arithmetic, row.weight_bytes = info.weight_bytes;
      row.instructions += 1;
      row.ms += 1e-6 * static_cast<double>(times[i] - before_[i]);
      row.work.calls += work.calls, row.work.bytes += work.bytes, row.work.multiply_adds += work.multiply_adds;
    }
    for (auto& [key, row] : kinds) {
      phase.instructions_ms += row.ms;
      phase.rows.push_back(std::move(row));
    }
    std::stable_sort(phase.rows.begin(), phase.rows.end(), [](const ProfileRow& a, const ProfileRow& b) { return a.ms > b.ms; });
    phase.steps = static_cast<int64_t>(steps.size());
    before_ = times;
    return {};
  }

  const ProfileOptions& o_;
  Session& session_;
  std::span<const hst_instruction_info> instructions_;
  std::vector<int32_t> history_;
  std::vector<uint64_t> before_;
};

}  // namespace

Work WorkOf(const hst_instruction_info& i, std::span<const StepShape> steps) {
  Work work;
  for (const StepShape& s : steps) {
    const int64_t rows = i.output_rows ? s.outputs : s.rows;
    if (rows == 0) continue;
    work.calls += 1;
    work.bytes += static_cast<double>(i.weight_bytes) + static_cast<double>(i.row_bytes) * static_cast<double>(rows) +
                  static_cast<double>(i.key_bytes) * static_cast<double>(VisibleKeys(s, rows, i.window));
    work.multiply_adds += static_cast<double>(i.row_multiply_adds) * static_cast<double>(rows);
    if (i.key_multiply_adds) work.multiply_adds += static_cast<double>(i.key_multiply_adds) * VisiblePairs(s, rows, i.window);
  }
  return work;
}

Result<std::vector<PhaseProfile>> ProfileArtifact(const Artifact& artifact, const ProfileOptions& options) {
  SessionOptions how = options.session;
  how.profile = true;
  how.capacity = static_cast<int64_t>(options.prompt.size()) + options.new_tokens;
  HST_ASSIGN_OR_RETURN(const std::vector<hst_instruction_info> instructions, artifact.Instructions());
  {  // the file's pages and the kernels' code, once, so that the first phase does not pay for them
    HST_ASSIGN_OR_RETURN(const std::unique_ptr<Session> warm, Session::Create(artifact, how));
    HST_RETURN_IF_ERROR(warm->Evaluate(options.prompt.first(1), Rows::kLast).status());
  }
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, Session::Create(artifact, how));
  Profiler profiler(options, *session, instructions);
  HST_ASSIGN_OR_RETURN(PhaseProfile prefill, profiler.Prefill());
  HST_ASSIGN_OR_RETURN(PhaseProfile decode, profiler.Decode());
  return std::vector<PhaseProfile>{std::move(prefill), std::move(decode)};
}

Roofline RooflineOf(const Work& work, uint32_t arithmetic, const Machine& machine, int threads, Isa isa) {
  const double read = machine.ReadGbPerS(threads);
  const double peak = arithmetic == HST_ARITHMETIC_I8    ? machine.Int8Gops(threads, isa)
                      : arithmetic == HST_ARITHMETIC_F32 ? machine.Fp32Gflops(threads, isa)
                                                         : 0;
  const double read_ms = read > 0 ? work.bytes * 1e-6 / read : 0;
  const double compute_ms = peak > 0 ? 2e-6 * work.multiply_adds / peak : 0;
  return {std::max(read_ms, compute_ms), read_ms >= compute_ms};
}

}  // namespace hasten::calib
