#include "compiler/onnx/graph_importer.h"

#include <algorithm>
#include <queue>
#include <set>

#include "compiler/onnx/op_table.h"
#include "compiler/onnx/ops/converters.h"

namespace hasten::onnx_import {
namespace {

constexpr size_t kMaxCallDepth = 32;

// Names a graph reads from outside of itself, nested graphs included.
void Captured(const onnx::GraphProto& graph, std::vector<std::string>& out) {
  std::set<std::string> own;
  for (const auto& i : graph.input()) own.insert(i.name());
  for (const auto& t : graph.initializer()) own.insert(t.name());
  for (const auto& n : graph.node()) own.insert(n.output().begin(), n.output().end());
  std::vector<std::string> read;
  for (const auto& n : graph.node()) {
    read.insert(read.end(), n.input().begin(), n.input().end());
    for (const auto& a : n.attribute())
      if (a.has_g()) Captured(a.g(), read);
  }
  for (const auto& o : graph.output()) read.push_back(o.name());
  for (std::string& name : read)
    if (!name.empty() && !own.count(name)) out.push_back(std::move(name));
}

std::vector<std::string> Reads(const onnx::NodeProto& node) {
  std::vector<std::string> out;
  for (const auto& name : node.input())
    if (!name.empty()) out.push_back(name);
  for (const auto& a : node.attribute())
    if (a.has_g()) Captured(a.g(), out);
  return out;
}

std::string NodeName(const onnx::NodeProto& node, int index, const std::string& prefix) {
  const std::string own = node.name().empty() ? StrCat(node.op_type(), "#", index) : node.name();
  return prefix.empty() ? own : StrCat(prefix, "/", own);
}

}  // namespace

ir::Value* Scope::Find(const std::string& name) const {
  for (const Scope* s = this; s; s = s->parent)
    if (const auto it = s->values.find(name); it != s->values.end()) return it->second;
  return nullptr;
}

bool Scope::Knows(const std::string& name) const {
  for (const Scope* s = this; s; s = s->parent)
    if (s->values.count(name) || s->omitted.count(name)) return true;
  return false;
}

std::string CanonicalDomain(const std::string& domain) { return domain == "ai.onnx" ? std::string() : domain; }

GraphImporter::GraphImporter(const onnx::ModelProto& model, PayloadSource& source, const ImportOptions& options)
    : model_(model), source_(source), options_(options), graph_(std::make_unique<ir::Graph>()) {}

Status GraphImporter::Run() {
  HST_RETURN_IF_ERROR(ReadOpsets());
  HST_RETURN_IF_ERROR(ReadFunctions());
  HST_RETURN_IF_ERROR(AddSymbols());
  Scope scope;
  scope.opsets = &opsets_;
  HST_RETURN_IF_ERROR(AddInitializers(model_.graph(), scope));
  HST_RETURN_IF_ERROR(AddInputs(scope));
  HST_RETURN_IF_ERROR(ImportNodes(model_.graph().node(), scope));
  for (const auto& out : model_.graph().output()) {
    ir::Value* v = scope.Find(out.name());
    if (!v) return BadInput("the graph's output \"", Quoted(out.name()), "\" is defined by no node");
    graph_->AddOutput(v, out.name());
  }
  if (graph_->outputs().empty()) return BadInput("the graph has no outputs");
  return {};
}

Status GraphImporter::AddInitializers(const onnx::GraphProto& graph, Scope& scope) {
  if (graph.sparse_initializer_size() > 0)
    return Unsupported("sparse initializer \"", Quoted(graph.sparse_initializer(0).values().name()), "\": store it dense");
  for (const auto& proto : graph.initializer()) {
    const std::string what = StrCat("initializer \"", Quoted(proto.name()), "\"");
    if (proto.name().empty()) return BadInput("an initializer has no name");
    if (scope.values.count(proto.name())) return BadInput(what, ": the name is defined twice");
    HST_ASSIGN_OR_RETURN(ir::Tensor tensor, Tensor(proto, what));
    scope.values[proto.name()] = graph_->AddWeight(proto.name(), std::move(tensor));
  }
  return {};
}

Status GraphImporter::AddInputs(Scope& scope) {
  std::set<std::string> seen;
  for (const auto& info : model_.graph().input()) {
    if (info.name().empty()) return BadInput("a graph input has no name");
    if (!seen.insert(info.name()).second) return BadInput("graph input \"", Quoted(info.name()), "\" stands twice");
    if (scope.values.count(info.name())) continue;  // an initializer with a declared type
    HST_ASSIGN_OR_RETURN(ir::Type type, ReadType(info));
    scope.values[info.name()] = graph_->AddInput(info.name(), std::move(type));
  }
  return {};
}

Status GraphImporter::CountNode() {
  if (++nodes_ > options_.max_nodes)
    return BadInput("the model has more than ", options_.max_nodes, " nodes after inlining functions and unrolling loops");
  return {};
}

Result<std::vector<int>> GraphImporter::Order(const Nodes& nodes, const Scope& scope) const {
  std::unordered_map<std::string, int> producer;
  for (int i = 0; i < nodes.size(); ++i)
    for (const auto& name : nodes[i].output()) {
      if (name.empty()) continue;
      if (!producer.emplace(name, i).second || scope.values.count(name))
        return BadInput("the value \"", Quoted(name), "\" is defined twice (again by node \"", Quoted(NodeName(nodes[i], i, scope.prefix)), "\")");
    }
  std::vector<std::vector<int>> readers(static_cast<size_t>(nodes.size()));
  std::vector<int> missing(static_cast<size_t>(nodes.size()), 0);
  for (int i = 0; i < nodes.size(); ++i)
    for (const std::string& name : Reads(nodes[i])) {
      if (const auto it = producer.find(name); it != producer.end()) {
        readers[static_cast<size_t>(it->second)].push_back(i);
        ++missing[static_cast<size_t>(i)];
      } else if (!scope.Knows(name)) {
        return BadInput("node \"", Quoted(NodeName(nodes[i], i, scope.prefix)), "\" reads \"", Quoted(name), "\", which nothing defines");
      }
    }
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;  // file order where it is free
  for (int i = 0; i < nodes.size(); ++i)
    if (!missing[static_cast<size_t>(i)]) ready.push(i);
  std::vector<int> order;
  while (!ready.empty()) {
    const int i = ready.top();
    ready.pop();
    order.push_back(i);
    for (const int r : readers[static_cast<size_t>(i)])
      if (--missing[static_cast<size_t>(r)] == 0) ready.push(r);
  }
  for (int i = 0; i < nodes.size(); ++i)
    if (missing[static_cast<size_t>(i)] > 0)
      return BadInput("the graph has a cycle: node \"", Quoted(NodeName(nodes[i], i, scope.prefix)), "\" depends on its own output");
  return order;
}

Status GraphImporter::ImportNodes(const Nodes& nodes, Scope& scope) {
  HST_ASSIGN_OR_RETURN(const std::vector<int> order, Order(nodes, scope));
  for (const int i : order) HST_RETURN_IF_ERROR(ImportNode(nodes[i], i, scope));
  return {};
}

Status GraphImporter::ImportNode(const onnx::NodeProto& proto, int index, Scope& scope) {
  HST_RETURN_IF_ERROR(CountNode());  // nodes that emit nothing take time as well
  NodeImport node(*this, *graph_);
  node.domain = CanonicalDomain(proto.domain());
  node.op = Quoted(proto.op_type());
  node.loc = NodeName(proto, index, scope.prefix);
  HST_RETURN_IF_ERROR(ReadOperands(proto, scope, node));
  Status status;
  bool follows = false;
  const auto function = functions_.find(FunctionKey(proto));
  if (function != functions_.end()) {
    status = InlineFunction(function->second, proto, node, scope);
  } else if (const auto opset = scope.opsets->find(node.domain); opset == scope.opsets->end()) {
    status = node.Bad("the model imports no opset of domain \"", Quoted(node.domain.empty() ? "ai.onnx" : node.domain), "\"");
  } else {
    node.opset = opset->second;
    status = ReadAttributes(proto, scope, node);
    if (status.ok()) status = CheckOperator(node);
    if (status.ok()) {
      scopes_.push_back(&scope);
      status = Convert(node);
      scopes_.pop_back();
      follows = FollowsProblem(node);
    }
  }
  if (status.code() == Code::kUnsupported || (follows && status.code() == Code::kBadInput)) {
    if (!follows) problems_.push_back(status.message());
    // Stands for the node, so that the nodes behind it are looked at as well.
    const ir::Node* blank = graph_->AddNode("unsupported", {}, node.output_names.size(), {}, node.loc);
    node.outputs = blank->outputs();
    status = CountNode();
  }
  HST_RETURN_IF_ERROR(status);
  return BindOutputs(node, scope);
}

Status GraphImporter::ReadOperands(const onnx::NodeProto& proto, const Scope& scope, NodeImport& node) {
  for (const auto& name : proto.input()) node.inputs.push_back(name.empty() ? nullptr : scope.Find(name));
  while (!node.inputs.empty() && !node.inputs.back()) node.inputs.pop_back();
  node.output_names.assign(proto.output().begin(), proto.output().end());
  while (!node.output_names.empty() && node.output_names.back().empty()) node.output_names.pop_back();
  return {};
}

// Behind a node that could not be imported types are missing, and what fails for
// that is no problem of its own.
bool GraphImporter::FollowsProblem(const NodeImport& node) const {
  if (problems_.empty() || FindRow(node.domain, node.op)->convert == RefuseQuantized) return false;
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [](const ir::Value* v) { return v && (v->type.dtype == DType::kInvalid || !v->type.ranked); });
}

