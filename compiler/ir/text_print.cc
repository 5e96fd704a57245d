// The printer of the textual IR. Deterministic: the same graph prints the same
// text whatever its history, because names, order and numbers are all it uses.
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "compiler/ir/text.h"
#include "compiler/ir/text_chars.h"
#include "runtime/base/sha256.h"

namespace hasten::ir {
namespace {

constexpr size_t kBlobAlign = 64;

std::string Quoted(std::string_view s) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += {'\\', c};
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (u < 0x20 || u == 0x7f) out += {'\\', 'x', kHex[u >> 4], kHex[u & 15]};
    else out += c;
  }
  return out + '"';
}

std::string Name(std::string_view s) { return IsPlainName(s) ? std::string(s) : Quoted(s); }
std::string Word(std::string_view s) { return IsPlainWord(s) ? std::string(s) : Quoted(s); }

// Shortest text that reads back as the same float; always looks like a float.
template <class F, class Bits>
std::string FloatText(F v) {
  if (std::isnan(v)) {
    const Bits bits = std::bit_cast<Bits>(v);
    if (bits == std::bit_cast<Bits>(std::numeric_limits<F>::quiet_NaN())) return "nan";
    char buf[2 * sizeof(Bits)];
    const auto r = std::to_chars(buf, buf + sizeof buf, bits, 16);
    return StrCat("nan(0x", std::string_view(buf, static_cast<size_t>(r.ptr - buf)), ")");
  }
  std::string s = StrCat(v);
  if (s.find_first_of(".en") == std::string::npos) s += ".0";  // 'n' of inf
  return s;
}

std::string Element(const Tensor& t, int64_t i) {
  switch (t.dtype()) {
    case DType::kF32: {  // the stored bits: a conversion would quiet a signalling NaN
      float v;
      std::memcpy(&v, t.raw() + 4 * i, 4);
      return FloatText<float, uint32_t>(v);
    }
    case DType::kF64: return FloatText<double, uint64_t>(t.At(i));
    case DType::kF16: case DType::kBF16: return FloatText<float, uint32_t>(static_cast<float>(t.At(i)));
    case DType::kBool: return t.IntAt(i) ? "true" : "false";
    case DType::kU64: return StrCat(static_cast<uint64_t>(t.IntAt(i)));
    case DType::kI8: case DType::kI16: case DType::kI32: case DType::kI64:
    case DType::kU8: case DType::kU16: case DType::kU32: return StrCat(t.IntAt(i));
    case DType::kInvalid: break;
  }
  HST_CHECK(false);
}

class Printer {
 public:
  explicit Printer(const PrintOptions& options) : options_(options) {}

  void WriteGraph(const Graph& g, int depth) {
    out_ += StrCat("graph @", Name(g.name), "(");
    for (size_t i = 0; i < g.inputs().size(); ++i)
      out_ += StrCat(i ? ", " : "", "%", Name(g.inputs()[i]->name), TypeSuffix(g.inputs()[i]->type, ": "));
    out_ += ") -> (";
    for (size_t i = 0; i < g.outputs().size(); ++i)
      out_ += StrCat(i ? ", " : "", Name(g.output_names()[i]), TypeSuffix(g.outputs()[i]->type, ": "));
    out_ += ") {\n";
    if (depth > 0) WriteWeights(g, depth + 1);
    for (const auto& n : g.nodes()) {
      out_.append(static_cast<size_t>(2 * (depth + 1)), ' ');
      WriteNode(*n, depth + 1);
      out_ += '\n';
    }
    out_.append(static_cast<size_t>(2 * (depth + 1)), ' ');
    out_ += "return";
    for (size_t i = 0; i < g.outputs().size(); ++i) out_ += StrCat(i ? ", " : " ", Ref(g.outputs()[i]));
    out_ += '\n';
    out_.append(static_cast<size_t>(2 * depth), ' ');
    out_ += "}";
    if (depth == 0) {
      out_ += '\n';
      WriteWeights(g, 0);
    }
  }

  void WriteNode(const Node& n, int depth) {
    for (size_t i = 0; i < n.outputs().size(); ++i) out_ += StrCat(i ? ", " : "", Ref(n.outputs()[i]));
    // Without results the op comes first, where three words mean something else.
    const bool reserved = n.outputs().empty() && (n.op == "_" || n.op == "return" || n.op == "weight");
    out_ += StrCat(n.outputs().empty() ? "" : " = ", reserved ? Quoted(n.op) : Word(n.op), "(");
    for (size_t i = 0; i < n.inputs().size(); ++i) out_ += StrCat(i ? ", " : "", Ref(n.inputs()[i]));
    out_ += ')';
    if (!n.attrs.empty()) {
      out_ += " {";
      bool first = true;
      for (const auto& [key, attr] : n.attrs) {
        out_ += StrCat(first ? "" : ", ", Word(key), " = ");
        first = false;
        WriteAttr(attr, depth);
      }
      out_ += '}';
    }
    bool typed = false;
    for (const Value* v : n.outputs()) typed |= v->type.dtype != DType::kInvalid;
    if (typed)
      for (size_t i = 0; i < n.outputs().size(); ++i) {
        const Type& t = n.outputs()[i]->type;
        out_ += i ? ", " : " : ";
        out_ += t.dtype == DType::kInvalid ? "_" : TypeString(t);
      }
    if (!n.loc.empty()) out_ += StrCat(" loc(", Quoted(n.loc), ")");
  }

