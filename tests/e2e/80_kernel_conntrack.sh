#!/usr/bin/env bash
# The same packets through sluice-replay and through the connection tracking of the kernel: every
# difference has a reason in docs/conntrack-differences.md.
source "$(dirname "$0")/lib.sh"

replay=$build/control/main/sluice-replay
router_mac=02:00:00:77:0a:01
conversations=12000
scale=${SLUICE_TEST_SCALE:-1}

# set_in SPACE SETTING=VALUE...
set_in() {
  local space=$1 setting
  shift
  for setting in "$@"; do
    ip netns exec "$space" sysctl -qw "$setting" || give_up "cannot set $setting"
  done
}

# A router between two cables, whose other ends nobody listens to: frames are put there by hand.
# False, and a line that says why, where this machine cannot have one.
build_router() {
  local router=$1 wire=$2 port
  command -v nft >/dev/null || { echo "nftables is not installed"; return 1; }
  net_space "$router"
  net_space "$wire"
  set_in "$wire" net.ipv6.conf.default.disable_ipv6=1
  for port in 0 1; do
    ip -n "$router" link add "r$port" type veth peer name "w$port" netns "$wire" ||
      { echo "the kernel has no veth"; return 1; }
    ip -n "$wire" link set "w$port" up
    attach_router "$router" "$port"
  done
  ip -n "$router" route add 198.51.100.0/24 via 192.0.2.2
  ip -n "$router" route add 10.77.2.0/24 via 192.0.2.6
  ip -n "$router" route add 2001:db8:7::/64 via 2001:db8:ff:0::2
  ip -n "$router" route add fd77:0:0:2::/64 via 2001:db8:ff:1::2
  set_in "$router" net.ipv4.conf.all.forwarding=1 net.ipv6.conf.all.forwarding=1 \
    net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.r0.rp_filter=0 net.ipv4.conf.r1.rp_filter=0
  ip netns exec "$router" nft -f "$e2e_dir/conntrack/router.nft" 2>"$run/nft" ||
    { echo "the kernel takes no such rules: $(head -n 1 "$run/nft")"; return 1; }
  [[ -e /proc/sys/net/netfilter/nf_conntrack_tcp_loose ]] ||
    { echo "the kernel has no connection tracking of TCP"; return 1; }
}

# One end of a cable, with the neighbour that its frames go to.
attach_router() {
  local router=$1 port=$2 peer=02:00:00:00:00:01
  ip -n "$router" link set "r$port" address "$router_mac" addrgenmode none
  ip -n "$router" addr add "192.0.2.$((1 + 4 * port))/30" dev "r$port"
  ip -n "$router" addr add "2001:db8:ff:$port::1/64" dev "r$port" nodad
  ip -n "$router" link set "r$port" up
  ip -n "$router" neigh add "192.0.2.$((2 + 4 * port))" lladdr "$peer" dev "r$port" nud permanent
  ip -n "$router" neigh add "2001:db8:ff:$port::2" lladdr "$peer" dev "r$port" nud permanent
}

# compare MODE LOOSE [OPTION...]: with a router of its own, so that no connection is known there.
compare() {
  local mode=$1 loose=$2 router=$tag-r$2 wire=$tag-w$2 why
  shift 2
  build_router "$router" "$wire" >"$run/why"
  why=$(head -n 1 "$run/why")
  if [[ -n $why ]]; then
    printf 'skip - %s, %s # %s\n' "$scenario" "$mode" "$why"
    return
  fi
  set_in "$router" "net.netfilter.nf_conntrack_tcp_loose=$loose" \
    "net.netfilter.nf_conntrack_tcp_be_liberal=$loose" \
    net.netfilter.nf_conntrack_checksum=1 \
    net.netfilter.nf_conntrack_tcp_ignore_invalid_rst=0
  ip netns exec "$wire" timeout 120 python3 "$e2e_dir/conntrack/compare.py" --replay "$replay" \
    --mode "$mode" --run "$run" --router-mac "$router_mac" --name "$scenario" \
    --seen "$run/seen" --count "$count" --seed "${SLUICE_TEST_SEED:-1}" "$@" ||
    failures=$((failures + 1))
}

begin
# A long run stays below the time that a scenario has.
count=$(awk -v n="$conversations" -v f="$scale" \
  'BEGIN { n *= f; print int(n < 72000 ? n : 72000) }')
compare loose 1
if awk -v f="$scale" 'BEGIN { exit !(f >= 10) }'; then
  compare strict 0 --last
else
  compare strict 0
fi
finish
