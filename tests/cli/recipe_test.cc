// compile --recipe: schemes of single tensors, and that an artifact's own recipe
// makes it again, byte for byte.
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/run_command.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;
using nlohmann::json;

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string Write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// Compiles the good model by a recipe; the artifact's path.
std::string Compile(const std::string& folder, const std::string& name, const std::string& recipe, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"compile", Fixture("good"), "-o", folder + "/" + name, "--recipe", Write(folder + "/recipe.toml", recipe)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome r = RunHasten(arguments);
  EXPECT_EQ(r.status, 0) << r.err << recipe;
  return folder + "/" + name;
}

std::string Rule(const std::string& name, const std::string& scheme, int group = 0) {
  return "[[tensor]]\nname = \"" + name + "\"\nscheme = \"" + scheme + "\"\n" + (group ? "activation_group = " + std::to_string(group) + "\n" : "");
}

json Inspect(const std::string& artifact) { return json::parse(RunHasten({"inspect", artifact, "--json"}).out); }

// Scheme by the tensor's name; norms left out.
std::map<std::string, std::string> Schemes(const json& report) {
  std::map<std::string, std::string> schemes;
  for (const json& t : report["tensors"]) {
    if (t["shape"][0] != 1) schemes[t["name"]] = t["scheme"];
  }
  return schemes;
}

std::string Logits(const std::string& folder, const std::string& model, std::vector<std::string> options = {}) {
  std::vector<std::string> arguments = {"run", model, "--tokens", "17,300,42,8,9,10,11,250,251,3,4,5,6,7,99,98,97", "--logits", folder + "/l.safetensors"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const Outcome r = RunHasten(arguments);
  EXPECT_EQ(r.status, 0) << r.err;
  return Bytes(folder + "/l.safetensors");
}

const std::string kMixtures[] = {
    Rule("*", "int8:32") + Rule("*.mlp.*", "int4:128"),
    Rule("*v_proj*", "int8:32", 32) + Rule("head", "int4:64") + Rule("embed", "int4:64"),   // splits q+k+v, two groups of one input
    Rule("*k_proj*", "int8") + Rule("*gate_proj*", "fp16") + Rule("*layers.1.*", "int4:32"),
    Rule("*q_proj*", "fp32") + Rule("*o_proj*", "int8:128", 32) + Rule("embed", "fp16"),
    Rule("*up_proj*", "int8", 128) + Rule("*gate_proj*", "int8", 32) + Rule("linear", "int8:64"),
};

TEST(Recipe, EveryMixtureHasTheSameBitsOnEveryIsaAndMakesItselfAgain) {
  const std::string folder = FreshFolder();
  const json doctor = json::parse(RunHasten({"doctor", "--json"}).out);
  for (const std::string& mixture : kMixtures) {
    const std::string model = Compile(folder, "a.hst", mixture), expected = Logits(folder, model, {"--isa", "scalar", "--threads", "1"});
    ASSERT_FALSE(expected.empty());
    for (const auto& [isa, available] : doctor["isa"].items()) {
      if (!available.get<bool>()) continue;
      EXPECT_TRUE(Logits(folder, model, {"--isa", isa, "--prefill-chunk", "3", "--threads", "2"}) == expected) << isa << "\n" << mixture;
    }
    const Outcome recipe = RunHasten({"inspect", model, "--recipe"});
    ASSERT_EQ(recipe.status, 0);
    EXPECT_TRUE(Bytes(Compile(folder, "b.hst", recipe.out, {"--threads", "3"})) == Bytes(model)) << recipe.out;
  }
}

TEST(Recipe, TheLastRuleThatNamesATensorHasTheWord) {
  const std::string folder = FreshFolder();
  const auto schemes = Schemes(Inspect(Compile(folder, "a.hst", Rule("*layers.0.*", "int8:32") + Rule("*down_proj*", "int8") + Rule("head", "int4:128"))));
  EXPECT_EQ(schemes.at("model.layers.0.self_attn.o_proj.weight"), "int8:32");
  EXPECT_EQ(schemes.at("model.layers.1.self_attn.o_proj.weight"), "int4:64");
  EXPECT_EQ(schemes.at("model.layers.0.mlp.down_proj.weight"), "int8");
  EXPECT_EQ(schemes.at("model.layers.1.mlp.down_proj.weight"), "int8");
}

TEST(Recipe, ARuleForAPartTakesAFusedLinearApart) {
  const std::string folder = FreshFolder();
  const auto schemes = Schemes(Inspect(Compile(folder, "a.hst", Rule("*layers.1*k_proj*", "int8:32"))));
  const std::string q = "model.layers.1.self_attn.q_proj.weight", k = "model.layers.1.self_attn.k_proj.weight", v = "model.layers.1.self_attn.v_proj.weight";
  EXPECT_EQ(schemes.at(q), "int4:64");
  EXPECT_EQ(schemes.at(k), "int8:32");
  EXPECT_EQ(schemes.at(v), "int4:64");
  EXPECT_EQ(schemes.at("model.layers.0.self_attn.q_proj.weight+model.layers.0.self_attn.k_proj.weight+model.layers.0.self_attn.v_proj.weight"), "int4:64");
  // A choice that says nothing to floats splits all the same, and moves no bit.
  const std::string floats = "weights = \"fp32\"\nkv = \"fp32\"\n";
  const std::string whole = Compile(folder, "whole.hst", floats);
  const std::string apart = Compile(folder, "apart.hst", floats + "[[tensor]]\nname = \"*k_proj*\"\nactivation_group = 32\n");
  EXPECT_GT(Inspect(apart)["tensors"].size(), Inspect(whole)["tensors"].size());
  EXPECT_TRUE(Logits(folder, whole) == Logits(folder, apart));
}

TEST(Recipe, OptionsAndRecipeMakeTheSame) {
  const std::string folder = FreshFolder();
  ASSERT_EQ(RunHasten({"compile", Fixture("good"), "-o", folder + "/a.hst", "--weights", "int8:64", "--head", "int4:32", "--kv", "fp16", "--activation-group", "32",
                       "--activation-residual", "head", "--activation-residual", "*down_proj*"}).status, 0);
  const auto residual = [](const std::string& name) { return "[[tensor]]\nname = \"" + name + "\"\nactivation_residual = true\n"; };
  const std::string b = Compile(folder, "b.hst", "weights = \"int8:64\"\nhead = \"int4:32\"\nkv = \"fp16\"\nactivation_group = 32\n" + residual("head") + residual("*down_proj*"));
  EXPECT_TRUE(Bytes(folder + "/a.hst") == Bytes(b));
}

TEST(Recipe, ACalibratedOneKnowsItsText) {
  const std::string folder = FreshFolder();
  std::string text;
  for (int i = 0; i < 400; ++i) text += "line " + std::to_string(i * 7919 % 1009) + " of a text that says little. ";
  Write(folder + "/a.txt", text);
  const std::string a = Compile(folder, "a.hst", "[calibration]\ntext = \"a.txt\"\nsamples = 4\ncontext = 32\n" + Rule("*down_proj*", "int8:64"));
  const Outcome recipe = RunHasten({"inspect", a, "--recipe"});
  EXPECT_THAT(recipe.out, ::testing::Not(HasSubstr("a.txt")));
  EXPECT_TRUE(Bytes(Compile(folder, "b.hst", recipe.out, {"--calibrate", folder + "/a.txt"})) == Bytes(a));
  Write(folder + "/recipe.toml", recipe.out);
  const Outcome none = RunHasten({"compile", Fixture("good"), "-o", folder + "/c.hst", "--recipe", folder + "/recipe.toml"});
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("names no text"));
  const Outcome other = RunHasten({"compile", Fixture("good"), "-o", folder + "/c.hst", "--recipe", folder + "/recipe.toml", "--calibrate", Write(folder + "/b.txt", text + "more")});
  EXPECT_EQ(other.status, 3);
  EXPECT_THAT(other.err, HasSubstr("other text"));
  const json report = Inspect(a);
  for (const json& t : report["tensors"]) {
    if (t["shape"][0] == 1) continue;   // norms
    EXPECT_EQ(t["method"], "gptq") << t;
    EXPECT_GT(t["error"].get<double>(), 0) << t;
    EXPECT_LT(t["error"].get<double>(), 0.01) << t;
  }
}

