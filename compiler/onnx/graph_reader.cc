// The declarations of a model: opsets, functions, inputs' types and symbols,
// and nodes' attributes. The walk over the nodes is in graph_importer.cc.
#include <algorithm>

#include "compiler/ir/ops.h"
#include "compiler/onnx/graph_importer.h"
#include "compiler/onnx/op_table.h"
#include "compiler/onnx/wire.h"

namespace hasten::onnx_import {
namespace {

constexpr int64_t kNewestReadable = 27;         // 25 to 27 changed few operators, and those are not in the table

bool IsIdentifier(std::string_view s) {
  return !s.empty() && !std::isdigit(static_cast<unsigned char>(s[0])) &&
         std::all_of(s.begin(), s.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; });
}

Result<Opsets> ReadOpsetList(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& list) {
  Opsets out;
  for (const auto& o : list)
    if (!out.emplace(CanonicalDomain(o.domain()), o.version()).second)
      return BadInput("the opset of domain \"", Quoted(o.domain()), "\" is imported twice");
  return out;
}

// Fields of newer schemas: kept by protobuf as unknown bytes.
std::string UnknownString(const std::string& unknown, uint32_t number) {
  std::string out;
  for (WireReader r({reinterpret_cast<const std::byte*>(unknown.data()), unknown.size()}); !r.done();) {
    WireField f;
    if (!r.Next(f).ok()) break;
    if (f.number == number && f.type == 2) out.assign(reinterpret_cast<const char*>(f.body.data()), f.body.size());
  }
  return out;
}

Result<std::vector<onnx::AttributeProto>> DefaultAttributes(const onnx::FunctionProto& f) {
  constexpr uint32_t kAttributeProto = 11;
  std::vector<onnx::AttributeProto> out;
  const std::string& unknown = f.unknown_fields();
  for (WireReader r({reinterpret_cast<const std::byte*>(unknown.data()), unknown.size()}); !r.done();) {
    WireField field;
    HST_RETURN_IF_ERROR(r.Next(field));
    if (field.number != kAttributeProto || field.type != 2) continue;
    if (!out.emplace_back().ParseFromArray(field.body.data(), static_cast<int>(field.body.size())))
      return BadInput("function \"", Quoted(f.name()), "\": an attribute's default is malformed");
  }
  return out;
}

}  // namespace

std::string GraphImporter::FunctionKey(const onnx::NodeProto& call) {
  constexpr uint32_t kOverload = 8;
  return StrCat(CanonicalDomain(call.domain()), ":", call.op_type(), ":", UnknownString(call.unknown_fields(), kOverload));
}

Status GraphImporter::ReadOpsets() {
  HST_ASSIGN_OR_RETURN(opsets_, ReadOpsetList(model_.opset_import()));
  const auto it = opsets_.find("");
  if (it != opsets_.end() && it->second > kNewestReadable)
    return Unsupported("the model has opset ", it->second, ", the newest that is known is ", kNewestReadable,
                       ": export it with opset ", kNewestOpset, " or older");
  for (const auto& [domain, version] : opsets_)
    if (version < 1) return BadInput("domain \"", Quoted(domain), "\" has opset ", version);
  return {};
}

Status GraphImporter::ReadFunctions() {
  constexpr uint32_t kOverload = 13;
  for (const auto& f : model_.functions()) {
    const std::string key = StrCat(CanonicalDomain(f.domain()), ":", f.name(), ":", UnknownString(f.unknown_fields(), kOverload));
    Function function;
    function.proto = &f;
    HST_ASSIGN_OR_RETURN(function.opsets, ReadOpsetList(f.opset_import()));
    HST_ASSIGN_OR_RETURN(function.defaults, DefaultAttributes(f));
    if (!functions_.emplace(key, std::move(function)).second) return BadInput("the function \"", Quoted(key), "\" is defined twice");
  }
  return {};
}

// Symbols are the dimensions' own names. "a + b" is an expression only where a
// and b are dimensions elsewhere; "seq-len" alone is one name.
Status GraphImporter::AddSymbols() {
  for (const auto& info : model_.graph().input())
    for (const auto& dim : info.type().tensor_type().shape().dim())
      if (IsIdentifier(dim.dim_param())) taken_symbols_.insert(symbols_[dim.dim_param()] = dim.dim_param());
  return {};
}

std::string GraphImporter::Symbol(const std::string& raw) {
  const auto it = symbols_.find(raw);
  if (it != symbols_.end()) return it->second;
  std::string name = "d_";
  for (const char c : raw.substr(0, 64)) name += std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' ? c : '_';
  if (IsIdentifier(raw)) name = raw;
  if (taken_symbols_.count(name)) name = StrCat(name, "_", taken_symbols_.size());
  while (taken_symbols_.count(name)) name += '_';
  taken_symbols_.insert(name);
  return symbols_[raw] = name;
}

ir::Dim GraphImporter::ReadDim(const onnx::TensorShapeProto::Dimension& dim) {
  if (dim.has_dim_value() && dim.dim_value() >= 0) return ir::Poly(dim.dim_value());
  if (!dim.has_dim_param() || dim.dim_param().empty()) return std::nullopt;
  if (symbols_.count(dim.dim_param())) return ir::Poly::Symbol(symbols_[dim.dim_param()]);
  const Result<ir::Poly> expression = ir::ParsePoly(dim.dim_param());
  if (expression.ok()) {
    const std::vector<std::string> names = expression->Symbols();
    if (!names.empty() && std::all_of(names.begin(), names.end(), [&](const std::string& n) { return symbols_.count(n) > 0; }))
      return *expression;
  }
  return ir::Poly::Symbol(Symbol(dim.dim_param()));
}

