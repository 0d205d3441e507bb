#!/usr/bin/env bash
# Policy changes while traffic runs: a removed rule stops new connections at once and lets tracked
# ones live, a bad policy changes nothing, a restart keeps the last good one.
source "$(dirname "$0")/lib.sh"

open_rules() {
  rule_tcp 5201 sg-a
  rule_tcp 80 sg-a
}

start_iperf_server() {
  net_start "$run/iperf-server.log" ip netns exec "$tag-b" iperf3 -s -B "$b4"
  net_wait_until 5 at_b ss -Hltn "sport = :5201" || give_up "iperf3 did not start"
  sleep 0.3
}

# Both removals of the rule happen while one transfer runs: it must see the end of its time.
transfer_survives() {
  at_a timeout 30 iperf3 -c "$b4" -t 6 -J >"$run/iperf.json" 2>&1 &
  local client=$! status=0
  sleep 2
  ctl policy apply "$run/closed.toml" || status=$?
  tcp_opens a "$b4" 80 && status=90
  wait "$client" || status=$?
  e2e_tool iperf "$run/iperf.json" 6 || status=91
  ((status == 0))
}

applies() { ctl policy apply "$@"; }

# A connection that says one line before a change and one after it: prints what arrived.
two_lines_around() {
  ip netns exec "$tag-b" timeout 12 nc -l "$b4" 80 >"$run/lines" &
  local server=$!
  sleep 0.5
  { echo one; sleep 2.5; echo two; sleep 1; } | at_a timeout 10 nc -w 4 "$b4" 80 &
  local client=$!
  sleep 1
  "$@"
  wait "$client"
  sleep 0.3
  kill "$server" 2>/dev/null
  wait "$server" 2>/dev/null
  cat "$run/lines"
}

keeps() { two_lines_around applies "$run/closed.toml" | tee "$run/kept"; grep -qx two "$run/kept"; }
cuts() {
  two_lines_around applies "$run/closed.toml" --existing "$1" | tee "$run/kept"
  grep -qx one "$run/kept" && ! grep -qx two "$run/kept"
}

# The same with a prefix list of the one client in the place of its group.
list_policy() {
  write_policy "$(rule_tcp 80 pl-clients)"
  printf '[[prefix_list]]\nid = "pl-clients"\nfamily = "ipv4"\nmax_entries = 2\n'
  printf 'entries = [{ cidr = "%s/32", description = "a" }]\n' "$a4"
}

refused_and_unchanged() {
  local before after
  before=$(generation)
  exits 4 ctl policy apply "$run/bad.toml" || return 1
  after=$(generation)
  echo "generation $before before, $after after"
  [[ $before == "$after" ]]
}

restart() {
  stop_appliance
  start_appliance "$@" && join_all
}

begin
write_policy "$(open_rules)" >"$run/open.toml"
write_policy "" >"$run/closed.toml"
write_policy "$(rule_tcp 70000 sg-a)$(echo; rule_tcp 80 sg-nobody)" >"$run/bad.toml"
up "$(open_rules)"
mkdir -p "$run/www"
echo hello >"$run/www/hello"
serve_http b "$run/www"
start_iperf_server

check "an open port opens" tcp_opens a "$b4" 80
check "a running transfer outlives its rule, new connections do not pass" transfer_survives
check "without the rule the port stays shut" dropped no-rule tcp_opens a "$b4" 80
check "with the rule again the next try passes" \
  bash -c "'$sluicectl' -s '$socket' policy apply '$run/open.toml' &&
    ip netns exec $tag-a nc -z -w 2 $b4 80"

check "a bad policy is refused with exit 4 and nothing changes" refused_and_unchanged
check "its first error is told with file, line and column" \
  says "bad.toml:[0-9]+:[0-9]+: error: .*70000" ctl policy check "$run/bad.toml"
check "its second error is told as well" \
  says "bad.toml:[0-9]+:[0-9]+: error: .*sg-nobody" ctl policy check "$run/bad.toml"
check "traffic goes on after a bad policy" tcp_opens a "$b4" 80
check "a good policy is found good" exits 0 ctl policy check "$run/open.toml"
check "a policy file that is not there is an error" \
  fails ctl policy apply "$run/there-is-none.toml"
check "explain names the rule that the wire follows" \
  says 'sgr-[0-9a-f]{17}' ctl -j explain --interface eni-b --direction ingress --protocol tcp \
  --source "$a4" --destination "$b4" --source-port 40000 --destination-port 80
check "explain with --fail-on-deny exits with 1 for a denial" \
  exits 1 ctl explain --fail-on-deny --interface eni-b --direction ingress --protocol tcp \
  --source "$a4" --destination "$b4" --source-port 40000 --destination-port 81
check "policy show tells what was applied" says 'sg-b' ctl policy show
check "interface list names both interfaces" says 'eni-b' ctl interface list
check "group list names both groups" says 'sg-b' ctl group list

# The web server makes room for connections that the cases hold by hand.
net_stop "${net_pids[1]}"
check "a held connection outlives its rule" keeps
applies "$run/open.toml" >/dev/null
check "with --existing reevaluate it does not" cuts reevaluate
applies "$run/open.toml" >/dev/null
check "with --existing flush it does not" cuts flush
applies "$run/open.toml" >/dev/null

serve_http b "$run/www"
list_policy >"$run/list.toml"
check "a rule may name a prefix list" applies "$run/list.toml"
check "who is on the list passes" tcp_opens a "$b4" 80
check "an entry is taken from it" ctl prefix-list remove pl-clients "$a4/32" -m "by mistake"
check "who was on the list does not pass" dropped no-rule tcp_opens a "$b4" 80
check "a restart finds the last good policy" restart
serve_http b "$run/www"
check "and the list as it was left" dropped no-rule tcp_opens a "$b4" 80
check "and why it changed" says 'by mistake' ctl prefix-list history pl-clients
check "and what it was before" says "$a4/32 +a" ctl prefix-list show pl-clients 1
check "an old version is restored" ctl prefix-list restore pl-clients 1
check "and followed: who was on the list passes" tcp_opens a "$b4" 80
check "which makes a version of its own" says '"version":3' ctl -j prefix-list list
check "what no rule allows does not pass after a restart either" \
  dropped no-rule tcp_opens a "$b4" 81
rm -rf "$run/state"
check "an appliance without any policy starts" restart
check "and lets nothing pass, for the reason that there is no policy" \
  dropped no-policy tcp_opens a "$b4" 80
finish
