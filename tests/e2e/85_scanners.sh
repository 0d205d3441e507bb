#!/usr/bin/env bash
# nmap through Sluice: whatever it tries, it finds exactly the ports that the policy opens, and what
# it tried leaves nothing behind.
#
# nmap stands behind the uplink. b serves 22, 25, 80 and 443 over TCP and 53 and 54 over UDP; the
# policy opens TCP 22 (to a network: tracked), 80 (to everybody: untracked) and 8080 (where nobody
# listens), and UDP 53 and 5353 (where nobody listens).
source "$(dirname "$0")/lib.sh"

tcp_ports=22,25,80,443,1024,8080,65535
udp_ports=53,54,5353,40000
nmap_words=(-n -Pn --reason -T4 --max-retries 2 --min-rtt-timeout 200ms --max-rtt-timeout 300ms
  --host-timeout 60s)

# As nmap calls them: open, closed (the host has refused it), filtered (nobody has answered).
as_policy='22=open 25=filtered 80=open 443=filtered 1024=filtered 8080=closed 65535=filtered'
# An ACK gets a RST from a host that sees it, whether somebody listens or not.
seen_by_ack='22=unfiltered 25=filtered 80=unfiltered 443=filtered 1024=filtered 8080=unfiltered'
seen_by_ack+=' 65535=filtered'
nothing='22=filtered 25=filtered 80=filtered 443=filtered 1024=filtered 8080=filtered'
nothing+=' 65535=filtered'
# Where silence may mean that the host has taken the packet.
silence=${nothing//=filtered/=open|filtered}
udp_as_policy='53=open 54=open|filtered 5353=closed 40000=open|filtered'

scanner_rules() {
  local port
  for port in 22 8080; do
    rule_tcp "$port" 198.51.100.0/24
    rule_tcp "$port" 2001:db8:7::/64
  done
  rule_tcp 80 0.0.0.0/0
  rule_tcp 80 ::/0
  for port in 53 5353; do
    rule_udp "$port" 198.51.100.0/24
    rule_udp "$port" 2001:db8:7::/64
  done
}

# scan EXPECTED NMAP-WORD...: nmap from behind the uplink finds exactly this.
scan() {
  local wanted=$1 status=0 found
  shift
  at_x timeout 90 nmap "${nmap_words[@]}" -oX "$run/scan.xml" "$@" >"$run/nmap.log" 2>&1 ||
    status=$?
  found=$(e2e_tool nmap-table "$run/scan.xml") || status=99
  printf 'wanted %s\nfound  %s\nexit status %s\n' "$wanted" "$found" "$status"
  ((status == 0)) || cat "$run/nmap.log"
  [[ $status == 0 && $found == "$wanted" ]]
}

scan_tcp() { scan "$1" -p "$tcp_ports" "${@:2}" "$b4"; }
scan_tcp6() { scan "$1" -6 -p "$tcp_ports" "${@:2}" "$b6"; }

# scan_counts REASON EXPECTED NMAP-WORD...: and drops for this reason are what kept it from more.
scan_counts() {
  local reason=$1 before after
  before=$(drops "$reason")
  shift
  scan_tcp "$@" || return 1
  after=$(drops "$reason")
  echo "$reason: $before before, $after after"
  ((after > before))
}

# Flows at eni-b, of ports that the policy does not open.
stray_flows() {
  local port
  for port in 25 443 1024 65535 54 40000; do
    ctl -j flow list --interface eni-b --port "$port" --direction ingress
  done
}

no_state_beyond_policy() {
  stray_flows >"$run/stray"
  cat "$run/stray"
  [[ ! -s $run/stray ]]
}

nothing_is_held() { ctl -j stats | e2e_tool held 0; }

begin
if ! command -v nmap >/dev/null; then
  printf 'skip - %s # nmap is not installed\n' "$scenario"
  finish
fi
up "$(scanner_rules)"
serve_all tcp:22 tcp:25 tcp:80 tcp:443 udp:53 udp:54
received_before=$(ctl -j stats | e2e_tool received)

check "a SYN scan finds the open ports" scan_tcp "$as_policy" -sS
check "so does a connect scan" scan_tcp "$as_policy" -sT
check "and a SYN scan over IPv6" scan_tcp6 "$as_policy" -sS
check "source port 53 opens nothing" scan_tcp "$as_policy" -sS -g 53
check "an ACK scan sees what rules admit" scan_tcp "$seen_by_ack" -sA
check "a window scan sees no more" scan_counts no-rule "${seen_by_ack//unfiltered/closed}" -sW
check "a FIN scan sees nothing" scan_counts malformed-tcp-flags "$silence" -sF
check "a FIN-ACK scan sees nothing" scan_counts not-first-packet "$silence" -sM
check "a NULL scan sees nothing" scan_counts malformed-tcp-flags "$silence" -sN
check "an Xmas scan sees nothing" scan_counts malformed-tcp-flags "$silence" -sX
check "an Xmas scan over IPv6 sees nothing" scan_tcp6 "$silence" -sX
check "fragments that cut the header see nothing" scan_counts fragment-tiny "$nothing" -sS -f
check "fragments behind a whole header see what rules admit" \
  scan_tcp "$as_policy" -sS --mtu 24 --data-length 64
check "wrong checksums are answered by nobody" scan_tcp "$nothing" -sS --badsum
check "a UDP scan finds the open ports" scan "$udp_as_policy" -sU -p "$udp_ports" "$b4"
check "so does one from source port 53" scan "$udp_as_policy" -sU -g 53 -p "$udp_ports" "$b4"
check "and one over IPv6" scan "$udp_as_policy" -6 -sU -p "$udp_ports" "$b6"
check "an SCTP scan sees nothing" scan '22=filtered 80=filtered' -sY -p 22,80 "$b4"

ctl policy apply "$run/policy.toml" --existing flush >/dev/null
sed 's/^account.*/&\n[tracking]\nmode = "strict"/' "$run/policy.toml" >"$run/strict.toml"
ctl policy apply "$run/strict.toml" --existing flush >/dev/null
check "in strict mode an ACK scan sees nothing" scan_counts not-first-packet "$nothing" -sA
check "in strict mode a SYN scan finds the open ports" scan_tcp "$as_policy" -sS
ctl policy apply "$run/policy.toml" >/dev/null

check "no scan has left a flow of a port that is not open" no_state_beyond_policy
check "all that was forgotten is forgotten" exits 0 ctl flow flush
check "and no fragment is held any more" net_wait_until 35 nothing_is_held
check "each packet is accounted for" books_balance
received=$(($(ctl -j stats | e2e_tool received) - received_before))
check "the scans were short ($received packets)" [ "$received" -lt 5000 ]
finish
