// The policy that `hasten gate --init` writes.
#include "calib/gate/policy.h"

namespace hasten::gate {

std::string_view DefaultPolicy() {
  return R"toml(# The policy of a release, written before it is measured. docs/gate.md has every key.
# Exit status of hasten gate: 0 PASS, 1 FAIL, 5 INCONCLUSIVE (too little data to say).

[data]
text = "eval.txt"            # never the text that the model was calibrated on
context = 512                # tokens a chunk
chunks = 40                  # spread over documents; at least 30 documents are needed
prompts = 32                 # beginnings of documents that both models continue
prompt_tokens = 32
output_tokens = 32

[data.tasks]                 # multiple choice, JSONL with context, endings, label
hellaswag = "hellaswag.jsonl"

# [cost]
# price_per_hour = 0.10      # of the machine that serves
# currency = "USD"

[surface.chat]
# An open loop: requests arrive at random, whether or not the last one is done.
workload = { arrivals_per_s = 0.3, prompt_tokens = [64, 512], output_tokens = 64 }
ttft_ms = { p50 = 1500, p90 = 4000 }     # first token, from the intended time of sending
tpot_ms = { p50 = 60, p90 = 100 }        # each further token
# A p99 needs at least 299 requests: a surface of its own, that runs longer.

[surface.chat.quality]
ppl_ratio_max = 1.02         # perplexity over the original's
kld_mean_max = 0.01          # nats a token
kld_p99_max = 0.1
top1_min = 0.93              # share of equal first choices
task.hellaswag = { margin_pp = 2.0, items = 1000 }   # 1 point needs about 4,000 items
generation.length_ratio_min = 0.9
generation.repetition_max = 0.15   # 32 prompts tell apart about 0.1
)toml";
}

}  // namespace hasten::gate
