// Pre-tokenizers. Most only cut: the text stays and the list of pieces changes.
// ByteLevel and Metaspace also rewrite the text of each piece.
#include "runtime/engine/tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "runtime/engine/tokenizer/unicode.h"
#include "runtime/format/tokenizer_generated.h"

namespace hasten::tok {
namespace {

using tokfb::Behavior;
using tokfb::PrependScheme;
using tokfb::StepKind;

// GPT-2's pattern (Radford et al. 2019), which ByteLevel applies when use_regex is set.
constexpr std::string_view kGpt2Pattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

// What Split's `behavior` makes of matches and gaps (package: NormalizedString::split).
void ApplyBehavior(Behavior behavior, std::vector<Match>& parts) {
  switch (behavior) {
    case Behavior::Isolated: return;
    case Behavior::Removed:
      std::erase_if(parts, [](const Match& m) { return m.is_match; });
      return;
    case Behavior::MergedWithNext:
    case Behavior::MergedWithPrevious:
    case Behavior::Contiguous: break;
  }
  const bool next = behavior == Behavior::MergedWithNext;
  if (next) std::reverse(parts.begin(), parts.end());
  bool previous = false;
  size_t n = 0;
  for (const Match m : parts) {
    const bool join = behavior == Behavior::Contiguous ? m.is_match == previous : m.is_match && !previous;
    previous = m.is_match;
    if (join && n > 0) {
      (next ? parts[n - 1].begin : parts[n - 1].end) = next ? m.begin : m.end;
    } else {
      parts[n++] = m;
    }
  }
  parts.resize(n);
  if (next) std::reverse(parts.begin(), parts.end());
}

// Appends the parts of piece p to the list, dropping empty ones.
void AddParts(const Piece& p, const std::vector<Match>& parts, std::vector<Piece>& list) {
  for (const Match& m : parts) {
    if (m.begin == m.end) continue;
    const uint32_t zero = p.zero > m.begin ? std::min(p.zero, m.end) - m.begin : 0;
    list.push_back({p.begin + m.begin, p.begin + m.end, zero, -1});
  }
}

// Cuts every piece by find(view, parts) -> Status, then by the behavior.
template <class Find>
Status SplitAll(Pieces& pieces, Behavior behavior, Find&& find) {
  std::vector<Piece> out;
  std::vector<Match> parts;
  out.reserve(pieces.list.size() * 2);
  for (const Piece& p : pieces.list) {
    if (p.token >= 0) {
      out.push_back(p);
      continue;
    }
    HST_RETURN_IF_ERROR(find(pieces.View(p), parts));
    ApplyBehavior(behavior, parts);
    AddParts(p, parts, out);
  }
  pieces.list = std::move(out);
  return {};
}

// One match for each character of the class.
template <class Is>
auto EachChar(Is is) {
  return [is](std::string_view s, std::vector<Match>& parts) {
    parts.clear();
    size_t last = 0;
    ForEachChar(s, [&](uint32_t c, size_t at, size_t n) {
      if (!is(c)) return;
      if (last < at) parts.push_back({static_cast<uint32_t>(last), static_cast<uint32_t>(at), false});
      parts.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(at + n), true});
      last = at + n;
    });
    if (last < s.size()) parts.push_back({static_cast<uint32_t>(last), static_cast<uint32_t>(s.size()), false});
    return Status();
  };
}

// \w+|[^\w\s]+ : runs of word characters or of other non-spaces.
Status FindWords(std::string_view s, std::vector<Match>& parts) {
  parts.clear();
  int run = -1;
  ForEachChar(s, [&](uint32_t c, size_t at, size_t n) {
    const int kind = IsWord(c) ? 1 : IsWhitespace(c) ? 0 : 2;
    const auto end = static_cast<uint32_t>(at + n);
    if (kind != 0 && kind == run) parts.back().end = end;
    else if (kind != 0) parts.push_back({static_cast<uint32_t>(at), end, false});
    run = kind;
  });
  return {};
}

Status FindChunks(std::string_view s, uint32_t length, std::vector<Match>& parts) {
  parts.clear();
  uint64_t count = 0;
  ForEachChar(s, [&](uint32_t, size_t at, size_t n) {
    if (count++ % length == 0) parts.push_back({static_cast<uint32_t>(at), 0, false});
    parts.back().end = static_cast<uint32_t>(at + n);
  });
  return {};
}

// Rewrites every piece by f(view, zero, out) -> new zero.
template <class F>
void RewriteAll(Pieces& pieces, F&& f) {
  std::string out;
  out.reserve(pieces.text.size() + pieces.text.size() / 4 + 16);
  for (Piece& p : pieces.list) {
    if (p.token >= 0) continue;
    const size_t begin = out.size();
    p.zero = f(pieces.View(p), p.zero, out);
    p.begin = static_cast<uint32_t>(begin);
    p.end = static_cast<uint32_t>(out.size());
  }
  pieces.text = std::move(out);
}

void MapBytes(Pieces& pieces) {
  RewriteAll(pieces, [](std::string_view s, uint32_t zero, std::string& out) {
    const size_t begin = out.size();
    AppendByteLevel(out, s.substr(0, zero));
    const auto mapped = static_cast<uint32_t>(out.size() - begin);
    AppendByteLevel(out, s.substr(zero));
    return mapped;
  });
}

void PrefixSpaces(Pieces& pieces) {
  RewriteAll(pieces, [](std::string_view s, uint32_t zero, std::string& out) {
    const bool add = s[0] != ' ';
    if (add) out.push_back(' ');
    out.append(s);
    return zero > 0 ? zero + add : 0;
  });
}

