#include "calib/calibrate/calibrate.h"

#include <memory>
#include <utility>

#include "calib/calibrate/observe.h"
#include "calib/calibrate/rounded_ops.h"
#include "calib/calibrate/walk.h"

namespace hasten::calib {
namespace {

using ir::Node;
using ir::Tensor;

class Calibration {
 public:
  Calibration(ir::Graph& graph, const plan::ProgramPlan& plan, const CalibrateOptions& options, ThreadPool& pool)
      : graph_(graph), plan_(plan), o_(options), pool_(pool), codes_(plan.tensors.size()), ops_(graph, plan, codes_) {}

  Result<std::vector<passes::OwnedCodes>> Run(const Chunks& samples) {
    if (o_.checkpoint) codes_ = o_.checkpoint->TakeFound();
    HST_RETURN_IF_ERROR(TablesFirst(samples));
    HST_ASSIGN_OR_RETURN(walk_, Walk::Create(graph_, samples, OptionsFor(Ways()), pool_));
    const uint64_t total = Work(nullptr);
    int64_t missing = Missing();   // after the last of them, nothing needs the samples
    for (const auto& node : graph_.nodes()) {
      if (node->op != "linear") continue;
      if (missing == 0) break;
      if (o_.cancel && *o_.cancel) return Status(Code::kCancelled, "interrupted");
      HST_RETURN_IF_ERROR(Stop(*node));
      missing = Missing();
      if (o_.update) o_.update(Work(node.get()), total);
    }
    return std::move(codes_);
  }

 private:
  using Observed = std::pair<const ir::Value*, int>;   // an input and its buffer
  static constexpr Observed kNothing = {nullptr, -1};
  bool Asymmetric() const { return o_.gptaq.strength != 0; }
  std::vector<Way> Ways() const {
    return Asymmetric() ? std::vector<Way>{Way::kOriginal, Way::kQuantized} : std::vector<Way>{Way::kQuantized};
  }

  WalkOptions OptionsFor(std::vector<Way> ways) const { return {std::move(ways), o_.resident_bytes, o_.folder, o_.cancel}; }

  // Multiply-adds of a token up to and with a node, or of all: the products of the
  // ways, H and C.
  uint64_t Work(const Node* last) const {
    int64_t work = 0;
    for (const auto& node : graph_.nodes()) {
      if (node->op == "linear") {
        const plan::TensorPlan& t = plan_.tensors[static_cast<size_t>(ops_.InstrOf(*node).tensor)];
        work += 2 * (t.n + t.k) * t.k;
      }
      if (node.get() == last) break;
    }
    return static_cast<uint64_t>(work);
  }

  // Linears without codes that are to get some.
  int64_t Missing() const {
    int64_t count = 0;
    for (const auto& node : graph_.nodes()) {
      if (node->op != "linear") continue;
      const size_t tensor = static_cast<size_t>(ops_.InstrOf(*node).tensor);
      count += GetScheme(plan_.tensors[tensor].scheme).integer && codes_[tensor].codes.empty();
    }
    return count;
  }

  // A linear that still has no codes gets some. The samples stop at one that has codes
  // too: weights are decoded for one stretch at a time.
  Status Stop(const Node& node) {
    const plan::InstrPlan& in = ops_.InstrOf(node);
    const plan::TensorPlan& tensor = plan_.tensors[static_cast<size_t>(in.tensor)];
    const bool known = !codes_[static_cast<size_t>(in.tensor)].codes.empty();
    if (!GetScheme(tensor.scheme).integer || (known && !walk_->Needs(node))) return {};
    HST_RETURN_IF_ERROR(Advance(node));
    if (!known) {
      HST_RETURN_IF_ERROR(Observe(node, in, tensor.n, tensor.k, true));
      HST_RETURN_IF_ERROR(Quantize(in.tensor));
    }
    if (walk_->Needs(node)) ops_.Remember(node);
    return {};
  }

  Status Advance(const Node& node) {
    HST_RETURN_IF_ERROR(walk_->AdvanceTo(node, [this](const Node& n, std::span<const Tensor> operands, interp::Interpreter& interpreter) {
      return ops_.Evaluate(n, operands, interpreter);
    }));
    ops_.Forget();
    return {};
  }

