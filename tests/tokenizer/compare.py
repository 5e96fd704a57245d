"""Holds tokenize_cli against the `tokenizers` package: ids of random Unicode
strings, decoded text, and streamed text, for families and for single components.

Usage: compare.py TOKENIZE_CLI [--strings N] [--only NAME] [--text FILE...]
Random strings mix words of the training text, special tokens, whitespace, digits,
punctuation, emoji, combining sequences, many scripts and any code point.
"""
import argparse
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

from tokenizers import Tokenizer

import components
import families

SPECIALS = ("<|endoftext|> <s> </s> <mask> <unk> <|begin_of_text|> <|eot_id|> <|im_start|> <|im_end|> <tool_call> Café <bos> [INST] "
            "[CLS] [MASK] <extra_id_0> normed|token word left right both <x> Éa ab <start_of_turn> <0x41> \n\n").split(" ")
SPECIALS = [s.replace("|token", " token") for s in SPECIALS]
SPACES = " " * 12 + "\t\n\r\x0b\x0c\x85\xa0\u1680\u2003\u2009\u200b\u2028\u2029\u202f\u205f\u3000\ufeff\u2581\x1c\x1f"
MARKS = "\u0300\u0301\u0308\u0327\u0323\u034f\u093c\u094d\u0e34\u200d\u20e3\ufe0f\u1100\u1161\u11a8\u0331\u05b0"
EMOJI = ["😀", "👩‍👩‍👧", "🇩🇪", "👍🏽", "❤️", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
BLOCKS = [(0x20, 0x7E), (0xA1, 0x24F), (0x370, 0x52F), (0x5D0, 0x5EA), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE5B), (0x1E00, 0x1FFF),
          (0x2000, 0x2BFF), (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFDFF), (0xFE30, 0xFFEF), (0x1D400, 0x1D7FF), (0x1F000, 0x1FAFF)]


def any_code_point(rng):
    while True:
        c = rng.randrange(0x110000) if rng.random() < 0.3 else rng.randrange(0x3000)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def random_string(rng, words):
    out = []
    for _ in range(rng.choice([0, 1, 2, 3, 5, 8, 13, 21])):
        kind = rng.random()
        if kind < 0.35:
            out.append(rng.choice(words) + rng.choice(["", " ", " ", "  "]))
        elif kind < 0.45:
            out.append(rng.choice(SPECIALS))
        elif kind < 0.55:
            out.append("".join(rng.choices(SPACES, k=rng.choice([1, 1, 2, 3]))))
        elif kind < 0.60:
            out.append(str(rng.randrange(10 ** rng.randint(1, 6))))
        elif kind < 0.65:
            out.append(rng.choice(EMOJI))
        elif kind < 0.75:
            low, high = rng.choice(BLOCKS)
            out.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 4))))
        elif kind < 0.82:
            out.append(rng.choice("aeonAEÉ한각k") + "".join(rng.choices(MARKS, k=rng.randint(1, 3))))
        elif kind < 0.88:
            out.append(rng.choice(["'s", "'LL", "n't", "''", "``", "...", "!?", " ,", "$5", "a_b", "İ", "ß", "ﬁ", "①", "½", "²", "\x00", "\x07", "\x7f", "\ufffd"]))
        else:
            out.append("".join(any_code_point(rng) for _ in range(rng.randint(1, 3))))
    return "".join(out)


