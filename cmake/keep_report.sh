#!/bin/sh
# Runs the CUDA compiler and keeps what it reports of every kernel (-Xptxas=-v: registers,
# stack, spills) beside the object file, for tests/device/gpu/resources.py.
object= previous=
for word in "$@"; do
  [ "$previous" = -o ] && object=$word
  previous=$word
done
"$@" 2>"$object.report"
status=$?
[ $status = 0 ] || cat "$object.report" >&2
exit $status
