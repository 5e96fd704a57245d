"""Measures quantization: compiles a model for each row of a table, compares it with
the original by `hasten eval`, and writes the tables of docs/quantization.md.

    quantization.py --model MODEL --calibrate VALID.txt --text TEST.txt --results DIR [--table ablation] [--background]

A row at a time; each row's figures are kept in DIR as soon as they are known, by all
that shapes them (options, hasten's binary, texts), so that a run that was killed goes
on where it was and a finished one costs nothing. --background returns at once and
leaves a log in DIR.
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

# The goals: bytes in millions, the most divergence, what else is given.
GOALS = [(78, 0.11, []), (91.7, 0.050, []), (105.5, 0.020, ["--activation-group", "32"]), (138, 0.0040, ["--activation-group", "32"]),
         (138, 0.0040, ["--activation-group", "32", "--activation-residual", "*"])]
# What each method is worth: a row's name and its options, all beside ABLATED.
ABLATED = ["--weights", "int4:64", "--calibrate", "{calibrate}", "--samples", "{samples}", "--context", "{context}", "--chain"]
ABLATION = [("int4:64, round to nearest", ["--weights", "int4:64"])] + [(f"int4:64, {name}", [*ABLATED, *options]) for name, options in [
    ("GPTQ", ["none"]), ("+ inputs of the quantized model (GPTAQ)", ["gptaq"]), ("+ the stream's error", ["gptaq,stream"]), ("+ descent: the chain", ["all"]),
    ("the chain, permuted", ["all", "--equalize", "permute"]), ("the chain, turned", ["all", "--equalize", "rotate"]),
    ("the chain, distilled", ["all", "--distill-steps", "{steps}"]), ("the chain, SignRound", ["all", "--round-steps", "{steps}"])]] + [
    ("int8:64, round to nearest", ["--weights", "int8:64"]), ("int8:64, residuals", ["--weights", "int8:64", "--activation-residual", "*"]),
    ("int8:64, the chain", ["--weights", "int8:64", *ABLATED[2:], "all", "--equalize", "none"]),
    ("int8:64, the chain, smoothed", ["--weights", "int8:64", *ABLATED[2:], "all", "--equalize", "smooth"])]
BEGIN, END = "<!-- bench/quantization.py writes the {} from here", "<!-- to here -->"


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def rows_of(args):
    """Name, goal or None, options of compile."""
    if args.table == "ablation":
        return [(name, None, options) for name, options in ABLATION]
    rows = []
    for budget, goal, more in GOALS:
        if args.budgets and budget not in args.budgets:
            continue
        for effort in args.efforts:
            residual = ", residuals" if "--activation-residual" in more else ""
            rows.append((f"≤ {budget} M, {effort}{residual}", goal, ["--calibrate", "{calibrate}", "--budget-mb", str(budget), "--effort", effort, *more]))
    for budget in args.budgets or []:
        if all(budget != known for known, _, _ in GOALS):
            rows += [(f"≤ {budget} M, {e}", None, ["--calibrate", "{calibrate}", "--budget-mb", str(budget), "--effort", e]) for e in args.efforts]
    return rows


def run(command):
    """What a command that has to succeed printed; its seconds by the clock and of the processor, and MB at most."""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if process.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: exit status {process.returncode}\n{err.read().decode(errors='replace')[-2000:]}")
        cost = {"seconds": time.monotonic() - begin, "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1000}
        return out.read().decode(), cost


def measure(args, identity, options):
    """A row's figures, from the folder of results or measured now."""
    key = hashlib.sha256(json.dumps([identity, options]).encode()).hexdigest()[:24]
    kept = args.results / f"{key}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    artifact = args.results / f"{key}.hst"
    out, cost = run([args.hasten, "compile", args.model, "-o", artifact, "--json", *options])
    figures = {"compile": json.loads(out), "cost": cost}
    out, _ = run([args.hasten, "eval", "--reference", args.model, "--candidate", artifact, "--text", args.text, "--context", args.context,
                  "--chunks", args.chunks, "--cache", args.results / "logits", "--json"])
    figures["eval"] = json.loads(out)
    artifact.unlink()
    unfinished = kept.with_suffix(".part")
    unfinished.write_text(json.dumps(figures, indent=1))
    unfinished.rename(kept)   # whole or not there
    return figures


