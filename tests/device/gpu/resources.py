#!/usr/bin/env python3
"""Reads what the CUDA compiler reported of each kernel, from the files that
cmake/keep_report.sh left beside the objects.

    resources.py FOLDER

Fails when a kernel has a stack frame or local memory (an array that is indexed at run
time, or registers that did not suffice), when products of warpgroups wait where the code
does not say so, and when a kernel that decodes takes more registers than let enough
threads run at once. Prints the table.
"""
import collections
import pathlib
import re
import sys

# Kernels that a step of one token runs, by a part of their mangled names, and the registers that
# still let three blocks of 256 threads run on a multiprocessor.
DECODE_REGISTERS = {"LinearGemvKernelILi4ELi1E": 80, "LinearGemvKernelILi5ELi1E": 80, "LinearGemvKernelILi6ELi1E": 80, "LinearGemvKernelILi8ELi1E": 80}


def kernels(folder, remarks):
    """(architecture, mangled name) -> {"registers": .., "stack": .., "spills": ..}; what keeps products of warpgroups from running beside other work: in remarks"""
    found, at = {}, None
    for report in pathlib.Path(folder).rglob("*.report"):
        for line in report.read_text().splitlines():
            if match := re.search(r"Compiling entry function '(\S+)' for '(\S+)'", line):
                at = found.setdefault((match[2], match[1]), {"registers": 0, "stack": 0, "spills": 0})
            elif match := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
                at["stack"], at["spills"] = int(match[1]), int(match[2]) + int(match[3])
            elif match := re.search(r"Used (\d+) registers", line):
                at["registers"] = int(match[1])
            elif match := re.search(r"wgmma.*serialized|warpgroup.*injected", line):
                remarks.append(line.strip())
    return found


def readable(name):
    match = re.match(r"_ZN6hasten4cuda(?:\d+_GLOBAL__N__\w+?)?(\d+)(\w+)", name)
    return match[2][: int(match[1])] if match else name


def main():
    faults = []
    found = kernels(sys.argv[1], faults)
    rows = collections.defaultdict(list)
    for (arch, name), use in found.items():
        kernel = readable(name)
        rows[arch, kernel].append(use["registers"])
        if use["stack"] or use["spills"]:
            faults.append(f"{kernel} ({name}) for {arch}: a stack frame of {use['stack']} bytes, {use['spills']} bytes spilled")
        for prefix, most in DECODE_REGISTERS.items():
            if prefix in name and use["registers"] > most:
                faults.append(f"{kernel} ({name}) for {arch}: {use['registers']} registers, more than {most}")
    for (arch, kernel), registers in sorted(rows.items()):
        print(f"{arch:8} {kernel:32} {len(registers):3} versions, {min(registers)} to {max(registers)} registers")
    if not found:
        faults.append("no kernels found")
    for fault in faults:
        print("FAULT:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
