#include "passes/recognize/rope_table.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "passes/recognize/lower.h"
#include "runtime/base/half.h"

namespace hasten::recognize {

using ir::Poly;

namespace {

bool Is(E e, Op op) { return e->kind == Kind::kUnary && e->op == op; }

// A stored table read at [row, column]; dimensions of one element are left out.
struct TableRead {
  const ir::Tensor* table = nullptr;
  Poly row, column;
  int64_t rows = 0, cols = 0;
  double At(int64_t p, int64_t c) const { return table->At(p * cols + c); }
};

std::optional<TableRead> AsTableRead(E e) {
  if (e->kind != Kind::kLoad || !e->value->is_weight() || !IsFloat(e->value->weight().dtype())) return std::nullopt;
  TableRead read{.table = &e->value->weight()};
  size_t dims = 0;
  for (size_t i = 0; i < e->index.size(); ++i) {
    const int64_t n = read.table->dim(static_cast<int64_t>(i));
    if (n == 1) continue;
    if (dims == 0) read.rows = n, read.row = e->index[i];
    if (dims == 1) read.cols = n, read.column = e->index[i];
    ++dims;
  }
  if (dims != 2 || read.rows < 2 || read.cols < 1) return std::nullopt;
  return read;
}

// scale * wave(position * inv_freq[i])
std::optional<Frequencies> Computed(ExprPool& pool, E e, Op wave, const Poly& position, const Poly& i, int64_t count) {
  Frequencies f;
  E angle = nullptr;
  for (const auto& [factor, below] : Factors(e)) {
    if (factor->kind == Kind::kConst) f.scale = below ? f.scale / factor->c : f.scale * factor->c;
    else if (Is(factor, wave) && !below && !angle) angle = factor->args[0];
    else return std::nullopt;
  }
  if (!angle) return std::nullopt;
  E rest = pool.Const(1);
  bool positioned = false;
  for (const auto& [factor, below] : Factors(angle)) {
    if (Is(factor, Op::kToFloat)) {
      if (positioned || below || pool.AsPoly(factor->args[0]) != position) return std::nullopt;
      positioned = true;
    } else {
      rest = pool.Binary(below ? Op::kDiv : Op::kMul, rest, factor);
    }
  }
  if (!positioned) return std::nullopt;
  const std::string var = i.Symbols()[0];
  for (int64_t k = 0; k < count; ++k) {
    const auto v = EvalConst(pool, rest, {{var, k}});
    if (!v) return std::nullopt;
    f.inv_freq.push_back(static_cast<float>(*v));
  }
  return f;
}

// The largest rounding of a value in [-1, 1] in the narrowest type that holds the
// whole table: what its exporter stored it in, however wide it is by now.
double Rounding(const ir::Tensor& t) {
  bool half = true, brain = true;
  for (int64_t i = 0; i < t.elements() && (half || brain); ++i) {
    const float v = static_cast<float>(t.At(i));
    uint32_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    brain = brain && (bits & 0xffffu) == 0;
    half = half && HalfToFloat(FloatToHalf(v)) == v;
  }
  return half ? 0x1p-12 : brain ? 0x1p-9 : 0x1p-25;
}

// Cosine and sine of the angle of one frequency, row by row.
struct Column {
  TableRead cosine, sine;
  int64_t c = 0, s = 0;   // the columns
  double Angle(int64_t p) const { return std::atan2(sine.At(p, s), cosine.At(p, c)); }
};

// The angle of row 1, made sharper by rows 2, 4, 8, ...: each doubling halves what
// the table's rounding can move the frequency.
double Recover(const Column& column, bool coarse) {
  constexpr int64_t kEnough = 4096;   // then a fp32 angle's own rounding is what is left
  const int64_t rows = column.cosine.rows;
  double w = column.Angle(1);
  for (int64_t p = 2; p < rows && (coarse || p <= kEnough); p *= 2) {
    const double guess = w * static_cast<double>(p);
    w = (guess + std::remainder(column.Angle(p) - guess, 2 * M_PI)) / static_cast<double>(p);
  }
  if (!coarse) return w;
  double residual = 0, weight = 0;   // and by least squares over all rows of a 16-bit table
  for (int64_t row = 1; row < rows; ++row) {
    const double p = static_cast<double>(row);
    residual += p * std::remainder(column.Angle(row) - p * w, 2 * M_PI);
    weight += p * p;
  }
  return w + residual / weight;
}

// cos_cache[position, column + i] and sin_cache[position, column + i].
std::optional<Frequencies> Stored(ExprPool& pool, E cosine, E sine, const Poly& position, const Poly& i, int64_t count) {
  const auto c = AsTableRead(cosine), s = AsTableRead(sine);
  if (!c || !s || c->row != position || s->row != position || c->rows != s->rows) return std::nullopt;
  const std::string var = i.Symbols()[0];
  const double unit = std::max(Rounding(*c->table), Rounding(*s->table));
  const bool coarse = unit > 0x1p-20;
  // An entry's own rounding (twice `unit` between 1 and 2, where a scaled table may lie),
  // and what is left of it in the frequency.
  const double rounding = coarse ? 3 * unit : 2e-6;
  Frequencies f{.rounding = coarse ? unit : 0};
  for (int64_t k = 0; k < count; ++k) {
    const auto at_c = EvalConst(pool, pool.Int(c->column), {{var, k}}), at_s = EvalConst(pool, pool.Int(s->column), {{var, k}});
    if (!at_c || !at_s) return std::nullopt;
    const Column column{*c, *s, static_cast<int64_t>(*at_c), static_cast<int64_t>(*at_s)};
    if (column.c < 0 || column.c >= c->cols || column.s < 0 || column.s >= s->cols) return std::nullopt;
    if (k == 0) f.scale = std::hypot(c->At(0, column.c), s->At(0, column.s));
    if (!(f.scale > 0)) return std::nullopt;
    f.inv_freq.push_back(static_cast<float>(Recover(column, coarse)));
    for (int64_t p = 0; p < c->rows; ++p) {
      const double angle = static_cast<double>(p) * f.inv_freq.back();
      // The exporter rounded the angle to fp32: that is the largest honest difference besides.
      const double tolerance = (rounding + std::fabs(angle) * 0x1p-22) * f.scale;
      if (!(std::fabs(std::cos(angle) * f.scale - c->At(p, column.c)) <= tolerance) ||
          !(std::fabs(std::sin(angle) * f.scale - s->At(p, column.s)) <= tolerance))
        return std::nullopt;
    }
  }
  return f;
}

}  // namespace

Wave WaveOf(const ExprPool& pool, E e, const Poly& position) {
  Wave wave = Wave::kNone;
  pool.Visit(e, [&](E x) {
    if (Is(x, Op::kCos)) wave = Wave::kCosine;
    if (Is(x, Op::kSin)) wave = Wave::kSine;
    if (wave != Wave::kNone) return;
    const auto read = AsTableRead(x);
    if (!read || read->row != position) return;
    Poly first = read->column;
    for (const std::string& s : first.Symbols()) first = first.Substitute(s, Poly(0));
    if (const int64_t at = first.ConstTerm(); at >= 0 && at < read->cols)
      wave = read->At(0, at) == 0 ? Wave::kSine : Wave::kCosine;
  });
  return wave;
}

std::optional<Frequencies> ReadFrequencies(ExprPool& pool, E cosine, E sine, const Poly& position, const Poly& i, int64_t count) {
  const auto f = Computed(pool, cosine, Op::kCos, position, i, count);
  const auto g = Computed(pool, sine, Op::kSin, position, i, count);
  if (f && g) return *f == *g ? f : std::nullopt;
  return Stored(pool, cosine, sine, position, i, count);
}

}  // namespace hasten::recognize
