#!/usr/bin/env bash
# The lab of `./sluice run`: an appliance between a web server, a database, a bastion and an
# "internet", each in a network namespace of its own with the real programs in it. Shows a tour,
# then a live view. Ends with 0 when every answer of the tour was the expected one.
# usage: lab.sh BUILD_DIRECTORY [SECONDS]
set -euo pipefail

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
configs=${here%/lab}
build_dir=$1
for_s=${2:-}
sluiced=$build_dir/control/main/sluiced
sluicectl=$build_dir/control/main/sluicectl

# shellcheck source=configs/lab/network.sh
source "$here/network.sh"
# shellcheck source=configs/lab/tour.sh
source "$here/tour.sh"

made_sshd_dir=0

say() { printf '==> %s\n' "$*"; }
fail() { printf 'lab: %s\n' "$*" >&2; exit 1; }

take_down() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP
  say "taking the lab down"
  net_cleanup
  ((made_sshd_dir == 0)) || rmdir /run/sshd 2>/dev/null || true
  exit "$status"
}

prepare() {
  ((EUID == 0)) || fail "the lab needs root"
  [[ -c /dev/net/tun ]] || fail "there is no /dev/net/tun: no tap devices on this machine"
  [[ -x $sluiced && -x $sluicectl ]] || fail "$sluiced is not built; run ./sluice build"
  trap take_down EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  net_begin lab
  run=$net_run_dir
  prefix=$(net_free_prefix sl web db bastion internet)
  sed -e "s#/run/sluice-lab#$run#g" -e "s#iface=sl-#iface=$prefix-#" \
    -e "s/^workers = .*/workers = [$(($(nproc) > 1 ? 1 : 0))]/" \
    "$configs/quickstart.toml" >"$run/appliance.toml"
  sed "s#/run/sluice-lab#$run#g" "$configs/quickstart-policy.toml" >"$run/policy.toml"
  sed 's/# tour: //' "$run/policy.toml" >"$run/policy-with-admin.toml"
  socket=$run/control.sock
}

ctl() { "$sluicectl" -s "$socket" "$@"; }
in_space() { local name=$1; shift; ip netns exec "$prefix-$name" "$@"; }

start_appliance() {
  local name
  net_start "$run/sluiced.log" "$sluiced" --config "$run/appliance.toml" --policy "$run/policy.toml"
  appliance_pid=$!
  if ! net_wait_until 60 appliance_answers_or_died || ! kill -0 "$appliance_pid" 2>/dev/null; then
    sed 's/^/    /' "$run/sluiced.log" >&2
    fail "the appliance did not start"
  fi
  for name in web db bastion internet; do
    [[ -e /sys/class/net/$prefix-$name ]] || fail "the appliance made no interface $prefix-$name"
  done
}

appliance_answers_or_died() {
  ! kill -0 "$appliance_pid" 2>/dev/null || ctl --timeout 2s stats
}

# join NAME MAC IPV4 IPV6: an access port's namespace; the VPC's router is its way to everything.
join() {
  local name=$1 mac=$2 ipv4=$3 ipv6=$4
  net_space "$prefix-$name"
  net_attach "$prefix-$name" "$prefix-$name" "$mac" "$ipv4/24" "$ipv6/64"
  ip -n "$prefix-$name" route add default via "${ipv4%.*}.1"
  ip -n "$prefix-$name" -6 route add default via "${ipv6%::*}::1"
}

join_all() {
  join web 02:00:00:00:01:10 10.0.1.10 fd00:10:0:1::10
  join db 02:00:00:00:02:10 10.0.2.10 fd00:10:0:2::10
  join bastion 02:00:00:00:03:10 10.0.3.10 fd00:10:0:3::10
  local space=$prefix-internet
  net_space "$space"
  # Linux asks for neighbours from a link-local address where the packet's own is on another device.
  net_attach "$space" "$space" 02:00:00:00:ff:01 192.0.2.1/30 2001:db8:ff::1/126 fe80::1/64
  ip -n "$space" addr add 198.51.100.7/32 dev lo
  ip -n "$space" -6 addr add 2001:db8:7::7/128 dev lo nodad
  ip -n "$space" route add 10.0.0.0/16 via 192.0.2.2 src 198.51.100.7
  ip -n "$space" -6 route add fd00:10::/56 via 2001:db8:ff::2 src 2001:db8:7::7
}

start_servers() {
  mkdir -p "$run/nginx" "$run/redis"
  cat >"$run/nginx.conf" <<CONF
daemon off;
master_process off;
pid $run/nginx/nginx.pid;
error_log $run/nginx/error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path $run/nginx; proxy_temp_path $run/nginx; fastcgi_temp_path $run/nginx;
  uwsgi_temp_path $run/nginx; scgi_temp_path $run/nginx;
  server {
    listen 80; listen [::]:80;
    location / { return 200 "hello from web\n"; }
  }
  server {
    listen 8080; listen [::]:8080;
    location / { return 200 "the admin page of web\n"; }
  }
}
CONF
  net_start "$run/nginx.log" ip netns exec "$prefix-web" nginx -e "$run/nginx/error.log" \
    -p "$run/nginx" -c "$run/nginx.conf"
  net_start "$run/redis.log" ip netns exec "$prefix-db" redis-server --port 6379 \
    --bind 10.0.2.10 fd00:10:0:2::10 --protected-mode no --save '' --appendonly no \
    --dir "$run/redis" --daemonize no
  start_ssh_servers
  net_wait_until 10 in_space web curl -sm1 http://10.0.1.10/ || fail "nginx did not start"
  net_wait_until 10 in_space db redis-cli -h 10.0.2.10 ping || fail "redis did not start"
}

# One ssh server for the web server and one for the bastion, with keys that live as long as the
# lab. A locked root account can be logged in to with a key only by way of PAM.
start_ssh_servers() {
  local name use_pam=no
  [[ $(getent shadow root | cut -d: -f2) != '!'* ]] || use_pam=yes
  if [[ ! -d /run/sshd ]]; then
    made_sshd_dir=1
    mkdir -m 755 /run/sshd
  fi
  ssh-keygen -q -t ed25519 -N '' -C lab -f "$run/host_key"
  ssh-keygen -q -t ed25519 -N '' -C lab -f "$run/user_key"
  cat >"$run/sshd_config" <<CONF
Port 22
HostKey $run/host_key
PidFile none
AuthorizedKeysFile $run/user_key.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM $use_pam
UseDNS no
CONF
  cat >"$run/ssh_config" <<CONF
Host *
  User root
  IdentityFile $run/user_key
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile $run/known_hosts
  LogLevel ERROR
  ConnectTimeout 3
  BatchMode yes
Host bastion
  HostName 10.0.3.10
Host web
  HostName 10.0.1.10
CONF
  for name in web bastion; do
    net_start "$run/sshd-$name.log" ip netns exec "$prefix-$name" "$(command -v sshd)" -D -e \
      -f "$run/sshd_config"
  done
}

main() {
  started_s=$SECONDS
  prepare
  say "starting the appliance (configuration $run/appliance.toml)"
  start_appliance
  join_all
  say "starting nginx and sshd in $prefix-web, redis in $prefix-db, sshd in $prefix-bastion"
  start_servers
  tour || true
  live_view
  show_flow_log
  local failures=${#tour_failed[@]}
  if ((failures)); then
    say "$failures answers of the tour were not the expected ones"
    exit 1
  fi
  [[ -z $for_s ]] || say "the time is up; every answer of the tour was the expected one"
}

main
