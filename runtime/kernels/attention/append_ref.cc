// The definition of kv_append: each new token's key and value, head by head,
// into its page (page.h). INT8: a scale per token and head, quant.h. fp16:
// rounded to nearest even. A token is written by one thread; tokens share no
// bytes.
#include "runtime/base/half.h"
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/quant.h"
#include "runtime/kernels/attention/rows.h"

namespace hasten {
namespace {

void AppendI8(const AttentionShape& s, const KvLayout& l, const PageHead<std::byte>& p, int64_t slot, const float* k,
              const float* v) {
  float* scale = reinterpret_cast<float*>(p.scales) + slot;
  scale[0] = ScaleOf(k, s.head_dim);
  scale[kKvPageTokens] = ScaleOf(v, s.v_head_dim);
  for (int64_t d = 0; d < RoundUp(s.head_dim, 4); ++d) {
    const int32_t q = d < s.head_dim ? QuantizeToI8(k[d], scale[0]) : 0;
    p.k[KeyIndexI8(d, slot)] = static_cast<std::byte>(q + 128);
  }
  for (int64_t d = 0; d < l.v_cols; ++d) {
    const int32_t q = d < s.v_head_dim ? QuantizeToI8(v[d], scale[kKvPageTokens]) : 0;
    p.v[ValueIndexI8(l, d, slot)] = static_cast<std::byte>(q);
  }
}

template <class T, class Convert>
void AppendFloat(const AttentionShape& s, const KvLayout& l, const PageHead<std::byte>& p, int64_t slot,
                 const float* k, const float* v, Convert convert) {
  T* kp = reinterpret_cast<T*>(p.k);
  T* vp = reinterpret_cast<T*>(p.v);
  for (int64_t d = 0; d < s.head_dim; ++d) kp[KeyIndex(d, slot)] = convert(k[d]);
  for (int64_t d = 0; d < l.v_cols; ++d) vp[ValueIndex(l, d, slot)] = convert(d < s.v_head_dim ? v[d] : 0.0f);
}

void AppendToken(const KvAppendArgs& a, const KvLayout& l, const AppendRow& t) {
  const AttentionShape& s = a.shape;
  const int64_t position = t.sequence->past + t.row, slot = position % kKvPageTokens;
  std::byte* page = t.sequence->pages[position / kKvPageTokens];
  for (int64_t h = 0; h < s.kv_heads; ++h) {
    const float* k = a.k + (t.sequence->row + t.row) * a.k_stride + h * s.head_dim;
    const float* v = a.v + (t.sequence->row + t.row) * a.v_stride + h * s.v_head_dim;
    const PageHead<std::byte> p = HeadOf(l, page, h);
    switch (s.kv) {
      case KvType::kI8: AppendI8(s, l, p, slot, k, v); break;
      case KvType::kF16: AppendFloat<uint16_t>(s, l, p, slot, k, v, FloatToHalf); break;
      case KvType::kF32: AppendFloat<float>(s, l, p, slot, k, v, [](float x) { return x; }); break;
    }
  }
}

void Run(const KvAppendArgs& a, int64_t begin, int64_t end, std::byte*) {
  if (begin >= end) return;
  const KvLayout l = LayoutOf(a.shape);
  AppendCursor cursor(a, begin);
  for (int64_t t = begin; t < end; ++t) AppendToken(a, l, cursor.Next());
}

}  // namespace

const Kernel<KvAppendArgs> kKvAppendRef = {"kv_append_scalar", Isa::kScalar, nullptr, KvAppendTiles, KvAppendScratch, Run};

}  // namespace hasten
