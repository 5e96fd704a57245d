#!/usr/bin/env python3
"""The gate's figures of text beside llama.cpp's: both are given one base distribution P,
one model Q and the same tokens. By hand; docs/gate.md has the figures.

    llama_kld.py HASTEN MODEL GGUF LLAMA_PERPLEXITY TEXT WORK [--chunks 40] [--context 512] [--weights int8:32 int4:64]

MODEL is the ONNX folder and GGUF the same model in F32 (llama-quantize makes it of any
GGUF), so that both programs compute the same Q up to rounding in fp32. P is the model
quantized by hasten; its logits go into --reference-logits as they are, and into a file as
`llama-perplexity --kl-divergence-base` writes it, which ends 16 nats below the largest.
TEXT is WikiText, or any text, which is then cut regardless of documents.
"""
import argparse
import json
import pathlib
import re
import subprocess

import numpy as np
from tokenizers import Tokenizer

# llama.cpp's name, the gate's key, what makes the gate's figure llama.cpp's.
FIGURES = [("Mean PPL(Q)", "perplexity", 1), ("Mean PPL(base)", "reference_perplexity", 1),
           ("Mean ln(PPL(Q)/PPL(base))", "log_perplexity_ratio", 1), ("Mean KLD", "kld_mean", 1), ("Median KLD", "kld_median", 1),
           ("90.0% KLD", "kld_p90", 1), ("95.0% KLD", "kld_p95", 1), ("99.0% KLD", "kld_p99", 1), ("99.9% KLD", "kld_p999", 1),
           ("Maximum KLD", "kld_max", 1), ("Mean Δp", "delta_p_mean", 1), ("RMS Δp", "delta_p_rms", 1), ("Same top p", "top1_agreement", 100)]


def run(*command, status=(0,)):
    r = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert r.returncode in status, f"{command}: {r.returncode}\n{r.stdout[-2000:]}{r.stderr[-2000:]}"
    return r.stdout + r.stderr if len(status) == 1 else r.stdout


