// The textual IR: what is printed reads back as the same graph, for written
// examples and for random graphs; errors name the place; and no mutation of a
// text crashes, hangs or yields a graph that does not print.
#include "compiler/ir/text.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sanitized.h"

namespace hasten::ir {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kAll = R"(graph @main(%ids: i64[B,S], %"odd name\x01": f32[?,B*S + 2]) -> (logits: f32[B,S,4], "second out": f32[*]) {
  %h = gather(@embed, %ids) {axis = 0} : f32[B,S,4] loc("/embed \"x\"")
  %a, %b = split(%h, _, @"w//1") {empty = [], eps = 1e-05, f = [1.0, -inf, nan], fs = floats [], i = -3, is = [1, 2], name = "x\n", one = 1.0, s = ["a", "b"], ss = strings [], t = tensor(f16[2], [0.5, 65504.0])} : f32[B,S,2], f32[?,?,2] loc("/split")
  %c = loop(%b) {body = graph @body(%i: i64[]) -> (o: i64[]) {
    weight @one : i64[] = 1
    %j = add(%i, @one) : i64[]
    return %j
  }} : f32[*]
  return %h, %c
}
weight @embed : f32[7,4] = blob(0, sha256:0fb0cba0bcf73de5f4a7bc5ec48c2b1b0ae9d3fc9c6a2e9f4d4f5ae6bd2ed3fa)
weight @"w//1" : bool[2] = [true, false]
weight @bits : f32[3] = [nan(0x7f800001), -0.0, 1e-45]
weight @none : u8[0,3] = []
weight @big : u64[1] = [18446744073709551615]
)";

std::string Reprint(std::string_view text) {
  ParseOptions options;
  options.allow_missing_blobs = true;
  Result<std::unique_ptr<Graph>> g = Parse(text, options);
  EXPECT_TRUE(g.ok()) << g.status().message();
  return g.ok() ? Print(**g) : std::string();
}

std::string Problem(std::string_view text) {
  Result<std::unique_ptr<Graph>> g = Parse(text);
  EXPECT_FALSE(g.ok());
  if (g.ok()) return {};
  EXPECT_EQ(g.status().code(), Code::kBadInput);
  return g.status().message();
}

TEST(Text, EveryConstructReadsBack) {
  // The digest changes: the bytes of a blob that is missing are made up.
  const std::string once = Reprint(kAll);
  std::string expected(kAll);
  const size_t written = expected.find("sha256:"), made = once.find("sha256:");
  ASSERT_NE(made, std::string::npos);
  expected.replace(written, 71, once.substr(made, 71));
  EXPECT_EQ(once, expected);
}

TEST(Text, BlobsCarryTheBytes) {
  Graph g;
  std::vector<float> data(100);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i) * 0.1f;
  Value* w = g.AddWeight("w", Tensor::From<float>({10, 10}, data));
  Value* x = g.AddWeight("x", Tensor::From<float>({100}, data));
  g.AddOutput(w, "w");
  g.AddOutput(x, "x");
  std::string blob;
  PrintOptions print;
  print.blob = &blob;
  const std::string text = Print(g, print);
  EXPECT_EQ(text, Print(g)) << "the text does not depend on where the bytes go";
  ParseOptions parse;
  parse.blob = blob;
  Result<std::unique_ptr<Graph>> back = Parse(text, parse);
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(std::memcmp((*back)->FindValue("x")->weight().raw(), data.data(), 400), 0);
  EXPECT_EQ(Print(**back), text);
  blob[401] ^= 1;   // in padding: nobody's
  parse.blob = blob;
  EXPECT_TRUE(Parse(text, parse).ok());
  blob[500] ^= 1;   // in x
  parse.blob = blob;
  EXPECT_FALSE(Parse(text, parse).ok());
  parse.blob = std::string_view(blob).substr(0, blob.size() - 1);
  EXPECT_FALSE(Parse(text, parse).ok());
}

TEST(Text, FloatsKeepTheirBits) {
  std::mt19937_64 rng(1);
  std::vector<float> data{0.1f, 1e38f, std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max(), 16777216.0f};
  for (int i = 0; i < 2000; ++i) data.push_back(std::bit_cast<float>(static_cast<uint32_t>(rng())));
  Graph g;
  g.AddOutput(g.AddWeight("w", Tensor::From<float>({static_cast<int64_t>(data.size())}, data)), "w");
  PrintOptions options;
  options.max_inline_elements = 1 << 20;
  Result<std::unique_ptr<Graph>> back = Parse(Print(g, options));
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(std::memcmp((*back)->FindValue("w")->weight().raw(), data.data(), 4 * data.size()), 0);
}

