#!/usr/bin/env bash
# The perf suite: micro benchmarks beside their peers, then end-to-end packet rates beside bare I/O.
# `./sluice perf` builds first and then calls this. What each number means: perf/README.md.
set -euo pipefail

perf_dir=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
# In this shell's place, so that signals reach the suite, which takes down what it started.
exec python3 -B "$perf_dir/suite.py" "$@"
