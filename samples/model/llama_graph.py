"""Writes a llama-architecture decoder as ONNX, in the style of public exporters:
standard operators only (opset 20), KV cache as inputs and outputs, weights in one
external file. It is what a user's own model looks like, so it knows nothing of
hasten; it is not an exporter for models in general.
"""
import dataclasses

import numpy as np
import onnx
from onnx import TensorProto, helper

OPSET = 20
IR_VERSION = 9
ALIGNMENT = 4096  # so that a tensor can be memory-mapped by page


@dataclasses.dataclass
class Config:
    """Sizes and constants of the architecture (as in a config.json)."""
    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    rms_eps: float
    rope_theta: float
    max_positions: int


class Builder:
    """Collects nodes, constants and external tensors."""

    def __init__(self, data_path):
        self.nodes, self.initializers = [], []
        self.data_name = data_path.name
        self.data = open(data_path, "wb")
        self.constants = {}

    def node(self, op, inputs, name, outputs=1, **attrs):
        outs = [f"{name}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, outs, name=name, **attrs))
        return outs[0]

    def emit(self, op, inputs, output, name, **attrs):
        """As node(), with a given output name (for graph outputs)."""
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attrs))
        return output

    def const(self, values, dtype=np.int64):
        """A small constant as an inline initializer, shared by value."""
        array = np.asarray(values, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = f"constant_{len(self.constants)}"
            self.initializers.append(onnx.numpy_helper.from_array(array, self.constants[key]))
        return self.constants[key]

    def weight(self, name, array):
        """A weight in the external file; returns its name."""
        array = np.ascontiguousarray(array, dtype=np.float32)
        self.data.write(b"\0" * (-self.data.tell() % ALIGNMENT))
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self.data_name), ("offset", self.data.tell()), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        array.tofile(self.data)
        self.initializers.append(tensor)
        return name


def rms_norm(b, x, weight, eps, name):
    square = b.node("Pow", [x, b.const(2.0, np.float32)], f"{name}/Pow")
    mean = b.node("ReduceMean", [square, b.const([-1])], f"{name}/ReduceMean", keepdims=1)
    shifted = b.node("Add", [mean, b.const(eps, np.float32)], f"{name}/Add")
    root = b.node("Sqrt", [shifted], f"{name}/Sqrt")
    inverse = b.node("Reciprocal", [root], f"{name}/Reciprocal")
    scaled = b.node("Mul", [x, inverse], f"{name}/Mul")
    return b.node("Mul", [b.weight(f"{name[1:].replace('/', '.')}.weight", weight), scaled], f"{name}/Mul_1")


def rotary_tables(b, c):
    """cos and sin, each [B, 1, S, head_dim], from position_ids [B, S]."""
    inverse = 1.0 / c.rope_theta ** (np.arange(0, c.head_dim, 2, dtype=np.float64) / c.head_dim)
    positions = b.node("Cast", ["position_ids"], "/model/rotary_emb/Cast", to=TensorProto.FLOAT)
    column = b.node("Unsqueeze", [positions, b.const([2])], "/model/rotary_emb/Unsqueeze")
    angle = b.node("Mul", [column, b.const(inverse[None, None, :], np.float32)], "/model/rotary_emb/Mul")
    both = b.node("Concat", [angle, angle], "/model/rotary_emb/Concat", axis=-1)
    tables = []
    for op in ("Cos", "Sin"):
        table = b.node(op, [both], f"/model/rotary_emb/{op}")
        tables.append(b.node("Unsqueeze", [table, b.const([1])], f"/model/rotary_emb/{op}/Unsqueeze"))
    return tables


def rotate(b, x, tables, half, name):
    """x * cos + rotate_half(x) * sin (Su et al., RoFormer, section 3.4.2; halves, not pairs)."""
    low = b.node("Slice", [x, b.const([0]), b.const([half]), b.const([3])], f"{name}/Slice")
    high = b.node("Slice", [x, b.const([half]), b.const([2 * half]), b.const([3])], f"{name}/Slice_1")
    negated = b.node("Neg", [high], f"{name}/Neg")
    turned = b.node("Concat", [negated, low], f"{name}/Concat", axis=-1)
    a = b.node("Mul", [x, tables[0]], f"{name}/Mul")
    s = b.node("Mul", [turned, tables[1]], f"{name}/Mul_1")
    return b.node("Add", [a, s], f"{name}/Add")


