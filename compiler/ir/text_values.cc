#include "compiler/ir/text_values.h"

#include <cmath>
#include <cstring>
#include <numbers>
#include <span>

#include "compiler/ir/text_chars.h"
#include "runtime/base/checked.h"
#include "runtime/base/half.h"
#include "runtime/base/sha256.h"

namespace hasten::ir {
namespace {

constexpr size_t kMaxRank = 64;
constexpr uint64_t kMaxInlineBytes = uint64_t{1} << 24;   // listed element by element

uint64_t SplitMix(uint64_t& state) {   // Steele, Lea, Flood 2014
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

template <class T>
void Put(std::byte* to, T v) { std::memcpy(to, &v, sizeof v); }

void PutFloat(DType dtype, std::byte* to, float v) {
  if (dtype == DType::kF32) Put(to, v);
  else if (dtype == DType::kF64) Put(to, static_cast<double>(v));
  else Put(to, dtype == DType::kF16 ? FloatToHalf(v) : FloatToBFloat(v));
}

// Floats N(0, 0.1), integers and bools 0 or 1: small enough for any graph to run on.
void FillRandom(Tensor& t, uint64_t seed) {
  const size_t size = DTypeSize(t.dtype());
  uint64_t state = seed;
  for (int64_t i = 0; i < t.elements(); ++i) {
    std::byte* to = t.mutable_raw() + static_cast<size_t>(i) * size;
    const uint64_t bits = SplitMix(state);
    if (IsFloat(t.dtype())) {
      const double u = (static_cast<double>(bits >> 40) + 0.5) * 0x1p-24, v = static_cast<double>(bits & 0xffffff) * 0x1p-24;
      PutFloat(t.dtype(), to, static_cast<float>(0.1 * std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v)));
    } else {
      std::memset(to, 0, size);
      *to = static_cast<std::byte>(bits & 1);
    }
  }
}

}  // namespace

Result<Type> TextValues::ReadType() {
  const size_t at = cursor_.pos();
  HST_ASSIGN_OR_RETURN(const std::string name, cursor_.Word());
  const std::optional<DType> dtype = ParseDType(name);
  if (!dtype) return cursor_.Fail(at, "an element type (f32, f16, bf16, f64, i8 to i64, u8 to u64, bool)");
  HST_RETURN_IF_ERROR(cursor_.Need("["));
  if (cursor_.Take("*")) {
    HST_RETURN_IF_ERROR(cursor_.Need("]"));
    return Type::Unranked(*dtype);
  }
  Type type = Type::Of(*dtype, {});
  if (cursor_.Take("]")) return type;
  do {
    if (type.shape.size() == kMaxRank) return cursor_.FailHere("at most 64 dimensions");
    const size_t dim_at = cursor_.pos();
    if (cursor_.Take("?")) {
      type.shape.emplace_back(std::nullopt);
      continue;
    }
    Result<Poly> dim = ParsePoly(cursor_.Until(",]"));
    if (!dim.ok()) return cursor_.Error(dim_at, dim.status().message());
    for (const auto& [symbols, factor] : dim->terms()) {
      if (factor > (int64_t{1} << 62) || factor < -(int64_t{1} << 62)) return cursor_.Fail(dim_at, "factors below 2^62");
      for (const std::string& s : symbols)
        if (!IsPlainWord(s)) return cursor_.Fail(dim_at, "symbols that start with a letter");
    }
    type.shape.emplace_back(*std::move(dim));
  } while (cursor_.Take(","));
  HST_RETURN_IF_ERROR(cursor_.Need("]"));
  return type;
}

Result<Tensor> TextValues::ReadTensor(std::string_view separator) {
  const size_t at = cursor_.pos();
  HST_ASSIGN_OR_RETURN(const Type type, ReadType());
  std::vector<int64_t> dims;
  Checked bytes = DTypeSize(type.dtype);
  for (const Dim& d : type.shape) {
    const std::optional<int64_t> n = d ? d->AsConst() : std::nullopt;
    if (!n || *n < 0) return cursor_.Fail(at, "a type whose dimensions are numbers of at least 0");
    dims.push_back(*n);
    bytes = bytes * Checked::FromSigned(*n);
  }
  if (!type.ranked || !bytes.AtMost(uint64_t{1} << 48)) return cursor_.Fail(at, "a tensor below 2^48 bytes");
  HST_RETURN_IF_ERROR(cursor_.Need(separator));
  return ReadElements(type.dtype, std::move(dims), at);
}

Status TextValues::ReadElement(DType dtype, std::byte* to) {
  if (dtype == DType::kBool) {
    const bool yes = cursor_.TakeWord("true");
    if (!yes) HST_RETURN_IF_ERROR(cursor_.NeedWord("false"));
    *to = static_cast<std::byte>(yes);
    return {};
  }
  HST_ASSIGN_OR_RETURN(const TextCursor::Number n, cursor_.NumberToken());
  if (dtype == DType::kF64) {
    HST_ASSIGN_OR_RETURN(const double v, cursor_.Double(n));
    Put(to, v);
  } else if (IsFloat(dtype)) {
    HST_ASSIGN_OR_RETURN(const float v, cursor_.Float(n));
    PutFloat(dtype, to, v);
  } else if (dtype == DType::kU64) {
    HST_ASSIGN_OR_RETURN(const uint64_t v, cursor_.Unsigned(n));
    Put(to, v);
  } else {
    HST_ASSIGN_OR_RETURN(const int64_t v, cursor_.Int(n));
    const size_t bits = 8 * DTypeSize(dtype);
    const bool fits = bits == 64 || (IsSignedInt(dtype) ? v >= -(int64_t{1} << (bits - 1)) && v < (int64_t{1} << (bits - 1))
                                                        : v >= 0 && v < (int64_t{1} << bits));
    if (!fits) return cursor_.Fail(n.at, StrCat("a number that fits ", DTypeName(dtype)));
    std::memcpy(to, &v, DTypeSize(dtype));   // little endian, as everywhere here
  }
  return {};
}

Result<Tensor> TextValues::ReadElements(DType dtype, std::vector<int64_t> dims, size_t at) {
  if (cursor_.TakeWord("blob")) return ReadBlob(dtype, std::move(dims), at);
  if (cursor_.Peek("random") || cursor_.Peek("splat")) return Generate(dtype, std::move(dims), at);
  const bool scalar = dims.empty();
  Result<Tensor> made = Tensor::Zeros(dtype, std::move(dims), kMaxInlineBytes);
  if (!made.ok()) return cursor_.Fail(at, "blob(offset, sha256:digest) for a large tensor");
  Tensor t = *std::move(made);
  if (scalar && !cursor_.Peek("[")) {
    HST_RETURN_IF_ERROR(ReadElement(dtype, t.mutable_raw()));
    return t;
  }
  HST_RETURN_IF_ERROR(cursor_.Need("["));
  for (int64_t i = 0; i < t.elements(); ++i) {
    if (i) HST_RETURN_IF_ERROR(cursor_.Need(","));
    HST_RETURN_IF_ERROR(ReadElement(dtype, t.mutable_raw() + static_cast<size_t>(i) * DTypeSize(dtype)));
  }
  HST_RETURN_IF_ERROR(cursor_.Need("]"));
  return t;
}

Result<Tensor> TextValues::ReadBlob(DType dtype, std::vector<int64_t> dims, size_t at) {
  HST_RETURN_IF_ERROR(cursor_.Need("("));
  HST_ASSIGN_OR_RETURN(const uint64_t offset, cursor_.Unsigned());
  HST_RETURN_IF_ERROR(cursor_.Need(","));
  HST_RETURN_IF_ERROR(cursor_.NeedWord("sha256"));
  HST_RETURN_IF_ERROR(cursor_.Need(":"));
  const size_t digest_at = cursor_.pos();
  const std::string digest(cursor_.Until(") ,"));
  if (digest.size() != 64) return cursor_.Fail(digest_at, "64 hexadecimal digits");
  HST_RETURN_IF_ERROR(cursor_.Need(")"));
  Checked bytes = DTypeSize(dtype);
  for (int64_t d : dims) bytes = bytes * Checked::FromSigned(d);
  if ((Checked(offset) + bytes).AtMost(options_.blob.size())) {
    const auto* data = reinterpret_cast<const std::byte*>(options_.blob.data()) + offset;
    if (HexDigest(Sha256Of({data, bytes.value()})) == digest) {
      HST_ASSIGN_OR_RETURN(Tensor t, Tensor::Uninitialized(dtype, std::move(dims)));
      if (t.bytes()) std::memcpy(t.mutable_raw(), data, t.bytes());
      return t;
    }
  }
  if (!options_.allow_missing_blobs)
    return cursor_.Fail(at, "a blob file with these bytes beside the text (or --random-weights)");
  uint64_t seed = 0;
  for (const char c : digest) seed = seed * 31 + static_cast<unsigned char>(c);
  if (!(Checked(generated_) + bytes).AtMost(options_.max_generated_bytes))
    return ResourceError("random weights would take more than ", options_.max_generated_bytes, " bytes");
  generated_ += bytes.value();
  HST_ASSIGN_OR_RETURN(Tensor t, Tensor::Uninitialized(dtype, std::move(dims)));
  FillRandom(t, seed);
  return t;
}

Result<Tensor> TextValues::Generate(DType dtype, std::vector<int64_t> dims, size_t at) {
  Checked bytes = DTypeSize(dtype);
  for (int64_t d : dims) bytes = bytes * Checked::FromSigned(d);
  if (!(Checked(generated_) + bytes).AtMost(options_.max_generated_bytes))
    return cursor_.Fail(at, StrCat("generated weights of at most ", options_.max_generated_bytes, " bytes in all"));
  generated_ += bytes.value();
  HST_ASSIGN_OR_RETURN(Tensor t, Tensor::Uninitialized(dtype, std::move(dims)));
  if (cursor_.TakeWord("random")) {
    HST_RETURN_IF_ERROR(cursor_.Need("("));
    HST_ASSIGN_OR_RETURN(const uint64_t seed, cursor_.Unsigned());
    FillRandom(t, seed);
  } else {
    HST_RETURN_IF_ERROR(cursor_.NeedWord("splat"));
    HST_RETURN_IF_ERROR(cursor_.Need("("));
    std::byte element[8];
    HST_RETURN_IF_ERROR(ReadElement(dtype, element));
    for (size_t i = 0; i < t.bytes(); i += DTypeSize(dtype)) std::memcpy(t.mutable_raw() + i, element, DTypeSize(dtype));
  }
  HST_RETURN_IF_ERROR(cursor_.Need(")"));
  return t;
}

Result<Attr> TextValues::ReadAttr(const ReadGraph& nested) {
  if (cursor_.Peek("[") || cursor_.Peek("floats") || cursor_.Peek("strings")) return ReadList();
  if (cursor_.Peek("\"")) {
    HST_ASSIGN_OR_RETURN(std::string s, cursor_.String());
    return Attr(std::move(s));
  }
  if (cursor_.TakeWord("tensor")) {
    HST_RETURN_IF_ERROR(cursor_.Need("("));
    HST_ASSIGN_OR_RETURN(Tensor t, ReadTensor(","));
    HST_RETURN_IF_ERROR(cursor_.Need(")"));
    return Attr(std::move(t));
  }
  if (cursor_.TakeWord("graph")) {
    HST_ASSIGN_OR_RETURN(std::shared_ptr<Graph> g, nested());
    return Attr(std::move(g));
  }
  HST_ASSIGN_OR_RETURN(const TextCursor::Number n, cursor_.NumberToken());
  if (n.is_float) {
    HST_ASSIGN_OR_RETURN(const double v, cursor_.Double(n));
    return Attr(v);
  }
  HST_ASSIGN_OR_RETURN(const int64_t v, cursor_.Int(n));
  return Attr(v);
}

Result<Attr> TextValues::ReadList() {
  const bool floats = cursor_.TakeWord("floats"), strings = !floats && cursor_.TakeWord("strings");
  HST_RETURN_IF_ERROR(cursor_.Need("["));
  if (cursor_.Take("]")) {
    if (floats) return Attr(std::vector<double>());
    if (strings) return Attr(std::vector<std::string>());
    return Attr(std::vector<int64_t>());
  }
  if (cursor_.Peek("\"")) {
    std::vector<std::string> list;
    do {
      HST_ASSIGN_OR_RETURN(std::string s, cursor_.String());
      list.push_back(std::move(s));
    } while (cursor_.Take(","));
    HST_RETURN_IF_ERROR(cursor_.Need("]"));
    return Attr(std::move(list));
  }
  std::vector<TextCursor::Number> numbers;
  bool is_float = floats;
  do {
    HST_ASSIGN_OR_RETURN(const TextCursor::Number n, cursor_.NumberToken());
    is_float |= n.is_float;
    numbers.push_back(n);
  } while (cursor_.Take(","));
  HST_RETURN_IF_ERROR(cursor_.Need("]"));
  std::vector<double> doubles;
  std::vector<int64_t> ints;
  for (const TextCursor::Number& n : numbers) {
    if (is_float) {
      HST_ASSIGN_OR_RETURN(const double v, cursor_.Double(n));
      doubles.push_back(v);
    } else {
      HST_ASSIGN_OR_RETURN(const int64_t v, cursor_.Int(n));
      ints.push_back(v);
    }
  }
  return is_float ? Attr(std::move(doubles)) : Attr(std::move(ints));
}

}  // namespace hasten::ir
