#!/usr/bin/env bash
# Compiles a model, gates it, and keeps the reports: what a CI job runs.
#
#   samples/ci/gate.sh MODEL POLICY OUT [OPTION OF hasten compile...]
#
# OUT/report has report.html, report.md, junit.xml and report.json, also when the gate
# fails; OUT/release has the artifact, with its figures in it, only when it passes.
#
#   HASTEN     the command [hasten, from PATH]
#   PREVIOUS   report.json of the last release, to show what got worse
#   BASELINE   an artifact to measure latency against, in turns
#
# Exits as hasten gate does: 0 PASS, 1 FAIL, 5 INCONCLUSIVE, others for errors. Only 0
# may be released.
set -euo pipefail

if [ $# -lt 3 ]; then
  sed -n '2,/^$/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
model=$1 policy=$2 out=$3
shift 3
hasten=${HASTEN:-hasten}
artifact=$out/candidate.hst

mkdir -p "$out"
rm -rf "$out/release" "$out/report"   # nothing of an earlier run may look like this one's
"$hasten" compile "$model" -o "$artifact" "$@"
"$hasten" verify "$artifact"

options=(--reference "$model" --candidate "$artifact" --policy "$policy" --report "$out/report" --write-card "$out/with-card.hst")
if [ -n "${BASELINE:-}" ]; then options+=(--baseline "$BASELINE"); fi
status=0
"$hasten" gate "${options[@]}" || status=$?

# The pull request's page, where the CI system has one.
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f "$out/report/report.md" ]; then cat "$out/report/report.md" >>"$GITHUB_STEP_SUMMARY"; fi
# A trend decides nothing: the policy does.
if [ -n "${PREVIOUS:-}" ] && [ -f "$out/report/report.json" ]; then "$hasten" gate --compare "$PREVIOUS" "$out/report/report.json" || true; fi

if [ "$status" = 0 ]; then
  mkdir -p "$out/release"
  mv "$out/with-card.hst" "$out/release/model.hst"
  cp "$out/report/report.json" "$out/report/report.html" "$out/release/"
else
  rm -f "$out/with-card.hst"
fi
exit "$status"