Status GraphImporter::CheckOperator(const NodeImport& node) const {
  const OpRow* row = FindRow(node.domain, node.op);
  const std::string where = StrCat("node \"", Quoted(node.loc), "\": operator ", node.op, " (domain ",
                                   Quoted(node.domain.empty() ? "ai.onnx" : node.domain), ", opset ", node.opset, ")");
  if (!row)
    return Unsupported(where, " is not supported; express it in ai.onnx operators, or give the model a function of that name");
  if (node.opset < row->since)
    return Unsupported(where, " is read from opset ", row->since, " on; convert the model with onnx.version_converter to opset ",
                       std::max<int64_t>(row->since, kOldestOpset), " or export it again");
  return CheckAttributeKinds(node);
}

Status GraphImporter::Convert(NodeImport& node) {
  Status status = FindRow(node.domain, node.op)->convert(node);
  if (status.ok()) status = node.status();
  return status;
}

Status GraphImporter::BindOutputs(NodeImport& node, Scope& scope) {
  for (size_t i = 0; i < node.output_names.size(); ++i) {
    const std::string& name = node.output_names[i];
    if (name.empty()) continue;
    ir::Value* v = i < node.outputs.size() ? node.outputs[i] : nullptr;
    if (!v) return node.Bad("has no output ", i, " (\"", Quoted(name), "\")");
    scope.values[name] = v;
    // A value made for this node takes the model's name; an alias keeps its own.
    if (v->def() && v->loc.empty()) {
      graph_->Rename(v, name);
      v->loc = name;
    }
  }
  return {};
}

