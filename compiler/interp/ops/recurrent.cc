// rnn, gru and lstm (ONNX opset 22). One cell step for each, in double.
#include <cmath>
#include <functional>

#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

using Act = std::function<double(double)>;

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

Result<Act> MakeAct(EvalContext& c, const std::string& name, double alpha, double beta) {
  if (name == "Relu") return Act([](double x) { return std::max(x, 0.0); });
  if (name == "Tanh") return Act([](double x) { return std::tanh(x); });
  if (name == "Sigmoid") return Act(Sigmoid);
  if (name == "Affine") return Act([=](double x) { return alpha * x + beta; });
  if (name == "LeakyRelu") return Act([=](double x) { return x < 0 ? alpha * x : x; });
  if (name == "ThresholdedRelu") return Act([=](double x) { return x > alpha ? x : 0.0; });
  if (name == "ScaledTanh") return Act([=](double x) { return alpha * std::tanh(beta * x); });
  if (name == "HardSigmoid") return Act([=](double x) { return std::min(std::max(alpha * x + beta, 0.0), 1.0); });
  if (name == "Elu") return Act([=](double x) { return x < 0 ? alpha * std::expm1(x) : x; });
  if (name == "Softsign") return Act([](double x) { return x / (1 + std::abs(x)); });
  if (name == "Softplus") return Act([](double x) { return std::log1p(std::exp(x)); });
  return c.Error("activation \"", name, "\"");
}

enum class Kind { kRnn, kGru, kLstm };

struct Cell {
  Kind kind;
  int64_t gates, hidden, input;
  std::vector<double> w, r, bias, peephole;   // [gates*H,I], [gates*H,H], [2*gates*H], [3*H]
  std::vector<Act> act;
  double clip;
  bool before_reset, input_forget;

  double Clip(double x) const { return clip > 0 ? std::min(std::max(x, -clip), clip) : x; }
  // W x + b_w (+ R h + b_r) of gate g, unit j.
  double FromInput(const double* x, int64_t g, int64_t j) const {
    double sum = bias[static_cast<size_t>(g * hidden + j)];
    for (int64_t k = 0; k < input; ++k) sum += w[static_cast<size_t>((g * hidden + j) * input + k)] * x[k];
    return sum;
  }
  double FromState(const std::vector<double>& h, int64_t g, int64_t j) const {
    double sum = bias[static_cast<size_t>((gates + g) * hidden + j)];
    for (int64_t k = 0; k < hidden; ++k) sum += r[static_cast<size_t>((g * hidden + j) * hidden + k)] * h[static_cast<size_t>(k)];
    return sum;
  }
  void Step(const double* x, std::vector<double>& h, std::vector<double>& state) const;
};

void Cell::Step(const double* x, std::vector<double>& h, std::vector<double>& state) const {
  std::vector<double> next(h.size());
  const size_t n = h.size();
  const auto gate = [&](int64_t g, size_t j) { return FromInput(x, g, static_cast<int64_t>(j)) + FromState(h, g, static_cast<int64_t>(j)); };
  if (kind == Kind::kRnn) {
    for (size_t j = 0; j < n; ++j) next[j] = act[0](Clip(gate(0, j)));
  } else if (kind == Kind::kGru) {  // gates z, r, h
    std::vector<double> reset(n), scaled(n);
    for (size_t j = 0; j < n; ++j) {
      reset[j] = act[0](Clip(gate(1, j)));
      scaled[j] = reset[j] * h[j];
    }
    for (size_t j = 0; j < n; ++j) {
      const double z = act[0](Clip(gate(0, j)));
      const int64_t u = static_cast<int64_t>(j);
      const double from_state = before_reset ? reset[j] * FromState(h, 2, u) : FromState(scaled, 2, u);
      next[j] = (1 - z) * act[1](Clip(FromInput(x, 2, u) + from_state)) + z * h[j];
    }
  } else {  // gates i, o, f, c; peepholes i, o, f
    for (size_t j = 0; j < n; ++j) {
      const auto p = [&](size_t k) { return peephole[k * n + j]; };
      const double i = act[0](Clip(gate(0, j) + p(0) * state[j]));
      const double f = input_forget ? 1 - i : act[0](Clip(gate(2, j) + p(2) * state[j]));
      const double fresh = f * state[j] + i * act[1](Clip(gate(3, j)));
      const double o = act[0](Clip(gate(1, j) + p(1) * fresh));
      state[j] = fresh;
      next[j] = o * act[2](fresh);
    }
  }
  h = std::move(next);
}

