# shellcheck shell=bash
# What every end-to-end scenario stands on: an appliance between two interfaces and an uplink, each
# port a tap in a network namespace of its own with a random name. Traffic stays inside them, and
# everything is taken down by a trap, whatever happens.
#
#   a  10.77.1.10 fd77:0:0:1::10   group sg-a: nothing may come in, everything may go out
#   b  10.77.2.10 fd77:0:0:2::10   group sg-b: what the scenario's rules say
#   x  198.51.100.7 2001:db8:7::7  the world behind the uplink
#
# A scenario prints "ok - NAME" or "not ok - NAME" for each case, "done" when it came to its end.

set -uo pipefail

e2e_dir=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source=configs/lab/network.sh
source "$e2e_dir/../../configs/lab/network.sh"

build=${1:?usage: SCENARIO.sh BUILD_DIRECTORY}
sluiced=$build/control/main/sluiced
sluicectl=$build/control/main/sluicectl
scenario=$(basename "$0" .sh)
failures=0
appliance_pid=''
tag=''
run=''
socket=''

a4=10.77.1.10 a6=fd77:0:0:1::10
b4=10.77.2.10 b6=fd77:0:0:2::10
x4=198.51.100.7 x6=2001:db8:7::7

take_down() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP
  net_cleanup
  exit "$status"
}

give_up() {
  printf 'not ok - %s: %s\n' "$scenario" "$1"
  [[ ! -s $run/sluiced.log ]] || tail -n 30 "$run/sluiced.log" | sed 's/^/#   /'
  exit 1
}

# begin [WORKERS]: the directory of the run, its configuration, and the traps.
begin() {
  trap take_down EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  net_begin "$scenario"
  run=$net_run_dir
  socket=$run/control.sock
  # Eight random digits; an interface name has at most 15 letters.
  tag=e$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
  write_appliance "${1:-$(($(nproc) > 1 ? 1 : 0))}" >"$run/appliance.toml"
}

write_appliance() {
  cat <<TOML
[engine]
workers = [$1]
flow_capacity = 16_384
huge_pages = "auto"
idle_sleep_us = 20

[control]
socket = "$run/control.sock"
readonly_socket = "$run/monitor.sock"

[[port]]
id = "a"
device = "net_tap0,iface=$tag-a"
role = "interface"
interface = "eni-a"

[[port]]
id = "b"
device = "net_tap1,iface=$tag-b"
role = "interface"
interface = "eni-b"

[[port]]
id = "up"
device = "net_tap2,iface=$tag-x"
role = "uplink"
vpcs = ["vpc-e2e"]
addresses = ["192.0.2.2/30", "2001:db8:ff::2/126"]
gateway = ["192.0.2.1", "2001:db8:ff::1"]

[state]
directory = "$run/state"
TOML
}

# write_policy RULES [FLOW LOG DESTINATION]: prints a policy whose sg-b has these ingress rules.
write_policy() {
  cat <<TOML
account = "123456789012"

[[vpc]]
id = "vpc-e2e"
cidrs = ["10.77.0.0/16", "fd77::/56"]

[[subnet]]
id = "subnet-a"
vpc = "vpc-e2e"
cidrs = ["10.77.1.0/24", "fd77:0:0:1::/64"]

[[subnet]]
id = "subnet-b"
vpc = "vpc-e2e"
cidrs = ["10.77.2.0/24", "fd77:0:0:2::/64"]

[[security_group]]
id = "sg-a"
name = "clients"
description = "end to end"
vpc = "vpc-e2e"

[[security_group]]
id = "sg-b"
name = "servers"
description = "end to end"
vpc = "vpc-e2e"
ingress = [
$1
]

[[interface]]
id = "eni-a"
subnet = "subnet-a"
mac = "02:00:00:77:01:10"
addresses = ["$a4", "$a6"]
security_groups = ["sg-a"]

[[interface]]
id = "eni-b"
subnet = "subnet-b"
mac = "02:00:00:77:02:10"
addresses = ["$b4", "$b6"]
security_groups = ["sg-b"]
TOML
  [[ -z ${2:-} ]] || cat <<TOML

[[flow_log]]
id = "fl-e2e"
resource = "vpc-e2e"
traffic = "all"
interval = 60
destination = "$2"
TOML
}

# Rules as TOML lines.
rule_tcp() { printf '  { protocol = "tcp", ports = %s, source = "%s" },\n' "$1" "$2"; }
rule_udp() { printf '  { protocol = "udp", ports = %s, source = "%s" },\n' "$1" "$2"; }

ctl() { "$sluicectl" -s "$socket" "$@"; }
at_a() { ip netns exec "$tag-a" "$@"; }
at_b() { ip netns exec "$tag-b" "$@"; }
at_x() { ip netns exec "$tag-x" "$@"; }

# start_appliance [OPTION...]: the daemon on this run's configuration; true when it answers.
start_appliance() {
  net_start "$run/sluiced.log" "$sluiced" --config "$run/appliance.toml" "$@"
  appliance_pid=$!
  net_wait_until 30 appliance_answers_or_died && kill -0 "$appliance_pid" 2>/dev/null
}

appliance_answers_or_died() {
  ! kill -0 "$appliance_pid" 2>/dev/null || ctl --timeout 2s stats
}

# Memory of the appliance that is resident now.
resident_kb() { awk '/^VmRSS:/ { print $2 }' "/proc/$appliance_pid/status"; }

