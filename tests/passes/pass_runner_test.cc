// The pass runner: what it measures, dumps, skips and stops at, and how a pass
// that fails, breaks the graph or breaks its numerics is caught and reported.
#include "passes/pass_runner.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/ir/text.h"
#include "passes/opt.h"

namespace hasten::passes {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kText = R"(graph @main(%input_ids: i64[B,S], %past: f32[B,P]) -> (y: f32[B,S,4], z: f32[B,P]) {
  %e = gather(@table, %input_ids) {axis = 0} : f32[B,S,4] loc("embed")
  %y = add(%e, @one) : f32[B,S,4] loc("shift")
  %z = relu(%past) : f32[B,P] loc("cache")
  return %y, %z
}
weight @table : f32[9,4] = random(1)
weight @one : f32[] = 1.0)";

std::unique_ptr<ir::Graph> MakeGraph() {
  auto g = ir::Parse(kText);
  EXPECT_TRUE(g.ok()) << g.status().message();
  return *std::move(g);
}

ir::Node* NodeAt(ir::Graph& g, std::string_view loc) {
  for (const auto& n : g.nodes())
    if (n->loc == loc) return n.get();
  return nullptr;
}

// Passes that go wrong, each in its way.
Status Nothing(ir::Graph&, PassContext& c) { return c.Count("looked at", 3), c.Note("nothing to do"), Status(); }
Status Refuses(ir::Graph& g, PassContext& c) { return c.At(NodeAt(g, "shift")), Unsupported("no such add"); }
Status Throws(ir::Graph& g, PassContext&) {
  HST_CHECK(g.nodes().empty());
  return {};
}
Status Breaks(ir::Graph& g, PassContext&) {
  if (ir::Node* n = NodeAt(g, "shift")) n->op = "ad";
  return {};
}
Status Doubles(ir::Graph& g, PassContext&) {
  ir::Node* n = NodeAt(g, "shift");
  if (!n) return {};
  n->SetInput(1, g.AddWeight("two", ir::Tensor::Scalar(2.0f)));
  return {};
}
Status Nudges(ir::Graph& g, PassContext&) {
  ir::Node* n = NodeAt(g, "shift");
  n->SetInput(1, g.AddWeight("nearly", ir::Tensor::Scalar(1.00001f)));
  return {};
}
Status AddsInput(ir::Graph& g, PassContext&) {
  g.AddInput("fresh", ir::Type::Of(DType::kF32, {}));
  return {};
}

constexpr PassInfo kNothing{"nothing", "", Exact(), Nothing}, kRefuses{"refuses", "", Exact(), Refuses},
    kThrows{"throws", "", Exact(), Throws}, kBreaks{"breaks", "", Exact(), Breaks}, kDoubles{"doubles", "", Exact(), Doubles},
    kNudges{"nudges", "", Exact(), Nudges}, kNudgesAndSays{"nudges_and_says", "", Bounded(1e-4), Nudges},
    kNudgesTooFar{"nudges_too_far", "", Bounded(1e-7), Nudges}, kAddsInput{"adds_input", "", Exact(), AddsInput};

Status RunOne(const PassInfo& pass, const RunOptions& options = {}, RunReport* report = nullptr) {
  const auto g = MakeGraph();
  const PassInfo* list[] = {&pass};
  return RunPasses(*g, list, options, report);
}

std::vector<const PassInfo*> Passes(std::initializer_list<std::string_view> names) {
  std::vector<const PassInfo*> out;
  for (std::string_view n : names) out.push_back(FindPass(n));
  return out;
}

std::string Slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

TEST(PassRunner, ReportsCountersAndNotes) {
  RunReport report;
  ASSERT_TRUE(RunOne(kNothing, {}, &report).ok());
  ASSERT_EQ(report.passes.size(), 1u);
  EXPECT_EQ(report.passes[0].counters.at("looked at"), 3);
  EXPECT_EQ(report.passes[0].nodes_before, 3);
  EXPECT_EQ(report.passes[0].nodes_after, 3);
  EXPECT_GE(report.passes[0].milliseconds, 0);
  EXPECT_THAT(report.notes, ::testing::ElementsAre("[nothing] nothing to do"));
  EXPECT_THAT(StatsTable(report), HasSubstr("looked at=3"));
  EXPECT_THAT(StatsJson(report), HasSubstr("\"counters\": {\"looked at\": 3}"));
}