// Operand i as doubles, of exactly these dims; zeros when absent.
Result<std::vector<double>> Operand(EvalContext& c, size_t i, const std::vector<int64_t>& dims) {
  if (!c.Has(i)) {
    HST_RETURN_IF_ERROR(RoomForDoubles(c, dims));
    return std::vector<double>(static_cast<size_t>(Product(dims, 0, dims.size())), 0);
  }
  HST_RETURN_IF_ERROR(c.NeedDims(i, dims));
  return ToDoubles(c.In(i));
}

std::vector<double> Part(const std::vector<double>& v, int64_t d, int64_t directions) {
  const auto n = static_cast<std::ptrdiff_t>(v.size()) / directions;
  return {v.begin() + d * n, v.begin() + (d + 1) * n};
}

Result<std::vector<Act>> Activations(EvalContext& c, int64_t direction, std::vector<std::string> names) {
  const size_t per = names.size();
  if (const auto it = c.node.attrs.find("activations"); it != c.node.attrs.end()) {
    const auto& given = std::get<std::vector<std::string>>(it->second);
    for (size_t k = 0; k < per; ++k) {
      const size_t at = static_cast<size_t>(direction) * per + k;
      if (at >= given.size()) return c.Error("activations has ", given.size(), " elements");
      names[k] = given[at];
    }
  }
  const auto floats = [&](const char* name, size_t k, double fallback) {
    const auto it = c.node.attrs.find(name);
    if (it == c.node.attrs.end()) return fallback;
    const auto& v = std::get<std::vector<double>>(it->second);
    const size_t at = static_cast<size_t>(direction) * per + k;
    return at < v.size() ? v[at] : fallback;
  };
  std::vector<Act> out;
  for (size_t k = 0; k < per; ++k) {
    const double alpha = names[k] == "LeakyRelu" ? 0.01 : names[k] == "HardSigmoid" ? 0.2 : 1.0, beta = names[k] == "HardSigmoid" ? 0.5 : 0.0;
    HST_ASSIGN_OR_RETURN(Act act, MakeAct(c, names[k], floats("activation_alpha", k, alpha), floats("activation_beta", k, beta)));
    out.push_back(std::move(act));
  }
  return out;
}