TEST(Recipe, WhatIsWrongIsNamed) {
  const std::string folder = FreshFolder();
  struct Case {
    std::string recipe, says;
  };
  const Case cases[] = {{"wieghts = \"int8\"\n", "did you mean weights"},
                        {"weights = \"int3\"\n", "int4:64"},
                        {"weights = 4\n", "line 1"},
                        {"kv = \"int4\"\n", "int8, fp16 or fp32"},
                        {"activation_group = 48\n", "32, 64 or 128"},
                        {"[[tensor]]\nname = \"*\"\nactivation_residual = 2\n", "activation_residual"},
                        {"[calibration]\nsample = 3\n", "did you mean samples"},
                        {"[[tensor]]\nscheme = \"int8\"\n", "name is missing"},
                        {"[[tensor]]\nname = \"*\"\n", "scheme, activation_group or activation_residual is missing"},
                        {"[[tensor]]\nnam = \"*\"\nscheme = \"int8\"\n", "did you mean name"},
                        {Rule("*no_such_proj*", "int8"), "names no tensor"},
                        {"disable_passes = [1]\n", "names in quotes"},
                        {"weights = \n", "is not TOML"}};
  for (const Case& c : cases) {
    const Outcome r = RunHasten({"compile", Fixture("good"), "-o", folder + "/a.hst", "--recipe", Write(folder + "/r.toml", c.recipe)});
    EXPECT_EQ(r.status, 2) << c.recipe << r.err;
    EXPECT_THAT(r.err, HasSubstr(c.says)) << c.recipe;
  }
  EXPECT_EQ(RunHasten({"compile", Fixture("good"), "-o", folder + "/a.hst", "--recipe", folder + "/r.toml", "--weights", "int8"}).status, 2);
  EXPECT_EQ(RunHasten({"compile", Fixture("good"), "-o", folder + "/a.hst", "--recipe", folder + "/none.toml"}).status, 4);
  EXPECT_EQ(List(folder), std::vector<std::string>{"r.toml"});
}

}  // namespace
}  // namespace hasten::testing
