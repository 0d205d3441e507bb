#!/usr/bin/env bash
# The lab of `./sluice run`: its tour has the expected answers, and nothing is left behind, neither
# at its end nor after Ctrl-C.
source "$(dirname "$0")/lib.sh"

lab=$e2e_dir/../../configs/lab/lab.sh

# What the lab could leave: namespaces, interfaces, directories, processes that serve it. What
# other scenarios make, which is called e and eight digits, is none of its business.
surroundings() {
  { ip netns list | cut -d' ' -f1; ip -o link | awk -F': ' '{ print $2 }'; } |
    grep -vE '^e[0-9a-f]{8}-' | sort
  find "${TMPDIR:-/tmp}" /run -maxdepth 1 \( -name 'sluice-lab.*' -o -name sshd \) | sort
  pgrep -af 'sluice-lab[.]'
}

unchanged() {
  surroundings >"$run/after"
  diff "$run/before" "$run/after"
}

interrupted_lab() {
  surroundings >"$run/before"
  # timeout makes a process group of its own for the lab and interrupts all of it, as Ctrl-C does.
  timeout -s INT "$1" bash "$lab" "$build"
  unchanged
}

begin
surroundings >"$run/before"
check "every answer of the tour is the expected one" timeout 120 bash "$lab" "$build" 25
check "nothing is left behind at its end" unchanged
check "nothing is left behind after Ctrl-C during the start" interrupted_lab 1
check "nothing is left behind after Ctrl-C during the tour" interrupted_lab 6
finish