TEST(Text, HalfTypesKeepTheirValues) {
  for (DType t : {DType::kF16, DType::kBF16}) {
    Result<Tensor> all = Tensor::Zeros(t, {65536});
    ASSERT_TRUE(all.ok());
    for (int i = 0; i < 65536; ++i) all->mutable_data<uint16_t>()[i] = static_cast<uint16_t>(i);
    Graph g;
    g.AddOutput(g.AddWeight("w", *all), "w");
    PrintOptions options;
    options.max_inline_elements = 1 << 20;
    Result<std::unique_ptr<Graph>> back = Parse(Print(g, options));
    ASSERT_TRUE(back.ok()) << back.status().message();
    const Tensor& w = (*back)->FindValue("w")->weight();
    for (int i = 0; i < 65536; ++i) {
      const double was = all->At(i), is = w.At(i);
      ASSERT_TRUE(std::isnan(was) ? std::isnan(is) : w.data<uint16_t>()[i] == i) << DTypeName(t) << " pattern " << i;
    }
  }
}

TEST(Text, TypesAndLocsMayBeLeftOut) {
  const std::string text = Reprint("graph @g(%x) -> (y) { %y = relu(%x)  // a comment\n return %y }");
  EXPECT_EQ(text, "graph @g(%x) -> (y) {\n  %y = relu(%x)\n  return %y\n}\n");
}

TEST(Text, UnnamedResultsTakeFreeNames) {
  const std::string text = Reprint("graph @g(%x) -> (y) { _, %v0 = f(%x) %y = g(%v0) return %y }");
  EXPECT_THAT(text, HasSubstr("%v1, %v0 = f(%x)"));
}

TEST(Text, ErrorsNamePlaceNeedAndFound) {
  EXPECT_THAT(Problem(""), HasSubstr("1:1: needed"));
  EXPECT_THAT(Problem("graph @g(%x) -> (y) {\n  %y = relu(%z)\n  return %y\n}"),
              HasSubstr("2:13: needed a value defined before this place, came \"%z)\""));
  EXPECT_THAT(Problem("graph @g(%x) -> (y) {\n  %x = relu(%x)\n return %x }"), HasSubstr("2:3: needed a name not used before"));
  EXPECT_THAT(Problem("graph @g(%x: f33[1]) -> () { return }"), HasSubstr("1:14: needed an element type"));
  EXPECT_THAT(Problem("graph @g(%x: f32[1+]) -> () { return }"), HasSubstr("1:18: dimension"));
  EXPECT_THAT(Problem("graph @g() -> (a) { return }"), HasSubstr("needed 1 values"));
  EXPECT_THAT(Problem("graph @g() -> (a: i64[2]) { return @a } weight @a : i64[1] = [2]"), HasSubstr("i64[1], came i64[2]"));
  EXPECT_THAT(Problem("graph @g() -> () { return } weight @a : i8[1] = [200]"), HasSubstr("needed a number that fits i8, came \"200]"));
  EXPECT_THAT(Problem("graph @g() -> () { return } weight @a : f32[B] = [1]"), HasSubstr("dimensions are numbers"));
  EXPECT_THAT(Problem("graph @g() -> () { return } weight @a : f32[4000000000,4000000000] = splat(0)"), HasSubstr("below 2^48"));
  EXPECT_THAT(Problem("graph @g() -> () { return } weight @a : f32[400000,400000] = splat(0)"), HasSubstr("generated weights of at most"));
  EXPECT_THAT(Problem("graph @g() -> () { return } weight @a : f32[100000000] = [1]"), HasSubstr("blob(offset"));
  EXPECT_THAT(Problem("graph @g(%x) -> () { %y = f(%x) {a = \"b} return }"), HasSubstr("closing quote"));
}

TEST(Text, NestingIsBounded) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "graph @g(%x) -> () { %y = f(%x) {b = ";
  EXPECT_THAT(Problem(text), HasSubstr("nested at most 16 deep"));
  EXPECT_THAT(Problem(std::string(1 << 20, '[')), HasSubstr("1:1:"));
}

