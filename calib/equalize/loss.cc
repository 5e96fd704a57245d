#include "calib/equalize/loss.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include "calib/calibrate/observe.h"
#include "compiler/interp/gemm.h"
#include "compiler/plan/plan.h"
#include "passes/quant/rtn.h"

namespace hasten::calib {
namespace {

constexpr int64_t kMostRows = 256;   // of a matrix
constexpr double kFirst = 0.25;      // what first tokens count beside all others

}  // namespace

SiteLoss::SiteLoss(std::span<ir::Node* const> readers, std::span<const Rounding> roundings, int64_t k, SiteInputs in)
    : rows_(static_cast<int64_t>(in.x.size()) / k), first_(in.first), k_(k), x_(std::move(in.x)) {
  rms_.resize(static_cast<size_t>(k)), top_.resize(rms_.size()), weights_top_.resize(rms_.size());
  for (size_t at = static_cast<size_t>(first_ * k); at < x_.size(); ++at) {
    const size_t c = at % rms_.size();
    rms_[c] += static_cast<double>(x_[at]) * x_[at];
    top_[c] = std::max(top_[c], std::abs(static_cast<double>(x_[at])));
  }
  for (double& v : rms_) v = std::sqrt(v / static_cast<double>(std::max<int64_t>(1, rows_ - first_)));
  for (size_t i = 0; i < readers.size(); ++i)
    for (size_t part = 0; part + 2 < readers[i]->inputs().size(); ++part) AddPart(*readers[i], part, roundings[i]);
}

void SiteLoss::AddPart(const ir::Node& reader, size_t part, const Rounding& rounding) {
  if (!GetScheme(rounding.scheme).integer) return;
  const int64_t begin = reader.Ints("begin")[part], all = reader.Ints("end")[part] - begin;
  const plan::TensorPlan rows{.n = all, .k = k_, .parts = {{reader.input(2 + part), reader.Ints("trans")[part] != 0, begin, begin + all}}};
  Part p{.rounding = rounding, .n = std::min(all, kMostRows), .name = reader.input(2 + part)->name};
  p.w.resize(static_cast<size_t>(p.n * k_)), p.y.resize(static_cast<size_t>(rows_ * p.n));
  for (int64_t i = 0; i < p.n; ++i) rows.GatherRows(i * all / p.n, i * all / p.n + 1, p.w.data() + i * k_);
  for (size_t i = 0; i < p.w.size(); ++i) {
    double& top = weights_top_[i % weights_top_.size()];
    top = std::max(top, std::abs(static_cast<double>(p.w[i])));
  }
  interp::GemmSerial({x_.data(), p.w.data(), p.y.data(), rows_, p.n, k_, k_, k_, p.n, false, true});
  for (size_t i = 0; i < p.y.size(); ++i) p.energy[i >= static_cast<size_t>(first_ * p.n)] += static_cast<double>(p.y[i]) * p.y[i];
  parts_.push_back(std::move(p));
}

Result<std::vector<double>> SiteLoss::Of(std::span<const Change> changes, ThreadPool& pool) const {
  std::vector<double> losses(changes.size());
  std::vector<Status> status(changes.size());
  pool.Run(static_cast<int64_t>(changes.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const size_t at = static_cast<size_t>(i);
      try {
        Result<double> loss = Of(changes[at]);
        if (loss.ok()) losses[at] = *loss;
        else status[at] = std::move(loss).status();
      } catch (const std::bad_alloc&) {   // must not leave the pool's thread
        status[at] = ResourceError("equalization: out of memory");
      }
    }
  });
  for (Status& s : status) HST_RETURN_IF_ERROR(std::move(s));
  return losses;
}

Result<double> SiteLoss::Of(const Change& change) const {
  std::vector<float> changed = x_, scratch, rounded;
  for (int64_t r = 0; r < rows_; ++r) Apply(change, k_, changed.data() + r * k_, scratch);
  double sum = 0;
  Rounding last;   // that x is rounded by
  rounded = changed;
  for (const Part& part : parts_) {
    const Rounding& now = part.rounding;
    if (now.activation_group != last.activation_group || now.activation_residual != last.activation_residual) {
      last = now;
      rounded = changed;
      if (!RoundActivations(rows_, k_, now.activation_group, rounded.data(), now.activation_residual)) return BadInput("calibration: the inputs of weight \"", part.name, "\" are not all finite");
    }
    HST_ASSIGN_OR_RETURN(const double loss, OfPart(part, change, rounded));
    sum += loss;
  }
  return sum;
}

Result<double> SiteLoss::OfPart(const Part& part, const Change& change, std::vector<float>& x) const {
  std::vector<float> w = part.w, y(part.y.size()), scratch;
  for (int64_t r = 0; r < part.n; ++r) Undo(change, k_, w.data() + r * k_, scratch);
  passes::OwnedCodes codes;
  HST_RETURN_IF_ERROR(passes::QuantizeRtn(part.rounding.scheme, part.n, k_, w, &codes).Annotate(StrCat("weight \"", part.name, "\"")));
  for (int64_t r = 0; r < part.n; ++r) passes::DecodeRow(part.rounding.scheme, k_, codes, r, w.data() + r * k_);
  interp::GemmSerial({x.data(), w.data(), y.data(), rows_, part.n, k_, k_, k_, part.n, false, true});
  double lost[2] = {}, loss = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const double d = static_cast<double>(y[i]) - part.y[i];
    lost[i >= static_cast<size_t>(first_ * part.n)] += d * d;
  }
  for (int of = 0; of < 2; ++of)
    if (part.energy[of] > 0) loss += (of ? 1 : kFirst) * lost[of] / part.energy[of];
  return loss;
}

}  // namespace hasten::calib