TEST(PassRunner, FailureNamesPassNodeAndLoc) {
  const Status s = RunOne(kRefuses);
  EXPECT_EQ(s.code(), Code::kUnsupported);
  EXPECT_THAT(s.message(), HasSubstr("pass refuses: no such add"));
  EXPECT_THAT(s.message(), HasSubstr("[add], node \"shift\""));
  EXPECT_THAT(s.message(), HasSubstr("--dump-ir"));
}

TEST(PassRunner, BrokenInvariantsAreReportedLikeFailures) {
  EXPECT_EQ(RunOne(kThrows).code(), Code::kInternal);
  EXPECT_THAT(RunOne(kThrows).message(), HasSubstr("pass throws:"));
}

TEST(PassRunner, VerifiesTheStructureAfterEachPass) {
  const Status s = RunOne(kBreaks);
  EXPECT_EQ(s.code(), Code::kInternal);
  EXPECT_THAT(s.message(), HasSubstr("pass breaks: it left a broken graph: [ad] there is no such op (node \"shift\""));
}

TEST(PassRunner, HoldsPassesToTheirNumerics) {
  RunOptions options;
  options.verify_numeric = true;
  EXPECT_TRUE(RunOne(kNothing, options).ok());
  const Status doubled = RunOne(kDoubles, options);
  EXPECT_EQ(doubled.code(), Code::kInternal);
  EXPECT_THAT(doubled.message(), HasSubstr("output \"y\", element"));
  EXPECT_THAT(doubled.message(), HasSubstr("exact numerics"));
  EXPECT_FALSE(RunOne(kNudges, options).ok());
  EXPECT_FALSE(RunOne(kNudgesTooFar, options).ok());
  RunReport report;
  EXPECT_TRUE(RunOne(kNudgesAndSays, options, &report).ok());
  EXPECT_GT(report.passes[0].numeric_error, 1e-6);
  EXPECT_LT(report.passes[0].numeric_error, 1e-4);
  EXPECT_THAT(RunOne(kAddsInput, options).message(), HasSubstr("%fresh is new"));
}

TEST(PassRunner, DumpsEveryStageAndAReproducer) {
  const std::string dir = ::testing::TempDir() + "/hasten_pass_runner_dump";
  std::filesystem::remove_all(dir);
  RunOptions options;
  options.dump_ir = dir;
  const PassInfo* list[] = {&kNothing, &kDoubles, &kBreaks};
  const auto g = MakeGraph();
  const Status s = RunPasses(*g, list, options, nullptr);
  EXPECT_THAT(s.message(), HasSubstr("hasten opt --run=breaks " + dir + "/03-breaks.fail.ir"));
  EXPECT_THAT(Slurp(dir + "/00-input.ir"), HasSubstr("add(%e, @one)"));
  EXPECT_THAT(Slurp(dir + "/01-nothing.ir"), HasSubstr("add(%e, @one)"));
  EXPECT_THAT(Slurp(dir + "/02-doubles.ir"), HasSubstr("add(%e, @two)"));
  const std::string reproducer = Slurp(dir + "/03-breaks.fail.ir");
  ir::ParseOptions parse;
  parse.allow_missing_blobs = true;
  auto again = ir::Parse(reproducer, parse);
  ASSERT_TRUE(again.ok()) << again.status().message();
  const PassInfo* failing[] = {&kBreaks};
  EXPECT_FALSE(RunPasses(**again, failing, {}, nullptr).ok()) << "the reproducer reproduces";
  EXPECT_EQ((*again)->nodes().size(), 1u) << "only the node that it takes is left:\n" << reproducer;
  std::filesystem::remove_all(dir);
}

