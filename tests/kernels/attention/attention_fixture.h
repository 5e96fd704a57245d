// A ragged batch with its caches, for the attention tests: makes tokens, appends
// them, attends in any chunking, and knows the result in double.
#pragma once

#include <cmath>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "runtime/kernels/attention/contract.h"
#include "tests/kernels/test_util.h"

namespace hasten::testing {

// ALiBi slopes for tests: usual ones, none, a negative one, one that hides all
// but the nearest keys.
inline constexpr float kTestSlopes[] = {0.5f, 0.25f, 0.70710678f, 0.0f, -0.01f, 3.0f, 0.00390625f};
inline const float* TestSlopes() {
  static const std::vector<float> slopes = [] {
    std::vector<float> all;
    for (size_t i = 0; i < 64; ++i) all.push_back(kTestSlopes[i % std::size(kTestSlopes)]);
    return all;
  }();
  return slopes.data();
}

inline AttentionShape Shape(int64_t heads, int64_t kv_heads, int64_t dim, int64_t v_dim, KvType kv) {
  AttentionShape s;
  s.heads = heads;
  s.kv_heads = kv_heads;
  s.head_dim = dim;
  s.v_head_dim = v_dim;
  s.scale = 1.0f / std::sqrt(static_cast<float>(dim));
  s.kv = kv;
  return s;
}

inline constexpr KvType kKvTypes[] = {KvType::kI8, KvType::kF16, KvType::kF32};

inline std::string Name(const AttentionShape& s) {
  return StrCat("heads ", s.heads, "/", s.kv_heads, " dims ", s.head_dim, "/", s.v_head_dim, " kv ", static_cast<int>(s.kv),
                " window ", s.window, " ahead ", s.ahead, " cap ", s.softcap, s.causal ? "" : " bidirectional", s.slopes ? " alibi" : "");
}

inline const Kernel<KvAppendArgs>& ScalarAppend() { return ScalarRow(KvAppendKernels(), KvAppendArgs{}); }
inline const Kernel<AttentionArgs>& ScalarAttend() { return ScalarRow(AttentionKernels(), AttentionArgs{}); }
inline AttentionArgs ArgsOf(const AttentionShape& s) {
  AttentionArgs a;
  a.shape = s;
  return a;
}

// One sequence with all its tokens' queries, keys and values.
struct TestSequence {
  int64_t length = 0;
  std::vector<float> q, k, v;  // [length][heads * dim]
  std::vector<std::unique_ptr<AlignedBytes>> pages;
  std::vector<std::byte*> page_list;
};

inline TestSequence MakeSequence(const AttentionShape& s, int64_t length, uint64_t seed) {
  Rng rng(seed);
  TestSequence t;
  t.length = length;
  // Query scale 2: some keys matter much more than others, as in real models.
  t.q = rng.Normals(static_cast<size_t>(length * s.heads * s.head_dim), 2.0f);
  t.k = rng.Normals(static_cast<size_t>(length * s.kv_heads * s.head_dim));
  t.v = rng.Normals(static_cast<size_t>(length * s.kv_heads * s.v_head_dim));
  for (int64_t p = 0; p * kKvPageTokens < length; ++p) {
    t.pages.push_back(std::make_unique<AlignedBytes>(KvPageBytes(s)));
    t.page_list.push_back(t.pages.back()->data());
  }
  return t;
}

// A step over several sequences: sequence i gets rows [begin[i], end[i]).
struct Step {
  std::vector<TestSequence*> sequences;
  std::vector<int64_t> begin, end;
};

// Runs attention whole or, where `threads` would, with its keys' splits shared out.
inline void Attend(const Kernel<AttentionArgs>& kernel, AttentionArgs args, int threads, uint64_t seed) {
  AlignedBytes shared(ShareSplits(args, threads));
  if (shared.size() > 0) {
    args.shared = shared.data();
    std::memset(args.shared, 0, static_cast<size_t>(args.shared_counters));
  }
  RunShuffled(kernel, args, seed);
}

// Appends the step's tokens with one kernel and attends with another (null: not
// at all), cut for so many threads. Returns out rows [sum of rows][heads * v_head_dim]. Strides exceed the widths.
inline std::vector<float> RunStep(const AttentionShape& s, const Step& step, const Kernel<KvAppendArgs>& append,
                                  const Kernel<AttentionArgs>* attend, uint64_t seed, int threads = 1) {
  const int64_t qw = s.heads * s.head_dim, kw = s.kv_heads * s.head_dim, vw = s.kv_heads * s.v_head_dim;
  const int64_t stride = qw + kw + vw + 3, out_width = s.heads * s.v_head_dim;
  std::vector<SequenceView> views;
  std::vector<float> rows;
  int64_t m = 0;
  for (size_t i = 0; i < step.sequences.size(); ++i) {
    const TestSequence& t = *step.sequences[i];
    views.push_back({m, step.end[i] - step.begin[i], step.begin[i], t.page_list.data()});
    for (int64_t p = step.begin[i]; p < step.end[i]; ++p, ++m) {
      rows.insert(rows.end(), t.q.begin() + p * qw, t.q.begin() + (p + 1) * qw);
      rows.insert(rows.end(), t.k.begin() + p * kw, t.k.begin() + (p + 1) * kw);
      rows.insert(rows.end(), t.v.begin() + p * vw, t.v.begin() + (p + 1) * vw);
      rows.insert(rows.end(), 3, NAN);
    }
  }
  const KvAppendArgs append_args{s, views, rows.data() + qw, rows.data() + qw + kw, stride, stride};
  RunShuffled(append, append_args, seed);
  if (!attend) return {};
  std::vector<float> out(static_cast<size_t>(m * (out_width + 1)), -7.0f);
  const AttentionArgs args{s, views, rows.data(), stride, out.data(), out_width + 1};
  Attend(*attend, args, threads, seed + 1);
  std::vector<float> packed;
  for (int64_t r = 0; r < m; ++r) {
    EXPECT_EQ(out[static_cast<size_t>((r + 1) * (out_width + 1) - 1)], -7.0f) << "wrote beyond the row";
    packed.insert(packed.end(), out.begin() + r * (out_width + 1), out.begin() + (r + 1) * (out_width + 1) - 1);
  }
  return packed;
}

// Runs one sequence from `from` to its end in chunks; rows before `from` are
// appended as one chunk. Returns the rows from `from` on.
inline std::vector<float> RunChunks(const AttentionShape& s, TestSequence& t, int64_t from, int64_t chunk,
                                    const Kernel<KvAppendArgs>& append, const Kernel<AttentionArgs>& attend) {
  if (from > 0) RunStep(s, {{&t}, {0}, {from}}, append, nullptr, 1);
  std::vector<float> out;
  for (int64_t p = from; p < t.length; p += chunk) {
    const auto rows = RunStep(s, {{&t}, {p}, {std::min(p + chunk, t.length)}}, append, &attend, static_cast<uint64_t>(p));
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

// Attention of the query at `position` in double, over the cached (quantized) keys.
inline std::vector<double> InDouble(const AttentionShape& s, const TestSequence& t, int64_t position) {
  const int64_t kw = s.kv_heads * s.head_dim, vw = s.kv_heads * s.v_head_dim;
  const int64_t begin = s.window > 0 ? std::max<int64_t>(0, position - s.window + 1) : 0;
  const int64_t end = s.causal ? position + 1 : s.ahead ? std::min(t.length, position + s.ahead) : t.length;
  std::vector<float> k(static_cast<size_t>(t.length * kw)), v(static_cast<size_t>(t.length * vw));
  for (int64_t p = begin; p < end; ++p)
    KvReadToken(s, t.page_list[static_cast<size_t>(p / kKvPageTokens)], p % kKvPageTokens, k.data() + p * kw, v.data() + p * vw);
  std::vector<double> out;
  for (int64_t h = 0; h < s.heads; ++h) {
    const int64_t g = h / (s.heads / s.kv_heads);
    std::vector<double> score;
    double top = -INFINITY, sum = 0;
    for (int64_t p = begin; p < end; ++p) {
      double dot = 0;
      for (int64_t d = 0; d < s.head_dim; ++d)
        dot += static_cast<double>(t.q[static_cast<size_t>((position * s.heads + h) * s.head_dim + d)]) * k[static_cast<size_t>(p * kw + g * s.head_dim + d)];
      dot *= s.scale;
      if (s.softcap != 0) dot = s.softcap * std::tanh(dot / s.softcap);
      if (s.slopes) dot -= static_cast<double>(s.slopes[h]) * static_cast<double>(std::abs(position - p));
      score.push_back(dot);
      top = std::max(top, dot);
    }
    for (double& x : score) sum += x = std::exp(x - top);
    for (int64_t d = 0; d < s.v_head_dim; ++d) {
      double y = 0;
      for (int64_t p = begin; p < end; ++p) y += score[static_cast<size_t>(p - begin)] / sum * v[static_cast<size_t>(p * vw + g * s.v_head_dim + d)];
      out.push_back(y);
    }
  }
  return out;
}

}  // namespace hasten::testing