def table(rows):
    """Markdown of (name, goal, figures); figures are None where they are not there yet."""
    out = ["| | Goal | KLD mean | | Bytes | Top-1 | Perplexity ratio | Time | CPU time | Memory |", "|---|---|---|---|---|---|---|---|---|---|"]
    for name, goal, f in rows:
        if f is None:
            continue
        kld = f["eval"]["kld_mean"]
        met = "" if goal is None else "met" if kld <= goal else "missed"
        out.append(f"| {name} | {'' if goal is None else f'≤ {goal:g}'} | {kld:.4g} | {met} | {f['compile']['artifact_bytes'] / 1e6:.2f} M | "
                   f"{f['eval']['top1_agreement']:.3f} | {f['eval']['perplexity_ratio']:.3f} | {f['cost']['seconds']:.0f} s | {f['cost']['cpu_seconds']:.0f} s | {f['cost']['peak_mb'] / 1000:.2f} GB |")
    return out


def render(page, args, rows):
    """The page with what lies between the marks replaced."""
    mark = BEGIN.format(args.table)
    begin = page.find(mark)
    end = page.find(END, begin)
    if begin < 0 or end < begin:
        sys.exit(f"{args.output}: has no '{mark} …' before '{END}'")
    head = page[begin:page.find("\n", begin)]
    text = f"{args.name}, {args.chunks} chunks of {args.context} tokens, the second half of each scored; time of compiling, on {os.cpu_count()} cores that others may have used too."
    return page[:begin] + "\n".join([head, "", text, "", *table(rows), "", ""]) + page[end:]


def in_background(args):
    log = args.results / "log.txt"
    command = [sys.executable, "-B", *[a for a in sys.argv if a != "--background"]]
    with open(log, "ab") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
    print(f"process {child.pid}, log {log}")


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hasten", type=pathlib.Path, default=root / "build/bin/hasten")
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--name", default="SmolLM2-135M", help="what the page calls the model")
    parser.add_argument("--calibrate", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--chunks", type=int, default=40)
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, default=root / "docs/quantization.md")
    parser.add_argument("--efforts", nargs="+", default=["fast", "standard"], choices=["fast", "standard", "max"])
    parser.add_argument("--budgets", nargs="+", type=float, help="only these, goals or not")
    parser.add_argument("--table", default="goals", choices=["goals", "ablation"], help="the goals, or what each method is worth")
    parser.add_argument("--samples", type=int, default=32, help="of calibration, in the ablation")
    parser.add_argument("--steps", type=int, default=20, help="of what learns, in the ablation")
    parser.add_argument("--background", action="store_true")
    args = parser.parse_args()
    args.results.mkdir(parents=True, exist_ok=True)
    page = args.output.read_text()
    render(page, args, [])   # before the time is spent
    if args.background:
        return in_background(args)
    identity = [digest(args.hasten), digest(args.calibrate), digest(args.text), str(args.model.resolve()), args.context, args.chunks]
    values = {"calibrate": args.calibrate, "samples": args.samples, "context": args.context, "steps": args.steps}
    rows = [(name, goal, None, [o.format(**values) for o in options]) for name, goal, options in rows_of(args)]
    for i, (name, goal, _, options) in enumerate(rows):
        rows[i] = (name, goal, measure(args, identity, options), options)
        print(name, rows[i][2]["eval"]["kld_mean"], flush=True)
        args.output.write_text(render(args.output.read_text(), args, [(n, g, f) for n, g, f, _ in rows]))
    return None


if __name__ == "__main__":
    main()
