// gpu-check: everything that needs a GPU, from the folder that `./dev gpu-bundle` makes, on
// a machine with a driver and nothing else. Every test runs in a process of its own, so that
// what crashes or hangs loses none of the others. Writes gpu-check.json and a summary.
//
//   ./gpu-check [--out FILE] [--no-bench] [--no-sanitizer] [--exhaustive] [--peers] [FILTER]
//
// --exhaustive: the functions of one float for all of them, which takes minutes, instead of
// every so many-th. --peers: what PyTorch reaches, where python3 has it (peers.py; minutes).
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/device/gpu/goals.h"
#include "tests/device/gpu/process.h"

namespace hasten::check {
namespace {

namespace fs = std::filesystem;
constexpr int kTestLimit = 60, kSanitizerLimit = 40, kBenchLimit = 90, kSampledLimit = 150, kExhaustiveLimit = 1800, kPeersLimit = 400;   // seconds
// Each kind of kernel once, at small sizes: instrumented code is a hundred times slower.
constexpr const char* kSanitized = "NormDevice.*:QuantizeDevice.*:EngineOnDevice.TokensChosenThereAreThoseChosenHere:EngineOnDevice.WhatIsEvaluatedTogetherChangesNothing";

// Of math_exhaustive: all of it is to take no more than half a minute on 16 cores.
constexpr const char* kStride = "31";

struct Options {
  std::string out = "gpu-check.json", filter = "*";
  bool bench = true, sanitizer = true, exhaustive = false, peers = false;
  bool device = false;   // there is one that can be used

