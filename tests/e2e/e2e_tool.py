#!/usr/bin/env python3
"""What the end-to-end scenarios ask of JSON and of the control socket.

  e2e_tool.py drops [REASON]       packets dropped, out of `stats -j` on stdin
  e2e_tool.py drops-but REASON     the same for every other reason
  e2e_tool.py reasons              the same by reason
  e2e_tool.py generation           the generation that is enforced, out of `stats -j`
  e2e_tool.py books                received + generated = sent + dropped + consumed + held
  e2e_tool.py sum-law              logged + live + lost + not logged = judged
  e2e_tool.py log-lost             true when the log has counted losses
  e2e_tool.py all-work             every worker had packets and flows, out of `worker list -j`
  e2e_tool.py accepted ENI         packets that passed in and out, out of `interface list -j`
  e2e_tool.py log-accepted FILE ENI ADDRESS   the same, summed up from the records of a flow log
  e2e_tool.py iperf FILE SECONDS   a transfer that lasted so long and moved data in every second
  e2e_tool.py rpc-error SOCKET METHOD CODE
  e2e_tool.py rpc-garbage SOCKET CODE
  e2e_tool.py rpc-too-long SOCKET  a message beyond the limit is skipped and told, not collected
  e2e_tool.py hello SOCKET
"""

import json
import socket
import sys


def stats():
    return json.loads(sys.stdin.readline())


def drops(reason=None):
    counted = stats()["totals"]["drops"]
    print(sum(count for name, count in counted.items() if reason in (None, name)))
    return True


def drops_but(reason):
    counted = stats()["totals"]["drops"]
    print(sum(count for name, count in counted.items() if name != reason))
    return True


def reasons():
    print(json.dumps(stats()["totals"]["drops"]))
    return True


def generation():
    print(stats()["generation"])
    return True


def books():
    total = stats()["totals"]
    came = total["rx_packets"] + total["generated"]
    went = (total["tx_packets"] + sum(total["drops"].values()) + total["consumed"]
            + total["held"])
    print(f"came {came}, went {went}: {total}")
    return came == went and came > 0


def sum_law():
    log = stats()["flow_log"]
    print(log)
    return log["unaccounted"] == 0 and log["packets_judged"] > 0


def log_lost():
    log = stats()["flow_log"]
    print(log)
    return log["records_lost_sink"] > 0 and log["packets_lost"] > 0 and log["unaccounted"] == 0


def all_work():
    workers = [json.loads(line) for line in sys.stdin]
    for worker in workers:
        print(worker)
    return len(workers) > 1 and all(worker["rx_packets"] > 0 and worker["flows"] > 0
                                    for worker in workers)


def accepted(interface):
    for line in sys.stdin:
        row = json.loads(line)
        if row["interface"] == interface:
            print(row["ingress"]["accepted_packets"], row["egress"]["accepted_packets"])
            return True
    return False


def log_accepted(path, interface, addresses):
    own = addresses.split(",")
    sums = {"ingress": 0, "egress": 0}
    with open(path, encoding="utf-8") as file:
        for line in file:
            field = line.split()
            if field[2] == interface and field[12] == "ACCEPT":
                sums["ingress" if field[4] in own else "egress"] += int(field[8])
    print(sums["ingress"], sums["egress"])
    return True


def iperf(path, seconds):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    error = report.get("error", "")
    if error and "interrupt" not in error:
        print(f"iperf3 says: {error}")
        return False
    moved = [interval["sum"]["bytes"] for interval in report["intervals"]
             if interval["sum"]["seconds"] > 0.5]
    print(f"{len(moved)} seconds, {sum(moved)} bytes, at least {min(moved, default=0)} in one")
    return len(moved) >= int(seconds) and min(moved) > 0


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(path)
    return client


def ask(path, line):
    with connect(path) as client:
        client.sendall(line.encode() + b"\n")
        answer = client.makefile("rb").readline()
    print(answer.decode(errors="replace"))
    return json.loads(answer)


def rpc_error(path, method, code):
    request = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": {}})
    answer = ask(path, request)
    return answer["id"] == 7 and answer["error"]["code"] == int(code)


def rpc_garbage(path, code):
    return ask(path, "{this is no JSON")["error"]["code"] == int(code)


def rpc_too_long(path):
    """A line of 40 MiB is skipped and told, and the same connection goes on."""
    with connect(path) as client:
        reader = client.makefile("rb")
        for _ in range(40):
            client.sendall(b"x" * (1 << 20))
        client.sendall(b'\n{"jsonrpc":"2.0","id":2,"method":"hello"}\n')
        first = json.loads(reader.readline())
        second = json.loads(reader.readline())
    print(first, second)
    return "error" in first and second["id"] == 2 and "result" in second


def hello(path):
    answer = ask(path, '{"jsonrpc":"2.0","id":1,"method":"hello"}')
    return all(key in answer["result"] for key in ("product", "version", "protocol", "generation"))


COMMANDS = {
    "accepted": accepted, "all-work": all_work, "books": books, "drops": drops,
    "drops-but": drops_but, "generation": generation, "hello": hello, "iperf": iperf,
    "log-accepted": log_accepted, "log-lost": log_lost, "reasons": reasons,
    "rpc-error": rpc_error, "rpc-garbage": rpc_garbage, "rpc-too-long": rpc_too_long,
    "sum-law": sum_law,
}

if __name__ == "__main__":
    sys.exit(0 if COMMANDS[sys.argv[1]](*sys.argv[2:]) else 1)
