// The bound on work: operands of a few bytes can ask for loops that never end.
// Each must be refused before it begins, with the node and the figure.
#include <gmock/gmock.h>

#include <chrono>

#include "tests/interp/eval.h"

namespace hasten::interp {
namespace {

using ::testing::HasSubstr;
using Ints = std::vector<int64_t>;
using Clock = std::chrono::steady_clock;

constexpr int64_t kHuge = int64_t{1} << 31;

// `limit` 0: the default.
void ExpectTooMuch(const std::string& op, const std::vector<Tensor>& in, ir::Attrs attrs, uint64_t limit = 0) {
  RunOptions o;
  if (limit) o.max_steps = limit;
  const auto start = Clock::now();
  const Status s = EvalError(op, in, std::move(attrs), o);
  EXPECT_EQ(s.code(), Code::kResource) << op << ": " << s.message();
  EXPECT_THAT(s.message(), HasSubstr("[" + op + "] needs ")) << op;
  EXPECT_THAT(s.message(), HasSubstr(StrCat(" of ", o.max_steps, " are left (node \"the node\")"))) << op;
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(2)) << op;
}

TEST(Bounds, WindowsLargerThanTheirInput) {
  const Tensor x = Noise({1, 1, 4, 4, 4}, 1);
  const ir::Attrs window{{"kernel_shape", Ints{kHuge, kHuge, kHuge}}, {"pads", Ints(6, kHuge)}, {"strides", Ints(3, kHuge)}};
  for (const char* op : {"max_pool", "average_pool", "lp_pool"}) ExpectTooMuch(op, {x}, window);
  ExpectTooMuch("max_pool", {x}, {{"kernel_shape", Ints{1 << 14, 1 << 14, 1 << 14}}, {"pads", Ints(6, 1 << 14)}, {"strides", Ints(3, 1 << 15)}});
}

TEST(Bounds, ProductsOfManyAxes) {
  ExpectTooMuch("einsum", {Noise({4096}, 1), Noise({4096}, 2), Noise({4096}, 3), Noise({4096}, 4)}, {{"equation", std::string("a,b,c,d->")}});
  const Tensor matrix = *Tensor::Zeros(DType::kF64, {1 << 12, 1 << 12});
  ExpectTooMuch("mat_mul", {matrix, matrix}, {}, uint64_t{1} << 40);
  ExpectTooMuch("gemm", {matrix, matrix}, {}, uint64_t{1} << 40);
  const Tensor bytes = *Tensor::Zeros(DType::kU8, {1 << 12, 1 << 12});
  ExpectTooMuch("mat_mul_integer", {bytes, bytes}, {}, uint64_t{1} << 40);
}

TEST(Bounds, Convolutions) {
  const Tensor x = Noise({1, 8, 64, 64}, 1), w = Noise({8, 8, 31, 31}, 2);
  const ir::Attrs pads{{"pads", Ints(4, 1000)}};
  ExpectTooMuch("conv", {x, w}, pads, uint64_t{1} << 34);
  ExpectTooMuch("conv_transpose", {x, w}, {}, uint64_t{1} << 34);
  const Tensor bytes = *Tensor::Zeros(DType::kU8, {1, 8, 64, 64}), kernel = *Tensor::Zeros(DType::kU8, {8, 8, 31, 31});
  ExpectTooMuch("conv_integer", {bytes, kernel}, pads, uint64_t{1} << 34);
}

TEST(Bounds, Transforms) {
  ExpectTooMuch("stft", {Noise({1, 1 << 20, 1}, 1), I64({}, {1 << 14}), Tensor(), I64({}, {1 << 18})}, {});
  ExpectTooMuch("lrn", {Noise({1, 1 << 20}, 1)}, {{"size", int64_t{1} << 20}}, uint64_t{1} << 40);
  ExpectTooMuch("det", {*Tensor::Zeros(DType::kF32, {1 << 12, 1 << 12})}, {}, uint64_t{1} << 40);
  // Each position of a hundred-thousandth smooths over 400,000.
  ExpectTooMuch("resize", {Noise({1 << 20}, 1), Tensor(), F32({1}, {1e-5f})}, {{"mode", std::string("cubic")}, {"antialias", int64_t{1}}}, uint64_t{1} << 27);
}

TEST(Bounds, RecurrencesAndBoxes) {
  ExpectTooMuch("rnn", {Noise({1 << 12, 1, 16}, 1), Noise({1, 256, 16}, 2), Noise({1, 256, 256}, 3)}, {}, uint64_t{1} << 32);
  ExpectTooMuch("non_max_suppression", {Noise({1, 1 << 16, 4}, 1), Noise({1, 1, 1 << 16}, 2), I64({}, {INT64_MAX})}, {}, uint64_t{1} << 36);
}

TEST(Bounds, ElementsCountWhereTheyAreReadAndMade) {
  ExpectTooMuch("reduce_sum", {*Tensor::Zeros(DType::kF32, {1 << 20})}, {}, uint64_t{1} << 23);
  ExpectTooMuch("expand", {F32({1}, {1}), I64({1}, {1 << 20})}, {}, uint64_t{1} << 23);
  // Moving a slice of a large tensor costs its slice.
  RunOptions o;
  o.max_steps = 1 << 10;
  EXPECT_TRUE(EvalAll("gather", {*Tensor::Zeros(DType::kF32, {1 << 20, 4}), I64({1}, {7})}, {}, 1, o).ok());
}

// A chain of nodes, each of which would do, shares one bound; the next run has its own.
TEST(Bounds, ARunSharesItsSteps) {
  ir::Graph g;
  ir::Value* v = g.AddInput("x", ir::Type::Unranked(DType::kF32));
  for (int i = 0; i < 100; ++i) v = g.AddNode("neg", {v}, 1, {}, StrCat("neg ", i))->output();
  g.AddOutput(v, "y");
  RunOptions o;
  o.max_steps = 100 * 32 * 1000;
  auto interpreter = *Interpreter::Create(o);
  const std::vector<Tensor> fits{Noise({1000}, 1)}, more{Noise({1001}, 1)};
  for (int again = 0; again < 3; ++again) EXPECT_TRUE(interpreter->Run(g, fits).ok());
  EXPECT_THAT(interpreter->Run(g, more).status().message(), HasSubstr("(node \"neg 99\")"));
  EXPECT_TRUE(interpreter->Run(g, fits).ok());
}

}  // namespace
}  // namespace hasten::interp
