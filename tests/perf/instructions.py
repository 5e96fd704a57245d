"""Counts the instructions of one decode step and of a prompt, on a small model
with made-up weights, by valgrind (which knows AVX2 and no AVX-512), and compares
them with committed figures.

A phase is a difference of two runs, so that starting, opening and building
tables cancel. One thread: waiting threads would count as they spin.

    instructions.py --hasten build/bin/hasten --expected instructions.json --compiler "GNU 12" [--update]
"""

import argparse
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
TOLERANCE = 0.03
SHAPE, PRECISION = "mini", ["--weights", "int4:64"]
PROMPT, LONG_PROMPT, NEW, MORE_NEW = 8, 72, 1, 9


def count(hasten, artifact, prompt, new):
    """Instructions of `hasten bench` with that prompt and that many new tokens."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", hasten, "bench", str(artifact),
               "--prompt-tokens", str(prompt), "--new-tokens", str(new), "--rounds", "1", "--threads", "1", "--isa", "avx2"]
    done = subprocess.run(command, capture_output=True, text=True)
    collected = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode != 0 or not collected:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return int(collected.group(1))


def measure(hasten):
    with tempfile.TemporaryDirectory() as folder:
        artifact = pathlib.Path(folder) / "model.hst"
        subprocess.run([hasten, "bench", "--synthetic", SHAPE, *PRECISION, "--keep", artifact, "--prompt-tokens", "1", "--new-tokens", "1",
                        "--rounds", "1", "--json"], check=True, capture_output=True)
        short = count(hasten, artifact, PROMPT, NEW)
        return {"decode_step": (count(hasten, artifact, PROMPT, MORE_NEW) - short) // (MORE_NEW - NEW),
                "prefill": count(hasten, artifact, LONG_PROMPT, NEW) - short}


def compare(expected, found):
    """Lines about phases beyond the tolerance, either way."""
    wrong = []
    for phase, want in expected.items():
        change = found[phase] / want - 1
        print(f"{phase}: {found[phase]:,} instructions, {change:+.2%} of {want:,}")
        if abs(change) > TOLERANCE:
            wrong.append(f"{phase} is {change:+.1%}, more than {TOLERANCE:.0%} off")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hasten", required=True)
    parser.add_argument("--expected", required=True, type=pathlib.Path)
    parser.add_argument("--compiler", required=True, help="name and major version: figures of another one do not compare")
    parser.add_argument("--update", action="store_true", help="write what was counted to --expected")
    args = parser.parse_args()
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        return SKIPPED
    expected = json.loads(args.expected.read_text()) if args.expected.exists() else {}
    if not args.update and expected.get("compiler") != args.compiler:
        print(f"skipped: the figures are of {expected.get('compiler')}, this build is of {args.compiler}")
        return SKIPPED
    found = measure(args.hasten)
    if args.update:
        args.expected.write_text(json.dumps({"compiler": args.compiler, "instructions": found}, indent=2) + "\n")
        print(f"{args.expected}: {found}")
        return 0
    wrong = compare(expected["instructions"], found)
    if wrong:
        print("; ".join(wrong) + f"\nif that is meant: {shlex.join(['python3', *sys.argv])} --update, and say why in the commit")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