TEST(PassRunner, ReproducersOfWrongNumbersAreSmall) {
  const std::string dir = ::testing::TempDir() + "/hasten_pass_runner_numbers";
  RunOptions options;
  options.dump_ir = dir;
  options.verify_numeric = true;
  ASSERT_FALSE(RunOne(kDoubles, options).ok());
  const std::string reproducer = Slurp(dir + "/01-doubles.fail.ir");
  EXPECT_THAT(reproducer, HasSubstr("loc(\"shift\")"));
  EXPECT_THAT(reproducer, Not(HasSubstr("loc(\"embed\")")));
  EXPECT_THAT(reproducer, Not(HasSubstr("loc(\"cache\")")));
  std::filesystem::remove_all(dir);
}

TEST(PassRunner, UnwritableDumpFolderIsAResourceError) {
  RunOptions options;
  options.dump_ir = "/proc/no/such/folder";
  EXPECT_EQ(RunOne(kNothing, options).code(), Code::kResource);
}

TEST(PassRunner, DisablesStopsAndPrints) {
  RunOptions options;
  options.disable = {"cse"};
  options.stop_after = "dce";
  options.print_after = {"dce"};
  std::string printed;
  options.print = [&](std::string_view text) { printed += text; };
  RunReport report;
  const auto g = MakeGraph();
  const auto list = Passes({"cse", "dce", "constant_fold"});
  ASSERT_TRUE(RunPasses(*g, list, options, &report).ok());
  ASSERT_EQ(report.passes.size(), 1u);
  EXPECT_EQ(report.passes[0].pass, "dce");
  EXPECT_TRUE(report.stopped);
  EXPECT_EQ(printed, ir::Print(*g));
}

TEST(PassRunner, CancelStopsBetweenPasses) {
  const std::atomic<bool> cancel = true;
  RunOptions options;
  options.cancel = &cancel;
  EXPECT_EQ(RunOne(kNothing, options).code(), Code::kCancelled);
}

TEST(PassRunner, UnknownNamesAreUsageErrorsWithTheNearest) {
  const auto g = MakeGraph();
  const auto list = Passes({"dce"});
  RunOptions options;
  options.disable = {"dec"};
  Status s = RunPasses(*g, list, options, nullptr);
  EXPECT_EQ(s.code(), Code::kUsage);
  EXPECT_THAT(s.message(), HasSubstr("the nearest is \"dce\""));
  options.disable.clear();
  options.stop_after = "cse";
  s = RunPasses(*g, list, options, nullptr);
  EXPECT_EQ(s.code(), Code::kUsage);
  EXPECT_THAT(s.message(), HasSubstr("this run has no such pass"));
  const std::string names[] = {"canonicalise"};
  EXPECT_THAT(ResolvePasses(names).status().message(), HasSubstr("the nearest is \"canonicalize\""));
}

TEST(Pipelines, NameKnownPassesAndGiveReasons) {
  for (const Pipeline& p : AllPipelines()) {
    EXPECT_FALSE(p.rows.empty()) << p.name;
    for (const PipelineRow& row : p.rows) {
      EXPECT_NE(FindPass(row.pass), nullptr) << p.name << ": " << row.pass;
      EXPECT_FALSE(row.reason.empty()) << p.name << ": " << row.pass;
    }
  }
}

TEST(Passes, AreDescribedAndNamedOnce) {
  std::set<std::string_view> names;
  for (const PassInfo& p : AllPasses()) {
    EXPECT_TRUE(names.insert(p.name).second) << p.name;
    EXPECT_FALSE(p.description.empty()) << p.name;
    EXPECT_EQ(FindPipeline(p.name), nullptr) << "a pass and a pipeline share the name " << p.name;
  }
  for (const PassInfo& p : AllPasses()) EXPECT_THAT(ListPasses(), HasSubstr(std::string(p.name)));
}

TEST(Opt, RefusesTextThatIsNoValidGraph) {
  const std::string names[] = {"dce"};
  auto s = RunOpt("graph @g(%x) -> (y) { %y = nonsense(%x) return %y }", names, {}, nullptr);
  EXPECT_EQ(s.status().code(), Code::kBadInput);
  EXPECT_THAT(s.status().message(), HasSubstr("there is no such op"));
  s = RunOpt("graph", names, {}, nullptr);
  EXPECT_EQ(s.status().code(), Code::kBadInput);
  EXPECT_THAT(s.status().message(), HasSubstr("1:6: needed"));
}

}  // namespace
}  // namespace hasten::passes
