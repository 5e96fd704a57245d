// hasten gate as a user runs it: a sound artifact passes, planted faults fail, too little
// data is inconclusive, and hostile input gets its exit status and a message.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/wait.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/run_command.h"

namespace hasten::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using nlohmann::json;

std::string Compiled(const std::string& fixture, const std::string& folder, const std::string& weights = "int8:32") {
  const Outcome r = RunHasten({"compile", Fixture(fixture), "-o", folder + "/model.hst", "--weights", weights});
  EXPECT_EQ(r.status, 0) << r.err;
  return folder + "/model.hst";
}

std::string Read(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A policy in `folder` whose relative paths lead to the fixture's data, with one change.
std::string Policy(const std::string& folder, const std::string& from = "", const std::string& to = "") {
  std::string text = Read(Fixture("gate") + "/gate.toml");
  for (const auto& [a, b] : {std::pair<std::string, std::string>{"\"text.jsonl\"", "\"" + Fixture("gate") + "/text.jsonl\""},
                             {"\"choices.jsonl\"", "\"" + Fixture("gate") + "/choices.jsonl\""}, {from, to}}) {
    if (a.empty()) continue;
    EXPECT_NE(text.find(a), std::string::npos) << a;
    text.replace(text.find(a), a.size(), b);
  }
  std::ofstream(folder + "/gate.toml") << text;
  return folder + "/gate.toml";
}

Outcome RunGate(const std::string& candidate, const std::string& policy, std::vector<std::string> more = {"--no-cache"}) {
  std::vector<std::string> arguments = {"gate", "--reference", Fixture("good"), "--candidate", candidate, "--policy", policy, "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return RunHasten(arguments);
}

std::string VerdictOf(const json& report, const std::string& name) {
  for (const json& c : report["criteria"]) {
    if (c["name"] == name) return c["verdict"];
  }
  return "absent";
}

TEST(Gate, ASoundArtifactPasses) {
  const std::string folder = FreshFolder(), candidate = Compiled("good", folder);
  const Outcome r = RunGate(candidate, Fixture("gate") + "/gate.toml");
  ASSERT_EQ(r.status, 0) << r.out << r.err;
  const json report = json::parse(r.out);
  EXPECT_EQ(report["verdict"], "PASS");
  for (const json& c : report["criteria"]) EXPECT_EQ(c["verdict"], "PASS") << c;
  for (const json& n : report["noise"]) {
    EXPECT_TRUE(!n["must_be_zero"] || n["largest_difference"] == 0.0) << n;
  }
  EXPECT_GE(report["noise"].size(), 4u);
  EXPECT_EQ(report["layers"].size(), 2u);
  EXPECT_LT(report["layers"][1]["key_error"], 0.1);
  EXPECT_GT(report["layers"][1]["key_error"], 0.0);
  EXPECT_EQ(report["generations"].size(), 32u);
  EXPECT_EQ(report["worst"].size(), 20u);
  EXPECT_EQ(report["files"].size(), 5u);   // candidate, reference, policy, text, task
}

class PlantedFault : public ::testing::TestWithParam<const char*> {};

TEST_P(PlantedFault, Fails) {
  const std::string folder = FreshFolder(), candidate = Compiled(std::string("fault_") + GetParam(), folder);
  const Outcome r = RunGate(candidate, Fixture("gate") + "/gate.toml");
  EXPECT_EQ(r.status, 1) << r.out << r.err;
  const json report = json::parse(r.out);
  EXPECT_EQ(report["verdict"], "FAIL");
  EXPECT_EQ(VerdictOf(report, std::string(GetParam()) == "tokenizer" ? "hard.tokenizer" : "quality.kld_mean_max"), "FAIL");
  EXPECT_EQ(VerdictOf(report, "hard.same_bits"), "PASS");
}

INSTANTIATE_TEST_SUITE_P(All, PlantedFault, ::testing::Values("layer_scale", "tokenizer", "kv_scale", "head", "position"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Gate, CoarseWeightsFailWithAReason) {
  const std::string folder = FreshFolder(), candidate = Compiled("good", folder, "int4:128");
  const Outcome r = RunHasten({"gate", "--reference", Fixture("good"), "--candidate", candidate, "--policy", Fixture("gate") + "/gate.toml", "--no-cache"});
  EXPECT_EQ(r.status, 1);
  EXPECT_THAT(r.out, AllOf(HasSubstr("FAIL"), HasSubstr("at most 0.02 allowed; clearly beyond")));
}

TEST(Gate, TooFewDocumentsAreInconclusive) {
  const std::string folder = FreshFolder(), candidate = Compiled("good", folder);
  const Outcome r = RunGate(candidate, Policy(folder, "chunks = 40", "chunks = 12"));
  EXPECT_EQ(r.status, 5) << r.err;
  EXPECT_THAT(r.out, HasSubstr("12 documents, at least 30 are needed"));
}

TEST(Gate, LatencyThatIsNotMeasuredIsNoPass) {
  const std::string folder = FreshFolder(), candidate = Compiled("good", folder);
  const Outcome r = RunGate(candidate, Policy(folder, "[surface.test.quality]", "[surface.test]\nload_ms_max = 1e9\n[surface.test.quality]"));
  const json report = json::parse(r.out);
  EXPECT_NE(VerdictOf(report, "load_ms_max"), "absent");
  EXPECT_EQ(r.status, VerdictOf(report, "load_ms_max") == "PASS" ? 0 : 5);
}

TEST(Gate, CachedAndResumedRunsSayTheSame) {
  const std::string folder = FreshFolder(), candidate = Compiled("good", folder), policy = Fixture("gate") + "/gate.toml";
  const auto judged = [&](std::vector<std::string> more) {
    const Outcome r = RunGate(candidate, policy, more);
    EXPECT_EQ(r.status, 0) << r.err;
    json report = json::parse(r.out);
    report.erase("seconds");
    return report;
  };
  const json cold = judged({"--cache", folder + "/cache"});
  EXPECT_FALSE(std::filesystem::is_empty(folder + "/cache"));
  EXPECT_EQ(judged({"--cache", folder + "/cache"}), cold);
  EXPECT_EQ(judged({"--cache", folder + "/cache", "--resume"}), cold);
  EXPECT_EQ(judged({"--no-cache"}), cold);
}

// Killed in the middle, again and again with more time, until it comes to its end.
TEST(Gate, AKilledRunResumes) {
  const std::string folder = FreshFolder(), candidate = Compiled("good", folder), policy = Fixture("gate") + "/gate.toml";
  const auto report = [](const std::string& text) {
    json j = json::parse(text);
    j.erase("seconds");
    return j;
  };
  int killed = 0, status = -1;
  for (double seconds = 0.1; status != 0 && seconds < 120; seconds *= 1.5) {
    const std::string command = "timeout -s KILL " + std::to_string(seconds) + " '" + HASTEN_BINARY_DIR + "/bin/hasten' gate --reference '" + Fixture("good") + "' --candidate '" + candidate +
                                "' --policy '" + policy + "' --cache '" + folder + "/cache' --resume --json >'" + folder + "/out.json' 2>/dev/null";
    const int code = std::system(command.c_str());
    status = WIFEXITED(code) ? WEXITSTATUS(code) : -1;
    killed += status == 137;
  }
  EXPECT_EQ(status, 0);
  EXPECT_GE(killed, 1);
  EXPECT_EQ(report(Read(folder + "/out.json")), report(RunGate(candidate, policy).out));
}

TEST(Gate, APolicyToStartFrom) {
  const Outcome r = RunHasten({"gate", "--init"});
  EXPECT_EQ(r.status, 0);
  EXPECT_THAT(r.out, AllOf(HasSubstr("[surface.chat]"), HasSubstr("kld_mean_max")));
}

TEST(Gate, WrongPoliciesAndOptions) {
  const std::string folder = FreshFolder(), candidate = Compiled("good", folder);
  const auto expect = [](const Outcome& r, int status, const std::string& text) {
    EXPECT_EQ(r.status, status) << r.err;
    EXPECT_THAT(r.err, HasSubstr(text));
    EXPECT_EQ(r.out, "");
  };
  expect(RunGate(candidate, Policy(folder, "kld_mean_max", "kld_maen_max")), 2, "did you mean kld_mean_max?");
  expect(RunGate(candidate, Policy(folder), {"--no-cache", "--surface", "voice"}), 2, "has test");
  expect(RunGate(candidate, Policy(folder), {"--no-cache", "--resume"}), 2, "--resume needs a cache");
  expect(RunGate(candidate, folder + "/none.toml"), 4, "none.toml");
  expect(RunHasten({"gate", "--candidate", candidate, "--policy", Policy(folder)}), 2, "--reference");
}

TEST(Gate, HostileTextIsBadInput) {
  const std::string folder = FreshFolder(), candidate = Compiled("good", folder), data = "\"" + Fixture("gate") + "/text.jsonl\"";
  const auto with = [&](const std::string& name, const std::string& content) {
    std::ofstream(folder + "/" + name, std::ios::binary) << content;
    return RunGate(candidate, Policy(folder, data, "\"" + name + "\""));
  };
  const std::string line = Read(Fixture("gate") + "/text.jsonl").substr(0, Read(Fixture("gate") + "/text.jsonl").find('\n') + 1);
  EXPECT_EQ(with("empty.txt", "").status, 3);
  EXPECT_THAT(with("empty.jsonl", "\n").err, HasSubstr("empty.jsonl: the text has 0 tokens in 0 documents"));
  const Outcome binary = with("binary.jsonl", std::string("\x00\xff\xfe\x01", 4));
  EXPECT_EQ(binary.status, 3);
  EXPECT_THAT(binary.err, HasSubstr("binary.jsonl: line 1: is not JSON"));
  EXPECT_THAT(with("binary.txt", "the of\nand \xff\xfe to\n").err, HasSubstr("binary.txt: line 2: is not UTF-8 text"));
  std::string many;
  for (int i = 0; i < 40; ++i) many += line;
  const Outcome twice = with("twice.jsonl", many);
  EXPECT_EQ(twice.status, 3);
  EXPECT_THAT(twice.err, AllOf(HasSubstr("39 documents are there more than once"), HasSubstr("document 2 is document 1 again")));
  std::ofstream(folder + "/huge.txt") << "x";
  std::filesystem::resize_file(folder + "/huge.txt", (uint64_t{1} << 30) - 1);   // one line, of holes
  const Outcome huge = RunGate(candidate, Policy(folder, data, "\"huge.txt\""));
  EXPECT_EQ(huge.status, 3);
  EXPECT_THAT(huge.err, HasSubstr("huge.txt: 1073741823 bytes, at most 268435456 are read"));
  std::filesystem::resize_file(folder + "/huge.txt", (uint64_t{1} << 26) + 1);
  EXPECT_THAT(RunGate(candidate, Policy(folder, data, "\"huge.txt\"")).err, HasSubstr("document 1 has 67108865 bytes"));
}

TEST(Gate, HostileTasksAreBadInput) {
  const std::string folder = FreshFolder(), candidate = Compiled("good", folder), data = "\"" + Fixture("gate") + "/choices.jsonl\"";
  const auto error = [&](const std::string& content) {
    std::ofstream(folder + "/t.jsonl", std::ios::binary) << content;
    const Outcome r = RunGate(candidate, Policy(folder, data, "\"t.jsonl\""));
    EXPECT_EQ(r.status, 3) << r.out << r.err;
    return r.err;
  };
  const std::string item = R"({"context": "a b", "endings": ["c", "d"], "label": 1})" "\n";
  EXPECT_THAT(error(""), HasSubstr("t.jsonl: has no item"));
  EXPECT_THAT(error(item + item), HasSubstr("line 2: is the item of line 1 again"));
  EXPECT_THAT(error(R"({"context": "a", "endings": ["c", "d"], "label": 2})"), HasSubstr("line 1: \"label\""));
  EXPECT_THAT(error(R"({"context": "a", "endings": ["c"], "label": 0})"), HasSubstr("\"endings\""));
  EXPECT_THAT(error(R"({"context": 5})"), HasSubstr("\"context\""));
  EXPECT_THAT(error("[1]"), HasSubstr("no JSON object"));
  EXPECT_THAT(error(std::string((1 << 20) + 5, 'x')), HasSubstr("bytes, at most"));
}

// safetensors with the given header and zeros as data.
void WriteTensors(const std::string& path, const json& header, size_t bytes, float value = 0) {
  const std::string text = header.dump();
  const uint64_t size = text.size();
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&size), 8);
  out << text << std::string(bytes / 4 * 4, '\0').substr(0, bytes);
  out.seekp(static_cast<std::streamoff>(8 + size + bytes - 4));
  out.write(reinterpret_cast<const char*>(&value), 4);
}

TEST(Gate, HostileReferenceLogits) {
  const std::string folder = FreshFolder(), candidate = Compiled("good", folder), file = folder + "/r.safetensors";
  std::ofstream(folder + "/p.toml") << "[surface.a.quality]\nkld_mean_max = 1\n";
  const auto run = [&] { return RunHasten({"gate", "--reference-logits", file, "--candidate", candidate, "--policy", folder + "/p.toml", "--json"}); };
  const auto header = [](int vocab, int positions) {
    const int tokens = 2 * 8 * 4, logits = 2 * positions * vocab * 4;
    return json{{"__metadata__", {{"first_scored", "4"}}},
                {"tokens", {{"dtype", "I32"}, {"shape", {2, 8}}, {"data_offsets", {0, tokens}}}},
                {"logits", {{"dtype", "F32"}, {"shape", {2, positions, vocab}}, {"data_offsets", {tokens, tokens + logits}}}}};
  };
  const auto expect = [&](int status, const std::string& text) {
    const Outcome r = run();
    EXPECT_EQ(r.status, status) << r.out;
    EXPECT_THAT(r.out + r.err, HasSubstr(text));
  };
  std::ofstream(file) << "";
  expect(3, "too short for safetensors");
  std::ofstream(file, std::ios::binary) << "\xff\xff\xff\xff\xff\xff\xff\x7f garbage";
  expect(3, "not safetensors");
  WriteTensors(file, header(100, 3), 64 + 2 * 3 * 100 * 4);
  expect(3, "vocabulary of 100, the candidate of 320");
  WriteTensors(file, header(320, 2), 64 + 2 * 2 * 320 * 4);
  expect(3, "it has to be [2, 3, vocab]");
  WriteTensors(file, header(320, 3), 64);
  expect(3, "tensor \"logits\": bytes");
  json negative = header(320, 3);
  negative["logits"]["shape"] = {2, 3, uint64_t{1} << 63};
  WriteTensors(file, negative, 64 + 2 * 3 * 320 * 4);
  expect(3, "a shape that cannot be");
  WriteTensors(file, header(320, 3), 64 + 2 * 3 * 320 * 4, std::nanf(""));
  expect(3, "the reference's logits of chunk 2, position 6");
  WriteTensors(file, header(320, 3), 64 + 2 * 3 * 320 * 4);
  expect(5, "2 documents, at least 30 are needed");   // sound, but little
}

TEST(Gate, AnEncoderIsJudgedByItsOutputs) {
  const std::string folder = FreshFolder(), candidate = Compiled("encoder", folder);
  const auto judge = [&](const std::string& limit) {
    std::ofstream(folder + "/p.toml") << "[data]\ntext = \"" << Fixture("gate") << "/text.jsonl\"\ncontext = 64\n[surface.a.quality]\n" << limit << "\n";
    return RunHasten({"gate", "--reference", Fixture("encoder"), "--candidate", candidate, "--policy", folder + "/p.toml", "--no-cache", "--json"});
  };
  const Outcome good = judge("cosine_min = 0.999");
  EXPECT_EQ(good.status, 0) << good.out << good.err;
  EXPECT_EQ(VerdictOf(json::parse(good.out), "hard.same_bits"), "PASS");
  EXPECT_EQ(judge("cosine_min = 0.99999").status, 1);
  const Outcome other = judge("kld_mean_max = 1");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, HasSubstr("cosine, top1 and top5 are judged"));
}

TEST(Gate, AnotherVocabularyIsBadInput) {
  const std::string folder = FreshFolder(), candidate = Compiled("good", folder);
  const Outcome r = RunHasten({"gate", "--reference", Fixture("encoder"), "--candidate", candidate, "--policy", Fixture("gate") + "/gate.toml", "--no-cache"});
  EXPECT_EQ(r.status, 3) << r.err;
  EXPECT_THAT(r.err, HasSubstr("the candidate a vocabulary of 320; they are not the same model"));
}

}  // namespace
}  // namespace hasten::testing
