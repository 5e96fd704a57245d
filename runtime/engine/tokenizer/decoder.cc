// Decoders. Each step maps the list of pieces to a new list; at the end the list
// is joined. Behaviour follows the `tokenizers` package step by step.
#include "runtime/engine/tokenizer/decoder.h"

#include <algorithm>
#include <charconv>

#include "runtime/engine/tokenizer/unicode.h"
#include "runtime/format/tokenizer_generated.h"

namespace hasten::tok {
namespace {

using tokfb::StepKind;
using Strings = std::vector<std::string>;

std::string ReplaceAll(std::string_view s, std::string_view what, std::string_view with) {
  std::string out;
  if (what.empty()) {
    // As Rust's str::replace: an empty pattern matches around every character.
    out.append(with);
    ForEachChar(s, [&](uint32_t, size_t at, size_t n) { out.append(s.substr(at, n)).append(with); });
    return out;
  }
  size_t last = 0;
  for (size_t at; (at = s.find(what, last)) != std::string_view::npos; last = at + what.size())
    out.append(s.substr(last, at - last)).append(with);
  return out.append(s.substr(last));
}

// English clean-up of the WordPiece decoder.
std::string Cleanup(std::string s) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"},
      {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [what, with] : kRules)
    if (s.find(what) != std::string::npos) s = ReplaceAll(s, what, with);
  return s;
}

void ByteLevel(Strings& pieces) {
  std::string bytes, mapped;
  for (const std::string& piece : pieces) {
    mapped.clear();
    bool all = true;
    ForEachChar(piece, [&](uint32_t c, size_t, size_t) {
      const int b = CharToByte(c);
      all &= b >= 0;
      mapped.push_back(static_cast<char>(b));
    });
    bytes += all ? mapped : piece;
  }
  std::string out;
  AppendLossy(out, bytes);
  pieces.assign(1, std::move(out));
}

// The byte of a <0xNN> piece, -1 when it is another piece.
int ByteOf(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  int value = 0;
  // Rust's from_str_radix takes a sign as well: "<0x+A>" is a byte there.
  const char* begin = piece.data() + 3 + (piece[3] == '+');
  const auto r = std::from_chars(begin, piece.data() + 5, value, 16);
  return r.ec == std::errc() && r.ptr == piece.data() + 5 && *begin != '-' ? value : -1;
}

// A run of byte pieces is text when it is well formed as a whole, else U+FFFD each.
void ByteFallback(Strings& pieces) {
  Strings out;
  std::string run;
  const auto flush = [&] {
    if (run.empty()) return;
    if (IsValidUtf8(run)) out.push_back(run);
    else out.insert(out.end(), run.size(), "\xEF\xBF\xBD");
    run.clear();
  };
  for (std::string& piece : pieces) {
    if (const int b = ByteOf(piece); b >= 0) {
      run.push_back(static_cast<char>(b));
    } else {
      flush();
      out.push_back(std::move(piece));
    }
  }
  flush();
  pieces = std::move(out);
}

// Cuts at most `start` leading and `stop` trailing copies of a character. When
// the two overlap nothing is left (the package aborts there).
void Strip(Strings& pieces, std::string_view c, uint32_t start, uint32_t stop) {
  for (std::string& piece : pieces) {
    std::string_view s = piece;
    uint32_t cut = 0;
    for (; cut < start && s.starts_with(c); ++cut) s.remove_prefix(c.size());
    for (cut = 0; cut < stop && s.ends_with(c); ++cut) s.remove_suffix(c.size());
    if (s.size() != piece.size()) piece = std::string(s);
  }
}

}  // namespace

