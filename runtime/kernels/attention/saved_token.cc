// A token's cache entry in its exact form: what the page holds, free of the
// page's layout, for saving and restoring a sequence. Per KV head:
//   INT8        key scale, value scale (fp32), key codes, value codes (s8)
//   fp16, fp32  key, value
// Little endian, packed. Restoring writes the page's padding as kv_append does.
#include <cstring>

#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/quant.h"

namespace hasten {
namespace {

template <class T>
void SaveFloats(const AttentionShape& s, const KvLayout& l, const PageHead<const std::byte>& p, int64_t slot, std::byte* out) {
  const T* k = reinterpret_cast<const T*>(p.k);
  const T* v = reinterpret_cast<const T*>(p.v);
  for (int64_t d = 0; d < s.head_dim; ++d, out += sizeof(T)) std::memcpy(out, k + KeyIndex(d, slot), sizeof(T));
  std::memcpy(out, v + ValueIndex(l, 0, slot), static_cast<size_t>(s.v_head_dim) * sizeof(T));
}

template <class T>
void RestoreFloats(const AttentionShape& s, const KvLayout& l, const PageHead<std::byte>& p, int64_t slot, const std::byte* in) {
  T* k = reinterpret_cast<T*>(p.k);
  T* v = reinterpret_cast<T*>(p.v) + ValueIndex(l, 0, slot);
  for (int64_t d = 0; d < s.head_dim; ++d, in += sizeof(T)) std::memcpy(k + KeyIndex(d, slot), in, sizeof(T));
  std::memcpy(v, in, static_cast<size_t>(s.v_head_dim) * sizeof(T));
  for (int64_t d = s.v_head_dim; d < l.v_cols; ++d) v[d] = T{};
}

void SaveI8(const AttentionShape& s, const KvLayout& l, const PageHead<const std::byte>& p, int64_t slot, std::byte* out) {
  const float* scale = reinterpret_cast<const float*>(p.scales) + slot;
  std::memcpy(out, scale, sizeof(float));
  std::memcpy(out + sizeof(float), scale + kKvPageTokens, sizeof(float));
  out += 2 * sizeof(float);
  for (int64_t d = 0; d < s.head_dim; ++d) *out++ = p.k[KeyIndexI8(d, slot)] ^ std::byte{0x80};  // 128 + q to q
  for (int64_t d = 0; d < s.v_head_dim; ++d) *out++ = p.v[ValueIndexI8(l, d, slot)];
}

// As ScaleOf makes them: 0, or at least its smallest, or infinite or NaN, which a
// broken model's cache holds and its restored logits must show. Never negative.
bool IsScale(float scale) {
  if (Bits(scale) == 0) return true;
  return Bits(scale) >> 31 == 0 && !(scale < FromBits<float>(kTinyBits) / 127.0f);
}

bool RestoreI8(const AttentionShape& s, const KvLayout& l, const PageHead<std::byte>& p, int64_t slot, const std::byte* in) {
  float* scale = reinterpret_cast<float*>(p.scales) + slot;
  float k_scale = 0, v_scale = 0;
  std::memcpy(&k_scale, in, sizeof(float));
  std::memcpy(&v_scale, in + sizeof(float), sizeof(float));
  in += 2 * sizeof(float);
  if (!IsScale(k_scale) || !IsScale(v_scale)) return false;
  for (int64_t i = 0; i < s.head_dim + s.v_head_dim; ++i)
    if (in[i] == std::byte{0x80}) return false;  // -128: codes are symmetric
  scale[0] = k_scale, scale[kKvPageTokens] = v_scale;
  for (int64_t d = 0; d < RoundUp(s.head_dim, 4); ++d)
    p.k[KeyIndexI8(d, slot)] = (d < s.head_dim ? in[d] : std::byte{0}) ^ std::byte{0x80};
  in += s.head_dim;
  for (int64_t d = 0; d < l.v_cols; ++d) p.v[ValueIndexI8(l, d, slot)] = d < s.v_head_dim ? in[d] : std::byte{0};
  return true;
}

int64_t HeadBytes(const AttentionShape& s) {
  const int64_t scales = s.kv == KvType::kI8 ? 2 * static_cast<int64_t>(sizeof(float)) : 0;
  return (s.head_dim + s.v_head_dim) * KvElementBytes(s.kv) + scales;
}

}  // namespace

size_t KvSavedTokenBytes(const AttentionShape& s) { return static_cast<size_t>(HeadBytes(s) * s.kv_heads); }

void KvSaveToken(const AttentionShape& s, const std::byte* page, int64_t slot, std::byte* out) {
  const KvLayout l = LayoutOf(s);
  for (int64_t h = 0; h < s.kv_heads; ++h, out += HeadBytes(s)) {
    const PageHead<const std::byte> p = HeadOf(l, page, h);
    switch (s.kv) {
      case KvType::kI8: SaveI8(s, l, p, slot, out); break;
      case KvType::kF16: SaveFloats<uint16_t>(s, l, p, slot, out); break;
      case KvType::kF32: SaveFloats<float>(s, l, p, slot, out); break;
    }
  }
}

bool KvRestoreToken(const AttentionShape& s, std::byte* page, int64_t slot, const std::byte* in) {
  const KvLayout l = LayoutOf(s);
  for (int64_t h = 0; h < s.kv_heads; ++h, in += HeadBytes(s)) {
    const PageHead<std::byte> p = HeadOf(l, page, h);
    switch (s.kv) {
      case KvType::kI8:
        if (!RestoreI8(s, l, p, slot, in)) return false;
        break;
      case KvType::kF16: RestoreFloats<uint16_t>(s, l, p, slot, in); break;
      case KvType::kF32: RestoreFloats<float>(s, l, p, slot, in); break;
    }
  }
  return true;
}

}  // namespace hasten