void ReplaceSpaces(Pieces& pieces, std::string_view mark, PrependScheme scheme) {
  RewriteAll(pieces, [&](std::string_view s, uint32_t zero, std::string& out) -> uint32_t {
    const bool marked = s[0] == ' ' || s.starts_with(mark);
    const bool wanted = scheme == PrependScheme::Always || (scheme == PrependScheme::First && zero > 0);
    const size_t begin = out.size();
    if (wanted && !marked) out.append(mark);
    uint32_t new_zero = 0;
    for (size_t i = 0; i < s.size(); ++i) {
      if (s[i] == ' ') out.append(mark);
      else out.push_back(s[i]);
      if (i < zero) new_zero = static_cast<uint32_t>(out.size() - begin);
    }
    return new_zero;
  });
}

}  // namespace

Result<PreTokenizer::Step> PreTokenizer::MakeStep(const tokfb::Step& packed) {
  Step step;
  step.kind = packed.kind();
  step.behavior = packed.behavior();
  step.scheme = packed.scheme();
  if (step.behavior > Behavior::Contiguous || step.scheme > PrependScheme::Never)
    return BadInput("tokenizer: pre-tokenizer option out of range");
  step.invert = packed.invert();
  step.split = packed.split();
  step.individual = packed.individual();
  step.add_prefix_space = packed.add_prefix_space();
  step.count = packed.count();
  if (packed.character() >= 0x110000 || (packed.character() >= 0xD800 && packed.character() < 0xE000))
    return BadInput("tokenizer: ", packed.character(), " is no code point");
  step.character = ToUtf8(packed.character());
  const std::string text = packed.text() ? packed.text()->str() : "";
  switch (step.kind) {
    case StepKind::Split: {
      HST_ASSIGN_OR_RETURN(step.pattern, Pattern::Compile(text, packed.text_is_regex(), "pre-tokenizer Split"));
      break;
    }
    case StepKind::ByteLevel:
      if (packed.use_regex()) {
        HST_ASSIGN_OR_RETURN(step.pattern, Pattern::Compile(kGpt2Pattern, true, "pre-tokenizer ByteLevel"));
      }
      break;
    case StepKind::FixedLength:
      if (step.count == 0) return BadInput("tokenizer: pre-tokenizer FixedLength has length 0");
      break;
    case StepKind::Digits: case StepKind::Punctuation: case StepKind::Whitespace: case StepKind::WhitespaceSplit:
    case StepKind::Metaspace: case StepKind::BertSplit: case StepKind::CharDelimiterSplit: break;
    default:
      return BadInput("tokenizer: component kind ", static_cast<int>(step.kind), " is not a pre-tokenizer");
  }
  return step;
}

Result<PreTokenizer> PreTokenizer::Make(const Normalizer::Steps* steps) {
  PreTokenizer p;
  if (!steps) return p;
  for (const tokfb::Step* packed : *steps) {
    HST_ASSIGN_OR_RETURN(Step step, MakeStep(*packed));
    p.steps_.push_back(std::move(step));
  }
  return p;
}

Status PreTokenizer::RunStep(const Step& step, Pieces& pieces) {
  const auto find = [&](std::string_view s, std::vector<Match>& parts) -> Status {
    HST_RETURN_IF_ERROR(step.pattern->Split(s, parts));
    if (step.invert)
      for (Match& m : parts) m.is_match = !m.is_match;
    return {};
  };
  switch (step.kind) {
    case StepKind::Split: return SplitAll(pieces, step.behavior, find);
    case StepKind::ByteLevel:
      if (step.add_prefix_space) PrefixSpaces(pieces);
      if (step.pattern) HST_RETURN_IF_ERROR(SplitAll(pieces, Behavior::Isolated, find));
      MapBytes(pieces);
      return {};
    case StepKind::Digits:
      return SplitAll(pieces, step.individual ? Behavior::Isolated : Behavior::Contiguous, EachChar(IsNumeric));
    case StepKind::Punctuation: return SplitAll(pieces, step.behavior, EachChar(IsPunctuation));
    case StepKind::Whitespace: return SplitAll(pieces, Behavior::Isolated, FindWords);
    case StepKind::WhitespaceSplit: return SplitAll(pieces, Behavior::Removed, EachChar(IsWhitespace));
    case StepKind::BertSplit:
      HST_RETURN_IF_ERROR(SplitAll(pieces, Behavior::Removed, EachChar(IsWhitespace)));
      return SplitAll(pieces, Behavior::Isolated, EachChar(IsPunctuation));
    case StepKind::FixedLength:
      return SplitAll(pieces, Behavior::Isolated,
                      [&](std::string_view s, std::vector<Match>& parts) { return FindChunks(s, step.count, parts); });
    case StepKind::Metaspace:
      ReplaceSpaces(pieces, step.character, step.scheme);
      if (!step.split) return {};
      [[fallthrough]];
    case StepKind::CharDelimiterSplit: {
      int n = 0;
      const uint32_t wanted = Utf8At(step.character.data(), &n);
      const Behavior behavior = step.kind == StepKind::Metaspace ? Behavior::MergedWithNext : Behavior::Removed;
      return SplitAll(pieces, behavior, EachChar([wanted](uint32_t c) { return c == wanted; }));
    }
    default: return Internal("tokenizer: not a pre-tokenizer");
  }
}

Status PreTokenizer::Run(Pieces& pieces) const {
  for (const Step& step : steps_) HST_RETURN_IF_ERROR(RunStep(step, pieces));
  return {};
}

}  // namespace hasten::tok