Status Recur(EvalContext& c, Kind kind, int64_t gates, const std::vector<std::string>& default_acts) {
  HST_RETURN_IF_ERROR(c.NeedRank(0, 3));
  HST_RETURN_IF_ERROR(c.NeedRank(2, 3));
  const Tensor& x = c.In(0);
  const bool batch_first = c.node.Int("layout", 0) != 0;
  const int64_t seq = x.dim(batch_first ? 1 : 0), batch = x.dim(batch_first ? 0 : 1), input = x.dim(2), hidden = c.In(2).dim(2);
  const std::string direction = c.node.Str("direction", "forward");
  const int64_t dirs = direction == "bidirectional" ? 2 : 1;
  if (hidden < 1 || hidden > 1 << 24 || c.node.Int("hidden_size", hidden) != hidden) return c.Error("hidden_size with R of dims ", DimsText(c.In(2).dims()));
  const std::vector<int64_t> state_dims = batch_first ? std::vector<int64_t>{batch, dirs, hidden} : std::vector<int64_t>{dirs, batch, hidden};
  HST_ASSIGN_OR_RETURN(const auto w, Operand(c, 1, {dirs, gates * hidden, input}));
  HST_ASSIGN_OR_RETURN(const auto r, Operand(c, 2, {dirs, gates * hidden, hidden}));
  HST_ASSIGN_OR_RETURN(const auto bias, Operand(c, 3, {dirs, 2 * gates * hidden}));
  HST_ASSIGN_OR_RETURN(const auto h0, Operand(c, 5, state_dims));
  std::vector<double> c0(h0.size(), 0), peephole(static_cast<size_t>(dirs * 3 * hidden), 0);
  if (kind == Kind::kLstm) {
    HST_ASSIGN_OR_RETURN(c0, Operand(c, 6, state_dims));
    HST_ASSIGN_OR_RETURN(peephole, Operand(c, 7, {dirs, 3 * hidden}));
  }
  std::vector<int64_t> lengths(static_cast<size_t>(batch), seq);
  if (c.Has(4)) {
    HST_RETURN_IF_ERROR(c.NeedDims(4, {batch}));
    HST_ASSIGN_OR_RETURN(lengths, c.Ints(4, INT64_MAX));
  }
  const std::vector<int64_t> y_dims = batch_first ? std::vector<int64_t>{batch, seq, dirs, hidden} : std::vector<int64_t>{seq, dirs, batch, hidden};
  HST_RETURN_IF_ERROR(RoomForDoubles(c, y_dims));
  HST_RETURN_IF_ERROR(c.SpendPlain({dirs, batch, seq, gates * hidden, input + hidden}));
  const std::vector<double> xs = ToDoubles(x);
  std::vector<double> y(static_cast<size_t>(Product(y_dims, 0, 4)), 0), hn(h0.size()), cn(h0.size());
  for (int64_t d = 0; d < dirs; ++d) {
    HST_ASSIGN_OR_RETURN(std::vector<Act> act, Activations(c, d, default_acts));
    const Cell cell{kind, gates, hidden, input, Part(w, d, dirs), Part(r, d, dirs), Part(bias, d, dirs), Part(peephole, d, dirs), std::move(act),
                    c.node.Float("clip", 0), c.node.Int("linear_before_reset", 0) != 0, c.node.Int("input_forget", 0) != 0};
    const bool backward = direction == "reverse" || d == 1;
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t at = (batch_first ? b * dirs + d : d * batch + b) * hidden, n = lengths[static_cast<size_t>(b)];
      if (n < 0 || n > seq) return c.Error("sequence length ", n, " of ", seq);
      std::vector<double> h(h0.begin() + at, h0.begin() + at + hidden), state(c0.begin() + at, c0.begin() + at + hidden);
      for (int64_t s = 0; s < n; ++s) {
        const int64_t t = backward ? n - 1 - s : s;
        cell.Step(xs.data() + (batch_first ? b * seq + t : t * batch + b) * input, h, state);
        std::copy(h.begin(), h.end(), y.begin() + (batch_first ? (b * seq + t) * dirs + d : (t * dirs + d) * batch + b) * hidden);
      }
      std::copy(h.begin(), h.end(), hn.begin() + at);
      std::copy(state.begin(), state.end(), cn.begin() + at);
    }
  }
  const DType dtype = x.dtype();
  if (c.OutputCount() > 0) {
    HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, dtype, y_dims, y));
  }
  if (c.OutputCount() > 1) {
    HST_ASSIGN_OR_RETURN(c.out[1], FromDoubles(c, dtype, state_dims, hn));
  }
  if (c.OutputCount() > 2) {
    HST_ASSIGN_OR_RETURN(c.out[2], FromDoubles(c, dtype, state_dims, cn));
  }
  return {};
}

}  // namespace

Status EvalRnn(EvalContext& c) { return Recur(c, Kind::kRnn, 1, {"Tanh"}); }
Status EvalGru(EvalContext& c) { return Recur(c, Kind::kGru, 3, {"Sigmoid", "Tanh"}); }
Status EvalLstm(EvalContext& c) { return Recur(c, Kind::kLstm, 4, {"Sigmoid", "Tanh", "Tanh"}); }

}  // namespace hasten::interp
