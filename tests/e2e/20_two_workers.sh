#!/usr/bin/env bash
# The same traffic with two workers: a device spreads packets by its own hash, and what lands on
# the worker that does not own the flow must be handled right all the same.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/traffic_cases.bash"

if (($(nproc) < 2)); then
  echo "skip - $scenario # this machine has one core"
  echo done
  exit 0
fi
begin 0,1
up "$(traffic_rules)"
traffic_cases
check "both workers had packets and own flows" bash -c "'$sluicectl' -s '$socket' -j worker list |
  python3 '$e2e_dir/e2e_tool.py' all-work"
finish
