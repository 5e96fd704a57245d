// Each head's V turned by a Hadamard matrix, folded into V's rows and the columns that
// read attention's result: outliers among a head's channels are spread over all.
//   Ashkboos et al. 2024, "QuaRot", section 4, stage 1 (V and the output projection).
// The residual stream is not turned: norms would have to fold into its readers first,
// and a token table that is the head too cannot take the last norm's weights. Q and K
// are not: a rotary embedding stands between the weights and their product.
#include "calib/equalize/equalize.h"

namespace hasten::calib {

Status Rotate(Equalization& e, std::string* done) {
  std::vector<Site> sites = e.Sites();
  std::erase_if(sites, [](const Site& s) { return s.kind != SiteKind::kHeads; });
  std::vector<std::pair<const Site*, Change>> chosen;
  HST_RETURN_IF_ERROR(ForSites(e, sites, [&](const Site& site, SiteInputs in) -> Status {
    Change turn;
    turn.block = site.head_dim & -site.head_dim;   // its largest power of two
    if (turn.block < 2) return {};
    const Change changes[] = {Change(), turn};
    HST_ASSIGN_OR_RETURN(const std::vector<double> losses, e.LossOf(site, std::move(in)).Of(changes, e.pool));
    if (Best(losses)) chosen.emplace_back(&site, turn);
    return {};
  }));
  for (const auto& [site, change] : chosen) HST_RETURN_IF_ERROR(ChangeSite(*site, change, e.rewriter));
  *done = StrCat("V's heads turned in ", chosen.size(), " of ", sites.size(), " layers");
  return {};
}

}  // namespace hasten::calib
