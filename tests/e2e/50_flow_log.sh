#!/usr/bin/env bash
# The flow log of real connections; then a disk that is full: traffic goes on, losses are counted.
source "$(dirname "$0")/lib.sh"

# A record of version 2: 14 fields, and the counts of an accepted one are no zeros.
well_formed() {
  cat "$run/flow.log"
  awk 'NF != 14 || $1 != 2 || $2 != "123456789012" { bad = 1 } END { exit bad || NR == 0 }' \
    "$run/flow.log"
}

# What the counters of b said before the appliance ended is what its records add up to, packet by
# packet, both ways.
adds_up() {
  local logged
  logged=$(e2e_tool log-accepted "$run/flow.log" eni-b "$b4,$b6")
  echo "counted: $counted, logged: $logged (packets in and out)"
  [[ $counted == "$logged" && $counted =~ ^[1-9][0-9]*\ [1-9][0-9]*$ ]]
}

begin
up "$(rule_tcp 80 0.0.0.0/0)" "file:$run/flow.log"
mkdir -p "$run/www"
echo hello >"$run/www/hello"
serve_http b "$run/www"
check "a connection is made for the log" says hello at_a curl -sSm 5 "http://$b4/hello"
check "and one is refused for it" dropped no-rule tcp_opens a "$b4" 81
check "flow list shows the connection" says "$b4" ctl flow list
check "the sum law of the log reads zero" sum_law_holds
sleep 1
counted=$(ctl -j interface list | e2e_tool accepted eni-b)
stop_appliance
check "the log is there when the appliance has ended" test -s "$run/flow.log"
check "every record has the fields of the default format" well_formed
check "the connection is in it, leaving a" log_has " eni-a $a4 $b4 [0-9]+ 80 6 .* ACCEPT OK"
check "and entering b" log_has " eni-b $a4 $b4 [0-9]+ 80 6 .* ACCEPT OK"
check "and its replies" log_has " eni-b $b4 $a4 80 [0-9]+ 6 .* ACCEPT OK"
check "the records of b add up to its counters" adds_up
check "the refused one is in it" log_has " eni-b $a4 $b4 [0-9]+ 81 6 .* REJECT OK"

# The same again with the log on a file system of 16 kB that is full already, mounted where only
# the appliance sees it.
mkdir -p "$run/small"
cat >"$run/on-full-disk" <<'SCRIPT'
#!/bin/bash
mount -t tmpfs -o size=16k none "$1" || exit 1
head -c 16384 /dev/zero >"$1/filler" 2>/dev/null
shift
exec "$@"
SCRIPT
write_policy "$(rule_tcp 80 0.0.0.0/0)" "file:$run/small/flow.log" >"$run/full.toml"
chmod +x "$run/on-full-disk"
net_start "$run/sluiced.log" unshare -m --propagation private "$run/on-full-disk" "$run/small" \
  "$sluiced" --config "$run/appliance.toml" --policy "$run/full.toml"
appliance_pid=$!
net_wait_until 30 appliance_answers_or_died && kill -0 "$appliance_pid" 2>/dev/null ||
  give_up "the appliance did not start on a full disk"
join_all
check "with a full disk traffic goes on" says hello at_a curl -sSm 5 "http://$b4/hello"
# Records are written when their window of a minute has ended.
check "and what could not be written is counted" \
  net_wait_until 80 bash -c "'$sluicectl' -s '$socket' -j stats |
    python3 '$e2e_dir/e2e_tool.py' log-lost"
check "traffic still goes on" says hello at_a curl -sSm 5 "http://$b4/hello"
finish
