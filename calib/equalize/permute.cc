// Orders of channels in which those of like size stand together, so that a group's
// scale, which the largest of it sets, fits all of it: for activations and for the
// weights that meet them. The runtime sees nothing of it.
//   Yuan et al. 2023, "RPTQ", section 4 (channels clustered by range, the order folded
//   into the weights around); by size alone here, since groups are of one length.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "calib/equalize/equalize.h"
#include "calib/equalize/stream.h"

namespace hasten::calib {
namespace {

// Channels [begin, end) by falling size.
void SortBy(const std::vector<double>& size, int64_t begin, int64_t end, std::vector<int32_t>* order) {
  const size_t first = order->size();
  for (int64_t i = begin; i < end; ++i) order->push_back(static_cast<int32_t>(i));
  std::stable_sort(order->begin() + static_cast<std::ptrdiff_t>(first), order->end(),
                   [&](int32_t a, int32_t b) { return size[static_cast<size_t>(a)] > size[static_cast<size_t>(b)]; });
}

// Sizes that an order may go by.
std::vector<std::vector<double>> SizesOf(const SiteLoss& loss) {
  std::vector<double> product(loss.rms().size());
  for (size_t i = 0; i < product.size(); ++i) product[i] = loss.rms()[i] * loss.weights_top()[i];
  return {loss.rms(), loss.top(), loss.weights_top(), product};
}

// Of V's channels by those of attention's result, a head's within the head.
std::vector<double> OfValues(const Site& site, const std::vector<double>& size) {
  std::vector<double> of(static_cast<size_t>(site.kv_heads * site.head_dim));
  const int64_t shared = site.heads / site.kv_heads;
  for (int64_t c = 0; c < site.channels; ++c) {
    double& most = of[static_cast<size_t>(c / site.head_dim / shared * site.head_dim + c % site.head_dim)];
    most = std::max(most, size[static_cast<size_t>(c)]);
  }
  return of;
}

std::vector<Change> Candidates(const Site& site, const SiteLoss& loss) {
  std::vector<Change> changes(1);
  for (const std::vector<double>& size : SizesOf(loss)) {
    std::vector<int32_t>& from = changes.emplace_back().from;
    if (site.kind != SiteKind::kHeads) SortBy(size, 0, site.channels, &from);
    for (int64_t h = 0; site.kind == SiteKind::kHeads && h < site.kv_heads; ++h)
      SortBy(OfValues(site, size), h * site.head_dim, (h + 1) * site.head_dim, &from);
  }
  return changes;
}

// One order for the residual stream: sizes are averaged, as logarithms, over the norms'
// results, and the order of least loss over all their readers is taken.
class StreamOrder {
 public:
  explicit StreamOrder(Equalization& e) : e_(e), found_(FindStream(e.graph, &stream_, &why_)) {}

  bool Takes(const Site& site) const { return found_ && site.kind == SiteKind::kNorm && site.channels == stream_.channels; }
  void Add(SiteLoss loss) {
    const std::vector<std::vector<double>> sizes = SizesOf(loss);
    sums_.resize(sizes.size(), std::vector<double>(sizes[0].size()));
    for (size_t s = 0; s < sizes.size(); ++s) {
      const double floor = 1e-9 * *std::max_element(sizes[s].begin(), sizes[s].end());   // a dead channel is small, no more
      for (size_t i = 0; i < sizes[s].size(); ++i) sums_[s][i] += std::log(std::max({sizes[s][i], floor, 1e-30}));
    }
    losses_.push_back(std::move(loss));
  }

  Status Choose(std::string* done) {
    if (!found_) return *done += "; the residual stream keeps its order: " + why_, Status();
    std::vector<Change> changes(1);
    for (const std::vector<double>& sum : sums_) SortBy(sum, 0, stream_.channels, &changes.emplace_back().from);
    std::vector<double> total(changes.size());
    for (const SiteLoss& loss : losses_) {
      HST_ASSIGN_OR_RETURN(const std::vector<double> losses, loss.Of(changes, e_.pool));
      for (size_t i = 0; i < total.size(); ++i) total[i] += losses[i];
    }
    const size_t best = Best(total);
    stream_ = {};   // again: other orders have replaced some of its weights
    HST_CHECK(FindStream(e_.graph, &stream_, &why_));
    *done += best ? StrCat("; the residual stream's order changed, error of its readers ", total[best] / total[0], " of what it was") : "; no order of the residual stream pays";
    return best ? ReorderStream(stream_, changes[best], e_.tied, e_.graph, e_.rewriter) : Status();
  }

 private:
  Equalization& e_;
  Stream stream_;
  std::string why_;
  bool found_;
  std::vector<SiteLoss> losses_;
  std::vector<std::vector<double>> sums_;   // by kind of size
};

}  // namespace

Status Permute(Equalization& e, std::string* done) {
  const std::vector<Site> sites = e.Sites();
  StreamOrder stream(e);
  std::vector<std::pair<const Site*, Change>> chosen;
  double before = 0, after = 0;
  size_t places = 0;
  HST_RETURN_IF_ERROR(ForSites(e, sites, [&](const Site& site, SiteInputs in) -> Status {
    SiteLoss loss = e.LossOf(site, std::move(in));
    if (stream.Takes(site)) return stream.Add(std::move(loss)), Status();
    if (site.kind == SiteKind::kNorm) return {};   // its channels are others' too
    std::vector<Change> changes = Candidates(site, loss), inputs;
    for (const Change& change : changes) inputs.push_back(ChangeOfInputs(site, change));
    HST_ASSIGN_OR_RETURN(const std::vector<double> losses, loss.Of(inputs, e.pool));
    const size_t best = Best(losses);
    before += losses[0], after += losses[best], ++places;
    if (best) chosen.emplace_back(&site, std::move(changes[best]));
    return {};
  }));
  for (const auto& [site, change] : chosen) HST_RETURN_IF_ERROR(ChangeSite(*site, change, e.rewriter));
  *done = StrCat("orders at ", chosen.size(), " of ", places, " places, error of their outputs ", before > 0 ? after / before : 1, " of what it was");
  return stream.Choose(done);
}

}  // namespace hasten::calib
