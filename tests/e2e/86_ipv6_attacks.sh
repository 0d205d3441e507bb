#!/usr/bin/env bash
# The firewall and fragment testers of thc-ipv6 through Sluice, at a port that the policy opens:
# what a receiver may read in two ways is refused. They stand at the port of eni-a, since they ask
# for their target's MAC address.
source "$(dirname "$0")/lib.sh"

# Tests of atk6-firewall6 that an open port answers: a whole SYN, plain (1, 2, 39), behind few and
# small options (5 to 8), as an atomic fragment (10), or in two fragments that do not overlap (27,
# 28). Refused are more headers than a chain may have (9, 19 to 21), fragment headers behind
# fragment headers (11 to 18, 22, 23), other EtherTypes and versions (3, 4), overlaps and trains
# without their first (24 to 26, 29 to 35), and options that are wrong in themselves (36 to 38).
answered='1 2 5 6 7 8 10 27 28'
for letter in a b c d e f g h i j k; do answered+=" 39$letter"; done
answered_by_open() {
  local found
  at_a timeout 200 atk6-firewall6 "$tag-a" "$b6" 22 >"$run/firewall6" 2>&1
  # Of 48 lines: a test that it could not even begin has none.
  found=$(e2e_tool firewall6 "$run/firewall6" 45) || return 1
  printf 'wanted %s\nfound  %s\n' "$answered" "$found"
  cat "$run/firewall6"
  [[ $found == "$answered" ]]
}

# All tests of atk6-fragmentation6, each once: it tells nothing by its exit status.
fragments_are_survived() {
  local before after
  before=$(drops_like fragment-)
  at_a timeout 150 atk6-fragmentation6 -p "$tag-a" "$b6" >"$run/fragmentation6" 2>&1
  after=$(drops_like fragment-)
  tail -n 40 "$run/fragmentation6"
  echo "fragment drops: $before before, $after after"
  grep -q 'ATTACK END' "$run/fragmentation6" && ((after > before)) && tcp_opens a "$b6" 22
}

drops_like() { ctl -j stats | e2e_tool drops-like "$1"; }

# Of one source, however many it sent.
few_are_held() { ctl -j stats | e2e_tool held 128; }

begin
for tool in atk6-firewall6 atk6-fragmentation6; do
  if ! command -v "$tool" >/dev/null; then
    printf 'skip - %s # %s is not installed\n' "$scenario" "$tool"
    finish
  fi
done
up "$(rule_tcp 22 sg-a)"
serve_all tcp:22
check "an open port answers to what is whole and to nothing else" answered_by_open
check "the fragment tests are survived, their shapes are refused" fragments_are_survived
check "no more fragments are held than one source may have" few_are_held
check "each packet is accounted for" books_balance
finish
