#include "passes/feeds.h"

#include <cmath>
#include <cstring>
#include <numbers>
#include <string_view>

#include "runtime/base/half.h"

namespace hasten::passes {
namespace {

constexpr uint64_t kMaxFeedBytes = uint64_t{1} << 28;

bool Contains(std::string_view s, std::string_view part) { return s.find(part) != std::string_view::npos; }
bool IsPast(std::string_view symbol) { return symbol == "P" || Contains(symbol, "past"); }

class Random {   // SplitMix64 (Steele, Lea, Flood 2014)
 public:
  Random(uint64_t seed, std::string_view name) : state_(seed) {
    for (const char c : name) state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  float Normal() {   // Box-Muller, then to bf16's 8 bits
    const double u = (static_cast<double>(Next() >> 40) + 0.5) * 0x1p-24, v = static_cast<double>(Next() >> 40) * 0x1p-24;
    return BFloatToFloat(FloatToBFloat(static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v))));
  }

 private:
  uint64_t state_;
};

// What an integer input holds, told by its name as exporters choose it.
int64_t IntegerAt(const ir::Value& input, const ir::Tensor& t, int64_t i, int64_t past, Random& random) {
  const std::string_view name = input.name;
  if (Contains(name, "mask")) return 1;
  const int64_t last = t.rank() > 0 ? t.dim(-1) : 1;
  if (Contains(name, "position")) return past + i % last;
  if (Contains(name, "token_type") || Contains(name, "segment")) return static_cast<int64_t>(random.Next() % 2);
  if (Contains(name, "seqlens_k")) return past + 4;               // total - 1, as GroupQueryAttention counts
  if (Contains(name, "total_sequence_length")) return past + 5;
  return 3 + static_cast<int64_t>(random.Next() % 5);   // tokens; 0, 1 and 2 may be padding
}

void Fill(const ir::Value& input, ir::Tensor& t, int64_t past, uint64_t seed) {
  Random random(seed, input.name);
  const size_t size = DTypeSize(t.dtype());
  for (int64_t i = 0; i < t.elements(); ++i) {
    std::byte* to = t.mutable_raw() + static_cast<size_t>(i) * size;
    if (IsFloat(t.dtype())) {
      const bool mask = Contains(input.name, "mask");
      const float v = mask ? 1.0f : random.Normal();
      const double d = v;
      const uint16_t half = t.dtype() == DType::kF16 ? FloatToHalf(v) : FloatToBFloat(v);
      if (size == 4) std::memcpy(to, &v, 4);
      else if (size == 8) std::memcpy(to, &d, 8);
      else std::memcpy(to, &half, 2);
    } else {
      const int64_t v = t.dtype() == DType::kBool ? 1 : IntegerAt(input, t, i, past, random);
      std::memcpy(to, &v, size);
    }
  }
}

// A cache input with a symbol where the cache it returns has a number (GenAI's
// head size): the number.
void TakeFromPresent(const ir::Graph& graph, const ir::Value& past, SymbolValues& out) {
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    const ir::Type& present = graph.outputs()[i]->type;
    if (!graph.output_names()[i].starts_with("present") || present.shape.size() != past.type.shape.size()) continue;
    for (size_t d = 0; d < present.shape.size(); ++d) {
      const ir::Dim &in = past.type.shape[d], &made = present.shape[d];
      const std::optional<int64_t> n = made ? made->AsConst() : std::nullopt;
      if (!in || !n || in->Symbols().size() != 1) continue;
      if (const std::string symbol = in->Symbols()[0]; *in == ir::Poly::Symbol(symbol)) out.emplace(symbol, *n);
    }
    return;
  }
}

}  // namespace

SymbolValues ChooseSymbols(const ir::Graph& graph, const SymbolValues& given) {
  SymbolValues out = given;
  bool has_past = false;
  for (const ir::Value* input : graph.inputs())
    if (Contains(input->name, "past") && input->type.ranked) TakeFromPresent(graph, *input, out);
  for (const ir::Value* input : graph.inputs())
    for (const ir::Dim& d : input->type.shape)
      for (const std::string& s : d ? d->Symbols() : std::vector<std::string>()) has_past |= IsPast(s);
  for (const ir::Value* input : graph.inputs())
    for (const ir::Dim& d : input->type.shape)
      for (const std::string& s : d ? d->Symbols() : std::vector<std::string>()) {
        if (out.count(s)) continue;
        out[s] = IsPast(s) ? 3 : s == "B" || Contains(s, "batch") ? 2 : s == "T" || Contains(s, "total") ? (has_past ? 8 : 5) : 5;
      }
  return out;
}

Result<std::vector<ir::Tensor>> SeededFeeds(const ir::Graph& graph, const SymbolValues& symbols, uint64_t seed) {
  int64_t past = 0;
  for (const auto& [symbol, value] : symbols)
    if (IsPast(symbol)) past = value;
  std::vector<ir::Tensor> out;
  for (const ir::Value* input : graph.inputs()) {
    if (!input->type.ranked || input->type.dtype == DType::kInvalid)
      return Unsupported("input %", input->name, " has the type ", ir::TypeString(input->type), ": needed known dims to make data for it");
    std::vector<int64_t> dims;
    for (const ir::Dim& d : input->type.shape) {
      const std::optional<int64_t> n = d ? d->Eval(symbols) : std::nullopt;
      if (!n || *n < 0)
        return Unsupported("input %", input->name, " has the type ", ir::TypeString(input->type), ": needed known dims to make data for it");
      dims.push_back(*n);
    }
    HST_ASSIGN_OR_RETURN(ir::Tensor t, ir::Tensor::Zeros(input->type.dtype, std::move(dims), kMaxFeedBytes));
    Fill(*input, t, past, seed);
    out.push_back(std::move(t));
  }
  return out;
}

}  // namespace hasten::passes