def attention_bias(b):
    """[B, 1, S, T]: 0 where a query may look, the lowest float elsewhere. A query
    at absolute position p sees keys 0..p which the attention mask does not hide."""
    def length(value, axis, name):
        shape = b.node("Shape", [value], f"{name}/Shape")
        return b.node("Gather", [shape, b.const(axis)], f"{name}/Gather", axis=0)

    past = length("past_key_values.0.key", 2, "/model/past")
    new = length("input_ids", 1, "/model/new")
    total = b.node("Add", [past, new], "/model/mask/Add")
    queries = b.node("Range", [past, total, b.const(1)], "/model/mask/Range")
    keys = b.node("Range", [b.const(0), total, b.const(1)], "/model/mask/Range_1")
    column = b.node("Unsqueeze", [queries, b.const([1])], "/model/mask/Unsqueeze")
    causal = b.node("LessOrEqual", [keys, column], "/model/mask/LessOrEqual")
    shown = b.node("Cast", ["attention_mask"], "/model/mask/Cast", to=TensorProto.BOOL)
    padding = b.node("Unsqueeze", [shown, b.const([1, 2])], "/model/mask/Unsqueeze_1")
    allowed = b.node("And", [causal, padding], "/model/mask/And")
    lowest = b.const(np.finfo(np.float32).min, np.float32)
    return b.node("Where", [allowed, b.const(0.0, np.float32), lowest], "/model/mask/Where")


