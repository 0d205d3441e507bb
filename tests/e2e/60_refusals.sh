#!/usr/bin/env bash
# Starts that must be refused, and clients that must be told no.
source "$(dirname "$0")/lib.sh"

# start_refused PATTERN CONFIGURATION: the daemon ends with an error that says so.
start_refused() {
  local status=0
  timeout 30 "$sluiced" --config "$2" --policy "$run/policy.toml" >"$run/refused" 2>&1 || status=$?
  cat "$run/refused"
  echo "exit status $status"
  ((status != 0 && status < 124)) && grep -qE -- "$1" "$run/refused"
}

# variant NAME SED-EXPRESSION: a copy of the configuration with one thing wrong, devices and
# sockets of its own.
variant() {
  sed -e "s#iface=$tag#iface=v${tag#e}#; s#$run/control.sock#$run/v.sock#" \
    -e "s#$run/monitor.sock#$run/vm.sock#; s#$run/state#$run/v-state#" -e "$2" \
    "$run/appliance.toml" >"$run/$1.toml"
  echo "$run/$1.toml"
}

stops_in_time() {
  local began=$SECONDS
  kill -TERM "$appliance_pid"
  wait "$appliance_pid"
  local status=$?
  echo "exit status $status after $((SECONDS - began)) s"
  ((status == 0 && SECONDS - began < 10)) && [[ ! -e $socket ]]
}

begin
write_policy "$(rule_tcp 80 sg-a)" >"$run/policy.toml"
check "no daemon: exit 3" exits 3 ctl stats
check "a verb that does not exist: exit 2" exits 2 ctl policy frobnicate
check "a missing device is refused and named" \
  start_refused 'net_there_is_none' "$(variant device 's#net_tap0,#net_there_is_none0,#')"
check "a missing PCI device is refused and named" \
  start_refused '0000:ff:1f.7' "$(variant pci 's#net_tap0,iface=[^"]*#0000:ff:1f.7#')"
check "a missing core is refused and named" \
  start_refused '250' "$(variant core 's#^workers.*#workers = [250]#')"
check "an unknown key is refused with its line" \
  start_refused 'key.toml:[0-9]+' "$(variant key 's#^flow_capacity#flow_capacities#')"
check "a configuration that is not there is refused" \
  start_refused 'none-here.toml' "$run/none-here.toml"
check "a policy that is not there is refused" bash -c "! timeout 30 '$sluiced' \
  --config '$(variant nopolicy 's#x#x#')' --policy '$run/no-policy.toml'"

start_appliance --policy "$run/policy.toml" || give_up "the appliance did not start"
check "a socket in use is refused and named" \
  start_refused "$run/control.sock" "$(variant socket "s#$run/v.sock#$run/control.sock#")"
check "the appliance whose socket it was answers on" exits 0 ctl stats
check "the monitor socket refuses to apply" \
  fails "$sluicectl" -s "$run/monitor.sock" policy apply "$run/policy.toml"
check "the monitor socket answers questions" exits 0 "$sluicectl" -s "$run/monitor.sock" stats
check "a method that does not exist is answered by -32601" \
  e2e_tool rpc-error "$socket" no.such.method -32601
check "what is no JSON is answered by -32700" e2e_tool rpc-garbage "$socket" -32700
resident_before=$(resident_kb)
check "a message of 40 MiB is skipped and told" e2e_tool rpc-too-long "$socket"
check "and is not kept ($resident_before kB before, $(resident_kb) kB after)" \
  [ "$(($(resident_kb) - resident_before))" -lt 40960 ]
check "the daemon survives all of them" exits 0 ctl stats
check "hello names product, version, protocol and generation" e2e_tool hello "$socket"
check "it ends at once when it is asked to" stops_in_time
finish
