"""What PyTorch reaches on the same GPU, for gpu-check --peers: its int4 weight-only product
(torch.ops.aten._weight_int4pack_mm, groups of 128, bf16 activations), bf16 products and its
int8 product (torch._int_mm, cuBLASLt) on a Llama 3 8B's matrices, each in a CUDA graph; and
torch.compile decoding one sequence after 512 tokens with the int4 products. Random weights.

    python3 peers.py [--no-decode] [--tiny --device cpu]      # --tiny: to try the script itself

Prints JSON. What fails is reported in place of its figure. Needs torch 2.5 or later.
"""
import argparse
import json
import sys
import time

import torch
import torch.nn.functional as F

MATRICES = [("qkv", 6144, 4096), ("o", 4096, 4096), ("gate_up", 28672, 4096), ("down", 4096, 14336)]
GROUP = 128


def seconds(call, device, repeats=8, replays=15):
    """The median time of a call, in a CUDA graph where there is one."""
    for i in range(repeats):
        call(i)
    if device != "cuda":
        begin = time.perf_counter()
        call(0)
        return time.perf_counter() - begin
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(repeats):
            call(i)
    times = []
    for _ in range(replays):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 1e3 / repeats)
    return sorted(times)[len(times) // 2]


def figure(make):
    try:
        return make()
    except Exception as error:  # what this torch or this GPU does not have
        return {"error": f"{type(error).__name__}: {str(error)[:200]}"}


def int4_weight(n, k, device):
    """Packed codes, and scales with zero-points [k / group][n][2]."""
    codes = torch.randint(0, 256, (n, k // 2), dtype=torch.uint8, device=device)
    packed = torch.ops.aten._convert_weight_to_int4pack(codes, 8)
    scales = torch.rand(k // GROUP, n, 2, device=device, dtype=torch.bfloat16) * 0.01
    return packed, scales


def products(n, k, rows, device):
    copies = 1 if device != "cuda" else max(1, min(8, (256 << 20) // (n * k // 2)))
    x = torch.randn(rows, k, device=device, dtype=torch.bfloat16)
    row = {"rows": rows}

    def int4():
        weights = [int4_weight(n, k, device) for _ in range(copies)]
        return 1e6 * seconds(lambda i: torch.ops.aten._weight_int4pack_mm(x, weights[i % copies][0], GROUP, weights[i % copies][1]), device)

    def bf16():
        weights = [torch.randn(n, k, device=device, dtype=torch.bfloat16) for _ in range(copies)]
        return 1e6 * seconds(lambda i: F.linear(x, weights[i % copies]), device)

    def int8():
        weights = [torch.randint(-127, 128, (n, k), dtype=torch.int8, device=device) for _ in range(copies)]
        codes = torch.randint(-127, 128, (rows, k), dtype=torch.int8, device=device)
        return 1e6 * seconds(lambda i: torch._int_mm(codes, weights[i % copies].t()), device)

    row["int4_us"] = figure(int4)
    row["bf16_us"] = figure(bf16)
    if rows > 16:   # what torch._int_mm takes
        row["int8_us"] = figure(int8)
    return row


class Linear(torch.nn.Module):
    def __init__(self, n, k, device):
        super().__init__()
        if device == "cuda":
            packed, scales = int4_weight(n, k, device)
            self.register_buffer("packed", packed)
            self.register_buffer("scales", scales)
        else:
            self.packed = None
            self.register_buffer("weight", torch.randn(n, k, dtype=torch.bfloat16) * 0.01)

    def forward(self, x):
        if self.packed is None:
            return F.linear(x, self.weight)
        return torch.ops.aten._weight_int4pack_mm(x, self.packed, GROUP, self.scales)


class Layer(torch.nn.Module):
    """One token of a Llama: its keys and values go to a cache of fixed size."""

    def __init__(self, c, device):
        super().__init__()
        self.c = c
        self.qkv = Linear((c["heads"] + 2 * c["kv"]) * c["dim"], c["hidden"], device)
        self.o = Linear(c["hidden"], c["heads"] * c["dim"], device)
        self.gate_up = Linear(2 * c["inter"], c["hidden"], device)
        self.down = Linear(c["hidden"], c["inter"], device)
        self.register_buffer("norm1", torch.ones(c["hidden"], dtype=torch.bfloat16, device=device))
        self.register_buffer("norm2", torch.ones(c["hidden"], dtype=torch.bfloat16, device=device))
        shape = (1, c["kv"], c["length"], c["dim"])
        self.register_buffer("keys", torch.zeros(shape, dtype=torch.bfloat16, device=device))
        self.register_buffer("values", torch.zeros(shape, dtype=torch.bfloat16, device=device))

    def forward(self, x, position, cos, sin, mask):
        c = self.c
        q, k, v = self.qkv(F.rms_norm(x, (c["hidden"],), self.norm1)).split([c["heads"] * c["dim"], c["kv"] * c["dim"], c["kv"] * c["dim"]], dim=-1)

        def turn(t, heads):
            t = t.view(1, heads, 1, c["dim"])
            a, b = t.chunk(2, dim=-1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)

        self.keys.index_copy_(2, position, turn(k, c["kv"]))
        self.values.index_copy_(2, position, v.view(1, c["kv"], 1, c["dim"]))
        y = F.scaled_dot_product_attention(turn(q, c["heads"]), self.keys, self.values, attn_mask=mask, enable_gqa=True)
        x = x + self.o(y.reshape(1, -1))
        gate, up = self.gate_up(F.rms_norm(x, (c["hidden"],), self.norm2)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class Model(torch.nn.Module):
    def __init__(self, c, device):
        super().__init__()
        self.c = c
        self.layers = torch.nn.ModuleList(Layer(c, device) for _ in range(c["layers"]))
        self.register_buffer("table", torch.randn(c["vocab"], c["hidden"], dtype=torch.bfloat16, device=device) * 0.02)
        self.register_buffer("norm", torch.ones(c["hidden"], dtype=torch.bfloat16, device=device))
        self.head = Linear(c["vocab"], c["hidden"], device)
        angles = torch.arange(c["length"], device=device)[:, None] / 500000 ** (torch.arange(0, c["dim"], 2, device=device) / c["dim"])
        self.register_buffer("cos", angles.cos().to(torch.bfloat16))
        self.register_buffer("sin", angles.sin().to(torch.bfloat16))

    def forward(self, token, position):
        x = self.table[token]
        mask = (torch.arange(self.c["length"], device=x.device) <= position).view(1, 1, 1, -1)
        for layer in self.layers:
            x = layer(x, position, self.cos[position], self.sin[position], mask)
        return self.head(F.rms_norm(x, (self.c["hidden"],), self.norm)).argmax(dim=-1)


def decode(c, device, past, count):
    model = Model(c, device).eval()
    step = torch.compile(model, mode="reduce-overhead", fullgraph=True) if device == "cuda" else model
    token = torch.tensor([1], device=device)
    with torch.inference_mode():
        def run(steps):
            nonlocal token
            for i in range(steps):
                token = step(token, torch.tensor([past + i], device=device)).clone()
            if device == "cuda":
                torch.cuda.synchronize()

        run(4)   # compiles and records
        begin = time.perf_counter()
        run(count)
        return {"tokens_per_s": count / (time.perf_counter() - begin)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--no-decode", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("peers.py: torch finds no CUDA device", file=sys.stderr)
        return 4
    matrices = [("tiny", 64, 256)] if args.tiny else MATRICES
    report = {"torch": torch.__version__, "linear": []}
    for name, n, k in matrices:
        for rows in (1, 8, 32, 128, 2048):
            if not args.tiny or rows <= 32:
                report["linear"].append({"matrix": name, **products(n, k, rows, args.device)})
    if not args.no_decode:
        shape = {"hidden": 4096, "inter": 14336, "heads": 32, "kv": 8, "dim": 128, "layers": 32, "vocab": 128256, "length": 1024}
        if args.tiny:
            shape = {"hidden": 256, "inter": 512, "heads": 4, "kv": 2, "dim": 64, "layers": 2, "vocab": 1000, "length": 64}
        report["decode_8b_one_sequence"] = figure(lambda: decode(shape, args.device, 16 if args.tiny else 512, 8 if args.tiny else 64))
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
