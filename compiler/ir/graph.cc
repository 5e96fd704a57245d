#include "compiler/ir/graph.h"

#include <algorithm>
#include <unordered_map>

namespace hasten::ir {

std::string TypeString(const Type& type) {
  std::string out(DTypeName(type.dtype));
  if (!type.ranked) return out + "[*]";
  out += '[';
  for (size_t i = 0; i < type.shape.size(); ++i)
    out += StrCat(i ? "," : "", type.shape[i] ? type.shape[i]->ToString() : std::string("?"));
  return out + ']';
}

void Node::SetInput(size_t i, Value* v) {
  Value* old = inputs_[i];
  if (old) old->users_.erase(std::find(old->users_.begin(), old->users_.end(), this));
  inputs_[i] = v;
  if (v) v->users_.push_back(this);
}

void Node::SetInputs(std::vector<Value*> inputs) {
  for (size_t i = 0; i < inputs_.size(); ++i) SetInput(i, nullptr);
  inputs_.assign(inputs.size(), nullptr);
  for (size_t i = 0; i < inputs.size(); ++i) SetInput(i, inputs[i]);
}

int64_t Node::Int(std::string_view name, int64_t fallback) const {
  const auto it = attrs.find(name);
  return it == attrs.end() ? fallback : std::get<int64_t>(it->second);
}
double Node::Float(std::string_view name, double fallback) const {
  const auto it = attrs.find(name);
  return it == attrs.end() ? fallback : std::get<double>(it->second);
}
std::string Node::Str(std::string_view name, std::string_view fallback) const {
  const auto it = attrs.find(name);
  return it == attrs.end() ? std::string(fallback) : std::get<std::string>(it->second);
}
std::vector<int64_t> Node::Ints(std::string_view name, std::vector<int64_t> fallback) const {
  const auto it = attrs.find(name);
  return it == attrs.end() ? std::move(fallback) : std::get<std::vector<int64_t>>(it->second);
}

std::vector<double> Node::Floats(std::string_view name) const {
  const auto it = attrs.find(name);
  return it == attrs.end() ? std::vector<double>() : std::get<std::vector<double>>(it->second);
}

std::string Graph::Unique(std::string name) {
  if (name.empty()) {
    do name = StrCat("v", next_id_++);
    while (by_name_.count(name));
    return name;
  }
  if (!by_name_.count(name)) return name;
  int& next = next_suffix_[name];
  std::string tried;
  do tried = StrCat(name, "_", ++next);
  while (by_name_.count(tried));
  return tried;
}

Value* Graph::NewValue(std::string name, Type type) {
  values_.push_back(std::make_unique<Value>());
  Value* v = values_.back().get();
  v->self_ = std::prev(values_.end());
  v->name = Unique(std::move(name));
  v->type = std::move(type);
  by_name_[v->name] = v;
  return v;
}

void Graph::DropValue(Value* v) {
  by_name_.erase(v->name);
  values_.erase(v->self_);
}

Value* Graph::AddInput(std::string name, Type type) {
  Value* v = NewValue(std::move(name), std::move(type));
  v->loc = v->name;
  inputs_.push_back(v);
  return v;
}

Value* Graph::AddWeight(std::string name, Tensor tensor) {
  Type type = Type::Of(tensor.dtype(), {});
  for (int64_t d : tensor.dims()) type.shape.emplace_back(Poly(d));
  Value* v = NewValue(std::move(name), std::move(type));
  v->loc = v->name;
  v->weight_ = std::move(tensor);
  return v;
}

void Graph::AddOutput(Value* value, std::string name) {
  outputs_.push_back(value);
  output_names_.push_back(std::move(name));
}

Node* Graph::AddNode(std::string op, std::vector<Value*> inputs, size_t outputs, Attrs attrs, std::string loc, Node* before) {
  return AddNode(std::move(op), std::move(inputs), std::vector<std::string>(outputs), std::move(attrs), std::move(loc), before);
}

Node* Graph::AddNode(std::string op, std::vector<Value*> inputs, std::vector<std::string> output_names, Attrs attrs,
                     std::string loc, Node* before) {
  auto at = nodes_.insert(before ? before->self_ : nodes_.end(), std::make_unique<Node>());
  Node* n = at->get();
  n->self_ = at;
  n->op = std::move(op);
  n->attrs = std::move(attrs);
  n->loc = std::move(loc);
  n->SetInputs(std::move(inputs));
  for (size_t i = 0; i < output_names.size(); ++i) {
    std::string original = output_names[i];
    Value* v = NewValue(std::move(output_names[i]), {});
    v->loc = std::move(original);
    v->def_ = n;
    v->def_index_ = static_cast<int>(i);
    n->outputs_.push_back(v);
  }
  return n;
}

void Graph::ReplaceAllUses(Value* from, Value* to) {
  if (from == to) return;
  for (Node* user : std::vector<Node*>(from->users_))
    for (size_t i = 0; i < user->inputs_.size(); ++i)
      if (user->inputs_[i] == from) user->SetInput(i, to);
  for (Value*& out : outputs_)
    if (out == from) out = to;
}

void Graph::EraseNode(Node* node) {
  for (Value* out : node->outputs_) HST_CHECK(out->users_.empty() && !IsOutput(out));
  node->SetInputs({});
  for (Value* out : node->outputs_) DropValue(out);
  nodes_.erase(node->self_);
}

void Graph::EraseWeight(Value* weight) {
  HST_CHECK(weight->is_weight() && weight->users_.empty() && !IsOutput(weight));
  DropValue(weight);
}

void Graph::EraseInput(Value* input) {
  HST_CHECK(input->is_input() && input->users_.empty() && !IsOutput(input));
  inputs_.erase(std::find(inputs_.begin(), inputs_.end(), input));
  DropValue(input);
}

bool Graph::IsOutput(const Value* v) const { return std::find(outputs_.begin(), outputs_.end(), v) != outputs_.end(); }

std::vector<Value*> Graph::weights() const {
  std::vector<Value*> out;
  for (const auto& v : values_)
    if (v->is_weight()) out.push_back(v.get());
  return out;
}

Value* Graph::FindValue(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

void Graph::Rename(Value* v, std::string name) {
  if (v->name == name) return;
  by_name_.erase(v->name);
  v->name = Unique(std::move(name));
  by_name_[v->name] = v;
}

bool Graph::SortTopologically() {
  std::unordered_map<const Node*, size_t> missing;
  std::list<std::unique_ptr<Node>> sorted;
  std::vector<Node*> ready;
  for (const auto& n : nodes_) {
    size_t count = 0;
    for (const Value* v : n->inputs_) count += v && v->def_;
    missing[n.get()] = count;
  }
  // Stable: among ready nodes the one that stood first goes first.
  std::unordered_map<const Node*, size_t> rank;
  size_t position = 0;
  for (const auto& n : nodes_) rank[n.get()] = position++;
  const auto later = [&](const Node* a, const Node* b) { return rank[a] > rank[b]; };
  for (const auto& n : nodes_)
    if (missing[n.get()] == 0) ready.push_back(n.get());
  std::make_heap(ready.begin(), ready.end(), later);
  std::vector<Node*> order;
  while (!ready.empty()) {
    std::pop_heap(ready.begin(), ready.end(), later);
    Node* n = ready.back();
    ready.pop_back();
    order.push_back(n);
    for (Value* out : n->outputs_)
      for (Node* user : out->users_)
        if (--missing[user] == 0) {
          ready.push_back(user);
          std::push_heap(ready.begin(), ready.end(), later);
        }
  }
  if (order.size() != nodes_.size()) return false;
  for (Node* n : order) sorted.splice(sorted.end(), nodes_, n->self_);
  nodes_ = std::move(sorted);
  for (auto it = nodes_.begin(); it != nodes_.end(); ++it) (*it)->self_ = it;
  return true;
}

std::unique_ptr<Graph> Graph::Clone() const {
  auto copy = std::make_unique<Graph>();
  copy->name = name;
  std::unordered_map<const Value*, Value*> map;
  for (const Value* in : inputs_) map[in] = copy->AddInput(in->name, in->type);
  for (const auto& v : values_)
    if (v->is_weight()) map[v.get()] = copy->AddWeight(v->name, v->weight_);
  for (const auto& n : nodes_) {
    std::vector<Value*> ins;
    for (const Value* v : n->inputs_) ins.push_back(v ? map.at(v) : nullptr);
    std::vector<std::string> outs;
    for (const Value* v : n->outputs_) outs.push_back(v->name);
    Attrs attrs = n->attrs;
    for (auto& [key, attr] : attrs)
      if (auto* nested = std::get_if<std::shared_ptr<Graph>>(&attr); nested && *nested) *nested = (*nested)->Clone();
    Node* made = copy->AddNode(n->op, std::move(ins), std::move(outs), std::move(attrs), n->loc, nullptr);
    for (size_t i = 0; i < n->outputs_.size(); ++i) {
      made->outputs_[i]->type = n->outputs_[i]->type;
      made->outputs_[i]->loc = n->outputs_[i]->loc;
      map[n->outputs_[i]] = made->outputs_[i];
    }
  }
  for (const auto& [from, to] : map) to->loc = from->loc;
  for (size_t i = 0; i < outputs_.size(); ++i) copy->AddOutput(map.at(outputs_[i]), output_names_[i]);
  return copy;
}

void Graph::Swap(Graph& other) {
  std::swap(name, other.name);
  nodes_.swap(other.nodes_);
  values_.swap(other.values_);
  by_name_.swap(other.by_name_);
  next_suffix_.swap(other.next_suffix_);
  inputs_.swap(other.inputs_);
  outputs_.swap(other.outputs_);
  output_names_.swap(other.output_names_);
  std::swap(next_id_, other.next_id_);
}

}  // namespace hasten::ir
