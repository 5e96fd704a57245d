"""Times hasten on made-up models and writes docs/performance.md: what the machine
can do, what hasten does of it, other engines beside it, and what did not help.

    performance.py --hasten build/bin/hasten --output docs/performance.md [--peers peers.jsonl]

A peer's line: {"peer": "llama.cpp Q4_0", "model": "llama-1b", "depth": 512,
"prefill": 676, "decode": 114, "bytes": 770000000}. Model and depth may be left
out: they are the first of --shapes and of --depths then; figures may be, too.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

# Precision as on the command line, and what a row of the page calls it.
PRECISIONS = [("int4:64, head int8:64", ["--weights", "int4:64", "--head", "int8:64"]),
              ("int8:32", ["--weights", "int8:32"]),
              ("int8 per channel", ["--weights", "int8"])]
ISAS = ["avx512vnni", "avx2"]
PEER_KEYS = {"peer": str, "model": str, "depth": int, "prefill": (int, float), "decode": (int, float), "bytes": (int, float)}


def run_json(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def read_peers(path, model, depth):
    """The lines of a peers file; exits with file and line for one that is malformed."""
    peers = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            peer = json.loads(line)
        except json.JSONDecodeError as error:
            sys.exit(f"{path}:{number}: not JSON: {error}")
        if not isinstance(peer, dict) or not isinstance(peer.get("peer"), str):
            sys.exit(f'{path}:{number}: needed an object with "peer", a string')
        for key, value in peer.items():
            if key not in PEER_KEYS or isinstance(value, bool) or not isinstance(value, PEER_KEYS[key]):
                sys.exit(f'{path}:{number}: "{key}": {value!r} is not known or of the wrong kind; keys are {", ".join(PEER_KEYS)}')
        peers.append({"model": model, "depth": depth, **peer})
    return peers


def drop_from_cache(path):
    """Leaves no page of the file in the page cache, so that the next read is from the disk."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def measure_start(args, artifact):
    """Milliseconds, a list of rounds each: reading the file from the disk, and from opening it
    to the logits of 16 tokens, `cold` from the disk and `warm` from the page cache."""
    def first_logits():
        report = run_json([args.hasten, "bench", artifact, "--prompt-tokens", 16, "--new-tokens", 1, "--rounds", 1, "--json"])
        return report["load_ms"]["best"] + report["time_to_first_token_ms"]["best"]

    start = {"read": [], "cold": [], "warm": []}
    for _ in range(args.rounds):
        drop_from_cache(artifact)
        began = time.perf_counter()
        with open(artifact, "rb", buffering=0) as file:
            while file.read(1 << 20):
                pass
        start["read"].append(1000 * (time.perf_counter() - began))
        drop_from_cache(artifact)
        start["cold"].append(first_logits())
        start["warm"].append(first_logits())
    return start


def measure(args, isas, folder):
    """A row for each model, precision, instruction set and depth; those of the first have `start`."""
    rows = []
    for shape in args.shapes:
        for precision, options in PRECISIONS:
            artifact = pathlib.Path(folder) / "model.hst"
            run_json([args.hasten, "bench", "--synthetic", shape, *options, "--keep", artifact, "--prompt-tokens", 1, "--new-tokens", 1,
                      "--rounds", 1, "--json"])
            for isa in isas:
                for depth in args.depths:
                    print(f"{shape}, {precision}, {isa}, {depth} tokens", file=sys.stderr)
                    report = run_json([args.hasten, "bench", artifact, "--isa", isa, "--prompt-tokens", depth, "--new-tokens", args.new_tokens,
                                       "--rounds", args.rounds, "--json", *(["--threads", args.threads] if args.threads else [])])
                    rows.append({"model": shape, "depth": depth, "engine": f"hasten {precision}, {isa}",
                                 "prefill": report["prefill_tokens_per_s"]["rounds"], "decode": report["decode_tokens_per_s"]["rounds"],
                                 "bytes": report["artifact_bytes"]["best"]})
            if precision == PRECISIONS[0][0]:
                rows[-1]["start"] = measure_start(args, artifact)
            artifact.unlink()
    return rows


def rate(rounds):
    """Median and, of several rounds, how far the slowest and fastest are apart."""
    if rounds is None:
        return "–"
    if not isinstance(rounds, list):
        return f"{rounds:,.1f}"
    median = statistics.median(rounds)
    spread = 100 * (max(rounds) - min(rounds)) / median
    return f"{median:,.1f} (± {spread / 2:.0f} %)" if len(rounds) > 1 else f"{median:,.1f}"


