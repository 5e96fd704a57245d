#include "calib/grad/sign_round.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include "calib/calibrate/checkpoint.h"
#include "calib/eval/reference.h"
#include "calib/grad/blocks.h"
#include "calib/grad/carried.h"
#include "calib/grad/loss.h"
#include "calib/grad/network.h"
#include "calib/grad/offsets.h"
#include "calib/grad/schedule.h"
#include "passes/recognize/roles.h"
#include "runtime/base/sha256.h"

namespace hasten::calib {
namespace {

using ir::Tensor;

class BlockSink : public WeightSink {
 public:
  BlockSink(const Block& block, const plan::ProgramPlan& plan, Trained& trained) {
    for (const int t : block.tensors) all_.try_emplace(t, plan.tensors[static_cast<size_t>(t)], trained.codes[static_cast<size_t>(t)]);
  }
  bool Wants(int tensor) const override { return all_.contains(tensor); }
  void Rows(int tensor, int64_t first, int64_t count, const float* dw) override { all_.at(tensor).Add(first, count, dw); }
  void Step(float by, float scale_by, ThreadPool& pool) {
    for (auto& [tensor, offsets] : all_) offsets.Step(by, scale_by, pool);
  }

 private:
  std::map<int, Offsets> all_;
};

class Rounding {
 public:
  Rounding(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples, const SignRoundOptions& options, ThreadPool& pool, Trained& trained)
      : graph_(graph), plan_(plan), samples_(samples), o_(options), pool_(pool), trained_(trained) {}

  Status Run() {
    HST_RETURN_IF_ERROR(Begin());
    for (size_t b = 0; b < blocks_.size(); ++b) {
      const Block& block = blocks_[b];
      HST_RETURN_IF_ERROR(Pass(*original_, block, *targets_));
      const bool found = TakeFound(block);
      if (!found && !block.tensors.empty()) HST_RETURN_IF_ERROR(Train(static_cast<int64_t>(b), block));
      for (const int t : block.tensors)
        if (checkpoint_ && !found) HST_RETURN_IF_ERROR(checkpoint_->Append(static_cast<size_t>(t), trained_.codes[static_cast<size_t>(t)]));
      if (b + 1 < blocks_.size()) HST_RETURN_IF_ERROR(Pass(*quantized_, block, *inputs_));
      if (o_.update) o_.update(b + 1, blocks_.size());
      if (o_.cancel && *o_.cancel) return Status(Code::kCancelled, "interrupted");
    }
    if (checkpoint_) checkpoint_->Remove();
    return {};
  }

 private:
  Status Begin() {
    NetworkOptions network;
    network.cancel = o_.cancel;
    HST_ASSIGN_OR_RETURN(original_, Network::Create(graph_, plan_, network, pool_));
    network.codes = &trained_.codes;
    HST_ASSIGN_OR_RETURN(quantized_, Network::Create(graph_, plan_, network, pool_));
    blocks_ = BlocksOf(graph_, plan_, *original_, trained_.codes);
    HST_ASSIGN_OR_RETURN(const recognize::Roles roles, recognize::AssignRoles(graph_));
    others_.resize(static_cast<size_t>(samples_.count));
    for (int64_t s = 0; s < samples_.count; ++s) {
      HST_ASSIGN_OR_RETURN(const std::vector<Tensor> inputs, SequenceInputs(graph_, roles, samples_.At(s)));
      for (size_t i = 0; i < inputs.size(); ++i) others_[static_cast<size_t>(s)][graph_.inputs()[i]] = inputs[i];
    }
    for (std::unique_ptr<Carried>* carried : {&inputs_, &targets_}) {
      HST_ASSIGN_OR_RETURN(Carried made, Carried::Create(samples_.count, o_.resident_bytes, o_.folder));
      *carried = std::make_unique<Carried>(std::move(made));
    }
    if (o_.checkpoint.empty()) return {};
    HST_ASSIGN_OR_RETURN(checkpoint_, Checkpoint::Open(o_.checkpoint, Key(), plan_, true));
    found_ = checkpoint_->TakeFound();
    return {};
  }

  // All that the result depends on but the model's floats, which the codes were made from.
  Sha256Digest Key() const {
    Sha256 sha;
    const auto add = [&](const auto& v) { sha.Update(v.data(), v.size() * sizeof(v[0])); };
    const double numbers[] = {static_cast<double>(o_.steps), static_cast<double>(o_.batch), o_.reach, o_.scale_reach, static_cast<double>(samples_.context)};
    add(std::span(numbers));
    add(samples_.tokens);
    sha.Update(plan::SerializeProgram(plan_));
    for (const passes::OwnedCodes& c : trained_.codes) add(c.codes), add(c.scale), add(c.zero), add(c.fraction);
    return sha.Finish();
  }

