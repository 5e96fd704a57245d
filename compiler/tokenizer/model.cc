// Import of models. Hash tables and tries are built here once, so that opening
// an artifact builds nothing.
#include "compiler/tokenizer/model.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace hasten::tokimport {
namespace {

using tokfb::ModelKind;

Status ReadVocab(const Node& node, Model& model) {
  HST_RETURN_IF_ERROR(node.NeedObject());
  uint32_t size = 0;
  for (const auto& [piece, id] : node.json().items()) {
    HST_ASSIGN_OR_RETURN(const uint32_t value, Node(id, StrCat(node.path(), "[\"", piece, "\"]")).Count());
    if (value >= tok::kMaxVocab) return node.Error("has id ", value, ", must be below ", tok::kMaxVocab);
    size = std::max(size, value + 1);
    model.ids.emplace(piece, value);
  }
  model.pieces.resize(size);
  std::vector<bool> used(size, false);
  for (const auto& [piece, id] : node.json().items()) {
    const uint32_t value = id.get<uint32_t>();
    if (used[value])
      return node.Refuse("gives id ", value, " to both \"", model.pieces[value], "\" and \"", piece, "\"");
    used[value] = true;
    model.pieces[value] = piece;
  }
  for (uint32_t i = 0; i < size; ++i)
    if (!used[i]) model.holes.push_back(i);
  return {};
}

// The id of unk_token, when one is named.
Status ReadUnknown(const Node& node, Model& model) {
  if (node.is_null()) return {};
  HST_ASSIGN_OR_RETURN(const std::string token, node.Text());
  const auto it = model.ids.find(token);
  if (it == model.ids.end()) model.unk_missing = true;
  else model.unk_id = static_cast<int32_t>(it->second);
  return {};
}

// "a b" (the older form) or ["a", "b"].
Result<std::pair<std::string, std::string>> ReadMerge(const Node& node) {
  if (node.json().is_array()) {
    if (node.size() != 2) return node.Error("must have two parts");
    HST_ASSIGN_OR_RETURN(std::string a, node.At(0).Text());
    HST_ASSIGN_OR_RETURN(std::string b, node.At(1).Text());
    return std::pair{std::move(a), std::move(b)};
  }
  HST_ASSIGN_OR_RETURN(const std::string text, node.Text());
  const size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
    return node.Error("must be two parts with one space between, is \"", text, "\"");
  return std::pair{text.substr(0, space), text.substr(space + 1)};
}

Status ReadMerges(const Node& list, Model& model) {
  HST_RETURN_IF_ERROR(list.NeedArray());
  // A pair that occurs twice has the rank of its last occurrence.
  std::unordered_map<uint64_t, size_t> last;
  std::vector<tokfb::Merge> all;
  for (size_t i = 0; i < list.size(); ++i) {
    const nlohmann::json& json = list.json()[i];
    if (json.is_string() && json.get_ref<const std::string&>().starts_with("#version")) continue;
    HST_ASSIGN_OR_RETURN(const auto parts, ReadMerge(list.At(i)));
    const std::string& second = parts.second;
    if (second.size() < model.prefix.size()) return list.At(i).Error("is shorter than continuing_subword_prefix");
    uint32_t ids[3];
    const std::string names[] = {parts.first, second, parts.first + second.substr(model.prefix.size())};
    for (int k = 0; k < 3; ++k) {
      const auto it = model.ids.find(names[k]);
      if (it == model.ids.end()) return list.At(i).Error("needs token \"", names[k], "\", which is not in the vocabulary");
      ids[k] = it->second;
    }
    last[static_cast<uint64_t>(ids[0]) << 32 | ids[1]] = all.size();
    all.emplace_back(ids[0], ids[1], ids[2]);
  }
  for (size_t i = 0; i < all.size(); ++i)
    if (last[static_cast<uint64_t>(all[i].left()) << 32 | all[i].right()] == i) model.merges.push_back(all[i]);
  return {};
}

Status ReadBpe(const Node& node, Model& model) {
  const Node dropout = node.Get("dropout");
  if (!dropout.is_null()) {
    HST_ASSIGN_OR_RETURN(const double p, dropout.Number());
    if (p != 0) return dropout.Refuse("of ", p, " is not supported: encoding must not be random");
  }
  HST_RETURN_IF_ERROR(ReadVocab(node.Get("vocab"), model));
  HST_RETURN_IF_ERROR(ReadUnknown(node.Get("unk_token"), model));
  HST_ASSIGN_OR_RETURN(model.prefix, node.Get("continuing_subword_prefix").Text(""));
  HST_ASSIGN_OR_RETURN(model.suffix, node.Get("end_of_word_suffix").Text(""));
  HST_ASSIGN_OR_RETURN(model.fuse_unk, node.Get("fuse_unk").Flag(false));
  HST_ASSIGN_OR_RETURN(model.byte_fallback, node.Get("byte_fallback").Flag(false));
  HST_ASSIGN_OR_RETURN(model.ignore_merges, node.Get("ignore_merges").Flag(false));
  return ReadMerges(node.Get("merges"), model);
}

// A score as the package reads it. Its JSON parser (serde_json without
// float_roundtrip) multiplies the decimal digits by a power of ten, and so misses
// the nearest double by a bit now and then; ties between segmentations hang on
// that bit. The digits in the file are the shortest ones, as every writer emits.
double AsPackageReads(double exact) {
  if (exact == 0 || !std::isfinite(exact)) return exact;
  char buffer[64];
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(exact), std::chars_format::scientific);
  const char* e = std::find(buffer, r.ptr, 'e');
  uint64_t digits = 0;
  int fraction = 0, exponent = 0;
  for (const char* c = buffer; c != e; ++c) {
    if (*c == '.') continue;
    digits = digits * 10 + static_cast<uint64_t>(*c - '0');
    fraction += c > buffer + 1;
  }
  std::from_chars(e + 1 + (e[1] == '+'), r.ptr, exponent);
  exponent -= fraction;
  double value = static_cast<double>(digits);
  for (; exponent < -308; exponent += 308) value /= 1e308;
  const std::string text = StrCat("1e", std::abs(exponent));
  double power = 1;
  std::from_chars(text.data(), text.data() + text.size(), power);
  value = exponent < 0 ? value / power : value * power;
  return exact < 0 ? -value : value;
}

