#include "runtime/quant/scheme.h"

#include <array>

#include "runtime/base/checked.h"
#include "runtime/base/half.h"
#include "runtime/quant/float_codec.h"
#include "runtime/quant/int8_codec.h"
#include "runtime/quant/uint_codec.h"

namespace hasten {
namespace {

using codec::CodesView;
using codec::FloatCodec;
using codec::Int8Codec;
using codec::UintCodec;

// A codec's functions, so that no caller branches on the scheme.
struct Codec {
  SchemeInfo info;
  PackedLayout (*layout)(int64_t n, int64_t k);
  Status (*pack_block)(int64_t k, int64_t rows, const CodesView& in, std::byte* block);           // integer
  void (*unpack_codes)(const PackedLayout&, int64_t, const std::byte*, int64_t, int8_t*, float*);  // integer
  Status (*pack_row)(int64_t k, const float* values, int64_t row_index, std::byte* row);           // float
  void (*unpack_row)(const PackedLayout&, int64_t k, const std::byte* packed, int64_t row, float* out);
};

template <class C>
void UnpackRowOf(const PackedLayout& l, int64_t k, const std::byte* packed, int64_t row, float* out) {
  if constexpr (C::kInteger) {
    C::UnpackRow(l, k, packed + row / kBlockRows * l.block_bytes, row % kBlockRows, out);
  } else {
    C::UnpackRow(k, packed + row * l.block_bytes, out);
  }
}

template <class C>
constexpr Codec MakeCodec(Scheme scheme, std::string_view name, int bits, int64_t group) {
  Codec c{{scheme, name, bits, group, C::kInteger, C::kInteger && C::kZeroPoint, C::kMaxCode}, &C::Layout, nullptr, nullptr, nullptr, &UnpackRowOf<C>};
  if constexpr (C::kInteger) {
    c.pack_block = &C::PackBlock;
    c.unpack_codes = &C::UnpackCodes;
  } else {
    c.pack_row = &C::PackRow;
  }
  return c;
}

constexpr Codec kCodecs[] = {
#define HST_SCHEME(id, name, bits, group, ...) MakeCodec<__VA_ARGS__>(Scheme::id, name, bits, group),
#include "runtime/quant/schemes.def"
#undef HST_SCHEME
};
constexpr size_t kCount = std::size(kCodecs);

constexpr bool NumbersFollowOrder() {
  for (size_t i = 0; i < kCount; ++i)
    if (static_cast<size_t>(kCodecs[i].info.scheme) != i) return false;
  return true;
}
static_assert(NumbersFollowOrder(), "schemes.def must list the schemes in the order of their numbers");

constexpr auto kInfos = [] {
  std::array<SchemeInfo, kCount> infos{};
  for (size_t i = 0; i < kCount; ++i) infos[i] = kCodecs[i].info;
  return infos;
}();

const Codec& CodecOf(Scheme scheme) {
  HST_CHECK(IsValidScheme(static_cast<uint8_t>(scheme)));
  return kCodecs[static_cast<size_t>(scheme)];
}

// What the caller must hand in, checked before anything is written.
Status CheckSizes(const Codec& c, int64_t n, int64_t k, const Codes& codes, size_t out_bytes, uint64_t need) {
  const PackedLayout l = c.layout(n, k);
  const size_t count = static_cast<size_t>(n) * static_cast<size_t>(k);
  const size_t scales = static_cast<size_t>(n) * static_cast<size_t>(l.groups);
  const size_t zeros = c.info.zero_point ? scales : 0;
  if (codes.codes.size() != count || codes.scale.size() != scales || codes.zero.size() != zeros || out_bytes != need)
    return UsageError("[quant] packing ", c.info.name, " [", n, ", ", k, "] needs ", count, " codes, ", scales, " scales, ",
                      zeros, " zero-points and ", need, " bytes to write to; given ", codes.codes.size(), ", ",
                      codes.scale.size(), ", ", codes.zero.size(), " and ", out_bytes);
  return Status();
}

}  // namespace

const SchemeInfo& GetScheme(Scheme scheme) { return CodecOf(scheme).info; }
std::span<const SchemeInfo> AllSchemes() { return kInfos; }
bool IsValidScheme(uint8_t raw) { return raw < kCount; }

Result<Scheme> ParseScheme(std::string_view name) {
  std::string names;
  for (const SchemeInfo& info : kInfos) {
    if (info.name == name) return info.scheme;
    names += StrCat(names.empty() ? "" : ", ", info.name);
  }
  return UsageError("weight scheme \"", name, "\" is unknown; the schemes are ", names);
}

PackedLayout LayoutOf(Scheme scheme, int64_t n, int64_t k) { return CodecOf(scheme).layout(n, k); }

std::optional<uint64_t> PackedBytes(Scheme scheme, int64_t n, int64_t k) {
  // Beyond these bounds the layout's own arithmetic could wrap.
  constexpr int64_t kLimit = int64_t{1} << 40;
  if (n < 1 || k < 1 || n > kLimit || k > kLimit || !IsValidScheme(static_cast<uint8_t>(scheme))) return std::nullopt;
  const PackedLayout l = CodecOf(scheme).layout(n, k);
  const Checked bytes = Checked::FromSigned(l.blocks) * Checked::FromSigned(l.block_bytes);
  return bytes.AtMost(uint64_t{1} << 62) ? bytes.get() : std::nullopt;
}

Status PackCodes(Scheme scheme, int64_t n, int64_t k, const Codes& codes, std::span<std::byte> out) {
  const Codec& c = CodecOf(scheme);
  const std::optional<uint64_t> need = PackedBytes(scheme, n, k);
  if (!c.pack_block || !need) return UsageError("[quant] ", c.info.name, " [", n, ", ", k, "] cannot be packed from codes");
  HST_RETURN_IF_ERROR(CheckSizes(c, n, k, codes, out.size(), *need));
  const PackedLayout l = c.layout(n, k);
  for (int64_t b = 0; b < l.blocks; ++b) {
    const int64_t row = b * kBlockRows;
    const CodesView view{codes.codes.data() + row * k, codes.scale.data() + row * l.groups,
                         codes.zero.empty() ? nullptr : codes.zero.data() + row * l.groups, row};
    HST_RETURN_IF_ERROR(c.pack_block(k, n - row < kBlockRows ? n - row : kBlockRows, view, out.data() + b * l.block_bytes));
  }
  return Status();
}

Status PackFloats(Scheme scheme, int64_t n, int64_t k, std::span<const float> values, std::span<std::byte> out) {
  const Codec& c = CodecOf(scheme);
  const std::optional<uint64_t> need = PackedBytes(scheme, n, k);
  if (!c.pack_row || !need) return UsageError("[quant] ", c.info.name, " [", n, ", ", k, "] cannot be packed from floats");
  if (values.size() != static_cast<size_t>(n) * static_cast<size_t>(k) || out.size() != *need)
    return UsageError("[quant] packing ", c.info.name, " [", n, ", ", k, "] needs ", n, " x ", k, " values and ", *need,
                      " bytes to write to; given ", values.size(), " and ", out.size());
  const int64_t stride = c.layout(n, k).block_bytes;
  for (int64_t r = 0; r < n; ++r) HST_RETURN_IF_ERROR(c.pack_row(k, values.data() + r * k, r, out.data() + r * stride));
  return Status();
}

float RoundScale(Scheme scheme, float scale) {
  const SchemeInfo& info = GetScheme(scheme);
  return info.integer && info.group != 0 ? HalfToFloat(FloatToHalf(scale)) : scale;
}

void UnpackCodes(Scheme scheme, int64_t n, int64_t k, const std::byte* packed, int64_t row, int8_t* codes, float* scales) {
  const Codec& c = CodecOf(scheme);
  HST_CHECK(c.unpack_codes && row >= 0 && row < n);
  const PackedLayout l = c.layout(n, k);
  c.unpack_codes(l, k, packed + row / kBlockRows * l.block_bytes, row % kBlockRows, codes, scales);
}

void UnpackRow(Scheme scheme, int64_t n, int64_t k, const std::byte* packed, int64_t row, float* out) {
  const Codec& c = CodecOf(scheme);
  HST_CHECK(row >= 0 && row < n);
  c.unpack_row(c.layout(n, k), k, packed, row, out);
}

}  // namespace hasten