Result<ir::Type> GraphImporter::ReadType(const onnx::ValueInfoProto& info) {
  const std::string what = StrCat("graph input \"", Quoted(info.name()), "\"");
  if (!info.type().has_tensor_type()) return Unsupported(what, ": only tensors are supported (no sequence, optional, map or sparse type)");
  const auto& tensor = info.type().tensor_type();
  Result<DType> dtype = ToDType(tensor.elem_type());
  if (!dtype.ok()) return std::move(dtype).status().Annotate(what);
  if (!tensor.has_shape()) return ir::Type::Unranked(*dtype);
  if (tensor.shape().dim_size() > kMaxRank) return BadInput(what, ": rank ", tensor.shape().dim_size(), ", at most ", kMaxRank, " is supported");
  ir::Type type = ir::Type::Of(*dtype, {});
  for (const auto& dim : tensor.shape().dim()) {
    if (dim.has_dim_value() && dim.dim_value() < -1) return BadInput(what, ": dimension ", dim.dim_value(), " is negative");
    type.shape.push_back(ReadDim(dim));
  }
  return type;
}

Result<ir::Tensor> GraphImporter::Tensor(const onnx::TensorProto& proto, const std::string& what) {
  const auto it = tensors_.find(&proto);
  if (it != tensors_.end()) return it->second;
  HST_ASSIGN_OR_RETURN(ir::Tensor tensor, ToTensor(proto, source_, what));
  return tensors_[&proto] = std::move(tensor);
}

const onnx::AttributeProto* GraphImporter::Resolve(const onnx::AttributeProto& a, const Scope& scope) {
  if (a.ref_attr_name().empty()) return &a;
  const auto it = scope.attributes.find(a.ref_attr_name());
  return it == scope.attributes.end() ? nullptr : it->second;
}

Status GraphImporter::ReadAttributes(const onnx::NodeProto& proto, const Scope& scope, NodeImport& node) {
  std::set<std::string> seen;
  for (const auto& a : proto.attribute()) {
    if (!seen.insert(a.name()).second) return node.Bad("attribute \"", Quoted(a.name()), "\" stands twice");
    const onnx::AttributeProto* resolved = Resolve(a, scope);
    if (resolved) HST_RETURN_IF_ERROR(ReadAttribute(a.name(), *resolved, node));
  }
  return {};
}

Status GraphImporter::ReadAttribute(const std::string& name, const onnx::AttributeProto& a, NodeImport& node) {
  switch (a.type()) {
    case onnx::AttributeProto::FLOAT: node.attrs[name] = static_cast<double>(a.f()); return {};
    case onnx::AttributeProto::INT: node.attrs[name] = static_cast<int64_t>(a.i()); return {};
    case onnx::AttributeProto::STRING: node.attrs[name] = a.s(); return {};
    case onnx::AttributeProto::FLOATS: node.attrs[name] = std::vector<double>(a.floats().begin(), a.floats().end()); return {};
    case onnx::AttributeProto::INTS: node.attrs[name] = std::vector<int64_t>(a.ints().begin(), a.ints().end()); return {};
    case onnx::AttributeProto::STRINGS: node.attrs[name] = std::vector<std::string>(a.strings().begin(), a.strings().end()); return {};
    case onnx::AttributeProto::GRAPH: node.graphs[name] = &a.g(); return {};
    case onnx::AttributeProto::TENSOR: {
      Result<ir::Tensor> t = Tensor(a.t(), StrCat("node \"", Quoted(node.loc), "\", attribute \"", Quoted(name), "\""));
      if (!t.ok()) return std::move(t).status();
      node.attrs[name] = *std::move(t);
      return {};
    }
    case onnx::AttributeProto::UNDEFINED:
      return node.Bad("attribute \"", Quoted(name), "\" has no type");
    default:
      return node.Refuse("attribute \"", Quoted(name), "\" is of kind ", static_cast<int>(a.type()), ", which is not supported");
  }
}

Status GraphImporter::CheckAttributeKinds(const NodeImport& node) const {
  const OpRow* row = FindRow(node.domain, node.op);
  if (row->attributes == "*") return {};
  constexpr std::string_view kLetters = "ifsIFSt";  // in the order of ir::Attr's alternatives
  static_assert(std::variant_size_v<ir::Attr> == kLetters.size() + 1);
  const auto check = [&](const std::string& name, char came) -> Status {
    const std::optional<char> needed = AttributeKind(*row, name);
    if (!needed) return node.Refuse("has an attribute \"", Quoted(name), "\" that its operator does not define");
    if (*needed != came) return node.Bad("attribute \"", Quoted(name), "\" needs kind ", *needed, ", came ", came, " (i int, f float, s string, t tensor, g graph, capitals lists)");
    return {};
  };
  for (const auto& [name, value] : node.attrs) HST_RETURN_IF_ERROR(check(name, kLetters[value.index()]));
  for (const auto& [name, graph] : node.graphs) HST_RETURN_IF_ERROR(check(name, 'g'));
  return {};
}

Status GraphImporter::Infer(ir::Node& node) {
  const ir::OpInfo* op = ir::FindOp(node.op);
  if (!op) return Internal("[", node.op, "] is no IR op (node \"", node.loc, "\")");
  if (!op->infer) return {};
  ir::InferContext context(node, values_);
  return op->infer(context);
}

}  // namespace hasten::onnx_import