class Cli:
    def __init__(self, binary, path):
        self.binary, self.path = binary, path

    def run(self, mode, data):
        p = subprocess.run([self.binary, self.path, mode], input=data, capture_output=True)
        if p.returncode:
            raise SystemExit(f"{self.path}: {p.stderr.decode()}")
        return p.stdout

    def encode(self, strings, mode="encode"):
        out, at, ids = self.run(mode, b"".join(struct.pack("<I", len(b)) + b for b in (s.encode() for s in strings))), 0, []
        while at < len(out):
            n, = struct.unpack_from("<I", out, at)
            ids.append(None if n == 0xFFFFFFFF else list(struct.unpack_from(f"<{n}i", out, at + 4)))
            at += 4 + (0 if n == 0xFFFFFFFF else 4 * n)
        return ids

    def decode(self, lists, mode="decode"):
        out, at, texts = self.run(mode, b"".join(struct.pack(f"<I{len(i)}i", len(i), *i) for i in lists)), 0, []
        while at < len(out):
            n, = struct.unpack_from("<I", out, at)
            texts.append(out[at + 4:at + 4 + n].decode())
            at += 4 + n
        return texts


def reference(f):
    try:
        return f()
    except BaseException as e:  # pyo3 panics are no Exceptions
        return e


class Report:
    def __init__(self):
        self.bad = 0

    def check(self, what, inputs, want, got):
        errors = 0
        for i, w, g in zip(inputs, want, got):
            w = None if isinstance(w, BaseException) else w
            if w != g:
                errors += 1
                if errors <= 3:
                    print(f"  {what}: {i!r}\n    want {w!r}\n    got  {g!r}")
        if len(want) != len(got):
            errors += 1
            print(f"  {what}: {len(got)} results for {len(want)}")
        self.bad += errors
        return errors


def compare(name, t, binary, folder, strings, rng, report, decode=True):
    path = str(pathlib.Path(folder) / "tokenizer.json")
    t.save(path)
    t = Tokenizer.from_file(path)  # what the file says is what counts
    cli = Cli(binary, path)
    want = [reference(lambda: t.encode(s).ids) for s in strings]
    errors = report.check(name + " encode", strings, want, cli.encode(strings))
    some = strings[::10]
    errors += report.check(name + " raw", some, [reference(lambda: t.encode(s, add_special_tokens=False).ids) for s in some], cli.encode(some, "raw"))
    if decode:
        size = t.get_vocab_size()
        lists = [w for w in want[::5] if isinstance(w, list)] + [[rng.randrange(size) for _ in range(rng.randint(1, 12))] for _ in range(len(strings) // 5)]
        texts = [reference(lambda: t.decode(i)) for i in lists]
        got = cli.decode(lists)
        errors += report.check(name + " decode", lists, texts, got)
        # Where bytes are ill-formed the stream may show another number of U+FFFD.
        streamed = cli.decode(lists, "stream")
        clean = [(i, w, s) for i, w, s in zip(lists, got, streamed) if "\ufffd" not in w]
        errors += report.check(name + " stream", *zip(*clean)) if clean else 0
    print(f"{name}: {len(strings)} strings, {errors} differences", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cli")
    p.add_argument("--strings", type=int, default=1000)
    p.add_argument("--only")
    p.add_argument("--seed", type=int, default=7)
    p.add_argument("--text", nargs="*", default=[])
    a = p.parse_args()
    rng = random.Random(a.seed)
    words = sorted({w for line in families.text(lines=400) for w in line.split(" ")})
    strings = [random_string(rng, words) for _ in range(a.strings)]
    for f in a.text:
        strings += pathlib.Path(f).read_text(encoding="utf-8").split("\n")
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        for make in families.FAMILIES:
            if a.only and a.only not in make.__name__:
                continue
            t = make()
            if t is None:
                print(f"{make.__name__}: skipped, needs the package sentencepiece")
            else:
                compare(make.__name__, t, a.cli, folder, strings, rng, report)
        if not a.only or a.only == "components":
            alphabet = sorted({c for s in strings[:3000] for f in ("NFC", "NFKD") for c in s + unicodedata.normalize(f, s) + s.lower()})
            for name, change in components.components():
                t = components.probe(alphabet + ["▁", "|", "-"])
                change(t)
                compare(name, t, a.cli, folder, strings[:max(300, a.strings // 10)], rng, report, decode=False)
    print(f"{report.bad} differences in all")
    return 1 if report.bad else 0


sys.exit(main())
