"""Makes tests/onnx/fixtures: small models of com.microsoft operators, each with
inputs and the outputs of ONNX Runtime, in the layout of the ONNX backend tests.

Needs onnx==1.22.0, onnxruntime and numpy. Deterministic: run it again after an
edit and commit what changed. The tests read only what is committed.

    python tests/onnx/make_fixtures.py tests/onnx/fixtures
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

MS = "com.microsoft"
F, I32, I64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
TYPES = {np.dtype(np.float32): F, np.dtype(np.int32): I32, np.dtype(np.int64): I64}


def rand(seed, *shape):
    return (np.random.default_rng(seed).standard_normal(shape) * 0.5).astype(np.float32)


def ints(*values, dtype=np.int32):
    return np.array(values, dtype=dtype)


def build(name, nodes, inputs, outputs, weights):
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info(k, TYPES[v.dtype], v.shape) for k, v in inputs.items()],
        [helper.make_tensor_value_info(k, t, None) for k, t in outputs.items()],
        [numpy_helper.from_array(v, k) for k, v in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)], ir_version=10)


def save(root, name, nodes, inputs, outputs, weights=(), same_as=None):
    """inputs, weights: {name: array}; outputs: {name: type}. same_as: (nodes, inputs)
    of the same mathematics, where ONNX Runtime cannot run the model itself."""
    weights = dict(weights)
    model = build(name, nodes, inputs, outputs, weights)
    known, known_inputs = (build(name, *same_as, outputs, weights), same_as[1]) if same_as else (model, inputs)
    want = ort.InferenceSession(known.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, known_inputs)
    folder = os.path.join(root, name, "test_data_set_0")
    os.makedirs(folder, exist_ok=True)
    onnx.save(model, os.path.join(root, name, "model.onnx"))
    for kind, arrays in (("input", list(inputs.items())), ("output", list(zip(outputs, want)))):
        for i, (key, array) in enumerate(arrays):
            with open(os.path.join(folder, f"{kind}_{i}.pb"), "wb") as f:
                f.write(numpy_helper.from_array(array, key).SerializeToString())


def node(op, inputs, outputs, domain=MS, **attrs):
    return helper.make_node(op, inputs, outputs, name=f"/{op}", domain=domain, **attrs)


def norms(root):
    x, skip, g, b, bias = rand(1, 2, 5, 8), rand(2, 2, 5, 8), rand(3, 8), rand(4, 8), rand(5, 8)
    save(root, "simplified_layer_norm", [node("SimplifiedLayerNormalization", ["x", "g"], ["y"], domain="", axis=-1, epsilon=1e-6)],
         {"x": x}, {"y": F}, {"g": g})
    save(root, "skip_simplified_layer_norm",
         [node("SkipSimplifiedLayerNormalization", ["x", "s", "g", "bias"], ["y", "", "", "sum"], epsilon=1e-6)],
         {"x": x, "s": skip}, {"y": F, "sum": F}, {"g": g, "bias": bias})
    save(root, "skip_layer_norm", [node("SkipLayerNormalization", ["x", "s", "g", "b", "bias"], ["y", "", "", "sum"], epsilon=1e-5)],
         {"x": x, "s": skip}, {"y": F, "sum": F}, {"g": g, "b": b, "bias": bias})
    save(root, "skip_layer_norm_broadcast", [node("SkipLayerNormalization", ["x", "s", "g", "b"], ["y"], epsilon=1e-5)],
         {"x": x, "s": skip[:1]}, {"y": F}, {"g": g, "b": b})
    save(root, "embed_layer_norm",
         [node("EmbedLayerNormalization", ["ids", "seg", "we", "pe", "se", "g", "b", "mask"], ["y", "m"], epsilon=1e-5)],
         {"ids": ints(1, 4, 2, 0, 3, 3).reshape(2, 3), "seg": ints(0, 1, 1, 0, 0, 1).reshape(2, 3),
          "mask": ints(1, 1, 1, 1, 1, 0).reshape(2, 3)},
         {"y": F, "m": I32}, {"we": rand(6, 5, 8), "pe": rand(7, 4, 8), "se": rand(8, 2, 8), "g": g, "b": b})


def activations(root):
    x, b = rand(10, 3, 7) * 4, rand(11, 7)
    save(root, "gelu", [node("Gelu", ["x"], ["y"])], {"x": x}, {"y": F})
    save(root, "bias_gelu", [node("BiasGelu", ["x", "b"], ["y"])], {"x": x}, {"y": F}, {"b": b})
    save(root, "fast_gelu", [node("FastGelu", ["x"], ["y"])], {"x": x}, {"y": F})
    save(root, "fast_gelu_bias", [node("FastGelu", ["x", "b"], ["y"])], {"x": x}, {"y": F}, {"b": b})
    save(root, "quick_gelu", [node("QuickGelu", ["x"], ["y"], alpha=1.5)], {"x": x}, {"y": F})
    save(root, "fused_mat_mul", [node("FusedMatMul", ["a", "b"], ["y"], transA=1, transB=1, alpha=0.5)],
         {"a": rand(12, 2, 4, 3), "b": rand(13, 2, 5, 4)}, {"y": F})


def rotary(root):
    cos, sin = np.cos(rand(20, 16, 4) * 6), np.sin(rand(20, 16, 4) * 6)
    tables = {"cos": cos, "sin": sin}
    pos = ints(0, 1, 2, 5, 6, 7, dtype=np.int64).reshape(2, 3)
    for name, attrs in (("half", {}), ("interleaved", {"interleaved": 1})):
        save(root, f"ms_rotary_{name}", [node("RotaryEmbedding", ["x", "p", "cos", "sin"], ["y"], **attrs)],
             {"x": rand(21, 2, 3, 16), "p": pos}, {"y": F}, tables)
    save(root, "ms_rotary_offset", [node("RotaryEmbedding", ["x", "p", "cos", "sin"], ["y"])],
         {"x": rand(22, 2, 2, 3, 8), "p": ints(4, dtype=np.int64)}, {"y": F}, tables)
    save(root, "ms_rotary_partial", [node("RotaryEmbedding", ["x", "p", "cos", "sin"], ["y"], num_heads=2, rotary_embedding_dim=8)],
         {"x": rand(23, 2, 3, 24), "p": pos}, {"y": F}, tables)


def grouped(root):
    """GroupQueryAttention: 4 query heads, 2 KV heads of 32."""
    q, kv, d = 4, 2, 32
    cos, sin = np.cos(rand(30, 32, d // 2) * 6), np.sin(rand(30, 32, d // 2) * 6)

    def case(name, batch, past, new, packed=False, tables=None, extra=None, names=(), **attrs):
        total = past + new
        ins = {"q": rand(31, batch, new, (q + 2 * kv if packed else q) * d)}
        if not packed:
            ins.update(k=rand(32, batch, new, kv * d), v=rand(33, batch, new, kv * d))
        ins.update(pk=rand(34, batch, kv, past, d), pv=rand(35, batch, kv, past, d),
                   seqlens=np.full(batch, total - 1, np.int32), total=np.array(total, np.int32))
        weights = tables or {}
        order = ["q", "" if packed else "k", "" if packed else "v", "pk", "pv", "seqlens", "total",
                 "cos" if tables else "", "sin" if tables else ""] + list(names)
        ins.update(extra or {})
        save(root, f"gqa_{name}", [node("GroupQueryAttention", order, ["y", "present_k", "present_v"], num_heads=q, kv_num_heads=kv, **attrs)],
             ins, {"y": F, "present_k": F, "present_v": F}, weights)

    tables = {"cos": cos, "sin": sin}
    case("prompt", 2, 0, 5)
    case("decode", 2, 6, 1, tables=tables, do_rotary=1)
    case("chunk", 1, 6, 3, tables=tables, do_rotary=1)
    case("packed", 1, 4, 2, packed=True, tables=tables, do_rotary=1, scale=0.3)
    case("interleaved", 1, 4, 2, tables=tables, do_rotary=1, rotary_interleaved=1)
    case("partial", 1, 0, 6, tables={"cos": cos[:, :8], "sin": sin[:, :8]}, do_rotary=1)
    case("softcap", 1, 3, 2, softcap=5.0)
    for window in (1, 3, 7):
        case(f"window{window}_prompt", 1, 0, 9, local_window_size=window)
        case(f"window{window}_decode", 1, 8, 1, local_window_size=window)
    case("positions", 1, 4, 1, tables=tables, do_rotary=1, extra={"pos": ints(4, dtype=np.int64).reshape(1, 1)}, names=["pos"])
    case("bias", 1, 2, 3, extra={"bias": rand(36, 1, 1, 3, 5)}, names=["", "bias"])


def attention(root):
    """MultiHeadAttention and Attention: 2 heads of 4."""
    x = rand(40, 2, 5, 8)
    qkv = {"q": x, "k": rand(41, 2, 6, 8), "v": rand(42, 2, 6, 8)}
    mask = ints(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0).reshape(2, 6)
    bias = {"b": rand(43, 24)}
    save(root, "mha", [node("MultiHeadAttention", ["q", "k", "v"], ["y"], num_heads=2)], qkv, {"y": F})
    save(root, "mha_bias_mask", [node("MultiHeadAttention", ["q", "k", "v", "b", "m"], ["y"], num_heads=2, scale=0.4)],
         {**qkv, "m": mask}, {"y": F}, bias)
    save(root, "mha_attention_bias", [node("MultiHeadAttention", ["q", "k", "v", "", "", "ab"], ["y"], num_heads=2)],
         {**qkv, "ab": rand(44, 2, 2, 5, 6)}, {"y": F})
    packed = rand(50, 2, 5, 2, 3, 4)
    apart = {n: packed[:, :, :, i].reshape(2, 5, 8) for i, n in enumerate("qkv")}
    save(root, "mha_packed", [node("MultiHeadAttention", ["q"], ["y"], num_heads=2)], {"q": packed}, {"y": F},
         same_as=([node("MultiHeadAttention", ["q", "k", "v"], ["y"], num_heads=2)], apart))
    same = {"q": x, "k": rand(41, 2, 5, 8), "v": rand(42, 2, 5, 8)}
    past = {"pk": rand(45, 2, 2, 3, 4), "pv": rand(46, 2, 2, 3, 4)}
    save(root, "mha_causal_past",
         [node("MultiHeadAttention", ["q", "k", "v", "", "", "", "pk", "pv"], ["y", "present_k", "present_v"], num_heads=2, unidirectional=1)],
         {**same, **past}, {"y": F, "present_k": F, "present_v": F})
    w = {"w": rand(47, 8, 24), "b": rand(48, 24)}
    square = ints(1, 1, 1, 1, 1, 1, 1, 1, 0, 0).reshape(2, 5)
    save(root, "ms_attention", [node("Attention", ["x", "w", "b"], ["y"], num_heads=2)], {"x": x}, {"y": F}, w)
    save(root, "ms_attention_mask", [node("Attention", ["x", "w", "b", "m"], ["y"], num_heads=2)], {"x": x, "m": square}, {"y": F}, w)
    save(root, "ms_attention_lengths", [node("Attention", ["x", "w", "b", "m"], ["y"], num_heads=2)], {"x": x, "m": ints(5, 3)}, {"y": F}, w)
    save(root, "ms_attention_causal_past",
         [node("Attention", ["x", "w", "b", "", "past"], ["y", "present"], num_heads=2, unidirectional=1)],
         {"x": x, "past": rand(49, 2, 2, 2, 3, 4)}, {"y": F, "present": F}, w)


def main():
    root = sys.argv[1]
    for make in (norms, activations, rotary, grouped, attention):
        make(root)


if __name__ == "__main__":
    main()