def machine_lines(machine):
    last_read, last_region = machine["read"][-1], machine["region"][-1]
    threads = last_read["threads"]
    lines = [f"{machine['cpu']}, {machine['cores']} cores. With {threads} threads, best of rounds:", "",
             "| What | Limit |", "|---|---|"]
    for key, what in (("small_pages", "memory, 4 KiB pages"), ("huge_pages", "memory, huge pages"), ("file", "a mapped file")):
        if last_read[f"{key}_gb_per_s"]:
            lines.append(f"| reading {what} | {last_read[f'{key}_gb_per_s']['best']:.1f} GB/s |")
    for peak in machine["peak"]:
        if peak["threads"] != threads:
            continue
        if peak["int8_gops"]:
            lines.append(f"| int8 multiply-adds, {peak['isa']} | {peak['int8_gops']['best']:,.0f} GOPS |")
        if peak["fp32_gflops"]:
            lines.append(f"| fp32 multiply-adds, {peak['isa']} | {peak['fp32_gflops']['best']:,.0f} GFLOPS |")
    lines.append(f"| an empty parallel region | {last_region['us']['best']:.2f} us |")
    return lines


def table(rows):
    lines = ["| | prefill, tokens/s | decode after it, tokens/s | bytes |", "|---|---|---|---|"]
    for row in rows:
        size = f"{row['bytes'] / 1e6:,.0f} MB" if row.get("bytes") else "–"
        lines.append(f"| {row['engine']} | {rate(row.get('prefill'))} | {rate(row.get('decode'))} | {size} |")
    return lines


def start_lines(rows):
    lines = ["| | reading the file from disk, ms | first logits from disk, ms | from the page cache, ms |", "|---|---|---|---|"]
    for row in rows:
        start = row["start"]
        lines.append(f"| {row['model']}, {row['bytes'] / 1e6:,.0f} MB | {rate(start['read'])} | {rate(start['cold'])} | {rate(start['warm'])} |")
    return lines


def render(machine, commit, rows, peers, notes):
    """The page. `rows` and `peers` as measure and read_peers give them."""
    lines = ["# Performance", "",
             f"Written by `./dev bench` at commit {commit}. Weights are made up (`hasten bench --synthetic`): speed depends on",
             "the shape, not on values. Median of rounds, with half of what lies between slowest and fastest.", "",
             "## The machine", "", *machine_lines(machine), ""]
    everything = rows + [{**p, "engine": p["peer"]} for p in peers]
    for model, depth in dict.fromkeys((r["model"], r["depth"]) for r in everything):
        here = [r for r in everything if r["model"] == model and r["depth"] == depth]
        lines += [f"## {model}, {depth} tokens", "", *table(here), ""]
    started = [r for r in rows if "start" in r]
    if started:
        lines += ["## Start", "", "From opening the file to the logits of 16 tokens.", "", *start_lines(started), ""]
    lines += ["## What was tried and did not help", "", notes.strip(), ""]
    return "\n".join(lines)


def git_commit(root):
    def git(*words):
        return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True).stdout.strip()
    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    return commit + (" with changes" if git("status", "--porcelain", "--untracked-files=no") else "")


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hasten", type=pathlib.Path, default=root / "build/bin/hasten")
    parser.add_argument("--output", type=pathlib.Path, default=root / "docs/performance.md")
    parser.add_argument("--notes", type=pathlib.Path, default=root / "docs/performance-notes.md")
    parser.add_argument("--peers", type=pathlib.Path)
    parser.add_argument("--shapes", nargs="+", default=["smollm2-135m", "llama-1b"])
    parser.add_argument("--depths", nargs="+", type=int, default=[512, 4096])
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    # First what may be wrong, then what takes time.
    notes = args.notes.read_text()
    peers = read_peers(args.peers, args.shapes[0], args.depths[0]) if args.peers else []
    machine = run_json([args.hasten, "bench", "--machine", "--json", *(["--threads", args.threads] if args.threads else [])])
    available = {p["isa"] for p in machine["peak"]}
    isas = [isa for isa in ISAS if isa in available] or ["scalar"]
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(args, isas, folder)
    args.output.write_text(render(machine, git_commit(root), rows, peers, notes))
    print(args.output)


if __name__ == "__main__":
    main()
