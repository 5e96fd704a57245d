// Oniguruma behind Pattern. Iteration over matches follows the `onig` crate:
// an empty match right after the previous match is skipped by one character.
#include "runtime/engine/tokenizer/regex.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <mutex>

#include <oniguruma.h>

#include "runtime/engine/tokenizer/unicode.h"

namespace hasten::tok {
namespace {

constexpr size_t kMaxPattern = 32 << 10;

std::string OnigError(int code, OnigErrorInfo* info) {
  OnigUChar buffer[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int n = info ? onig_error_code_to_str(buffer, code, info) : onig_error_code_to_str(buffer, code);
  return {reinterpret_cast<const char*>(buffer), static_cast<size_t>(std::max(n, 0))};
}

// Oniguruma keeps tables of its own which must be set up once a process.
void InitializeOnig() {
  static std::once_flag once;
  std::call_once(once, [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
  });
}

struct StandIn {
  uint32_t first, last, older;
};
#include "runtime/engine/tokenizer/regex_stand_ins.inc"

// Blocks of 256 code points that have stand-ins.
constexpr size_t kBlocks = 0x1100;
struct Blocks {
  std::array<bool, kBlocks> has{};
  Blocks() {
    for (const StandIn& s : kStandIns)
      for (uint32_t b = s.first >> 8; b <= s.last >> 8; ++b) has[b] = true;
  }
};

// The `tokenizers` package carries a younger Oniguruma (Unicode 16). Characters
// that ours does not know are matched as older ones of the same category, script
// and length. False when the text has none, which is nearly always.
bool Substitute(std::string_view text, std::string& out) {
  static const Blocks blocks;
  out.clear();
  size_t copied = 0;
  for (size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    int n = 0;
    const uint32_t c = Utf8At(text.data() + i, &n);
    if (blocks.has[c >> 8]) {
      const auto* s = std::upper_bound(std::begin(kStandIns), std::end(kStandIns), c,
                                       [](uint32_t v, const StandIn& x) { return v < x.first; });
      if (s != std::begin(kStandIns) && c <= (s - 1)->last) {
        out.append(text.substr(copied, i - copied));
        AppendUtf8(out, (s - 1)->older);
        copied = i + static_cast<size_t>(n);
      }
    }
    i += static_cast<size_t>(n);
  }
  if (copied == 0) return false;
  out.append(text.substr(copied));
  return true;
}

// In the younger Oniguruma [:punct:] takes in symbols as well.
std::string Modernize(std::string_view pattern) {
  std::string out(pattern);
  for (const auto& [what, with] : {std::pair<std::string_view, std::string_view>{"[:punct:]", "[\\p{P}\\p{S}]"},
                                   {"[:^punct:]", "[^\\p{P}\\p{S}]"}})
    for (size_t at = 0; (at = out.find(what, at)) != std::string::npos; at += with.size()) out.replace(at, what.size(), with);
  return out;
}

struct SearchState {
  OnigRegion* region = onig_region_new();
  OnigMatchParam* param = onig_new_match_param();
  SearchState() = default;
  SearchState(const SearchState&) = delete;
  SearchState& operator=(const SearchState&) = delete;
  ~SearchState() {
    if (region) onig_region_free(region, 1);
    if (param) onig_free_match_param(param);
  }
};

}  // namespace

struct Pattern::Regex {
  regex_t* compiled = nullptr;
  ~Regex() {
    if (compiled) onig_free(compiled);
  }
};

Pattern::Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Result<Pattern> Pattern::Compile(std::string_view text, bool is_regex, std::string_view where) {
  if (text.size() > kMaxPattern)
    return BadInput(where, ": pattern of ", text.size(), " bytes, at most ", kMaxPattern);
  if (!IsValidUtf8(text)) return BadInput(where, ": pattern is not UTF-8");
  Pattern p;
  p.where_ = where;
  p.literal_ = text;
  if (!is_regex && !text.empty()) return p;
  InitializeOnig();
  p.regex_ = std::make_unique<Regex>();
  const std::string source = Modernize(text);
  const auto* begin = reinterpret_cast<const OnigUChar*>(source.data());
  OnigErrorInfo info;
  const int rc = onig_new(&p.regex_->compiled, begin, begin + source.size(), ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
                          ONIG_SYNTAX_ONIGURUMA, &info);
  if (rc != ONIG_NORMAL) {
    p.regex_->compiled = nullptr;
    return BadInput(where, ": pattern \"", text, "\" does not compile: ", OnigError(rc, &info));
  }
  return p;
}

Status Pattern::Split(std::string_view text, std::vector<Match>& out) const {
  out.clear();
  const auto size = static_cast<uint32_t>(text.size());
  if (size == 0) {
    out.push_back({0, 0, false});
    return {};
  }
  if (regex_) return SplitRegex(text, out);
  uint32_t last = 0;
  for (size_t at; (at = text.find(literal_, last)) != std::string_view::npos;) {
    const auto begin = static_cast<uint32_t>(at), end = static_cast<uint32_t>(at + literal_.size());
    if (last != begin) out.push_back({last, begin, false});
    out.push_back({begin, end, true});
    last = end;
  }
  if (last != size) out.push_back({last, size, false});
  return {};
}

Status Pattern::SplitRegex(std::string_view text, std::vector<Match>& out) const {
  SearchState state;
  if (!state.region || !state.param) return ResourceError(where_, ": no memory to match");
  onig_initialize_match_param(state.param);
  std::string older;
  if (Substitute(text, older)) text = older;
  // Honest patterns backtrack over one run of characters at most a few times;
  // a run may be the whole text, so the limits grow with it and no faster.
  const auto size = static_cast<unsigned>(text.size());
  onig_set_retry_limit_in_match_of_match_param(state.param, 100000ul + 8ul * size);
  onig_set_retry_limit_in_search_of_match_param(state.param, 1000000ul + 16ul * size);
  onig_set_match_stack_limit_size_of_match_param(state.param, 65536u + std::min(size, 1u << 28) * 4u);
  const auto* begin = reinterpret_cast<const OnigUChar*>(text.data());
  const auto* end = begin + size;
  uint32_t at = 0, covered = 0;
  bool had_match = false;
  while (at <= size) {
    const int rc = onig_search_with_param(regex_->compiled, begin, end, begin + at, end, state.region, ONIG_OPTION_NONE,
                                          state.param);
    if (rc == ONIG_MISMATCH) break;
    if (rc < 0)
      return BadInput(where_, ": pattern \"", literal_, "\" failed on ", size, " bytes of text: ", OnigError(rc, nullptr));
    const auto from = static_cast<uint32_t>(state.region->beg[0]), to = static_cast<uint32_t>(state.region->end[0]);
    // \\K can move a match's start; the text must still be covered in order.
    if (from < covered || to < from || to > size)
      return BadInput(where_, ": pattern \"", literal_, "\" matches backwards");
    if (from == to && had_match && to == covered) {
      at += at < size ? static_cast<uint32_t>(Utf8Length(static_cast<unsigned char>(text[at]))) : 1;
      continue;
    }
    if (covered != from) out.push_back({covered, from, false});
    out.push_back({from, to, true});
    at = covered = to;
    had_match = true;
  }
  if (covered != size) out.push_back({covered, size, false});
  return {};
}

}  // namespace hasten::tok
