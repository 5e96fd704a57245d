// Import of the post-processor: BERT's and RoBERTa's are templates in disguise.
#include "compiler/tokenizer/steps.h"

namespace hasten::tokimport {
namespace {

using tokfb::PieceKind;

constexpr int kMaxDepth = 16;

// ["</s>", 2]
Result<uint32_t> ReadPair(const Node& node) {
  HST_RETURN_IF_ERROR(node.NeedArray());
  if (node.size() != 2) return node.Error("must be a token and its id");
  return node.At(1).Count();
}

Result<std::vector<TemplatePiece>> ReadTemplate(const Node& list, const Node& special_tokens) {
  HST_RETURN_IF_ERROR(list.NeedArray());
  std::vector<TemplatePiece> pieces;
  for (size_t i = 0; i < list.size(); ++i) {
    const Node sequence = list.At(i).Get("Sequence"), special = list.At(i).Get("SpecialToken");
    if (!sequence.is_null()) {
      const nlohmann::json& id = sequence.Get("id").json();
      if (id != "A" && id != "B") return sequence.Get("id").Error("must be \"A\" or \"B\"");
      pieces.push_back({id == "A" ? PieceKind::SequenceA : PieceKind::SequenceB, {}});
      continue;
    }
    if (special.is_null()) return list.At(i).Refuse("is neither Sequence nor SpecialToken");
    HST_ASSIGN_OR_RETURN(const std::string name, special.Get("id").Text());
    const Node ids = special_tokens.Get(name).Get("ids");
    HST_RETURN_IF_ERROR(ids.NeedArray());
    TemplatePiece piece{PieceKind::Special, {}};
    for (size_t k = 0; k < ids.size(); ++k) {
      HST_ASSIGN_OR_RETURN(const uint32_t id, ids.At(k).Count());
      piece.ids.push_back(id);
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

Status Append(const Node& node, int depth, Templates& out, bool& had_template) {
  if (node.is_null()) return {};
  HST_RETURN_IF_ERROR(node.NeedObject());
  HST_ASSIGN_OR_RETURN(const std::string type, node.Get("type").Text());
  if (type == "Sequence") {
    if (depth >= kMaxDepth) return node.Refuse("nests Sequences more than ", kMaxDepth, " deep");
    const Node list = node.Get("processors");
    HST_RETURN_IF_ERROR(list.NeedArray());
    for (size_t i = 0; i < list.size(); ++i) HST_RETURN_IF_ERROR(Append(list.At(i), depth + 1, out, had_template));
    return {};
  }
  if (type == "ByteLevel") return {};  // trims offsets only
  if (type != "TemplateProcessing" && type != "BertProcessing" && type != "RobertaProcessing")
    return node.Get("type").Refuse("\"", type, "\" is not supported");
  if (had_template) return node.Refuse("is a second template in one Sequence, which is not supported");
  had_template = true;
  if (type == "TemplateProcessing") {
    HST_ASSIGN_OR_RETURN(out.single, ReadTemplate(node.Get("single"), node.Get("special_tokens")));
    HST_ASSIGN_OR_RETURN(out.pair, ReadTemplate(node.Get("pair"), node.Get("special_tokens")));
    for (const TemplatePiece& p : out.single)
      if (p.kind == PieceKind::SequenceB) return node.Get("single").Error("asks for a second text");
    return {};
  }
  HST_ASSIGN_OR_RETURN(const uint32_t sep, ReadPair(node.Get("sep")));
  HST_ASSIGN_OR_RETURN(const uint32_t cls, ReadPair(node.Get("cls")));
  const TemplatePiece a{PieceKind::SequenceA, {}}, b{PieceKind::SequenceB, {}};
  const TemplatePiece begin{PieceKind::Special, {cls}}, end{PieceKind::Special, {sep}};
  out.single = {begin, a, end};
  // RoBERTa separates the two texts by two separators.
  out.pair = type == "BertProcessing" ? std::vector<TemplatePiece>{begin, a, end, b, end}
                                      : std::vector<TemplatePiece>{begin, a, end, end, b, end};
  return {};
}

}  // namespace

Result<Templates> ImportPostProcessor(const Node& node) {
  Templates out;
  bool had_template = false;
  HST_RETURN_IF_ERROR(Append(node, 0, out, had_template));
  return out;
}

}  // namespace hasten::tokimport
