#!/usr/bin/env python3
"""Plants one fault after another in a real model and gates what is compiled from it
against the sound original: every one has to fail, and the sound one to pass. By hand, it
takes minutes; tests/cli does the same with a model of a few kilobytes. docs/gate.md has
the figures.

    plant_faults.py HASTEN MODEL TEXT WORK [--weights int8:32] [--context 512] [--only NAME ...]

MODEL is a folder that samples/model/make_model.py wrote: weights are found by its names.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import time

import numpy as np
import onnx

POLICY = """[data]
text = "{text}"
context = {context}
chunks = 40
[surface.chat.quality]
ppl_ratio_max = 1.02
kld_mean_max = 0.01
kld_p99_max = 0.1
top1_min = 0.93
"""


class Model:
    """A copy of the folder whose weights can be changed in place, [inputs, outputs]."""

    def __init__(self, source, out):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(source, out)
        self.folder, self.data = out, out / "model.onnx.data"
        self.config = json.loads((out / "config.json").read_text())
        self.graph = onnx.load(out / "model.onnx", load_external_data=False)

    def weight(self, name):
        t = next(t for t in self.graph.graph.initializer if t.name == name)
        at = int(next(e.value for e in t.external_data if e.key == "offset"))
        return np.memmap(self.data, np.float32, "r+", offset=at, shape=tuple(t.dims))

    def layers(self, name):
        return [self.weight(f"model.layers.{i}.{name}.weight") for i in range(self.config["num_hidden_layers"])]

    def untie(self, head):
        """Gives the last linear a weight of its own, [inputs, outputs]."""
        at = self.data.stat().st_size
        with open(self.data, "ab") as f:
            f.write(np.ascontiguousarray(head).tobytes())
        t = onnx.TensorProto(name="lm_head.weight", data_type=onnx.TensorProto.FLOAT, dims=head.shape, data_location=onnx.TensorProto.EXTERNAL)
        for key, value in (("location", self.data.name), ("offset", at), ("length", head.nbytes)):
            t.external_data.add(key=key, value=str(value))
        self.graph.graph.initializer.append(t)
        next(n for n in self.graph.graph.node if "logits" in n.output).input[1] = t.name
        onnx.save(self.graph, self.folder / "model.onnx")


def sound(_):
    pass


def layer_scale(m):
    w = m.weight(f"model.layers.{m.config['num_hidden_layers'] // 2}.mlp.down_proj.weight")
    w *= 2


def kv_scale(m):
    for w in m.layers("self_attn.k_proj"):
        w *= np.float32(0.5)


def position(m):
    """Queries one position too far on: that rotation is put into the weights."""
    heads, dim = m.config["num_attention_heads"], m.config["head_dim"]
    angle = m.config["rope_theta"] ** (-np.arange(dim // 2) / (dim // 2))
    cos, sin = np.cos(angle), np.sin(angle)
    for w in m.layers("self_attn.q_proj"):
        x = w.reshape(-1, heads, 2, dim // 2)
        low, high = x[:, :, 0].copy(), x[:, :, 1].copy()
        x[:, :, 0], x[:, :, 1] = low * cos - high * sin, high * cos + low * sin


def head(m):
    """The rows of two frequent tokens."""
    vocab = json.loads((m.folder / "tokenizer.json").read_text())["model"]["vocab"]
    w = np.array(m.weight("model.embed_tokens.weight"))
    pair = [vocab["Ġof"], vocab["Ġand"]]
    w[pair] = w[pair[::-1]]
    m.untie(w.T)


def tokenizer(m):
    path = m.folder / "tokenizer.json"
    t = json.loads(path.read_text())
    vocab = t["model"]["vocab"]
    vocab["Ġof"], vocab["Ġand"] = vocab["Ġand"], vocab["Ġof"]
    path.write_text(json.dumps(t))


FAULTS = [sound, layer_scale, tokenizer, kv_scale, head, position]


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True)


def gate(a, fault):
    m = Model(a.model, a.work / "model")
    fault(m)
    del m       # writes the mappings back
    artifact = a.work / "model.hst"
    r = run(a.hasten, "compile", a.work / "model", "-o", artifact, "--weights", a.weights)
    if r.returncode:
        raise SystemExit(f"{fault.__name__}: does not compile: {r.stderr}")
    r = run(a.hasten, "gate", "--reference", a.model, "--candidate", artifact, "--policy", a.work / "gate.toml", "--cache", a.work / "cache", "--json")
    if not r.stdout:
        return r.returncode, r.stderr.strip(), []
    report = json.loads(r.stdout)
    return r.returncode, report["verdict"], [c for c in report["criteria"] if c["verdict"] != "PASS" or fault is sound]


def main():
    p = argparse.ArgumentParser()
    for name in ("hasten", "model", "text", "work"):
        p.add_argument(name, type=lambda x: pathlib.Path(x).resolve())
    p.add_argument("--weights", default="int8:32")
    p.add_argument("--context", type=int, default=512)
    p.add_argument("--only", nargs="+", default=[f.__name__ for f in FAULTS])
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    (a.work / "gate.toml").write_text(POLICY.format(text=a.text, context=a.context))
    wrong = []
    for fault in FAULTS:
        if fault.__name__ not in a.only:
            continue
        begin = time.time()
        status, verdict, criteria = gate(a, fault)
        print(f"{fault.__name__:12} exit {status} {verdict} ({time.time() - begin:.0f} s)", flush=True)
        for c in criteria:
            print(f"    {c['verdict']} {c['name']}: {c['reason']}", flush=True)
        if (status, verdict) != ((0, "PASS") if fault is sound else (1, "FAIL")):
            wrong.append(fault.__name__)
    shutil.rmtree(a.work / "model")
    if wrong:
        raise SystemExit("not the verdict that was due: " + ", ".join(wrong))


main()
