"""Measures quantization: compiles a model for each row of a table, compares it with
the original by `hasten eval`, and writes the tables of docs/quantization.md.

    quantization.py --model MODEL --calibrate VALID.txt --text TEST.txt --results DIR [--background]

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
import resource
import subprocess
import sys
import time

# The goals: bytes in millions, the most divergence, what else is given.
GOALS = [(78, 0.11, []), (91.7, 0.050, []), (105.5, 0.020, ["--activation-group", "32"]), (138, 0.0040, ["--activation-group", "32"])]
# What each method is worth: a row's name and its options.
ABLATION = [("int4:64, round to nearest", ["--weights", "int4:64"]),
            ("int4:64, gptq, fast", ["--weights", "int4:64", "--calibrate", "{calibrate}", "--effort", "fast"]),
            ("int4:64, gptq, standard", ["--weights", "int4:64", "--calibrate", "{calibrate}", "--effort", "standard"])]
BEGIN, END = "<!-- bench/quantization.py writes from here", "<!-- to here -->"


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def rows_of(args):
    """Name, goal or None, options of compile."""
    rows = []
    for budget, goal, more in GOALS:
        if args.budgets and budget not in args.budgets:
            continue
        for effort in args.efforts:
            rows.append((f"≤ {budget} M, {effort}", goal, ["--calibrate", "{calibrate}", "--budget-mb", str(budget), "--effort", effort, *more]))
    for budget in args.budgets or []:
        if all(budget != known for known, _, _ in GOALS):
            rows += [(f"≤ {budget} M, {e}", None, ["--calibrate", "{calibrate}", "--budget-mb", str(budget), "--effort", e]) for e in args.efforts]
    return rows + ([] if args.no_ablation else [(name, None, options) for name, options in ABLATION])


def run(command):
    """Seconds by the clock, of the processor, and MB at most of a command that has to succeed."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = {"seconds": time.monotonic() - begin, "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "children_peak_mb": after.ru_maxrss / 1000}
    return done.stdout, cost


def measure(args, identity, options):
    """A row's figures, from the folder of results or measured now."""
    key = hashlib.sha256(json.dumps([identity, options]).encode()).hexdigest()[:24]
    kept = args.results / f"{key}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    artifact = args.results / f"{key}.hst"
    out, cost = run([args.hasten, "compile", args.model, "-o", artifact, "--json", *[o.format(calibrate=args.calibrate) for o in options]])
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
    out = ["| | Goal | KLD mean | | Bytes | Top-1 | Perplexity ratio | Time | CPU time |", "|---|---|---|---|---|---|---|---|---|"]
    for name, goal, f in rows:
        if f is None:
            continue
        kld = f["eval"]["kld_mean"]
        met = "" if goal is None else "met" if kld <= goal else "missed"
        out.append(f"| {name} | {'' if goal is None else f'≤ {goal:g}'} | {kld:.4g} | {met} | {f['compile']['artifact_bytes'] / 1e6:.2f} M | "
                   f"{f['eval']['top1_agreement']:.3f} | {f['eval']['perplexity_ratio']:.3f} | {f['cost']['seconds']:.0f} s | {f['cost']['cpu_seconds']:.0f} s |")
    return out


def render(page, args, rows):
    """The page with what lies between the marks replaced."""
    begin, end = page.find(BEGIN), page.find(END)
    if begin < 0 or end < begin:
        sys.exit(f"{args.output}: has no '{BEGIN} …' before '{END}'")
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
    parser.add_argument("--no-ablation", action="store_true")
    parser.add_argument("--background", action="store_true")
    args = parser.parse_args()
    args.results.mkdir(parents=True, exist_ok=True)
    page = args.output.read_text()
    render(page, args, [])   # before the time is spent
    if args.background:
        return in_background(args)
    identity = [digest(args.hasten), digest(args.calibrate), digest(args.text), str(args.model.resolve()), args.context, args.chunks]
    rows = [(name, goal, None, options) for name, goal, options in rows_of(args)]
    for i, (name, goal, _, options) in enumerate(rows):
        rows[i] = (name, goal, measure(args, identity, options), options)
        print(name, rows[i][2]["eval"]["kld_mean"], flush=True)
        args.output.write_text(render(args.output.read_text(), args, [(n, g, f) for n, g, f, _ in rows]))
    return None


if __name__ == "__main__":
    main()