Status ReadUnigram(const Node& node, Model& model) {
  const Node vocab = node.Get("vocab");
  HST_RETURN_IF_ERROR(vocab.NeedArray());
  if (vocab.size() > tok::kMaxVocab) return vocab.Error("has ", vocab.size(), " pieces, at most ", tok::kMaxVocab);
  for (size_t i = 0; i < vocab.size(); ++i) {
    const Node entry = vocab.At(i);
    HST_RETURN_IF_ERROR(entry.NeedArray());
    if (entry.size() != 2) return entry.Error("must be a piece and its score");
    HST_ASSIGN_OR_RETURN(std::string piece, entry.At(0).Text());
    HST_ASSIGN_OR_RETURN(const double score, entry.At(1).Number());
    model.ids[piece] = static_cast<uint32_t>(i);
    model.pieces.push_back(std::move(piece));
    model.scores.push_back(AsPackageReads(score));
  }
  const Node unk = node.Get("unk_id");
  if (!unk.is_null()) {
    HST_ASSIGN_OR_RETURN(const uint32_t id, unk.Count());
    if (id >= model.pieces.size()) return unk.Error("is ", id, ", but the vocabulary has ", model.pieces.size(), " pieces");
    model.unk_id = static_cast<int32_t>(id);
  }
  HST_ASSIGN_OR_RETURN(model.byte_fallback, node.Get("byte_fallback").Flag(false));
  return {};
}

Status ReadWordPiece(const Node& node, Model& model) {
  HST_RETURN_IF_ERROR(ReadVocab(node.Get("vocab"), model));
  HST_ASSIGN_OR_RETURN(std::string unused, node.Get("unk_token").Text());
  HST_RETURN_IF_ERROR(ReadUnknown(node.Get("unk_token"), model));
  HST_ASSIGN_OR_RETURN(model.prefix, node.Get("continuing_subword_prefix").Text());
  HST_ASSIGN_OR_RETURN(model.max_chars, node.Get("max_input_chars_per_word").Count());
  return {};
}

// Files of before 2020 name no type; the package then guesses by the members.
Result<std::string> TypeOf(const Node& node) {
  const Node type = node.Get("type");
  if (!type.is_null()) return type.Text();
  if (!node.Get("merges").is_null()) return std::string("BPE");
  if (!node.Get("max_input_chars_per_word").is_null()) return std::string("WordPiece");
  return std::string(node.Get("vocab").json().is_array() ? "Unigram" : "WordLevel");
}

}  // namespace