  std::string Take() { return std::move(out_); }

 private:
  static std::string Ref(const Value* v) {
    return v ? StrCat(v->is_weight() ? "@" : "%", Name(v->name)) : std::string("_");
  }
  static std::string TypeSuffix(const Type& t, std::string_view lead) {
    return t.dtype == DType::kInvalid ? std::string() : StrCat(lead, TypeString(t));
  }

  template <class T, class F>
  void WriteList(const std::vector<T>& list, std::string_view kind_when_empty, F text) {
    if (list.empty()) out_ += kind_when_empty;
    out_ += '[';
    for (size_t i = 0; i < list.size(); ++i) out_ += StrCat(i ? ", " : "", text(list[i]));
    out_ += ']';
  }

  void WriteAttr(const Attr& attr, int depth) {
    const auto number = [](int64_t v) { return StrCat(v); };
    if (const auto* i = std::get_if<int64_t>(&attr)) out_ += number(*i);
    else if (const auto* d = std::get_if<double>(&attr)) out_ += FloatText<double, uint64_t>(*d);
    else if (const auto* s = std::get_if<std::string>(&attr)) out_ += Quoted(*s);
    else if (const auto* is = std::get_if<std::vector<int64_t>>(&attr)) WriteList(*is, "", number);
    else if (const auto* ds = std::get_if<std::vector<double>>(&attr)) WriteList(*ds, "floats ", FloatText<double, uint64_t>);
    else if (const auto* ss = std::get_if<std::vector<std::string>>(&attr)) WriteList(*ss, "strings ", Quoted);
    else if (const auto* t = std::get_if<Tensor>(&attr)) {
      out_ += StrCat("tensor(", TensorType(*t), ", ");
      WriteTensor(*t);
      out_ += ')';
    } else if (const auto& nested = std::get<std::shared_ptr<Graph>>(attr)) {
      WriteGraph(*nested, depth);
    } else {
      out_ += "null";   // no graph has this; a message about a broken one may
    }
  }

  void WriteWeights(const Graph& g, int depth) {
    for (const Value* v : g.weights()) {
      out_.append(static_cast<size_t>(2 * depth), ' ');
      out_ += StrCat("weight @", Name(v->name), " : ", TensorType(v->weight()), " = ");
      WriteTensor(v->weight());
      out_ += '\n';
    }
  }

  static std::string TensorType(const Tensor& t) {
    std::string s = StrCat(DTypeName(t.dtype()), "[");
    for (int64_t i = 0; i < t.rank(); ++i) s += StrCat(i ? "," : "", t.dim(i));
    return s + ']';
  }

  void WriteTensor(const Tensor& t) {
    if (t.elements() > options_.max_inline_elements) return WriteBlob(t);
    if (t.rank() == 0) {
      out_ += Element(t, 0);
      return;
    }
    out_ += '[';
    for (int64_t i = 0; i < t.elements(); ++i) out_ += StrCat(i ? ", " : "", Element(t, i));
    out_ += ']';
  }

  void WriteBlob(const Tensor& t) {
    out_ += StrCat("blob(", blob_size_, ", sha256:", Digest(t), ")");
    if (options_.blob) {
      options_.blob->resize(blob_size_, '\0');
      options_.blob->append(reinterpret_cast<const char*>(t.raw()), t.bytes());
    }
    blob_size_ = (blob_size_ + t.bytes() + kBlobAlign - 1) / kBlobAlign * kBlobAlign;
  }

  std::string Digest(const Tensor& t) {
    const auto compute = [&] { return HexDigest(Sha256Of(std::span(t.raw(), t.bytes()))); };
    if (!options_.digests) return compute();
    auto [it, inserted] = options_.digests->try_emplace({t.raw(), t.bytes()});
    if (inserted) it->second = {t, compute()};
    return it->second.second;
  }

  PrintOptions options_;
  std::string out_;
  size_t blob_size_ = 0;
};

}  // namespace

std::string Print(const Graph& graph, const PrintOptions& options) {
  Printer printer(options);
  printer.WriteGraph(graph, 0);
  return printer.Take();
}

std::string PrintNode(const Node& node) {
  Printer printer({});
  printer.WriteNode(node, 0);
  return printer.Take();
}

}  // namespace hasten::ir
