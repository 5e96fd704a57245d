// Opening a packed tokenizer, and the way of a text through its stages:
// added tokens, normalizer, added tokens again, pre-tokenizer, model, post-processor.
#include "runtime/engine/tokenizer/tokenizer.h"

#include <algorithm>
#include <mutex>

#include "runtime/engine/tokenizer/added_tokens.h"
#include "runtime/engine/tokenizer/decoder.h"
#include "runtime/engine/tokenizer/model.h"
#include "runtime/engine/tokenizer/normalizer.h"
#include "runtime/engine/tokenizer/pre_tokenizer.h"
#include "runtime/engine/tokenizer/unicode.h"
#include "runtime/format/tokenizer_generated.h"

namespace hasten {
namespace {

using tokfb::PieceKind;

// Positions are 32 bits, and normalization can grow a text.
constexpr size_t kMaxText = 1u << 28;

struct TemplatePiece {
  PieceKind kind;
  std::vector<int32_t> ids;
};

Result<std::vector<TemplatePiece>> MakeTemplate(
    const flatbuffers::Vector<flatbuffers::Offset<tokfb::TemplatePiece>>* packed) {
  std::vector<TemplatePiece> pieces;
  if (!packed) return pieces;
  for (const tokfb::TemplatePiece* p : *packed) {
    TemplatePiece piece{p->kind(), {}};
    if (piece.kind > PieceKind::Special) return BadInput("tokenizer: unknown template piece");
    if (p->ids()) {
      for (const uint32_t id : *p->ids()) {
        if (id >= tok::kMaxVocab) return BadInput("tokenizer: template token ", id, ", must be below ", tok::kMaxVocab);
        piece.ids.push_back(static_cast<int32_t>(id));
      }
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

ChatConfig MakeChat(const tokfb::Chat* packed) {
  ChatConfig chat;
  if (!packed) return chat;
  const auto text = [](const flatbuffers::String* s) { return s ? std::optional<std::string>(s->str()) : std::nullopt; };
  if (packed->templates())
    for (const tokfb::NamedTemplate* t : *packed->templates())
      chat.templates.push_back({t->name()->str(), t->source()->str()});
  chat.bos_token = text(packed->bos_token());
  chat.eos_token = text(packed->eos_token());
  chat.unk_token = text(packed->unk_token());
  chat.pad_token = text(packed->pad_token());
  chat.add_bos_token = packed->add_bos_token();
  chat.add_eos_token = packed->add_eos_token();
  chat.clean_up_tokenization_spaces = packed->clean_up_tokenization_spaces();
  return chat;
}

}  // namespace

struct Tokenizer::Impl {
  explicit Impl(tok::Model m) : model(std::move(m)) {}
  tok::Model model;
  tok::Normalizer normalizer;
  tok::PreTokenizer pre_tokenizer;
  std::optional<tok::AddedTokens> added;
  std::optional<tok::Decoder> decoder;
  std::vector<TemplatePiece> single, pair;
  ChatConfig chat;
  int32_t vocab_size = 0;

  // Scratch memory and word caches, kept between calls; one for each concurrent call.
  static constexpr size_t kMaxIdle = 16;
  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<tok::Scratch>> idle;

  std::unique_ptr<tok::Scratch> Take() const {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<tok::Scratch>();
    auto scratch = std::move(idle.back());
    idle.pop_back();
    return scratch;
  }
  void Give(std::unique_ptr<tok::Scratch> scratch) const {
    const std::lock_guard lock(mutex);
    if (idle.size() < kMaxIdle) idle.push_back(std::move(scratch));
  }

  Result<tok::Pieces> Prepare(std::string_view text, bool parse_special) const;
  Result<std::vector<int32_t>> EncodeOne(std::string_view utf8, const EncodeOptions& options) const;
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

Result<std::unique_ptr<Tokenizer>> Tokenizer::Open(std::span<const uint8_t> packed) {
  if (packed.size() < 16 || reinterpret_cast<uintptr_t>(packed.data()) % 8 != 0)
    return BadInput("tokenizer: section of ", packed.size(), " bytes is too short or not aligned to 8");
  flatbuffers::Verifier verifier(packed.data(), packed.size(), 16, 1u << 22);
  if (!tokfb::VerifyTokenizerBuffer(verifier)) return BadInput("tokenizer: section is damaged (structure check failed)");
  const tokfb::Tokenizer& t = *tokfb::GetTokenizer(packed.data());
  HST_ASSIGN_OR_RETURN(tok::Model model, tok::Model::Make(*t.model()));
  auto impl = std::make_unique<Impl>(std::move(model));
  HST_ASSIGN_OR_RETURN(impl->normalizer, tok::Normalizer::Make(t.normalizer()));
  HST_ASSIGN_OR_RETURN(impl->pre_tokenizer, tok::PreTokenizer::Make(t.pre_tokenizer()));
  HST_ASSIGN_OR_RETURN(impl->decoder, tok::Decoder::Make(t.decoder(), t.has_decoder()));
  HST_ASSIGN_OR_RETURN(impl->added, tok::AddedTokens::Make(t, impl->normalizer));
  HST_ASSIGN_OR_RETURN(impl->single, MakeTemplate(t.single()));
  HST_ASSIGN_OR_RETURN(impl->pair, MakeTemplate(t.pair()));
  impl->chat = MakeChat(t.chat());
  uint32_t size = impl->model.vocab().size();
  for (const tok::AddedToken& a : impl->added->tokens()) size = std::max(size, a.id + 1);
  impl->vocab_size = static_cast<int32_t>(size);
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(impl)));
}

// Everything before the model: the list of pieces and added tokens.
Result<tok::Pieces> Tokenizer::Impl::Prepare(std::string_view text, bool parse_special) const {
  tok::Pieces pieces;
  std::vector<tok::Section> raw, sections;
  added->Find(text, /*normalized=*/false, parse_special, raw);
  for (const tok::Section& r : raw) {
    if (r.begin == r.end) continue;
    if (r.token >= 0) {
      pieces.list.push_back({0, 0, 0, r.token});
      continue;
    }
    tok::Text part{std::string(text.substr(r.begin, r.end - r.begin)), 0};
    if (r.begin == 0) part.zero = static_cast<uint32_t>(tok::Utf8Length(static_cast<unsigned char>(part.s[0])));
    HST_RETURN_IF_ERROR(normalizer.Run(part));
    if (pieces.text.size() + part.s.size() > 8 * kMaxText) return UsageError("tokenizer: the text is too long");
    added->Find(part.s, /*normalized=*/true, parse_special, sections);
    const auto base = static_cast<uint32_t>(pieces.text.size());
    for (const tok::Section& s : sections) {
      if (s.begin == s.end) continue;
      const uint32_t zero = part.zero > s.begin ? std::min(part.zero, s.end) - s.begin : 0;
      pieces.list.push_back({base + s.begin, base + s.end, zero, s.token});
    }
    pieces.text += part.s;
  }
  HST_RETURN_IF_ERROR(pre_tokenizer.Run(pieces));
  return pieces;
}

Result<std::vector<int32_t>> Tokenizer::Impl::EncodeOne(std::string_view utf8, const EncodeOptions& options) const {
  if (utf8.size() > kMaxText) return UsageError("tokenizer: text of ", utf8.size(), " bytes, at most ", kMaxText);
  std::string lossy;
  if (!tok::IsValidUtf8(utf8)) {
    tok::AppendLossy(lossy, utf8);
    utf8 = lossy;
  }
  HST_ASSIGN_OR_RETURN(const tok::Pieces pieces, Prepare(utf8, options.parse_special));
  std::vector<int32_t> ids;
  auto scratch = Take();
  for (const tok::Piece& p : pieces.list) {
    if (p.token >= 0) {
      ids.push_back(p.token);
    } else if (p.begin != p.end) {
      HST_RETURN_IF_ERROR(model.Encode(pieces.View(p), *scratch, ids));
    }
  }
  Give(std::move(scratch));
  return ids;
}

namespace {

// Lays the encoded texts out as the post-processor's template says.
std::vector<int32_t> Apply(const std::vector<TemplatePiece>& pieces, const EncodeOptions& options,
                           const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  std::vector<int32_t> out;
  const auto add = [&](const std::vector<int32_t>& ids) { out.insert(out.end(), ids.begin(), ids.end()); };
  for (const TemplatePiece& p : pieces) {
    if (p.kind == PieceKind::SequenceA) add(a);
    else if (p.kind == PieceKind::SequenceB) add(b);
    else if (options.add_special_tokens) add(p.ids);
  }
  return out;
}

}  // namespace

Result<std::vector<int32_t>> Tokenizer::Encode(std::string_view utf8, const EncodeOptions& options) const {
  HST_ASSIGN_OR_RETURN(std::vector<int32_t> ids, impl_->EncodeOne(utf8, options));
  if (impl_->single.empty()) return ids;
  return Apply(impl_->single, options, ids, {});
}

Result<std::vector<int32_t>> Tokenizer::EncodePair(std::string_view first, std::string_view second,
                                                   const EncodeOptions& options) const {
  HST_ASSIGN_OR_RETURN(std::vector<int32_t> a, impl_->EncodeOne(first, options));
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> b, impl_->EncodeOne(second, options));
  if (!impl_->pair.empty()) return Apply(impl_->pair, options, a, b);
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Result<std::string> Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> pieces;
  for (const int32_t id : ids) {
    if (skip_special_tokens && IsSpecial(id)) continue;
    if (auto token = IdToToken(id)) pieces.push_back(*std::move(token));
  }
  return impl_->decoder->Run(std::move(pieces));
}

int32_t Tokenizer::vocab_size() const { return impl_->vocab_size; }
const ChatConfig& Tokenizer::chat() const { return impl_->chat; }

std::optional<std::string> Tokenizer::IdToToken(int32_t id) const {
  if (id < 0) return std::nullopt;
  if (const tok::AddedToken* t = impl_->added->ById(static_cast<uint32_t>(id))) return t->content;
  const tok::VocabView& vocab = impl_->model.vocab();
  if (!vocab.Has(static_cast<uint32_t>(id))) return std::nullopt;
  std::string token;
  tok::AppendLossy(token, vocab.Piece(static_cast<uint32_t>(id)));
  return token;
}

std::optional<int32_t> Tokenizer::TokenToId(std::string_view token) const {
  if (const tok::AddedToken* t = impl_->added->ByContent(token)) return static_cast<int32_t>(t->id);
  const int32_t id = impl_->model.vocab().Find(token);
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

bool Tokenizer::IsSpecial(int32_t id) const {
  const tok::AddedToken* t = id < 0 ? nullptr : impl_->added->ById(static_cast<uint32_t>(id));
  return t && t->special;
}

}  // namespace hasten
