# shellcheck shell=bash disable=SC2154
# The traffic that an appliance must carry, and must not, whatever number of workers it has.

traffic_rules() {
  rule_tcp 80 0.0.0.0/0
  rule_tcp 80 ::/0
  rule_tcp 22 sg-a
  rule_udp 5353 sg-a
  echo '  { protocol = "icmp", type = 8, source = "0.0.0.0/0" },'
  echo '  { protocol = "icmpv6", type = 128, source = "::/0" },'
}

same_file() { http_get "$1" >"$run/got" && cmp "$run/got" "$run/www/big"; }

udp_echo() {
  timeout 8 ip netns exec "$tag-b" nc -u -l -W 1 "$b4" 5353 >"$run/udp" &
  local server=$!
  sleep 0.5
  at_a bash -c "echo over-udp | nc -u -w 1 $b4 5353"
  wait "$server"
  grep -x over-udp "$run/udp"
}

ssh_banner() { at_a bash -c "nc -w 3 $b4 22 </dev/null" | grep '^SSH-2.0'; }

spoofed_ping() {
  ip -n "$tag-a" addr add 10.77.1.99/32 dev "$tag-a"
  local status=0
  at_a ping -c 2 -i 0.2 -W 1 -I 10.77.1.99 "$b4" || status=$?
  ip -n "$tag-a" addr del 10.77.1.99/32 dev "$tag-a"
  return "$status"
}

router_answers_arp() {
  at_a ping -c 1 -W 1 10.77.1.200 || true
  ip -n "$tag-a" neigh show 10.77.1.200
  ip -n "$tag-a" neigh show 10.77.1.200 | grep -q lladdr
}

serve_ssh() {
  [[ -f $run/host_key ]] || ssh-keygen -q -t ed25519 -N '' -f "$run/host_key"
  printf 'HostKey %s\nPidFile none\nUsePAM no\n' "$run/host_key" >"$run/sshd_config"
  # A mount namespace of its own, so that the directory which sshd asks for is nowhere else.
  net_start "$run/sshd.log" ip netns exec "$tag-b" unshare -m bash -c \
    'mount -t tmpfs none /run && mkdir /run/sshd && exec "$@"' - \
    "$(command -v sshd)" -D -e -f "$run/sshd_config"
  net_wait_until 10 ip netns exec "$tag-b" nc -z 127.0.0.1 22 || give_up "sshd did not start"
}

books_balance() {
  sleep 1
  ctl -j stats | e2e_tool books
}

traffic_cases() {
  mkdir -p "$run/www"
  echo hello >"$run/www/hello"
  head -c 3000000 /dev/urandom >"$run/www/big"
  serve_http b "$run/www"
  serve_http b "$run/www" 8080
  serve_ssh
  check "curl over IPv4 passes" says hello at_a curl -sSm 5 "http://$b4/hello"
  check "curl over IPv6 passes" says hello at_a curl -sSm 5 "http://[$b6]/hello"
  check "3 MB over IPv4 arrive as they left" at_a bash -c "$(declare -f http_get same_file)
    run=$run; same_file http://$b4/big"
  check "3 MB over IPv6 arrive as they left" at_a bash -c "$(declare -f http_get same_file)
    run=$run; same_file 'http://[$b6]/big'"
  check "an ssh server answers a member of the group that its rule names" ssh_banner
  check "UDP passes" udp_echo
  check "ping over IPv4 passes and its TTL stays" says 'ttl=64' at_a ping -c 2 -i 0.2 -W 2 "$b4"
  check "ping over IPv6 passes and its hop limit stays" \
    says 'ttl=64' at_a ping -c 2 -i 0.2 -W 2 "$b6"
  check "a ping in fragments passes over IPv4" at_a ping -c 2 -i 0.2 -W 2 -s 4000 "$b4"
  check "a ping in fragments passes over IPv6" at_a ping -c 2 -i 0.2 -W 2 -s 4000 "$b6"
  check "from the uplink over IPv4, with one TTL less" \
    says 'ttl=63' at_x ping -c 2 -i 0.2 -W 2 "$b4"
  check "from the uplink over IPv6, with one hop less" \
    says 'ttl=63' at_x ping -c 2 -i 0.2 -W 2 "$b6"
  check "curl from the uplink passes" says hello at_x curl -sSm 5 "http://$b4/hello"
  check "curl from the uplink over IPv6 passes" says hello at_x curl -sSm 5 "http://[$b6]/hello"
  refusal_cases
  check "received + generated = sent + dropped + consumed + held" books_balance
}

# Each of these ports has a server that answers whoever comes past the appliance.
refusal_cases() {
  check "a port without a rule does not open" dropped no-rule tcp_opens a "$b4" 8080
  check "over IPv6 neither" dropped no-rule tcp_opens a "$b6" 8080
  check "a group's rule does not let the uplink in" dropped no-rule tcp_opens x "$b4" 22
  check "an interface without ingress rules lets nothing in" \
    dropped no-rule at_b ping -c 1 -W 1 "$a4"
  check "a spoofed source address is dropped as such" dropped source-check spoofed_ping
  check "the router answers ARP for every address of the VPC" router_answers_arp
  check "an address that nobody owns is dropped as such" \
    dropped unknown-address at_a ping -c 1 -W 1 10.77.9.9
}