  // H, C and G of the linear, a few samples at a time. H and C are the input's, so the next
  // part of a linear that was taken apart has them already.
  Status Observe(const Node& node, const plan::InstrPlan& in, int64_t n, int64_t k, bool quantized) {
    constexpr int64_t kBatch = 8;
    const bool cross = quantized && Asymmetric();
    const ir::Value* stream = cross && o_.stream ? walk_->StreamOf(node) : nullptr;
    if (!stream && observed_ == Observed(node.input(0), in.a.buffer)) return {};
    observed_ = stream ? kNothing : Observed(node.input(0), in.a.buffer);
    hessian_.assign(static_cast<size_t>(k * k), 0.0);
    cross_.assign(cross ? hessian_.size() : 0, 0.0);
    residual_.assign(stream ? static_cast<size_t>(n * k) : 0, 0.0);
    rounded_.resize(kBatch), missed_.resize(cross ? kBatch : 0), strayed_.resize(stream ? kBatch : 0);
    for (int64_t first = 0; first < walk_->samples(); first += kBatch) {
      const int64_t count = std::min(kBatch, walk_->samples() - first);
      Status status[kBatch];
      pool_.Run(count, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) {
          std::vector<float>& rounded = rounded_[static_cast<size_t>(i)];
          status[i] = Inputs(node, in, first + i, quantized ? Way::kQuantized : Way::kOriginal, k, &rounded);
          if (cross && status[i].ok()) status[i] = Missed(node, first + i, rounded, &missed_[static_cast<size_t>(i)]);
          if (stream && status[i].ok()) status[i] = Strayed(stream, first + i, &strayed_[static_cast<size_t>(i)]);
        }
      });
      for (int64_t i = 0; i < count; ++i) HST_RETURN_IF_ERROR(std::move(status[i]));
      const std::span<const std::vector<float>> x(rounded_.data(), static_cast<size_t>(count));
      AddHessian(x, k, pool_, &hessian_);
      if (cross) AddCross({missed_.data(), x.size()}, k, x, k, pool_, &cross_);
      if (stream) AddCross({strayed_.data(), x.size()}, n, x, k, pool_, &residual_);
    }
    return {};
  }

  // x^, a linear's inputs of one sample as rounded to INT8.
  Status Inputs(const Node& node, const plan::InstrPlan& in, int64_t sample, Way way, int64_t k, std::vector<float>* x) const {
    HST_ASSIGN_OR_RETURN(const Tensor value, walk_->At(sample, way, node.input(0)));
    x->assign(value.data<float>(), value.data<float>() + value.elements());
    const plan::BufferPlan& input = ops_.InputOf(in);
    if (RoundActivations(value.elements() / k, k, input.group, x->data(), input.residual)) return {};
    return BadInput("calibration: the inputs of node \"", node.loc, "\" are not all finite");
  }

  // x - x^.
  Status Missed(const Node& node, int64_t sample, const std::vector<float>& rounded, std::vector<float>* missed) const {
    HST_ASSIGN_OR_RETURN(const Tensor original, walk_->At(sample, Way::kOriginal, node.input(0)));
    missed->resize(rounded.size());
    for (size_t j = 0; j < rounded.size(); ++j) (*missed)[j] = original.data<float>()[j] - rounded[j];
    return {};
  }

  // r - r^, how far the stream that the linear adds to has strayed.
  Status Strayed(const ir::Value* stream, int64_t sample, std::vector<float>* strayed) const {
    HST_ASSIGN_OR_RETURN(const Tensor original, walk_->At(sample, Way::kOriginal, stream));
    HST_ASSIGN_OR_RETURN(const Tensor quantized, walk_->At(sample, Way::kQuantized, stream));
    strayed->resize(static_cast<size_t>(original.elements()));
    for (size_t j = 0; j < strayed->size(); ++j) (*strayed)[j] = original.data<float>()[j] - quantized.data<float>()[j];
    return {};
  }

  Status Quantize(int at) {
    const plan::TensorPlan& tensor = plan_.tensors[static_cast<size_t>(at)];
    passes::OwnedCodes codes;
    NoteDead(tensor);
    HST_RETURN_IF_ERROR(MakeCodes(tensor, &codes).Annotate(StrCat("weight \"", tensor.name, "\"")));
    if (o_.checkpoint) HST_RETURN_IF_ERROR(o_.checkpoint->Append(static_cast<size_t>(at), codes));
    codes_[static_cast<size_t>(at)] = std::move(codes);
    return {};
  }

  void NoteDead(const plan::TensorPlan& tensor) const {
    int64_t dead = 0;
    for (int64_t i = 0; i < tensor.k; ++i) dead += hessian_[static_cast<size_t>(i * tensor.k + i)] == 0;
    if (dead && o_.notes)
      o_.notes->push_back(StrCat("calibration: ", dead, " of the ", tensor.k, " inputs of weight \"", tensor.name,
                                 "\" are 0 in every sample; what they meet is rounded to nearest"));
  }

