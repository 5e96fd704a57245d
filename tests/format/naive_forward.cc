// The tiny model evaluated the plain way, in double: no blocks, no cache, no
// quantized activations. What the executor is compared with.
#include <algorithm>
#include <cmath>

#include "tests/format/tiny_model.h"

namespace hasten::testing {
namespace {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

class Naive {
 public:
  explicit Naive(const TinyModel& m) : m_(m), c_(m.config) {}

  Rows Run(const std::vector<int32_t>& tokens) const {
    Rows x;
    for (size_t t = 0; t < tokens.size(); ++t) {
      Row row = RowOf("embed", static_cast<size_t>(tokens[t]));
      if (c_.learned_positions) Add(row, RowOf("positions", t + 2));
      if (c_.encoder) Add(row, RowOf("types", 0));
      x.push_back(std::move(row));
    }
    for (uint32_t l = 0; l < c_.layers; ++l) Block(x, StrCat("layers.", l));
    for (Row& row : x) {
      row = Norm(row, "final_norm", 0, row.size());
      if (!c_.encoder) row = Linear(row, "embed", false);
    }
    return x;
  }

 private:
  const std::vector<float>& W(const std::string& name) const { return m_.values[m_.index.at(name)]; }
  Row RowOf(const std::string& name, size_t r) const {
    const auto& w = W(name);
    return Row(w.begin() + static_cast<long>(r * c_.hidden), w.begin() + static_cast<long>((r + 1) * c_.hidden));
  }
  static void Add(Row& a, const Row& b) {
    for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  }
  Row Norm(Row x, const std::string& name, size_t begin, size_t count) const {
    double mean = 0, square = 0;
    if (c_.layer_norm) {
      for (size_t i = 0; i < count; ++i) mean += x[begin + i];
      mean /= static_cast<double>(count);
    }
    for (size_t i = 0; i < count; ++i) square += (x[begin + i] - mean) * (x[begin + i] - mean);
    const double scale = 1 / std::sqrt(square / static_cast<double>(count) + static_cast<double>(1e-5f));
    for (size_t i = 0; i < count; ++i)
      x[begin + i] = (x[begin + i] - mean) * scale * W(name + ".w")[i] + (c_.layer_norm ? W(name + ".b")[i] : 0.0);
    return x;
  }
  Row Linear(const Row& x, const std::string& name, bool bias = true) const {
    const auto& w = W(name);
    Row out(w.size() / x.size());
    for (size_t n = 0; n < out.size(); ++n) {
      for (size_t k = 0; k < x.size(); ++k) out[n] += x[k] * w[n * x.size() + k];
      if (c_.layer_norm && bias) out[n] += W(name + ".bias")[n];
    }
    return out;
  }
  void Rope(Row& row, size_t begin, size_t position) const {
    const size_t half = c_.rotary_dim / 2;
    for (size_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(position) * m_.program.rope_tables[0]->inv_freq[i];
      double &a = row[begin + i], &b = row[begin + half + i];
      const double x0 = a, x1 = b;
      a = x0 * std::cos(angle) - x1 * std::sin(angle);
      b = x1 * std::cos(angle) + x0 * std::sin(angle);
    }
  }
  Row Attend(const Rows& qkv, size_t t) const {
    const size_t d = c_.head_dim, qc = c_.heads * d, kc = c_.kv_heads * d, per = c_.heads / c_.kv_heads;
    Row out(qc);
    for (size_t h = 0; h < c_.heads; ++h) {
      const size_t k0 = qc + h / per * d, v0 = k0 + kc;
      const size_t first = c_.window && t + 1 > c_.window ? t + 1 - c_.window : 0, last = !c_.encoder ? t + 1 : c_.ahead ? std::min<size_t>(qkv.size(), t + c_.ahead) : qkv.size();
      Row p;
      for (size_t j = first; j < last; ++j) {
        double s = 0;
        for (size_t i = 0; i < d; ++i) s += qkv[t][h * d + i] * qkv[j][k0 + i];
        s /= std::sqrt(static_cast<double>(d));
        if (c_.softcap > 0) s = c_.softcap * std::tanh(s / c_.softcap);
        if (c_.alibi) s -= std::ldexp(std::fabs(static_cast<double>(t) - static_cast<double>(j)), -static_cast<int>(h) - 1);
        p.push_back(s);
      }
      const double most = *std::max_element(p.begin(), p.end());
      double sum = 0;
      for (double& v : p) sum += v = std::exp(v - most);
      for (size_t j = first; j < last; ++j)
        for (size_t i = 0; i < d; ++i) out[h * d + i] += p[j - first] / sum * qkv[j][v0 + i];
    }
    return out;
  }
  void Block(Rows& x, const std::string& at) const {
    const size_t d = c_.head_dim;
    Rows qkv;
    for (size_t t = 0; t < x.size(); ++t) {
      Row r = Linear(Norm(x[t], at + ".norm1", 0, x[t].size()), at + ".qkv");
      for (size_t h = 0; h < c_.heads + c_.kv_heads; ++h) {
        if (c_.qk_norm) r = Norm(std::move(r), at + (h < c_.heads ? ".q_norm" : ".k_norm"), h * d, d);
        if (!c_.learned_positions) Rope(r, h * d, t);
      }
      qkv.push_back(std::move(r));
    }
    for (size_t t = 0; t < x.size(); ++t) {
      Add(x[t], Linear(Attend(qkv, t), at + ".o"));
      const Row gate_up = Linear(Norm(x[t], at + ".norm2", 0, x[t].size()), at + ".gate_up");
      Row mlp(c_.inter);
      for (size_t i = 0; i < c_.inter; ++i) mlp[i] = gate_up[i] / (1 + std::exp(-gate_up[i])) * gate_up[c_.inter + i];
      Add(x[t], Linear(mlp, at + ".down"));
    }
  }

  const TinyModel& m_;
  const TinyConfig& c_;
};

}  // namespace

std::vector<std::vector<double>> NaiveForward(const TinyModel& model, const std::vector<int32_t>& tokens) {
  return Naive(model).Run(tokens);
}

}  // namespace hasten::testing