Result<Values> GraphImporter::Inline(const onnx::GraphProto& graph, const Values& inputs, std::string_view loc) {
  HST_RETURN_IF_ERROR(CountNode());
  const Scope* outer = scopes_.back();
  Scope scope;
  scope.parent = outer;
  scope.opsets = outer->opsets;
  scope.attributes = outer->attributes;
  scope.prefix = std::string(loc);
  if (static_cast<size_t>(graph.input_size()) != inputs.size())
    return BadInput("node \"", Quoted(loc), "\": its graph takes ", graph.input_size(), " inputs, needed ", inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) scope.values[graph.input(static_cast<int>(i)).name()] = inputs[i];
  HST_RETURN_IF_ERROR(AddInitializers(graph, scope));
  HST_RETURN_IF_ERROR(ImportNodes(graph.node(), scope));
  Values out;
  for (const auto& o : graph.output()) {
    out.push_back(scope.Find(o.name()));
    if (!out.back()) return BadInput("node \"", Quoted(loc), "\": its graph's output \"", Quoted(o.name()), "\" is not defined");
  }
  return out;
}

Status GraphImporter::InlineFunction(const Function& function, const onnx::NodeProto& call, NodeImport& node, const Scope& scope) {
  const std::string key = FunctionKey(call);
  if (std::find(calls_.begin(), calls_.end(), key) != calls_.end())
    return node.Bad("the model's function calls itself (", Quoted(key), ")");
  if (calls_.size() >= kMaxCallDepth) return node.Bad("functions are nested deeper than ", kMaxCallDepth, " levels");
  const onnx::FunctionProto& f = *function.proto;
  if (static_cast<int>(node.inputs.size()) > f.input_size() || static_cast<int>(node.output_names.size()) > f.output_size())
    return node.Bad("has more inputs or outputs than the model's function takes (", f.input_size(), " and ", f.output_size(), ")");
  Scope inner;
  inner.prefix = node.loc;
  inner.opsets = &function.opsets;
  for (const auto& a : function.defaults) inner.attributes[a.name()] = &a;
  for (const auto& a : call.attribute()) {
    const onnx::AttributeProto* resolved = Resolve(a, scope);
    if (resolved) inner.attributes[a.name()] = resolved;
  }
  for (int i = 0; i < f.input_size(); ++i)
    if (ir::Value* v = node.In(static_cast<size_t>(i))) inner.values[f.input(i)] = v;
    else inner.omitted.insert(f.input(i));
  calls_.push_back(key);
  Status status = ImportNodes(f.node(), inner);
  calls_.pop_back();
  HST_RETURN_IF_ERROR(status);
  for (int i = 0; i < f.output_size(); ++i) node.SetOutput(static_cast<size_t>(i), inner.Find(f.output(i)));
  return {};
}

}  // namespace hasten::onnx_import