  // Of what fails for want of a device, when there is none.
  const char* Failed() const { return device ? "failed" : "skipped"; }
};

struct Counts {
  int passed = 0, failed = 0, skipped = 0;
};

std::string Here() { return fs::read_symlink("/proc/self/exe").parent_path().string(); }

// The end of a log that is worth keeping.
std::string Tail(const std::string& text) { return text.size() > 2000 ? text.substr(text.size() - 2000) : text; }

// "Suite.\n  Case\n" of --gtest_list_tests as names.
std::vector<std::string> TestNames(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream in(list);
  std::string suite;
  for (std::string line; std::getline(in, line);) {
    line = line.substr(0, line.find('#'));
    while (!line.empty() && line.back() == ' ') line.pop_back();
    if (line.empty()) continue;
    if (line[0] != ' ') suite = line;
    else names.push_back(suite + line.substr(2));
  }
  return names;
}

void Record(Json& report, Counts& counts, const std::string& group, const std::string& name, const std::string& verdict, const Finished& f) {
  counts.passed += verdict == "passed", counts.failed += verdict == "failed", counts.skipped += verdict == "skipped";
  Json row = {{"name", name}, {"verdict", verdict}, {"seconds", f.seconds}};
  if (verdict != "passed") row["status"] = f.status, row["output"] = Tail(f.output);
  report[group].push_back(row);
  if (verdict == "failed") std::printf("FAILED  %s %s (status %d)\n", group.c_str(), name.c_str(), f.status);
  std::fflush(stdout);
}

void RunTests(const Options& o, Json& report, Counts& counts) {
  const std::string program = Here() + "/device_cuda_test";
  Finished listing;
  const auto names = TestNames(OutputOf({program, "--gtest_list_tests", "--gtest_filter=" + o.filter}, kTestLimit, &listing));
  if (names.empty()) Record(report, counts, "tests", "listing the tests", "failed", listing);
  for (const std::string& name : names) {
    const Finished f = Run({program, "--gtest_filter=" + name}, kTestLimit);
    // gtest ends with 0 where the device is missing: only what says so has passed.
    const bool skipped = f.output.find("[  SKIPPED ]") != std::string::npos, passed = f.output.find("[  PASSED  ] 1 test") != std::string::npos;
    Record(report, counts, "tests", name, f.status != 0 ? "failed" : skipped ? "skipped" : passed ? "passed" : "failed", f);
  }
}

std::string Bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The logits of every model that came along: CPU scalar = CPU = CUDA in bits, whatever the chunk.
void RunModels(const Options& o, Json& report, Counts& counts) {
  const fs::path folder = fs::path(Here()) / "models", work = fs::temp_directory_path() / ("hasten-gpu-check-" + std::to_string(::getpid()));
  std::vector<fs::path> models;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".hst") models.push_back(entry.path());
  std::sort(models.begin(), models.end());
  fs::create_directories(work, ignored);
  const std::string hasten = Here() + "/hasten", tokens = (folder / "tokens.txt").string();
  for (const fs::path& model : models) {
    const auto logits = [&](const std::vector<std::string>& how, Finished* f) {
      const std::string out = (work / "logits.safetensors").string();
      std::vector<std::string> command = {hasten, "run", model.string(), "--tokens-file", tokens, "--logits", out};
      command.insert(command.end(), how.begin(), how.end());
      fs::remove(out, ignored);
      *f = Run(command, kTestLimit);
      return f->status == 0 ? Bytes(out) : std::string();
    };
    Finished f;
    const std::string want = logits({"--isa", "scalar"}, &f);
    if (want.empty()) {
      Record(report, counts, "models", model.filename().string() + ", scalar", "failed", f);
      continue;
    }
    const std::vector<std::vector<std::string>> ways = {{}, {"--device", "cuda"}, {"--device", "cuda", "--prefill-chunk", "7"}, {"--device", "cuda", "--prefill-chunk", "1"}};
    for (const auto& way : ways) {
      std::string name = model.filename().string() + ",";
      for (const std::string& word : way) name += " " + word;
      const std::string got = logits(way, &f);
      Record(report, counts, "models", name, got == want ? "passed" : way.empty() ? "failed" : o.Failed(), f);
    }
  }
  fs::remove_all(work, ignored);
}

// The functions of one float: all rows of the CPU and the device's. The output is kept, since
// it says which rows were compared.
void RunExhaustive(const Options& o, Json& report, Counts& counts) {
  const std::string stride = o.exhaustive ? "1" : kStride;
  const Finished f = Run({Here() + "/math_exhaustive_cuda", "--device", "--stride", stride}, o.exhaustive ? kExhaustiveLimit : kSampledLimit);
  Record(report, counts, "exhaustive", o.exhaustive ? "all floats" : "one float of " + stride, f.status == 0 ? "passed" : o.Failed(), f);
  report["exhaustive"].back()["output"] = f.output;
}

// A reduced set under each of compute-sanitizer's tools, where it is installed.
void RunSanitizer(Json& report, Counts& counts) {
  const std::string program = Here() + "/device_cuda_test";
  const Finished version = Run({"compute-sanitizer", "--version"}, kTestLimit);
  for (const char* tool : {"memcheck", "racecheck", "initcheck", "synccheck"}) {
    if (version.status != 0) {
      Record(report, counts, "sanitizer", tool, "skipped", {version.status, 0, "compute-sanitizer is not installed"});
      continue;
    }
    const Finished f = Run({"compute-sanitizer", "--tool", tool, "--error-exitcode", "9", program, std::string("--gtest_filter=") + kSanitized},
                           kSanitizerLimit);
    Record(report, counts, "sanitizer", tool, f.status == 0 ? "passed" : f.status == 124 ? "skipped" : "failed", f);
  }
}

// A report of a program that prints JSON; null where it failed.
Json Bench(const Options& o, Json& report, Counts& counts, const std::string& name, const std::vector<std::string>& command, int limit_s = kBenchLimit) {
  Finished f;
  const std::string out = OutputOf(command, limit_s, &f);
  Json figures = Json::parse(out, nullptr, /*allow_exceptions=*/false);
  const bool ok = !figures.is_discarded();
  Record(report, counts, "bench", name, ok ? "passed" : o.Failed(), f);
  if (ok) report["bench"].back()["figures"] = figures;
  return ok ? figures : Json();
}

// One made-up model, kept while it is measured. `large`: with more sequences and a long prompt.
ModelFigures BenchModel(const Options& o, Json& report, Counts& counts, const std::string& shape, bool large) {
  const std::string hasten = Here() + "/hasten", path = (fs::temp_directory_path() / ("hasten-gpu-check-" + std::to_string(::getpid()) + ".hst")).string();
  const auto run = [&](const std::string& name, std::vector<std::string> how, const char* prompt, const char* tokens) {
    how.insert(how.begin(), {hasten, "bench"});
    how.insert(how.end(), {"--device", "cuda", "--prompt-tokens", prompt, "--new-tokens", tokens, "--rounds", "3", "--json"});
    return Bench(o, report, counts, shape + ", " + name, how);
  };
  ModelFigures m;
  m.one = run("1 sequence", {"--synthetic", shape, "--weights", "int4:128", "--head", "int8:128", "--keep", path}, "512", "128");
  if (large && fs::exists(path)) {
    m.eight = run("8 sequences", {path, "--sequences", "8"}, "512", "64");
    m.many = run("32 sequences", {path, "--sequences", "32"}, "512", "64");
    m.prompt = run("a prompt of 2048", {path, "--prefill-chunk", "2048"}, "2048", "1");
  }
  if (fs::exists(path)) {
    Finished f;
    const Json inspected = Json::parse(OutputOf({hasten, "inspect", path, "--json"}, kTestLimit, &f), nullptr, false);
    if (!inspected.is_discarded()) m.tensors = inspected.at("tensors");
  }
  std::error_code ignored;
  fs::remove(path, ignored);
  return m;
}

void RunBenchmarks(const Options& o, Json& report, Counts& counts) {
  const Json kernels = Bench(o, report, counts, "kernels", {Here() + "/device_bench"});
  BenchModel(o, report, counts, "qwen3-0.6b", false);
  const ModelFigures small = BenchModel(o, report, counts, "llama-1b", false), large = BenchModel(o, report, counts, "llama-8b", true);
  report["goals"] = Goals(kernels, small, large);
  if (o.device) std::printf("%s", GoalsText(report["goals"]).c_str());
}

int Main(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    if (a == "--no-bench") o.bench = false;
    else if (a == "--no-sanitizer") o.sanitizer = false;
    else if (a == "--exhaustive") o.exhaustive = true;
    else if (a == "--peers") o.peers = true;
    else if (a == "--out" && i + 1 < argc) o.out = argv[++i];
    else if (a.rfind("--", 0) == 0) {
      std::fprintf(stderr, "usage: gpu-check [--out FILE] [--no-bench] [--no-sanitizer] [--exhaustive] [--peers] [FILTER]\n");
      return a == "--help" ? 0 : 2;
    } else o.filter = a;
  }
  Json report;
  Counts counts;
  Finished f;
  report["doctor"] = Json::parse(OutputOf({Here() + "/hasten", "doctor", "--json"}, kTestLimit, &f), nullptr, false);
  if (report["doctor"].is_discarded()) {
    std::fprintf(stderr, "hasten doctor failed: %s\n", f.output.c_str());
    return 1;
  }
  const Json& cuda = report["doctor"]["cuda"];
  o.device = !cuda["devices"].empty();
  std::printf("%s\n", o.device ? cuda["devices"][0].dump().c_str() : cuda["problem"].dump().c_str());
  const auto save = [&] {   // after every part, so that nothing is lost
    report["passed"] = counts.passed, report["failed"] = counts.failed, report["skipped"] = counts.skipped;
    std::ofstream(o.out) << report.dump(1, ' ', false, Json::error_handler_t::replace) << "\n";
  };
  RunTests(o, report, counts), save();
  RunModels(o, report, counts), save();
  RunExhaustive(o, report, counts), save();
  if (o.sanitizer) RunSanitizer(report, counts), save();
  if (o.bench) RunBenchmarks(o, report, counts), save();
  if (o.peers) Bench(o, report, counts, "PyTorch", {"python3", Here() + "/peers.py"}, kPeersLimit), save();
  std::printf("%d passed, %d failed, %d skipped; %s\n", counts.passed, counts.failed, counts.skipped, o.out.c_str());
  return counts.failed ? 1 : 0;
}

}  // namespace
}  // namespace hasten::check

int main(int argc, char** argv) { return hasten::check::Main(argc, argv); }
