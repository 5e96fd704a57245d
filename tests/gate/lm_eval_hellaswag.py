#!/usr/bin/env python3
"""The gate's accuracies of a task beside those of lm-eval, on the same items and the same
model's logits. By hand (lm-eval is large); docs/gate.md has the figures.

    lm_eval_hellaswag.py HASTEN MODEL ARTIFACT ITEMS.jsonl WORK [--items 200]

Needs lm-eval, tokenizers and NumPy, not torch. ITEMS has `context`, `endings`, `label`.
lm-eval joins, tokenises, chooses and counts, all by its own code, with its HellaSwag task's
configuration; it is given log likelihoods from `hasten run --logits`.
"""
import argparse
import json
import pathlib
import subprocess

import lm_eval
import numpy as np
from lm_eval.api.model import TemplateLM
from lm_eval.api.task import ConfigurableTask
from tokenizers import Tokenizer

from llama_kld import read_matrix


class Artifact(TemplateLM):
    def __init__(self, hasten, artifact, tokenizer, work):
        super().__init__()
        self.hasten, self.artifact, self.tokenizer, self.logits = hasten, artifact, tokenizer, work / "l.safetensors"

    @property
    def eot_token_id(self):
        return 0

    def tok_encode(self, string, **_):
        return self.tokenizer.encode(string, add_special_tokens=False).ids

    def _loglikelihood_tokens(self, requests, **_):
        return [self.one(context + ending, len(context)) for _, context, ending in requests]

    def one(self, ids, scored_from):
        subprocess.run([self.hasten, "run", self.artifact, "--tokens", ",".join(map(str, ids)), "--logits", self.logits], check=True, capture_output=True)
        rows = read_matrix(self.logits)[scored_from - 1:-1].astype(np.float64)
        top = rows.max(-1)
        log_sum = top + np.log(np.exp(rows - top[:, None]).sum(-1))
        target = ids[scored_from:]
        return float((rows[np.arange(len(target)), target] - log_sum).sum()), bool((rows.argmax(-1) == target).all())

    def loglikelihood_rolling(self, requests, **_):
        raise NotImplementedError

    def generate_until(self, requests, **_):
        raise NotImplementedError


def by_lm_eval(a, items):
    (a.work / "items.jsonl").write_text("".join(json.dumps(i) + "\n" for i in items))
    task = ConfigurableTask(config=dict(
        task="hellaswag_local", dataset_path="json", dataset_kwargs=dict(data_files=dict(validation=str(a.work / "items.jsonl"))),
        validation_split="validation", output_type="multiple_choice", doc_to_text="{{context}}", doc_to_target="{{label}}", doc_to_choice="endings",
        metric_list=[dict(metric=m, aggregation="mean", higher_is_better=True) for m in ("acc", "acc_norm")]))
    lm = Artifact(a.hasten, a.artifact, Tokenizer.from_file(str(a.model / "tokenizer.json")), a.work)
    r = lm_eval.simple_evaluate(model=lm, tasks=[task], num_fewshot=0, bootstrap_iters=0)["results"]["hellaswag_local"]
    return r["acc,none"], r["acc_norm,none"]


def by_gate(a, items):
    (a.work / "gate.toml").write_text(f'[data.tasks]\nhellaswag = "{a.work / "items.jsonl"}"\n[surface.a.quality]\n'
                                      f"task.hellaswag = {{ margin_pp = 2.0, items = {len(items)} }}\n")
    r = subprocess.run([a.hasten, "gate", "--reference", a.model, "--candidate", a.artifact, "--policy", a.work / "gate.toml", "--json"],
                       capture_output=True, text=True)
    assert r.returncode in (0, 1, 5), r.stderr
    task = json.loads(r.stdout)["tasks"][0]
    return task["candidate_accuracy"], task["candidate_accuracy_norm"]


def main():
    p = argparse.ArgumentParser()
    for name in ("hasten", "model", "artifact", "file", "work"):
        p.add_argument(name, type=lambda x: pathlib.Path(x).resolve())
    p.add_argument("--items", type=int, default=200)
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    items = [json.loads(line) for line in open(a.file)][:a.items]
    theirs, mine = by_lm_eval(a, items), by_gate(a, items)
    for name, x, y in zip(("acc", "acc_norm"), theirs, mine):
        print(f"{name:10} lm-eval {lm_eval.__version__} {x:.6f}   gate {y:.6f}   of {len(items)} items")
    if not np.allclose(theirs, mine, rtol=0, atol=1e-12):
        raise SystemExit("the accuracies differ")


main()
