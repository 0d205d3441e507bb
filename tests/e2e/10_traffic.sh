#!/usr/bin/env bash
# Real programs through an appliance with one worker, IPv4 and IPv6.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/traffic_cases.bash"

begin
up "$(traffic_rules)"
traffic_cases
finish
