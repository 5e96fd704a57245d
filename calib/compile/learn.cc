#include "calib/compile/learn.h"

#include "calib/grad/sign_round.h"

namespace hasten::calib {

bool LearnsCodes(const Calibrated& recipe) { return *recipe.round_steps > 0; }

Status LearnValues(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples, const LearnOptions& options, ThreadPool& pool, Trained* values) {
  if (*options.recipe.round_steps > 0) {
    HST_RETURN_IF_ERROR(options.stage("round"));
    SignRoundOptions round;
    round.steps = *options.recipe.round_steps;
    round.folder = options.folder;
    round.checkpoint = options.output + ".round";
    round.update = options.update;
    round.cancel = options.cancel;
    HST_RETURN_IF_ERROR(SignRound(graph, plan, samples, round, pool, values));
  }
  if (*options.recipe.distill_steps > 0) {
    HST_RETURN_IF_ERROR(options.stage("distill"));
    DistillOptions distill;
    distill.steps = *options.recipe.distill_steps;
    distill.checkpoint = options.output + ".distill";
    distill.update = options.update;
    distill.cancel = options.cancel;
    HST_RETURN_IF_ERROR(Distill(graph, plan, samples, distill, pool, values));
  }
  return {};
}

}  // namespace hasten::calib
