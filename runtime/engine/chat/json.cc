// json.dumps of template values, for the filter tojson.
#include <algorithm>
#include <cmath>

#include "runtime/base/status.h"
#include "runtime/engine/chat/text.h"
#include "runtime/engine/chat/value.h"

namespace hasten::chat {
namespace {

std::string JsonString(std::string_view s, bool ascii) {
  std::string out = "\"";
  const auto unit = [&](uint32_t u) {
    constexpr char kHex[] = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += kHex[u >> shift & 15];
  };
  tok::ForEachChar(s, [&](uint32_t c, size_t at, size_t n) {
    switch (c) {
      case '"': out += "\\\""; return;
      case '\\': out += "\\\\"; return;
      case '\n': out += "\\n"; return;
      case '\r': out += "\\r"; return;
      case '\t': out += "\\t"; return;
      case '\b': out += "\\b"; return;
      case '\f': out += "\\f"; return;
      default: break;
    }
    if (c < 0x20 || (ascii && c >= 0x7F && c < 0x10000)) {
      unit(c);
    } else if (ascii && c >= 0x10000) {
      unit(0xD800 + ((c - 0x10000) >> 10));
      unit(0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      out.append(s.substr(at, n));
    }
  });
  return out + "\"";
}

std::string JsonFloat(double d) {
  if (std::isnan(d)) return "NaN";
  if (std::isinf(d)) return d > 0 ? "Infinity" : "-Infinity";
  return FloatRepr(d);
}

std::string JsonKey(const Value& key, bool ascii) {
  switch (key.kind()) {
    case Kind::kString: return JsonString(key.string(), ascii);
    case Kind::kNone: return "\"null\"";
    case Kind::kBool: return key.integer() ? "\"true\"" : "\"false\"";
    case Kind::kInt: return StrCat("\"", key.integer(), "\"");
    case Kind::kFloat: return StrCat("\"", JsonFloat(key.number()), "\"");
    default: throw TemplateError{StrCat("tojson: a key must be a string, is ", key.TypeName())};
  }
}

void JsonAt(const Value& v, const JsonStyle& style, int depth, std::string& out) {
  CheckNesting(depth);
  const auto line = [&](int level) {
    if (style.indent >= 0) out.append("\n").append(static_cast<size_t>(style.indent) * static_cast<size_t>(level), ' ');
  };
  switch (v.kind()) {
    case Kind::kNone: out += "null"; return;
    case Kind::kBool: out += v.integer() ? "true" : "false"; return;
    case Kind::kInt: out += std::to_string(v.integer()); return;
    case Kind::kFloat: out += JsonFloat(v.number()); return;
    case Kind::kString: out += JsonString(v.string(), style.ensure_ascii); return;
    case Kind::kList:
    case Kind::kTuple:
      if (v.list().empty()) {
        out += "[]";
        return;
      }
      out += '[';
      for (size_t i = 0; i < v.list().size(); ++i) {
        if (i) out += style.item_separator;
        line(depth + 1);
        JsonAt(v.list()[i], style, depth + 1, out);
      }
      line(depth);
      out += ']';
      return;
    case Kind::kDict: {
      if (v.dict().empty()) {
        out += "{}";
        return;
      }
      std::vector<const std::pair<Value, Value>*> entries;
      for (const auto& e : v.dict()) entries.push_back(&e);
      if (style.sort_keys)
        std::stable_sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return a->first.Str() < b->first.Str(); });
      out += '{';
      for (size_t i = 0; i < entries.size(); ++i) {
        if (i) out += style.item_separator;
        line(depth + 1);
        out += JsonKey(entries[i]->first, style.ensure_ascii) + style.key_separator;
        JsonAt(entries[i]->second, style, depth + 1, out);
      }
      line(depth);
      out += '}';
      return;
    }
    case Kind::kUndefined: case Kind::kObject: break;
  }
  throw TemplateError{StrCat("tojson: ", v.TypeName(), " is not JSON serializable")};
}

}  // namespace

std::string ToJson(const Value& value, const JsonStyle& style) {
  std::string out;
  JsonAt(value, style, 0, out);
  return out;
}

}  // namespace hasten::chat
