# shellcheck shell=bash
# Network namespaces around an appliance: made, joined to its taps, and always taken down.
# Sourced by the lab and by the end-to-end tests. Everything it makes is written down before it
# is made, so that net_cleanup finds it whatever moment a signal chooses. It ends only processes
# that it started, and those that live in namespaces of its own.

# Servers lie where the PATH of an ordinary login does not lead.
export PATH=$PATH:/usr/sbin:/sbin

net_spaces=()
net_pids=()
net_run_dir=''

# net_begin LABEL: makes the directory of this run, whose path net_run_dir then holds.
net_begin() {
  net_run_dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice-$1.XXXXXX")
}

# net_free_prefix WISH NAME...: prints WISH where no namespace or interface of this machine is
# called WISH-NAME, else a prefix of random digits.
net_free_prefix() {
  local prefix=$1 name tries
  shift
  for tries in 1 2 3 4 5 6 7 8 9; do
    for name in "$@"; do
      if [[ -e /run/netns/$prefix-$name || -e /sys/class/net/$prefix-$name ]]; then
        prefix=s$(od -An -N2 -tx2 /dev/urandom | tr -d ' ')
        continue 2
      fi
    done
    echo "$prefix"
    return
  done
  echo "no free prefix for namespaces after $tries tries" >&2
  return 1
}

# net_space NS: makes a namespace in which IPv6 neither detects duplicates (the appliance answers
# for every address) nor listens to router advertisements.
net_space() {
  local space=$1 setting
  net_spaces+=("$space")
  ip netns add "$space"
  ip -n "$space" link set lo up
  for setting in accept_dad=0 accept_ra=0 router_solicitations=0 dad_transmits=0; do
    ip netns exec "$space" sysctl -qw "net.ipv6.conf.all.$setting" \
      "net.ipv6.conf.default.$setting" 2>/dev/null || true
  done
}

# net_attach IFACE NS MAC ADDRESS/LENGTH...: moves a tap of the appliance into a namespace.
net_attach() {
  local iface=$1 space=$2 mac=$3 address
  shift 3
  ip link set "$iface" netns "$space"
  ip -n "$space" link set "$iface" address "$mac" addrgenmode none
  for address in "$@"; do
    if [[ $address == *:* ]]; then
      ip -n "$space" -6 addr add "$address" dev "$iface" nodad
    else
      ip -n "$space" addr add "$address" dev "$iface"
    fi
  done
  ip -n "$space" link set "$iface" up
}

# net_start LOG COMMAND...: starts a process in the background; $! is its id afterwards. It is in
# a session of its own, so that Ctrl-C reaches only the script, which takes it down in order.
net_start() {
  local log=$1
  shift
  setsid "$@" >>"$log" 2>&1 </dev/null &
  net_pids+=($!)
}

# net_wait_until SECONDS COMMAND...: asks every 100 ms until the command succeeds.
net_wait_until() {
  local deadline_s=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline_s)) || return 1
    sleep 0.1
  done
}

# net_stop PID [SECONDS]: ends one process of ours, politely first.
net_stop() {
  local pid=$1 patience_ds=$((${2:-5} * 10))
  kill -TERM "$pid" 2>/dev/null || return 0
  while ((patience_ds-- > 0)) && kill -0 "$pid" 2>/dev/null; do
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

# Takes everything down. May be called at any moment, and more than once.
net_cleanup() {
  local pid space index
  # The last started goes first: clients before servers, the appliance at the end.
  for ((index = ${#net_pids[@]} - 1; index >= 0; --index)); do
    net_stop "${net_pids[index]}"
  done
  net_pids=()
  for space in "${net_spaces[@]}"; do
    [[ -e /run/netns/$space ]] || continue
    for pid in $(ip netns pids "$space" 2>/dev/null); do
      kill -KILL "$pid" 2>/dev/null || true
    done
    ip netns del "$space" 2>/dev/null || true
  done
  net_spaces=()
  [[ -z $net_run_dir ]] || rm -rf -- "$net_run_dir"
  net_run_dir=''
}
