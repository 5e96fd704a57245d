#!/usr/bin/env python3
"""Reads what the CUDA compiler gave each kernel, from the library it made.

    resources.py CUOBJDUMP LIBRARY

Fails when a kernel has a stack frame or local memory (an array that is indexed at run
time, or registers that did not suffice), and when a kernel that decodes takes more
registers than let enough threads run at once. Prints the table.
"""
import collections
import re
import subprocess
import sys

# Kernels that a step of one token runs, by the beginning of their names, and the registers they may take.
DECODE_REGISTERS = {"Gemv": 80}


def kernels(cuobjdump, library):
    """(architecture, mangled name) -> {"REG": .., "STACK": .., "LOCAL": ..}"""
    text = subprocess.run([cuobjdump, "-res-usage", library], check=True, capture_output=True, text=True).stdout
    found, arch, name = {}, "", ""
    for line in text.splitlines():
        if match := re.match(r"arch = (\S+)", line.strip()):
            arch = match[1]
        elif match := re.match(r"Function (\S+):", line.strip()):
            name = match[1]
        elif "REG:" in line and name:
            found[arch, name] = {key: int(value) for key, value in re.findall(r"(REG|STACK|LOCAL|SHARED):(\d+)", line)}
    return found


def readable(name):
    match = re.match(r"_ZN6hasten4cuda(?:\d+_GLOBAL__N__\w+?)?(\d+)(\w+)", name)
    return match[2][: int(match[1])] if match else name


def main():
    found = kernels(*sys.argv[1:3])
    rows = collections.defaultdict(list)
    faults = []
    for (arch, name), use in found.items():
        kernel = readable(name)
        rows[arch, kernel].append(use)
        if use["STACK"] or use["LOCAL"]:
            faults.append(f"{kernel} ({name}) for {arch}: a stack frame of {use['STACK']} bytes, {use['LOCAL']} of local memory")
        for prefix, most in DECODE_REGISTERS.items():
            if kernel.startswith(prefix) and use["REG"] > most:
                faults.append(f"{kernel} ({name}) for {arch}: {use['REG']} registers, more than {most}")
    for (arch, kernel), uses in sorted(rows.items()):
        registers = [u["REG"] for u in uses]
        print(f"{arch:8} {kernel:32} {len(uses):3} versions, {min(registers)} to {max(registers)} registers, "
              f"{max(u['SHARED'] for u in uses)} bytes of static shared memory")
    if not found:
        faults.append("no kernels found")
    for fault in faults:
        print("FAULT:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
