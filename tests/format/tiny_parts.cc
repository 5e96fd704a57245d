#include "tests/format/tiny_parts.h"

#include <cmath>
#include <cstring>

#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/norm/contract.h"

namespace hasten::testing {

uint32_t TinyParts::Tensor(const std::string& name, Scheme scheme, uint32_t n, uint32_t k, float around, float spread) {
  std::normal_distribution<float> normal(around, spread);
  std::vector<float> values(size_t{n} * k);
  for (float& v : values) v = normal(rng_);
  std::vector<std::byte> packed(PackedBytes(scheme, n, k).value());
  const SchemeInfo& info = GetScheme(scheme);
  Status status;
  if (!info.integer) {
    status = PackFloats(scheme, n, k, values, packed);
  } else {
    // Round to nearest, symmetric about the zero-point: good enough for a random model.
    const size_t group = info.group ? static_cast<size_t>(info.group) : k, groups = (k + group - 1) / group;
    std::vector<int8_t> codes(values.size());
    std::vector<float> scale(n * groups);
    std::vector<uint8_t> zero(info.zero_point ? n * groups : 0);
    for (size_t r = 0; r < n; ++r)
      for (size_t g = 0; g < groups; ++g) {
        const size_t begin = g * group, end = std::min<size_t>(begin + group, k);
        float most = 1e-6f;
        for (size_t i = begin; i < end; ++i) most = std::max(most, std::fabs(values[r * k + i]));
        const float s = RoundScale(scheme, most / static_cast<float>(info.zero_point ? info.max_code / 2 : info.max_code));
        scale[r * groups + g] = s;
        const int z = info.zero_point ? info.max_code / 2 + static_cast<int>(rng_() % 2) : 0, low = info.zero_point ? 0 : -info.max_code, high = info.max_code;
        if (info.zero_point) zero[r * groups + g] = static_cast<uint8_t>(z);
        for (size_t i = begin; i < end; ++i)
          codes[r * k + i] = static_cast<int8_t>(std::clamp(static_cast<int>(std::nearbyint(values[r * k + i] / s)) + z, low, high));
      }
    status = PackCodes(scheme, n, k, {codes, scale, zero}, packed);
  }
  HST_CHECK(status.ok());
  for (size_t r = 0; r < n; ++r) UnpackRow(scheme, n, k, packed.data(), static_cast<int64_t>(r), values.data() + r * k);
  auto t = std::make_unique<fb::TensorT>();
  t->name = name;
  t->scheme = static_cast<uint8_t>(scheme);
  t->n = n;
  t->k = k;
  t->offset = m_.weights.size();
  t->bytes = packed.size();
  m_.weights.insert(m_.weights.end(), packed.begin(), packed.end());
  m_.weights.resize((m_.weights.size() + 63) / 64 * 64);
  m_.program.tensors.push_back(std::move(t));
  m_.values.push_back(std::move(values));
  const uint32_t index = static_cast<uint32_t>(m_.values.size() - 1);
  m_.index[name] = index;
  return index;
}

TinyParts::View TinyParts::Norm(const View& x, const std::string& name, uint32_t groups, const View& out) {
  const uint32_t cols = x.cols() / groups;
  fb::NormT n;
  n.x = V(x);
  n.out = V(out);
  n.kind = static_cast<uint8_t>(c_.layer_norm ? NormKind::kLayer : NormKind::kRms);
  n.groups = groups;
  n.weight = static_cast<int32_t>(Tensor(name + ".w", Scheme::kF32, 1, cols, 1.0f, 0.1f));
  if (c_.layer_norm) n.bias = static_cast<int32_t>(Tensor(name + ".b", Scheme::kF32, 1, cols, 0.0f, 0.1f));
  n.eps = 1e-5f;
  Emit(std::move(n), name.c_str());
  return out;
}

TinyParts::View TinyParts::LinearWith(const View& x, uint32_t weight, int32_t bias) {
  const fb::TensorT& w = *m_.program.tensors[weight];
  const fb::Rows rows = m_.program.buffers[x.buffer()]->rows;
  View in = x;
  if (GetScheme(static_cast<Scheme>(w.scheme)).integer) {
    in = AddBuffer(fb::BufferKind::Quantized, x.cols(), c_.group, rows, c_.residual);
    fb::QuantizeT q;
    q.x = V(x);
    q.out = V(in);
    Emit(std::move(q), "quantize");
  }
  const View out = Buf(static_cast<uint32_t>(w.n), rows);
  fb::LinearT l;
  l.x = V(in);
  l.out = V(out);
  l.weight = weight;
  l.bias = bias;
  Emit(std::move(l), w.name.c_str());
  return out;
}

TinyParts::View TinyParts::Linear(const View& x, const std::string& name, Scheme scheme, uint32_t n) {
  const uint32_t w = Tensor(name, scheme, n, x.cols(), 0.0f, 1.0f / std::sqrt(static_cast<float>(x.cols())));
  const int32_t bias = c_.layer_norm ? static_cast<int32_t>(Tensor(name + ".bias", Scheme::kF32, 1, n, 0.0f, 0.1f)) : -1;
  return LinearWith(x, w, bias);
}

void TinyParts::Rope(const View& x, uint32_t heads) {
  fb::RopeT r;
  r.x = V(x);
  r.out = V(x);
  r.heads = heads;
  r.head_dim = c_.head_dim;
  r.rotary_dim = c_.rotary_dim;
  Emit(std::move(r), "rope");
}

void TinyParts::Residual(const View& x, const View& add) {
  fb::BinaryT b;
  b.op = static_cast<uint8_t>(Binary::kAdd);
  b.a = V(x);
  b.b = V(add);
  b.b_kind = static_cast<uint8_t>(Operand::kRows);
  b.out = V(x);
  Emit(std::move(b), "residual");
}

TinyParts::View TinyParts::EmbedIn() {
  const auto embed = [&](uint32_t table, fb::Source source, int32_t offset) {
    const View out = Buf(c_.hidden);
    fb::EmbedT e;
    e.out = V(out);
    e.table = table;
    e.source = source;
    e.index_offset = offset;
    Emit(std::move(e), "embed");
    return out;
  };
  const View x = embed(Tensor("embed", c_.head, c_.vocab, c_.hidden, 0.0f, 1.0f), fb::Source::TokenIds, 0);
  if (c_.learned_positions)
    Residual(x, embed(Tensor("positions", Scheme::kF32, static_cast<uint32_t>(c_.max_positions) + 2, c_.hidden, 0.0f, 0.5f), fb::Source::Positions, 2));
  if (c_.encoder) Residual(x, embed(Tensor("types", Scheme::kF32, 2, c_.hidden, 0.0f, 0.5f), fb::Source::TokenTypes, 0));
  return x;
}

}  // namespace hasten::testing
