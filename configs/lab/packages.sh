# shellcheck shell=bash
# Which Debian packages Sluice needs, by what they are needed for, and how the missing ones are
# installed. Sourced by ./sluice, which provides say and fail.

declare -A package_groups=(
  [build]="g++ meson ninja-build pkg-config ccache libdpdk-dev libtomlplusplus-dev
           nlohmann-json3-dev libcli11-dev libpcap-dev libssl-dev libhyperscan-dev
           libgtest-dev libbenchmark-dev librapidcheck-dev python3"
  [run]="iproute2 procps util-linux iputils-ping curl netcat-openbsd nginx-light redis-server
         redis-tools openssh-server openssh-client"
  [test]="clang-14 libclang-rt-14-dev llvm-14 clang-format-14 iperf3 nftables nmap
          thc-ipv6 valgrind spin"
  [perf]="dpdk-dev nftables openvswitch-switch openvswitch-switch-dpdk dpdk uuid-runtime
          libpcre2-dev"
)

# Packages that bring a service which Debian would start at once and at every boot. The last two are
# asked for above only because Open vSwitch would bring them along, with their services.
service_units=([0]="nginx-light nginx" [1]="redis-server redis-server" [2]="openssh-server ssh"
               [3]="openvswitch-switch openvswitch-switch"
               [4]="openvswitch-switch ovs-record-hostname"
               [5]="dpdk dpdk" [6]="uuid-runtime uuidd.socket")

is_installed() {
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    command -v sudo >/dev/null || fail "root is needed to run '$1', and there is no sudo"
    sudo -- "$@"
  fi
}

# install_missing GROUP...: installs what of the groups is not there. Nothing is asked of the
# network, and no root is needed, when all of it is.
install_missing() {
  command -v dpkg-query >/dev/null || fail "this is not Debian: install the packages of $* by hand"
  local group package
  local -a missing=()
  for group in "$@"; do
    for package in ${package_groups[$group]}; do
      is_installed "$package" || missing+=("$package")
    done
  done
  ((${#missing[@]})) || return 0
  say "installing ${#missing[@]} missing packages: ${missing[*]}"
  local status=0
  hold_services "${missing[@]}"
  apt_install "${missing[@]}" || status=$?
  release_services "${missing[@]}"
  ((status == 0)) || fail "apt-get could not install: ${missing[*]}"
}

# The index is fetched only when it does not know a package, or names versions that are gone.
apt_install() {
  local package
  for package in "$@"; do
    if ! LC_ALL=C apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [^(]'; then
      apt_get update || return
      break
    fi
  done
  apt_get install -y --no-install-recommends "$@" ||
    { apt_get update && apt_get install -y --no-install-recommends "$@"; }
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 \
    -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}

readonly policy_rc=/usr/sbin/policy-rc.d
policy_rc_is_ours=0

# Keeps Debian from starting the web server, database and ssh server of the lab and the perf suite's
# switch as services of this machine: both start their own. A policy-rc.d that is there already is
# left alone.
hold_services() {
  policy_rc_is_ours=0
  has_service "$@" || return 0
  [[ ! -e $policy_rc ]] || return 0
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy_rc" >/dev/null
  as_root chmod 755 "$policy_rc"
  policy_rc_is_ours=1
  trap 'release_guard' EXIT
}

release_guard() {
  if ((policy_rc_is_ours)); then
    as_root rm -f "$policy_rc"
    policy_rc_is_ours=0
    trap - EXIT
  fi
}

# Takes the guard away, and switches off at boot what was installed just now and not before.
release_services() {
  release_guard
  [[ -d /run/systemd/system ]] || return 0
  local pair name unit
  for pair in "${service_units[@]}"; do
    read -r name unit <<<"$pair"
    if [[ " $* " == *" $name "* ]] && is_installed "$name"; then
      say "the service $unit is left switched off; Sluice starts its own"
      as_root systemctl disable --quiet "$unit" || true
    fi
  done
}

has_service() {
  local pair
  for pair in "${service_units[@]}"; do
    [[ " $* " != *" ${pair%% *} "* ]] || return 0
  done
  return 1
}
