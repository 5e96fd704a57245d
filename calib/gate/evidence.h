// What the gate gathers before it judges: both models' scores of the text, of the tasks
// and of greedy generation.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "calib/eval/evaluate.h"
#include "calib/eval/reference_rows.h"
#include "calib/eval/store.h"
#include "calib/gate/gate.h"
#include "calib/gate/greedy.h"
#include "calib/gate/provenance.h"
#include "calib/tasks/score_choices.h"

namespace hasten::gate {

struct TaskEvidence {
  std::vector<calib::ChoiceItem> items;
  std::vector<calib::EndingScores> reference, candidate;
};

struct Evidence {
  CandidateFacts facts;
  std::unique_ptr<calib::Artifact> artifact;
  std::unique_ptr<calib::ReferenceModel> reference;   // null with --reference-logits alone
  calib::Store store;
  calib::TextChunks text;
  bool has_text = false;
  calib::ReferenceRows rows;
  calib::Scores scores;
  std::map<std::string, TaskEvidence> tasks;
  std::vector<std::vector<int32_t>> prompts;
  std::vector<Continuation> reference_greedy, candidate_greedy;
};

}  // namespace hasten::gate