Result<Decoder::Step> Decoder::MakeStep(const tokfb::Step& packed) {
  Step step;
  step.kind = packed.kind();
  step.text = packed.text() ? packed.text()->str() : "";
  step.content = packed.content() ? packed.content()->str() : "";
  if (!IsValidUtf8(step.text) || !IsValidUtf8(step.content)) return BadInput("tokenizer: decoder text is not UTF-8");
  if (packed.character() >= 0x110000 || (packed.character() >= 0xD800 && packed.character() < 0xE000))
    return BadInput("tokenizer: ", packed.character(), " is no code point");
  step.character = ToUtf8(packed.character());
  step.start = packed.count();
  step.stop = packed.stop();
  step.cleanup = packed.cleanup();
  step.prepended = packed.scheme() != tokfb::PrependScheme::Never;
  switch (step.kind) {
    case StepKind::Replace: {
      HST_ASSIGN_OR_RETURN(step.pattern, Pattern::Compile(step.text, packed.text_is_regex(), "decoder Replace"));
      return step;
    }
    case StepKind::ByteLevel: case StepKind::Metaspace: case StepKind::Strip: case StepKind::WordPiece:
    case StepKind::BpeSuffix: case StepKind::ByteFallback: case StepKind::Fuse: case StepKind::Ctc: return step;
    default: return BadInput("tokenizer: component kind ", static_cast<int>(step.kind), " is not a decoder");
  }
}

Result<Decoder> Decoder::Make(const Normalizer::Steps* steps, bool present) {
  Decoder d;
  d.present_ = present;
  if (!steps) return d;
  for (const tokfb::Step* packed : *steps) {
    HST_ASSIGN_OR_RETURN(Step step, MakeStep(*packed));
    d.steps_.push_back(std::move(step));
  }
  return d;
}

Status Decoder::RunStep(const Step& step, Strings& pieces) {
  switch (step.kind) {
    case StepKind::ByteLevel: ByteLevel(pieces); break;
    case StepKind::ByteFallback: ByteFallback(pieces); break;
    case StepKind::Strip: Strip(pieces, step.character, step.start, step.stop); break;
    case StepKind::Fuse: {
      std::string all;
      for (const std::string& p : pieces) all += p;
      pieces.assign(1, std::move(all));
      break;
    }
    case StepKind::Metaspace:
      for (size_t i = 0; i < pieces.size(); ++i)
        pieces[i] = ReplaceAll(pieces[i], step.character, i == 0 && step.prepended ? "" : " ");
      break;
    case StepKind::WordPiece:
      for (size_t i = 0; i < pieces.size(); ++i) {
        if (i > 0) pieces[i] = pieces[i].starts_with(step.text) ? pieces[i].substr(step.text.size()) : " " + pieces[i];
        if (step.cleanup) pieces[i] = Cleanup(std::move(pieces[i]));
      }
      break;
    case StepKind::BpeSuffix:
      for (size_t i = 0; i < pieces.size(); ++i)
        pieces[i] = ReplaceAll(pieces[i], step.text, i + 1 == pieces.size() ? "" : " ");
      break;
    case StepKind::Ctc: {
      pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
      for (std::string& p : pieces) {
        p = ReplaceAll(p, step.text, "");
        if (step.cleanup) p = ReplaceAll(Cleanup(std::move(p)), step.content, " ");
      }
      std::erase_if(pieces, [](const std::string& p) { return p.empty(); });
      break;
    }
    case StepKind::Replace: {
      std::vector<Match> parts;
      for (std::string& p : pieces) {
        HST_RETURN_IF_ERROR(step.pattern->Split(p, parts));
        std::string out;
        for (const Match& m : parts) out.append(m.is_match ? std::string_view(step.content) : std::string_view(p).substr(m.begin, m.end - m.begin));
        p = std::move(out);
      }
      break;
    }
    default: return Internal("tokenizer: not a decoder");
  }
  return {};
}

Result<std::string> Decoder::Run(Strings pieces) const {
  std::string out;
  if (!present_) {
    for (size_t i = 0; i < pieces.size(); ++i) out.append(i ? " " : "").append(pieces[i]);
    return out;
  }
  for (const Step& step : steps_) HST_RETURN_IF_ERROR(RunStep(step, pieces));
  for (const std::string& p : pieces) out += p;
  return out;
}

}  // namespace hasten::tok
