#include "passes/pass_runner.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "compiler/ir/ops.h"
#include "compiler/ir/text.h"
#include "passes/numeric_check.h"
#include "passes/reduce.h"

namespace hasten::passes {
namespace {

using Clock = std::chrono::steady_clock;

bool Has(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::string Numbered(size_t i, std::string_view name) { return StrCat(i < 10 ? "0" : "", i, "-", name, ".ir"); }

class Runner {
 public:
  Runner(ir::Graph& graph, const RunOptions& options, RunReport& report) : graph_(graph), options_(options), report_(report) {}

  Status Start() {
    if (!options_.dump_ir.empty()) {
      std::error_code error;
      std::filesystem::create_directories(options_.dump_ir, error);
      if (error) return ResourceError("--dump-ir: cannot make the folder \"", options_.dump_ir, "\": ", error.message());
      HST_RETURN_IF_ERROR(Write(Numbered(0, "input"), graph_));
    }
    if (!options_.verify_numeric) return {};
    interp::RunOptions run;
    run.compute_fp32 = true;
    run.cancel = options_.cancel;
    HST_ASSIGN_OR_RETURN(interpreter_, interp::Interpreter::Create(run));
    HST_ASSIGN_OR_RETURN(feeds_, MakeFeeds(graph_, options_.symbols, options_.seed));
    Result<Named> first = Evaluate(*interpreter_, graph_, feeds_);
    if (!first.ok()) return std::move(first).status().Annotate("--verify=numeric: the graph as given cannot be interpreted");
    before_ = *std::move(first);
    return {};
  }

  Status RunOne(const PassInfo& pass, size_t number) {
    const std::unique_ptr<ir::Graph> saved = options_.dump_ir.empty() ? nullptr : graph_.Clone();
    PassContext context(options_.passes);
    PassStats stats;
    stats.pass = pass.name;
    stats.nodes_before = static_cast<int64_t>(graph_.nodes().size());
    stats.weights_before = CountWeights();
    Outcome outcome = Attempt(pass, graph_, context, interpreter_ ? &feeds_ : nullptr, before_, stats);
    stats.nodes_after = static_cast<int64_t>(graph_.nodes().size());
    stats.weights_after = CountWeights();
    stats.counters = context.counters();
    report_.passes.push_back(std::move(stats));
    for (const std::string& note : context.notes()) report_.notes.push_back(StrCat("[", pass.name, "] ", note));
    if (!outcome.status.ok()) return Failure(pass, number, std::move(outcome), context, saved.get());
    if (!options_.dump_ir.empty()) HST_RETURN_IF_ERROR(Write(Numbered(number, pass.name), graph_));
    if (options_.print && Has(options_.print_after, pass.name)) {
      ir::PrintOptions print;
      print.digests = &digests_;
      options_.print(ir::Print(graph_, print));
    }
    return {};
  }

 private:
  enum class Stage { kPass, kStructure, kNumbers };
  struct Outcome {
    Stage stage = Stage::kPass;
    Status status;
  };

  int64_t CountWeights() const {
    return std::count_if(graph_.values().begin(), graph_.values().end(), [](const auto& v) { return v->is_weight(); });
  }

  // A broken invariant inside a pass becomes a status, so that it is reported
  // with its pass and reproducer like any other failure.
  static Status Guarded(const PassInfo& pass, ir::Graph& graph, PassContext& context) {
    try {
      return pass.run(graph, context);
    } catch (const InternalError& e) {
      return Internal(e.what());
    } catch (const std::bad_variant_access&) {
      return BadInput("an attribute has another kind than the op needs");
    }
  }

  // Runs the pass, then checks the structure, then (with feeds) the numbers
  // against `before`, which becomes the outputs after.
  Outcome Attempt(const PassInfo& pass, ir::Graph& graph, PassContext& context, const Named* feeds, Named& before, PassStats& stats) {
    const Clock::time_point start = Clock::now();
    Status status = Guarded(pass, graph, context);
    stats.milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    if (!status.ok()) return {Stage::kPass, std::move(status)};
    status = ir::Verify(graph);
    if (!status.ok()) return {Stage::kStructure, std::move(status).Annotate("it left a broken graph")};
    if (!feeds) return {};
    Result<Named> after = Evaluate(*interpreter_, graph, *feeds);
    if (!after.ok()) return {Stage::kNumbers, Internal("the graph it left cannot be interpreted: ", after.status().message())};
    Numerics numerics = pass.numerics;
    if (numerics.kind == Numerics::Kind::kBounded) numerics.eps = std::max(numerics.eps, context.widened());
    status = CompareOutputs(before, *after, numerics, &stats.numeric_error);
    before = *std::move(after);
    return {Stage::kNumbers, std::move(status)};
  }

  // Does the pass fail on the candidate as it failed on the whole graph? For
  // numbers any violation counts, since other inputs give other numbers.
  bool FailsAlike(const PassInfo& pass, ir::Graph& candidate, const Outcome& original) {
    PassContext context(options_.passes);
    PassStats stats;
    Named feeds, before;
    const bool numbers = original.stage == Stage::kNumbers;
    if (numbers) {
      Result<Named> made = MakeFeeds(candidate, options_.symbols, options_.seed);
      if (!made.ok()) return false;
      feeds = *std::move(made);
      Result<Named> run = Evaluate(*interpreter_, candidate, feeds);
      if (!run.ok()) return false;
      before = *std::move(run);
    }
    const Outcome now = Attempt(pass, candidate, context, numbers ? &feeds : nullptr, before, stats);
    if (now.status.ok() || now.stage != original.stage || now.status.code() != original.status.code()) return false;
    return numbers || now.status.message() == original.status.message();
  }

  Status Failure(const PassInfo& pass, size_t number, Outcome outcome, const PassContext& context, const ir::Graph* saved) {
    std::string message = StrCat("pass ", pass.name, ": ", outcome.status.message());
    if (!context.at_op().empty() && message.find(context.at_loc()) == std::string::npos)
      message += StrCat(" (at [", context.at_op(), "], node \"", context.at_loc(), "\")");
    if (!saved) {
      message += "; --dump-ir=DIR writes a graph that reproduces this";
    } else {
      const std::unique_ptr<ir::Graph> small = Reduce(*saved, [&](ir::Graph& g) { return FailsAlike(pass, g, outcome); });
      const std::string file = Numbered(number, StrCat(pass.name, ".fail"));
      const Status written = Write(file, *small);
      message += written.ok() ? StrCat("; reproduce with: hasten opt --run=", pass.name, " ", options_.dump_ir, "/", file)
                              : StrCat("; ", written.message());
    }
    return Status(outcome.status.code(), std::move(message));
  }

  Status Write(const std::string& name, const ir::Graph& graph) {
    const std::string path = StrCat(options_.dump_ir, "/", name);
    ir::PrintOptions print;
    print.digests = &digests_;
    const std::string text = ir::Print(graph, print);
    errno = 0;   // the stream does not say why; the system's last word does
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    return out ? Status() : ResourceError("cannot write \"", path, "\"", errno ? ": " : "", errno ? std::strerror(errno) : "");
  }

  ir::Graph& graph_;
  const RunOptions& options_;
  RunReport& report_;
  ir::DigestCache digests_;
  std::unique_ptr<interp::Interpreter> interpreter_;
  Named feeds_, before_;
};

}  // namespace

Status RunPasses(ir::Graph& graph, std::span<const PassInfo* const> list, const RunOptions& options, RunReport* report) {
  RunReport own;
  RunReport& out = report ? *report : own;
  for (const std::string& name : options.disable) HST_RETURN_IF_ERROR(RequirePass(name).status());
  for (const std::string& name : options.print_after) HST_RETURN_IF_ERROR(RequirePass(name).status());
  if (!options.stop_after.empty()) {
    HST_RETURN_IF_ERROR(RequirePass(options.stop_after).status());
    if (std::none_of(list.begin(), list.end(), [&](const PassInfo* p) { return p->name == options.stop_after; }))
      return UsageError("--stop-after=", options.stop_after, ": this run has no such pass");
  }
  Runner runner(graph, options, out);
  HST_RETURN_IF_ERROR(runner.Start());
  size_t number = 0;
  for (const PassInfo* pass : list) {
    if (options.cancel && options.cancel->load()) return Status(Code::kCancelled, "interrupted");
    ++number;
    if (!Has(options.disable, pass->name)) HST_RETURN_IF_ERROR(runner.RunOne(*pass, number));
    if (pass->name == options.stop_after) {
      out.stopped = true;
      break;
    }
  }
  return {};
}

}  // namespace hasten::passes
