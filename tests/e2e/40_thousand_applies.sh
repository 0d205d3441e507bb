#!/usr/bin/env bash
# One transfer during 1,000 policy applies in a row: not one packet is dropped for them, every one
# becomes a generation of its own, and the appliance grows no fatter.
source "$(dirname "$0")/lib.sh"

applies=1000

begin
write_policy "$(rule_tcp 5201 sg-a)" >"$run/0.toml"
write_policy "$(rule_tcp 5201 sg-a)$(echo; rule_tcp 8080 sg-a)" >"$run/1.toml"
up "$(rule_tcp 5201 sg-a)"
net_start "$run/iperf-server.log" ip netns exec "$tag-b" iperf3 -s -B "$b4"
sleep 0.5

apply_in_turn() {
  local count=$1 turn began_s=$SECONDS
  for ((turn = 0; turn < count; ++turn)); do
    ctl policy apply "$run/$((turn % 2)).toml" >/dev/null || {
      echo "apply $turn of $count failed"
      return 1
    }
  done
  echo "$count applies in $((SECONDS - began_s)) s"
}

# Some applies before the measurement: allocators keep what they once asked for.
apply_in_turn 50 >"$run/warm-up" 2>&1
drops_before=$(unicast_drops)
ctl -j stats | e2e_tool reasons | sed 's/^/#   /'
generation_before=$(generation)
resident_before=$(resident_kb)
ip netns exec "$tag-a" timeout 200 iperf3 -c "$b4" -t 150 -J >"$run/iperf.json" 2>&1 </dev/null &
client=$!
net_pids+=("$client")
sleep 1
check "$applies applies succeed during a transfer" apply_in_turn "$applies"
sed 's/^/#   /' "$run/said"
check "the transfer is still running after them" kill -0 "$client"
# Counted while it runs: what is under way when a transfer is killed comes after its reset.
drops_after=$(unicast_drops)
ctl -j stats | e2e_tool reasons | sed 's/^/#   /'
# A signal makes iperf3 end its transfer and write its report.
kill -TERM "$client"
wait "$client" 2>/dev/null
check "it moved data in every second" e2e_tool iperf "$run/iperf.json" 1
check "not one packet was dropped ($drops_before before, $drops_after after)" \
  [ "$drops_after" = "$drops_before" ]
check "each apply made a generation of its own" \
  [ "$(generation)" -eq "$((generation_before + applies))" ]
resident_after=$(resident_kb)
check "memory stays ($resident_before kB before, $resident_after kB after)" \
  [ "$((resident_after - resident_before))" -lt 16384 ]
finish