  bool TakeFound(const Block& block) {
    for (const int t : block.tensors)
      if (found_.empty() || found_[static_cast<size_t>(t)].codes.empty()) return false;
    for (const int t : block.tensors) trained_.codes[static_cast<size_t>(t)] = std::move(found_[static_cast<size_t>(t)]);
    return true;
  }

  // What is live before the block, for a sample on one of the ways.
  Result<Network::Live> Before(const Block& block, const Carried& way, int64_t sample) const {
    Network::Live live = others_[static_cast<size_t>(sample)];
    if (block.in) {
      HST_ASSIGN_OR_RETURN(live[block.in], way.Get(sample));
    }
    return live;
  }

  // All samples through the block. What no weight has a part in is kept by the original's.
  Status Pass(Network& network, const Block& block, Carried& way) {
    std::vector<Network::Live> after(&network == original_.get() ? others_.size() : 0);
    for (int64_t s = 0; s < samples_.count; ++s) {
      HST_ASSIGN_OR_RETURN(Network::Live live, Before(block, way, s));
      HST_RETURN_IF_ERROR(network.Advance(block.begin, block.end, live));
      HST_RETURN_IF_ERROR(way.Put(s, std::move(live.at(block.out))));
      live.erase(block.out);
      if (!after.empty()) after[static_cast<size_t>(s)] = std::move(live);
    }
    if (!after.empty()) coming_ = std::move(after);
    else others_ = std::move(coming_);
    return way.Turn();
  }

  // The block's relative error of a sample; y becomes its gradient.
  Result<double> Loss(const Block& block, int64_t sample, bool keep, Tensor* y) {
    HST_ASSIGN_OR_RETURN(Network::Live live, Before(block, *inputs_, sample));
    HST_ASSIGN_OR_RETURN(*y, quantized_->ForwardPart(block.begin, block.end, std::move(live), block.out, keep));
    HST_ASSIGN_OR_RETURN(const Tensor wanted, targets_->Get(sample));
    const int64_t n = y->dim(-1);
    const double loss = RelativeError(y->elements() / n, n, wanted.data<float>(), y->mutable_data<float>(), pool_);
    if (!std::isfinite(loss)) return BadInput("learned rounding: the values of node \"", block.out->def()->loc, "\" are not all finite");
    return loss;
  }

  // Of some samples, spread over all.
  Result<double> Error(const Block& block) {
    const int64_t count = std::min<int64_t>(samples_.count, 8);
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      Tensor y;
      HST_ASSIGN_OR_RETURN(const double loss, Loss(block, i * samples_.count / count, false, &y));
      sum += loss / static_cast<double>(count);
    }
    return sum;
  }

  Status Train(int64_t number, const Block& block) {
    std::vector<passes::OwnedCodes> begun;
    for (const int t : block.tensors) begun.push_back(trained_.codes[static_cast<size_t>(t)]);
    HST_ASSIGN_OR_RETURN(const double before, Error(block));
    BlockSink sink(block, plan_, trained_);
    for (int64_t step = 0; step < o_.steps; ++step) {
      for (int64_t i = 0; i < o_.batch; ++i) {
        Tensor y;
        HST_RETURN_IF_ERROR(Loss(block, SampleAt(step * o_.batch + i, samples_.count), true, &y).status());
        HST_RETURN_IF_ERROR(quantized_->Backward(std::move(y), sink));
      }
      // Steps of 2 (N - i) / (N (N + 1)) add up to 1.
      const double part = 2 * static_cast<double>(o_.steps - step) / static_cast<double>(o_.steps * (o_.steps + 1));
      sink.Step(static_cast<float>(o_.reach * part), static_cast<float>(o_.scale_reach * part), pool_);
    }
    HST_ASSIGN_OR_RETURN(const double after, Error(block));
    if (o_.error) o_.error(number, before, after);
    for (size_t i = 0; !(after < before) && i < begun.size(); ++i) trained_.codes[static_cast<size_t>(block.tensors[i])] = std::move(begun[i]);
    return {};
  }

  ir::Graph& graph_;
  const plan::ProgramPlan& plan_;
  const Chunks& samples_;
  const SignRoundOptions& o_;
  ThreadPool& pool_;
  Trained& trained_;
  std::unique_ptr<Network> original_, quantized_;
  std::vector<Block> blocks_;
  std::vector<Network::Live> others_, coming_;   // of each sample, what weights have no part in: before and after the block
  std::unique_ptr<Carried> inputs_, targets_;    // what they have: the quantized model's before the block, the original's after
  std::unique_ptr<Checkpoint> checkpoint_;
  std::vector<passes::OwnedCodes> found_;
};

}  // namespace

Status SignRound(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples, const SignRoundOptions& options, ThreadPool& pool, Trained* trained) {
  HST_CHECK(trained->codes.size() == plan.tensors.size());
  HST_RETURN_IF_ERROR(RoundTheRest(plan, *trained));
  return Rounding(graph, plan, samples, options, pool, *trained).Run();
}

}  // namespace hasten::calib
