# shellcheck shell=bash disable=SC2154
# The tour of the lab: commands to try, what they answered, and whether that was expected; then
# the live view of flows and drops. Sourced by lab.sh.

tour_failed=()
is_enough=0

# shown NAME COMMAND...: prints a command the way a user would type it.
shown() {
  local word text
  printf '\n  %s\n  $' "$1"
  shift
  for word in "$@"; do
    printf -v text '%q' "$word"
    [[ $text == "$word" ]] || text="'$word'"
    printf ' %s' "$text"
  done
  printf '\n'
}

# run_shown COMMAND...: runs it and prints its output below; its status is the command's.
run_shown() {
  local status=0
  "$@" >"$run/answer" 2>&1 </dev/null || status=$?
  head -n 20 "$run/answer" | sed 's/^/      /'
  return "$status"
}

outcome() {
  local name=$1 is_right=$2 text=$3
  if [[ $is_right == yes ]]; then
    printf '    -> %s, as expected\n' "$text"
  else
    printf '    -> %s: NOT as expected\n' "$text"
    tour_failed+=("$name")
  fi
}

# passes NAME PATTERN COMMAND...: the command succeeds and answers with the pattern.
passes() {
  local name=$1 pattern=$2
  shift 2
  shown "$name" "$@"
  if run_shown "$@" && grep -q -- "$pattern" "$run/answer"; then
    outcome "$name" yes 'passed'
  else
    outcome "$name" no 'did not pass'
  fi
}

# refused NAME COMMAND...: the command gets no answer.
refused() {
  local name=$1
  shift
  shown "$name" "$@"
  if run_shown "$@"; then
    outcome "$name" no 'passed'
  else
    outcome "$name" yes 'no answer, refused'
  fi
}

tour() {
  local internet=(ip netns exec "$prefix-internet") web=(ip netns exec "$prefix-web")
  local control=("$sluicectl" -s "$socket") curl=(curl -sS --max-time 3)
  local admin=(http://10.0.1.10:8080/)
  say "a tour; every command can be typed in another terminal while the lab runs"

  passes "the internet may ask the web server" 'hello from web' \
    "${internet[@]}" "${curl[@]}" http://10.0.1.10/
  passes "over IPv6 too" 'hello from web' \
    "${internet[@]}" "${curl[@]}" 'http://[fd00:10:0:1::10]/'
  refused "its admin page is not for the internet" "${internet[@]}" "${curl[@]}" "${admin[@]}"
  passes "why? the policy itself answers" 'no-rule' \
    "${control[@]}" explain --interface eni-web --direction ingress --protocol tcp \
    --source 198.51.100.7 --destination 10.0.1.10 --source-port 40000 --destination-port 8080

  printf '\n  now a rule for the offices is added:\n'
  diff "$run/policy.toml" "$run/policy-with-admin.toml" | grep '^>' | sed 's/^> */      + /' || true
  passes "the new policy is enforced when apply returns" '' \
    "${control[@]}" policy apply "$run/policy-with-admin.toml"
  passes "the next try passes" 'admin page' "${internet[@]}" "${curl[@]}" "${admin[@]}"

  passes "the web server may ask the database" PONG \
    "${web[@]}" timeout 5 redis-cli -h 10.0.2.10 ping
  refused "the internet may not" "${internet[@]}" timeout 3 redis-cli -h 10.0.2.10 ping
  refused "nor may it come in to the web server by ssh" \
    "${internet[@]}" ssh -F "$run/ssh_config" web true
  passes "but by way of the bastion it may" '^10.0.3.10 ' \
    "${internet[@]}" ssh -F "$run/ssh_config" -J bastion web "echo \$SSH_CONNECTION"
  tour_summary
}

tour_summary() {
  local name
  printf '\n'
  if ((${#tour_failed[@]} == 0)); then
    say "the tour is over, every answer was the expected one"
    return 0
  fi
  for name in "${tour_failed[@]}"; do
    say "NOT as expected: $name"
  done
  return "${#tour_failed[@]}"
}

# A client that asks the web server what is allowed and what is not, so that there is something
# to see: two packets' worth of curl a second.
background_clients() {
  local curl=(ip netns exec "$prefix-internet" curl -s -o /dev/null)
  while sleep 1; do
    "${curl[@]}" --max-time 1 http://10.0.1.10/ || true
    "${curl[@]}" --max-time 0.5 http://10.0.1.10:23/ || true
  done
}

# watch_stream flow|drop: prints one stream of events, each line under its name.
watch_stream() {
  "$sluicectl" -s "$socket" --no-color "$1" watch > >(sed -u "s/^/  $1  /") 2>/dev/null </dev/null &
  net_pids+=($!)
}

# Shows flows and drops as they happen until Ctrl-C, or until the time of --for is up.
live_view() {
  local left_s=''
  [[ -z $for_s ]] || left_s=$((for_s - (SECONDS - started_s)))
  # From here on Ctrl-C is how a user says that it was enough.
  trap 'is_enough=1' INT
  if [[ -z $left_s ]] || ((left_s > 0)); then
    say "live view of flows and drops${left_s:+ for $left_s s}; Ctrl-C ends the lab"
    background_clients >/dev/null 2>&1 </dev/null &
    net_pids+=($!)
    watch_stream flow
    watch_stream drop
    watch_appliance "$left_s"
  fi
  printf '\n'
  say "counters of this run"
  ctl stats | sed 's/^/    /'
}

# Stops the appliance, which writes what it still holds, and shows the flow log of the run.
show_flow_log() {
  net_stop "$appliance_pid" 10
  say "the flow log of this run: $(wc -l <"$run/flow.log") records, the last of them"
  tail -n 8 "$run/flow.log" | sed 's/^/    /'
  grep -q ' ACCEPT OK$' "$run/flow.log" || tour_failed+=("the flow log tells what passed")
  grep -q ' REJECT OK$' "$run/flow.log" || tour_failed+=("the flow log tells what was refused")
}

# Waits until the time is up, or for ever; fails when the appliance ends by itself.
watch_appliance() {
  local left_s=$1 until_s=''
  [[ -z $left_s ]] || until_s=$((SECONDS + left_s))
  while ((is_enough == 0)) && { [[ -z $until_s ]] || ((SECONDS < until_s)); }; do
    if ! kill -0 "$appliance_pid" 2>/dev/null; then
      tail -n 20 "$run/sluiced.log" | sed 's/^/    /' >&2
      fail "the appliance ended by itself"
    fi
    sleep 0.5 || true
  done
}