def attention(b, c, x, w, tables, bias, layer):
    name = f"/model/layers.{layer}/self_attn"
    weight_name = f"model.layers.{layer}.self_attn"

    def project(which, heads):
        wname = b.weight(f"{weight_name}.{which}_proj.weight", w(f"attn_{which}").T)
        y = b.node("MatMul", [x, wname], f"{name}/{which}_proj/MatMul")
        y = b.node("Reshape", [y, b.const([0, 0, heads, c.head_dim])], f"{name}/{which}_proj/Reshape")
        return b.node("Transpose", [y], f"{name}/{which}_proj/Transpose", perm=[0, 2, 1, 3])

    q, k, v = project("q", c.heads), project("k", c.kv_heads), project("v", c.kv_heads)
    q = rotate(b, q, tables, c.head_dim // 2, f"{name}/q_rotary")
    k = rotate(b, k, tables, c.head_dim // 2, f"{name}/k_rotary")
    k = b.emit("Concat", [f"past_key_values.{layer}.key", k], f"present.{layer}.key", f"{name}/Concat", axis=2)
    v = b.emit("Concat", [f"past_key_values.{layer}.value", v], f"present.{layer}.value", f"{name}/Concat_1", axis=2)

    def repeat(y, which):
        if c.heads == c.kv_heads:
            return y
        y = b.node("Unsqueeze", [y, b.const([2])], f"{name}/{which}_repeat/Unsqueeze")
        y = b.node("Expand", [y, b.const([1, 1, c.heads // c.kv_heads, 1, 1])], f"{name}/{which}_repeat/Expand")
        return b.node("Reshape", [y, b.const([0, c.heads, -1, c.head_dim])], f"{name}/{which}_repeat/Reshape")

    k, v = repeat(k, "k"), repeat(v, "v")
    kt = b.node("Transpose", [k], f"{name}/Transpose", perm=[0, 1, 3, 2])
    scores = b.node("MatMul", [q, kt], f"{name}/MatMul")
    scores = b.node("Mul", [scores, b.const(c.head_dim ** -0.5, np.float32)], f"{name}/Mul")
    scores = b.node("Add", [scores, bias], f"{name}/Add")
    weights = b.node("Softmax", [scores], f"{name}/Softmax", axis=-1)
    y = b.node("MatMul", [weights, v], f"{name}/MatMul_1")
    y = b.node("Transpose", [y], f"{name}/Transpose_1", perm=[0, 2, 1, 3])
    y = b.node("Reshape", [y, b.const([0, 0, c.heads * c.head_dim])], f"{name}/Reshape")
    return b.node("MatMul", [y, b.weight(f"{weight_name}.o_proj.weight", w("attn_output").T)], f"{name}/o_proj/MatMul")


def mlp(b, x, w, layer):
    name, weight_name = f"/model/layers.{layer}/mlp", f"model.layers.{layer}.mlp"
    gate = b.node("MatMul", [x, b.weight(f"{weight_name}.gate_proj.weight", w("ffn_gate").T)], f"{name}/gate_proj/MatMul")
    up = b.node("MatMul", [x, b.weight(f"{weight_name}.up_proj.weight", w("ffn_up").T)], f"{name}/up_proj/MatMul")
    sigmoid = b.node("Sigmoid", [gate], f"{name}/act_fn/Sigmoid")
    silu = b.node("Mul", [gate, sigmoid], f"{name}/act_fn/Mul")
    product = b.node("Mul", [silu, up], f"{name}/Mul")
    return b.node("MatMul", [product, b.weight(f"{weight_name}.down_proj.weight", w("ffn_down").T)], f"{name}/down_proj/MatMul")


def signature(c):
    """The graph's inputs and outputs with their symbolic dimensions."""
    value = helper.make_tensor_value_info
    new, total, past = "sequence_length", "past_sequence_length + sequence_length", "past_sequence_length"
    inputs = [value("input_ids", TensorProto.INT64, ["batch_size", new]),
              value("attention_mask", TensorProto.INT64, ["batch_size", total]),
              value("position_ids", TensorProto.INT64, ["batch_size", new])]
    outputs = [value("logits", TensorProto.FLOAT, ["batch_size", new, c.vocab])]
    for layer in range(c.layers):
        for kind in ("key", "value"):
            cache = ["batch_size", c.kv_heads, past, c.head_dim]
            inputs.append(value(f"past_key_values.{layer}.{kind}", TensorProto.FLOAT, cache))
            cache = ["batch_size", c.kv_heads, total, c.head_dim]
            outputs.append(value(f"present.{layer}.{kind}", TensorProto.FLOAT, cache))
    return inputs, outputs


def write(path, config, weights, progress=lambda done, total: None):
    """Writes path and path + ".data". weights(name) gives an fp32 array by its
    GGUF name without ".weight": "token_embd" [vocab, hidden], "output_norm"
    [hidden], "output" or None when tied, "blk.N.attn_q" [heads*head_dim, hidden],
    and so on: rows are outputs."""
    c = config
    b = Builder(path.parent / (path.name + ".data"))
    table = b.weight("model.embed_tokens.weight", weights("token_embd"))
    x = b.node("Gather", [table, "input_ids"], "/model/embed_tokens/Gather")
    tables, bias = rotary_tables(b, c), attention_bias(b)
    for layer in range(c.layers):
        w = lambda name, layer=layer: weights(f"blk.{layer}.{name}")
        name = f"/model/layers.{layer}"
        y = rms_norm(b, x, w("attn_norm"), c.rms_eps, f"{name}/input_layernorm")
        x = b.node("Add", [x, attention(b, c, y, w, tables, bias, layer)], f"{name}/Add")
        y = rms_norm(b, x, w("ffn_norm"), c.rms_eps, f"{name}/post_attention_layernorm")
        x = b.node("Add", [x, mlp(b, y, w, layer)], f"{name}/Add_1")
        progress(layer + 1, c.layers)
    x = rms_norm(b, x, weights("output_norm"), c.rms_eps, "/model/norm")
    head = weights("output")
    if head is None:  # tied: the head reads the embedding table
        wname = b.node("Transpose", [table], "/lm_head/Transpose", perm=[1, 0])
    else:
        wname = b.weight("lm_head.weight", head.T)
    b.emit("MatMul", [x, wname], "logits", "/lm_head/MatMul")
    inputs, outputs = signature(c)
    graph = helper.make_graph(b.nodes, "main_graph", inputs, outputs, b.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    b.data.close()
    onnx.save(model, path)
    onnx.checker.check_model(str(path))