def chunks_of(text, tokenizer, count, context):
    """The first tokens of evenly spaced articles, [count, context]."""
    articles = re.split(r"\n(?= = [^=].* = \n)", text) if "\n = " in text else [text]
    ids = [tokenizer.encode(a, add_special_tokens=False).ids for a in articles]
    if len(ids) < count:   # one long text
        whole = [i for d in ids for i in d]
        ids = [whole[at:at + context] for at in range(0, len(whole), context)]
    ids = [d[:context] for d in ids if len(d) >= context]
    return np.array([ids[i * len(ids) // count] for i in range(min(count, len(ids)))], np.int32)


def encode_rows(logits):
    """llama.cpp's form of log probabilities: a scale and a minimum in fp32, then 16 bits a
    value, over at most 16 nats."""
    logits = logits.astype(np.float32)
    top = logits.max(-1, keepdims=True)
    least = np.maximum(logits.min(-1, keepdims=True), top - 16)
    log_sum = np.log(np.exp(logits - top, dtype=np.float64).sum(-1, keepdims=True)).astype(np.float32)
    scale = (top - least) / np.float32(65535)
    codes = np.where(logits > least, np.rint((logits - least) / scale), 0).astype(np.uint16)
    head = np.concatenate([scale, least - top - log_sum], -1).astype(np.float32).view(np.uint16)
    pad = np.zeros((len(logits), logits.shape[-1] % 2), np.uint16)
    return np.concatenate([head, codes, pad], -1)


def read_matrix(path):
    raw = np.memmap(path, np.uint8, "r")
    size = int(raw[:8].view("<u8")[0])
    shape = json.loads(bytes(raw[8:8 + size]))["logits"]["shape"]
    return np.frombuffer(raw, "<f4", offset=8 + size).reshape(shape)


def write_base(hasten, artifact, tokens, work):
    """P in both programs' forms: (llama.cpp's file, safetensors). The second half of each
    chunk is scored, but for its last token, which predicts none."""
    count, context = tokens.shape
    first = context // 2
    base, reference, logits = work / "base.bin", work / "reference.safetensors", work / "l.safetensors"
    with open(base, "wb") as f, open(reference, "wb") as g:
        for chunk in tokens:
            run(hasten, "run", artifact, "--tokens", ",".join(map(str, chunk)), "--logits", logits)
            exact = read_matrix(logits)[first:-1]
            if not f.tell():
                vocab = exact.shape[-1]
                f.write(b"_logits_" + np.array([context, vocab, count], np.int32).tobytes() + tokens.tobytes())
                n = count * exact.nbytes
                header = json.dumps({"__metadata__": {"first_scored": str(first)},
                                     "tokens": {"dtype": "I32", "shape": list(tokens.shape), "data_offsets": [0, tokens.nbytes]},
                                     "logits": {"dtype": "F32", "shape": [count, len(exact), vocab], "data_offsets": [tokens.nbytes, tokens.nbytes + n]}}).encode()
                header += b" " * (-len(header) % 8)
                g.write(len(header).to_bytes(8, "little") + header + tokens.tobytes())
            f.write(encode_rows(exact).tobytes())
            g.write(exact.tobytes())
    logits.unlink()
    return base, reference


def by_llama(a, base):
    text = run(a.llama_perplexity, "-m", a.gguf, "-c", a.context, "-b", a.context, "-t", a.threads, "--kl-divergence", "--kl-divergence-base", base)
    found = {}
    for line in text.splitlines():
        m = re.match(r"^(.*?)\s*:\s+(-?[\d.]+)(?:\s+±\s+([\d.]+))?", line)
        if m:
            found[re.sub(r"\s+", " ", m[1]).strip()] = float(m[2]), float(m[3] or "nan")
    return found


def by_gate(hasten, candidate, reference, work):
    (work / "gate.toml").write_text("[surface.a.quality]\nkld_mean_max = 1\n")
    report = run(hasten, "gate", "--reference-logits", reference, "--candidate", candidate, "--policy", work / "gate.toml", "--no-cache", "--json", status=(0, 1, 5))
    return {m["key"]: m["value"] for m in json.loads(report)["metrics"]}


def main():
    p = argparse.ArgumentParser()
    for name in ("hasten", "model", "gguf", "llama_perplexity", "text", "work"):
        p.add_argument(name, type=pathlib.Path)
    p.add_argument("--chunks", type=int, default=40)
    p.add_argument("--context", type=int, default=512)
    p.add_argument("--threads", type=int, default=1, help="of llama.cpp, which waits badly on a busy machine")
    p.add_argument("--weights", nargs="+", default=["int8:32", "int4:64"])
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    tokens = chunks_of(a.text.read_text(), Tokenizer.from_file(str(a.model / "tokenizer.json")), a.chunks, a.context)
    q = a.work / "q.hst"
    run(a.hasten, "compile", a.model, "-o", q, "--weights", "fp32", "--kv", "fp32")
    wrong = []
    for weights in a.weights:
        run(a.hasten, "compile", a.model, "-o", a.work / "p.hst", "--weights", weights)
        base, reference = write_base(a.hasten, a.work / "p.hst", tokens, a.work)
        theirs, mine = by_llama(a, base), by_gate(a.hasten, q, reference, a.work)
        base.unlink(), reference.unlink()
        print(f"P {weights}, {len(tokens)} chunks of {a.context}")
        for name, key, factor in FIGURES:
            value, error = theirs[name]
            print(f"{name:28} llama.cpp {value:.6f} ± {error:.6f}   gate {factor * mine[key]:.6f}   difference {factor * mine[key] - value:+.2g}")
            if not abs(factor * mine[key] - value) <= (error if error == error else 0.02 * value):
                wrong.append(f"{weights} {name}")
    if wrong:
        raise SystemExit("further apart than the sampling error (2 % where llama.cpp gives none): " + ", ".join(wrong))


if __name__ == "__main__":
    main()
