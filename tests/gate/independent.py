#!/usr/bin/env python3
"""Computes what hasten gate reports a second time, from logits alone, with NumPy and
SciPy: perplexities, KL divergences, changes of probability, agreement, and the accuracy
of a multiple-choice task.

    independent.py HASTEN MODELS WORK

The reference's logits come from ONNX's own reference evaluator, the candidate's from
`hasten run --logits`, the tokens from the tokenizers package. Nothing of the gate is used
but the report that it is compared with.
"""
import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from scipy.special import log_softmax, rel_entr
from tokenizers import Tokenizer

CONTEXT, CHUNKS, ITEMS, TOLERANCE = 64, 40, 40, 1e-6


def read_matrix(path):
    """The only tensor of a safetensors file, F32."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    return np.frombuffer(raw[8 + size:], "<f4").reshape(header["logits"]["shape"])


def write_tensors(path, tensors, metadata):
    names = {np.dtype("int32"): "I32", np.dtype("float32"): "F32"}
    header, at = {"__metadata__": metadata}, 0
    for name, t in tensors.items():
        header[name] = dict(dtype=names[t.dtype], shape=list(t.shape), data_offsets=[at, at + t.nbytes])
        at += t.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(np.ascontiguousarray(t).tobytes() for t in tensors.values()))


class Models:
    def __init__(self, hasten, models, work):
        self.hasten, self.work = hasten, work
        self.reference = ReferenceEvaluator(onnx.load(models / "good" / "model.onnx"))
        self.artifact = work / "model.hst"
        self.run("compile", models / "good", "-o", self.artifact, "--weights", "int8:32")

    def run(self, *arguments, status=(0,)):
        r = subprocess.run([self.hasten, *map(str, arguments)], capture_output=True, text=True)
        assert r.returncode in status, f"{arguments}: {r.returncode} {r.stderr}"
        return r.stdout

    def by_candidate(self, tokens):
        out = self.work / "l.safetensors"
        self.run("run", self.artifact, "--tokens", ",".join(map(str, tokens)), "--logits", out)
        return read_matrix(out)

    def by_reference(self, tokens):
        n = len(tokens)
        inputs = dict(input_ids=np.array([tokens]), attention_mask=np.ones((1, n), np.int64), position_ids=np.arange(n)[None])
        for layer in range(2):
            for kind in ("key", "value"):
                inputs[f"past_key_values.{layer}.{kind}"] = np.zeros((1, 2, 0, 16), np.float32)
        return self.reference.run(["logits"], inputs)[0][0].astype(np.float32)


def text_metrics(reference, candidate, following):
    """Of rows [n, vocab] and the tokens that came after each."""
    r, c = log_softmax(reference.astype(np.float64), -1), log_softmax(candidate.astype(np.float64), -1)
    at = np.arange(len(following)), following
    kld = rel_entr(np.exp(r), np.exp(c)).sum(-1)
    change = 100 * (np.exp(c[at]) - np.exp(r[at]))
    top = [np.argsort(-x, -1, kind="stable")[:, :5] for x in (reference, candidate)]
    out = dict(perplexity=np.exp(-c[at].mean()), reference_perplexity=np.exp(-r[at].mean()),
               perplexity_ratio=np.exp((r[at] - c[at]).mean()), log_perplexity_ratio=(r[at] - c[at]).mean(),
               kld_mean=kld.mean(), kld_max=kld.max(), delta_p_mean=change.mean(), delta_p_rms=np.sqrt((change ** 2).mean()),
               top1_agreement=(top[0][:, 0] == top[1][:, 0]).mean(),
               cosine_mean=((reference * candidate).sum(-1, dtype=np.float64) /
                            np.sqrt((reference ** 2).sum(-1, dtype=np.float64) * (candidate ** 2).sum(-1, dtype=np.float64))).mean(),
               top5_agreement=np.mean([len(set(a) & set(b)) / 5 for a, b in zip(*top)]))
    for key, q in (("median", .5), ("p90", .9), ("p95", .95), ("p99", .99), ("p999", .999)):
        out["kld_" + key] = np.quantile(kld, q)
    return out


def accuracy(logits_of, tokenizer, items):
    """Shares right: by the log likelihood of the ending, and by it a character."""
    right = np.zeros(2)
    for item in items:
        context = len(tokenizer.encode(item["context"], add_special_tokens=False).ids)
        sums = []
        for ending in item["endings"]:
            ids = tokenizer.encode(item["context"] + " " + ending, add_special_tokens=False).ids
            p = log_softmax(logits_of(ids).astype(np.float64), -1)
            sums.append(sum(p[i - 1, ids[i]] for i in range(context, len(ids))))
        lengths = np.array([len(e) for e in item["endings"]])
        right += [np.argmax(sums) == item["label"], np.argmax(np.array(sums) / lengths) == item["label"]]
    return right / len(items)


def main():
    hasten, models, work = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    m = Models(hasten, models, work)
    tokenizer = Tokenizer.from_file(str(models / "good" / "tokenizer.json"))
    texts = [json.loads(line)["text"] for line in open(models / "gate" / "text.jsonl")]
    tokens = np.array([tokenizer.encode(t, add_special_tokens=False).ids[:CONTEXT] for t in texts[:CHUNKS]], np.int32)
    first = CONTEXT // 2
    reference = np.stack([m.by_reference(list(map(int, t)))[first:-1] for t in tokens])
    candidate = np.stack([m.by_candidate(t)[first:-1] for t in tokens])
    write_tensors(work / "reference.safetensors", dict(tokens=tokens, logits=reference, documents=np.arange(CHUNKS, dtype=np.int32)),
                  dict(first_scored=str(first)))
    policy = (models / "gate" / "gate.toml").read_text().replace('"text.jsonl"', f'"{models}/gate/text.jsonl"')
    policy = policy.replace('"choices.jsonl"', f'"{models}/gate/choices.jsonl"').replace("items = 400", f"items = {ITEMS}")
    (work / "gate.toml").write_text("\n".join(line for line in policy.splitlines() if "generation" not in line) + "\n")
    report = json.loads(m.run("gate", "--reference", models / "good", "--reference-logits", work / "reference.safetensors",
                              "--candidate", m.artifact, "--policy", work / "gate.toml", "--no-cache", "--json", status=(0, 1, 5)))
    wrong = []

    def compare(key, mine, theirs):
        print(f"{key:28} {mine:.9g} {theirs:.9g}")
        if not abs(mine - theirs) <= TOLERANCE * max(1, abs(mine)):
            wrong.append(key)

    reported = {x["key"]: x["value"] for x in report["metrics"]}
    vocab = reference.shape[-1]
    mine = text_metrics(reference.reshape(-1, vocab), candidate.reshape(-1, vocab), tokens[:, first + 1:].reshape(-1))
    assert set(mine) == set(reported), set(mine) ^ set(reported)
    for key, value in mine.items():
        compare(key, value, reported[key])
    items = [json.loads(line) for line in open(models / "gate" / "choices.jsonl")][:ITEMS]
    task = report["tasks"][0]
    for who, logits_of in (("reference", m.by_reference), ("candidate", m.by_candidate)):
        plain, normalized = accuracy(logits_of, tokenizer, items)
        compare(f"{who}_accuracy", plain, task[f"{who}_accuracy"])
        compare(f"{who}_accuracy_norm", normalized, task[f"{who}_accuracy_norm"])
    if wrong:
        sys.exit("these differ: " + ", ".join(wrong))


main()