stop_appliance() {
  net_stop "$appliance_pid" 15
  appliance_pid=''
}

# Moves the taps of a fresh appliance into new namespaces, or into those that are there.
join_all() {
  join_interface a 02:00:00:77:01:10 "$a4" "$a6"
  join_interface b 02:00:00:77:02:10 "$b4" "$b6"
  local space=$tag-x
  [[ -e /run/netns/$space ]] || net_space "$space"
  # Linux asks for neighbours from a link-local address where the packet's own is on another device.
  net_attach "$space" "$space" 02:00:00:77:ff:01 192.0.2.1/30 2001:db8:ff::1/126 fe80::1/64
  ip -n "$space" addr replace "$x4/32" dev lo
  ip -n "$space" -6 addr replace "$x6/128" dev lo nodad
  ip -n "$space" route replace 10.77.0.0/16 via 192.0.2.2 src "$x4"
  ip -n "$space" -6 route replace fd77::/56 via 2001:db8:ff::2 src "$x6"
}

join_interface() {
  local space=$tag-$1 mac=$2 ipv4=$3 ipv6=$4
  [[ -e /run/netns/$space ]] || net_space "$space"
  net_attach "$space" "$space" "$mac" "$ipv4/24" "$ipv6/64"
  ip -n "$space" route replace default via "${ipv4%.*}.1"
  ip -n "$space" -6 route replace default via "${ipv6%::*}::1"
}

# up RULES [FLOW LOG DESTINATION]: an appliance with this policy, joined to its namespaces.
up() {
  write_policy "$@" >"$run/policy.toml"
  start_appliance --policy "$run/policy.toml" || give_up "the appliance did not start"
  join_all || give_up "the taps could not be joined to their namespaces"
}

# serve_http SPACE DIRECTORY [PORT]: a web server of both families, on port 80 if not told other.
serve_http() {
  local port=${3:-80}
  net_start "$run/http.log" ip netns exec "$tag-$1" python3 -m http.server "$port" --bind :: \
    --directory "$2"
  net_wait_until 10 ip netns exec "$tag-$1" curl -sm1 -o /dev/null "http://127.0.0.1:$port/" ||
    give_up "the web server did not start"
}

# serve_all PROTOCOL:PORT...: b listens there, over both families, and answers whatever comes.
serve_all() {
  net_start "$run/services.log" ip netns exec "$tag-b" python3 "$e2e_dir/e2e_tool.py" serve "$@"
  net_wait_until 20 grep -q ready "$run/services.log" || give_up "the services did not start"
}

http_get() { curl -sS -f --connect-timeout 3 --max-time "${2:-20}" "$1"; }

# tcp_opens SPACE ADDRESS PORT: a connection is made within two seconds.
tcp_opens() { ip netns exec "$tag-$1" nc -z -w 2 "$2" "$3"; }

# check NAME COMMAND...: one case, that passes when the command succeeds.
check() {
  local name=$1
  shift
  if "$@" >"$run/said" 2>&1 </dev/null; then
    printf 'ok - %s: %s\n' "$scenario" "$name"
  else
    printf 'not ok - %s: %s\n' "$scenario" "$name"
    { printf '$ %s\n' "$*"; tail -n 20 "$run/said"; } | sed 's/^/#   /'
    failures=$((failures + 1))
  fi
}

# fails COMMAND...: the command fails. One that is not there, cannot be run or dies by a signal does
# not fail in the sense meant.
fails() {
  local status=0
  "$@" || status=$?
  echo "exit status $status"
  ((status > 0 && status < 126))
}

# exits STATUS COMMAND...: the command ends with exactly this exit status.
exits() {
  local wanted=$1 status=0
  shift
  "$@" || status=$?
  echo "exit status $status, wanted $wanted"
  ((status == wanted))
}

# says PATTERN COMMAND...: what the command prints matches, whatever its status.
says() {
  local pattern=$1
  shift
  "$@" >"$run/answer" 2>&1 || true
  cat "$run/answer"
  grep -qE -- "$pattern" "$run/answer"
}

e2e_tool() { python3 "$e2e_dir/e2e_tool.py" "$@"; }

# drops [REASON]: packets dropped so far, for this reason or for any.
drops() { ctl -j stats | e2e_tool drops "$@"; }
# unicast_drops: those that are not for the multicast that every host says of itself at times
# (neighbour discovery, listener reports): it belongs to no transfer.
unicast_drops() { ctl -j stats | e2e_tool drops-but multicast; }
# log_has PATTERN: some record of the flow log matches.
log_has() {
  cat "$run/flow.log" 2>/dev/null
  grep -qE -- "$1" "$run/flow.log"
}

generation() { ctl -j stats | e2e_tool generation; }
# Every packet that came or was made has gone, was dropped for one reason, consumed or is held.
books_balance() { ctl -j stats | e2e_tool books; }
# What was judged is what the flow log wrote, holds, lost or was not to log.
sum_law_holds() { ctl -j stats | e2e_tool sum-law; }

# dropped REASON COMMAND...: the command fails, and its packets are dropped for this reason. Where
# somebody listens behind the appliance, nobody else can have refused it.
dropped() {
  local reason=$1
  shift
  local before after
  before=$(drops "$reason")
  fails "$@" || return 1
  after=$(drops "$reason")
  echo "$reason: $before before, $after after"
  ((after > before))
}

finish() {
  echo done
  exit $((failures > 0))
}