Result<Model> ImportModel(const Node& node) {
  HST_RETURN_IF_ERROR(node.NeedObject());
  HST_ASSIGN_OR_RETURN(const std::string type, TypeOf(node));
  Model model;
  Status status;
  if (type == "BPE") {
    model.kind = ModelKind::Bpe;
    status = ReadBpe(node, model);
  } else if (type == "Unigram") {
    model.kind = ModelKind::Unigram;
    status = ReadUnigram(node, model);
  } else if (type == "WordPiece") {
    model.kind = ModelKind::WordPiece;
    status = ReadWordPiece(node, model);
  } else if (type == "WordLevel") {
    model.kind = ModelKind::WordLevel;
    status = ReadVocab(node.Get("vocab"), model);
    if (status.ok()) status = ReadUnknown(node.Get("unk_token"), model);
  } else {
    return node.Get("type").Refuse("\"", type, "\" is not supported");
  }
  HST_RETURN_IF_ERROR(status);
  return model;
}

namespace {

flatbuffers::Offset<tokfb::Vocab> PackVocab(const Model& model, flatbuffers::FlatBufferBuilder& out) {
  std::string bytes;
  std::vector<uint32_t> offsets{0};
  for (const std::string& piece : model.pieces) {
    bytes += piece;
    offsets.push_back(static_cast<uint32_t>(bytes.size()));
  }
  const auto slots = tok::BuildSlots(static_cast<uint32_t>(model.pieces.size()), [&](uint32_t id, uint64_t* hash) {
    const auto it = model.ids.find(model.pieces[id]);
    if (it == model.ids.end() || it->second != id) return false;  // a hole, or a piece that is there twice
    *hash = tok::HashBytes(model.pieces[id]);
    return true;
  });
  const auto packed_bytes = out.CreateVector(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  const auto packed_offsets = out.CreateVector(offsets);
  const auto packed_holes = model.holes.empty() ? 0 : out.CreateVector(model.holes);
  const auto packed_slots = out.CreateVector(slots);
  return tokfb::CreateVocab(out, packed_bytes, packed_offsets, packed_holes, packed_slots);
}

flatbuffers::Offset<tokfb::Trie> PackTrie(const Model& model, flatbuffers::FlatBufferBuilder& out) {
  std::vector<std::pair<std::string, int32_t>> entries;
  for (const auto& [piece, id] : model.ids)
    if (!piece.empty()) entries.emplace_back(piece, static_cast<int32_t>(id));
  const tok::TrieArrays trie = tok::TrieArrays::Build(std::move(entries));
  const auto labels = out.CreateVector(trie.labels);
  const auto first_child = out.CreateVector(trie.first_child);
  const auto values = out.CreateVector(trie.values);
  return tokfb::CreateTrie(out, labels, first_child, values);
}

}  // namespace

flatbuffers::Offset<tokfb::Model> PackModel(const Model& model, flatbuffers::FlatBufferBuilder& out) {
  const auto vocab = PackVocab(model, out);
  const auto prefix = out.CreateString(model.prefix);
  const auto suffix = out.CreateString(model.suffix);
  flatbuffers::Offset<flatbuffers::Vector<const tokfb::Merge*>> merges;
  flatbuffers::Offset<flatbuffers::Vector<uint32_t>> merge_slots;
  flatbuffers::Offset<flatbuffers::Vector<double>> scores;
  flatbuffers::Offset<tokfb::Trie> trie;
  if (model.kind == ModelKind::Bpe) {
    merges = out.CreateVectorOfStructs(model.merges);
    merge_slots = out.CreateVector(
        tok::BuildSlots(static_cast<uint32_t>(model.merges.size()), [&](uint32_t i, uint64_t* hash) {
          *hash = tok::HashPair(model.merges[i].left(), model.merges[i].right());
          return true;
        }));
  }
  if (model.kind == ModelKind::Unigram) scores = out.CreateVector(model.scores);
  if (model.kind == ModelKind::Unigram || model.kind == ModelKind::WordPiece) trie = PackTrie(model, out);
  tokfb::ModelBuilder b(out);
  b.add_kind(model.kind);
  b.add_vocab(vocab);
  b.add_merges(merges);
  b.add_merge_slots(merge_slots);
  b.add_unk_id(model.unk_id);
  b.add_unk_missing(model.unk_missing);
  b.add_byte_fallback(model.byte_fallback);
  b.add_fuse_unk(model.fuse_unk);
  b.add_ignore_merges(model.ignore_merges);
  b.add_subword_prefix(prefix);
  b.add_word_suffix(suffix);
  b.add_max_chars(model.max_chars);
  b.add_scores(scores);
  b.add_trie(trie);
  return b.Finish();
}

}  // namespace hasten::tokimport