  Status MakeCodes(const plan::TensorPlan& tensor, passes::OwnedCodes* codes) {
    std::vector<float> w(static_cast<size_t>(tensor.n * tensor.k));
    tensor.GatherRows(0, tensor.n, w.data());
    const double energy = OutputEnergy(tensor.n, tensor.k, w, hessian_, pool_);
    if (!cross_.empty()) {
      std::vector<double> h = hessian_, cross = cross_;
      passes::GptaqOptions gptaq = o_.gptaq;
      if (GetScheme(tensor.scheme).bits == 8) gptaq.strength = gptaq.strength_int8;
      HST_RETURN_IF_ERROR(passes::CorrectForInputs(tensor.n, tensor.k, h, cross, residual_, gptaq, pool_, w));
    }
    std::vector<double> h = hessian_;
    double error = 0;
    HST_RETURN_IF_ERROR(passes::QuantizeGptq(tensor.scheme, tensor.n, tensor.k, w, h, o_.gptq, pool_, codes, &error));
    HST_RETURN_IF_ERROR(passes::Descend(tensor.scheme, tensor.n, tensor.k, w, hessian_, o_.descent, pool_, codes));
    std::vector<float> missed = Decode(tensor, *codes);
    for (size_t i = 0; i < w.size(); ++i) missed[i] -= w[i];
    codes->error = energy > 0 ? OutputEnergy(tensor.n, tensor.k, missed, hessian_, pool_) / energy : 0;
    return {};
  }

  // A token table that is the head too is read long before the head's turn: its
  // codes are made first, from the original's hidden states, so that all layers see
  // the table they will have.
  Status TablesFirst(const Chunks& samples) {
    for (const auto& node : graph_.nodes()) {
      if (node->op != "linear") continue;
      const plan::InstrPlan& in = ops_.InstrOf(*node);
      const plan::TensorPlan& tensor = plan_.tensors[static_cast<size_t>(in.tensor)];
      bool table = false;
      for (const plan::InstrPlan& p : plan_.instrs) table |= p.kind == plan::InstrKind::kEmbed && p.tensor == in.tensor;
      if (!table || !GetScheme(tensor.scheme).zero_point || !codes_[static_cast<size_t>(in.tensor)].codes.empty()) continue;
      HST_ASSIGN_OR_RETURN(walk_, Walk::Create(graph_, samples, OptionsFor({Way::kOriginal}), pool_));
      HST_RETURN_IF_ERROR(walk_->AdvanceTo(*node, nullptr));
      HST_RETURN_IF_ERROR(Observe(*node, in, tensor.n, tensor.k, false));
      observed_ = kNothing;   // of the original's way
      HST_RETURN_IF_ERROR(Quantize(in.tensor));
    }
    return {};
  }

  ir::Graph& graph_;
  const plan::ProgramPlan& plan_;
  const CalibrateOptions& o_;
  ThreadPool& pool_;
  std::vector<passes::OwnedCodes> codes_;
  RoundedOps ops_;
  std::unique_ptr<Walk> walk_;
  std::vector<std::vector<float>> rounded_, missed_, strayed_;   // of the linear at hand, a batch of samples
  std::vector<double> hessian_, cross_, residual_;
  Observed observed_ = kNothing;   // what H and C are of
};

}  // namespace

Sha256Digest CheckpointKey(const Sha256Digest& model, const plan::ProgramPlan& plan, const Chunks& samples, const CalibrateOptions& options) {
  Sha256 sha;
  const auto add = [&](const auto& v) { sha.Update(&v, sizeof v); };
  sha.Update(model.data(), model.size());
  sha.Update(plan::SerializeProgram(plan));   // schemes, groups and the cache's type are in it
  add(samples.context);
  sha.Update(std::as_bytes(std::span(samples.tokens)));
  add(options.gptaq.strength), add(options.gptaq.strength_int8), add(options.gptaq.damping), add(options.gptq.damping);
  add(options.descent.damping), add(options.descent.rounds), add(options.descent.fractions), add(options.stream);
  return sha.Finish();
}

Result<std::vector<passes::OwnedCodes>> Calibrate(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples,
                                                  const CalibrateOptions& options, ThreadPool& pool) {
  return Calibration(graph, plan, options, pool).Run(samples);
}

}  // namespace hasten::calib
