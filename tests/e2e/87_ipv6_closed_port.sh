#!/usr/bin/env bash
# The firewall tester of thc-ipv6 through Sluice, at a port that the policy does not open though
# somebody listens there: no trick reaches it, and none leaves a flow.
source "$(dirname "$0")/lib.sh"

answered_by_none() {
  local found
  at_a timeout 250 atk6-firewall6 "$tag-a" "$b6" 25 >"$run/firewall6" 2>&1
  found=$(e2e_tool firewall6 "$run/firewall6" 45) || { cat "$run/firewall6"; return 1; }
  [[ -z $found ]] || { cat "$run/firewall6"; return 1; }
}

no_flow_to() {
  ctl -j flow list --interface eni-b --port "$1" >"$run/stray"
  cat "$run/stray"
  [[ ! -s $run/stray ]]
}

begin
if ! command -v atk6-firewall6 >/dev/null; then
  printf 'skip - %s # atk6-firewall6 is not installed\n' "$scenario"
  finish
fi
up "$(rule_tcp 22 sg-a)"
serve_all tcp:22 tcp:25
check "an open port beside it opens" tcp_opens a "$b6" 22
check "the port that is not open answers to no trick" answered_by_none
check "no trick has left a flow of it" no_flow_to 25
check "each packet is accounted for" books_balance
finish