// A random graph that need not mean anything, only be well-formed.
std::unique_ptr<Graph> RandomGraph(std::mt19937_64& rng, int depth = 0) {
  const auto pick = [&](uint64_t n) { return rng() % n; };
  auto g = std::make_unique<Graph>();
  std::vector<Value*> values;
  const auto name = [&]() -> std::string {
    constexpr std::string_view kChars = "abz09_./-$ :%@\"\\\n\t\x01\xc3\xa9{}()";
    std::string s;
    for (uint64_t n = pick(9); n-- > 0;) s += kChars[pick(kChars.size())];
    return s;
  };
  const auto type = [&]() -> Type {
    const auto t = static_cast<DType>(pick(14));
    if (t == DType::kInvalid) return {};
    if (pick(5) == 0) return Type::Unranked(t);
    Type out = Type::Of(t, {});
    for (uint64_t n = pick(5); n-- > 0;) {
      Poly p(static_cast<int64_t>(pick(7)) - 3);
      for (uint64_t m = pick(3); m-- > 0;) p = p + Poly::Symbol(pick(2) ? "B" : "s_1.x") * Poly::Symbol("S") * Poly(static_cast<int64_t>(pick(9)) - 4);
      out.shape.push_back(pick(6) ? Dim(p) : Dim());
    }
    return out;
  };
  const auto tensor = [&]() -> Tensor {
    std::vector<int64_t> dims;
    for (uint64_t n = pick(4); n-- > 0;) dims.push_back(static_cast<int64_t>(pick(4)));
    Result<Tensor> t = Tensor::Zeros(static_cast<DType>(1 + pick(13)), dims);
    HST_CHECK(t.ok());
    for (size_t i = 0; i < t->bytes(); ++i) t->mutable_raw()[i] = static_cast<std::byte>(t->dtype() == DType::kBool ? pick(2) : pick(256));
    return *std::move(t);
  };
  const auto attr = [&]() -> Attr {
    switch (pick(depth < 2 ? 8 : 7)) {
      case 0: return static_cast<int64_t>(rng());
      case 1: return std::bit_cast<double>(rng());
      case 2: return name();
      case 3: return std::vector<int64_t>(pick(3), -5);
      case 4: return std::vector<double>(pick(3), 3.0);
      case 5: return std::vector<std::string>(pick(3), name());
      case 6: return tensor();
      default: return std::shared_ptr<Graph>(RandomGraph(rng, depth + 1));
    }
  };
  g->name = name() + "g";
  for (uint64_t n = pick(4); n-- > 0;) values.push_back(g->AddInput(name(), type()));
  for (uint64_t n = 1 + pick(4); n-- > 0;) values.push_back(g->AddWeight(name(), tensor()));
  for (uint64_t n = pick(8); n-- > 0;) {
    std::vector<Value*> ins;
    for (uint64_t m = pick(4); m-- > 0;) ins.push_back(pick(5) ? values[pick(values.size())] : nullptr);
    Attrs attrs;
    for (uint64_t m = pick(4); m-- > 0;) attrs[name()] = attr();
    std::vector<std::string> outs;
    for (uint64_t m = pick(4); m-- > 0;) outs.push_back(name());
    Node* made = g->AddNode(name(), ins, outs, attrs, name(), nullptr);
    for (Value* v : made->outputs()) v->type = type(), values.push_back(v);
  }
  for (uint64_t n = pick(3); n-- > 0;) g->AddOutput(values[pick(values.size())], name());
  return g;
}

TEST(Text, RandomGraphsReadBack) {
  std::mt19937_64 rng(7);
  for (int i = 0; i < Cases(500); ++i) {
    const std::unique_ptr<Graph> g = RandomGraph(rng);
    std::string blob;
    PrintOptions print;
    print.blob = &blob;
    const std::string text = Print(*g, print);
    ParseOptions parse;
    parse.blob = blob;
    Result<std::unique_ptr<Graph>> back = Parse(text, parse);
    ASSERT_TRUE(back.ok()) << back.status().message() << "\n" << text;
    ASSERT_EQ(Print(**back), text);
    ASSERT_EQ(Print(*g->Clone()), text);
  }
}

TEST(Text, MutatedTextsAreReadOrRefused) {
  std::mt19937_64 rng(11);
  ParseOptions options;
  options.allow_missing_blobs = true;
  options.max_generated_bytes = 1 << 16;
  int read = 0;
  for (int i = 0; i < Cases(20000); ++i) {
    std::string text(kAll);
    for (uint64_t edits = 1 + rng() % 3; edits-- > 0 && !text.empty();) {
      const size_t at = rng() % text.size(), other = rng() % text.size();
      switch (rng() % 5) {
        case 0: text[at] = static_cast<char>(rng()); break;
        case 1: text.erase(at, 1 + rng() % 8); break;
        case 2: text.insert(at, text.substr(other, rng() % 24)); break;
        case 3: text[at] = text[other]; break;
        case 4: text.resize(1 + at); break;
      }
    }
    Result<std::unique_ptr<Graph>> g = Parse(text, options);
    if (!g.ok()) {
      ASSERT_TRUE(g.status().code() == Code::kBadInput || g.status().code() == Code::kResource) << g.status().message();
      continue;
    }
    ++read;
    const std::string once = Print(**g);
    Result<std::unique_ptr<Graph>> again = Parse(once, options);
    ASSERT_TRUE(again.ok()) << again.status().message() << "\n" << once;
  }
  EXPECT_GT(read, Cases(500)) << "mutations that are always refused test nothing";
}

}  // namespace
}  // namespace hasten::ir
