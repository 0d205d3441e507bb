#!/usr/bin/env python3
"""What the end-to-end scenarios ask of JSON and of the control socket.

  e2e_tool.py drops [REASON]       packets dropped, out of `stats -j` on stdin
  e2e_tool.py drops-but REASON     the same for every other reason
  e2e_tool.py reasons              the same by reason
  e2e_tool.py drops-like PREFIX    the same for reasons that begin so
  e2e_tool.py received             packets that came in by all ports
  e2e_tool.py held COUNT           true when no more than so many wait, fragments and others
  e2e_tool.py generation           the generation that is enforced, out of `stats -j`
  e2e_tool.py books                received + generated = sent + dropped + consumed + held
  e2e_tool.py sum-law              logged + live + lost + not logged = judged
  e2e_tool.py log-lost             true when the log has counted losses
  e2e_tool.py all-work             every worker had packets and flows, out of `worker list -j`
  e2e_tool.py accepted ENI         packets that passed in and out, out of `interface list -j`
  e2e_tool.py log-accepted FILE ENI ADDRESS   the same, summed up from the records of a flow log
  e2e_tool.py iperf FILE SECONDS   a transfer that lasted so long and moved data in every second
  e2e_tool.py nmap-table FILE      "22=open 25=filtered", out of nmap -oX
  e2e_tool.py firewall6 FILE COUNT the tests of atk6-firewall6 that were answered, as numbers; there
                                   must be so many tests at least
  e2e_tool.py serve PROTOCOL:PORT...  listens on them, both families, and answers whatever comes
  e2e_tool.py rpc-error SOCKET METHOD CODE
  e2e_tool.py rpc-garbage SOCKET CODE
  e2e_tool.py rpc-too-long SOCKET  a message beyond the limit is skipped and told, not collected
  e2e_tool.py hello SOCKET
"""

import json
import re
import selectors
import socket
import sys
import xml.etree.ElementTree


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


def drops_like(prefix):
    counted = stats()["totals"]["drops"]
    print(sum(count for name, count in counted.items() if name.startswith(prefix)))
    return True


def received():
    print(stats()["totals"]["rx_packets"])
    return True


def held(most):
    count = stats()["totals"]["held"]
    print(f"{count} are held")
    return count <= int(most)


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


def nmap_table(path):
    host = xml.etree.ElementTree.parse(path).getroot().find("host")
    if host is None or host.find("ports/extraports") is not None:
        return False
    ports = {int(port.get("portid")): port.find("state").get("state")
             for port in host.iter("port")}
    print(" ".join(f"{port}={state}" for port, state in sorted(ports.items())))
    return True


def firewall6(path, least):
    """Its lines are "Test 10: atomic fragment  TCP-SYN-ACK received" or "… FAILED - no reply"."""
    with open(path, encoding="utf-8", errors="replace") as file:
        results = re.findall(r"^Test\s+(\w+):.*?(\S+ received|FAILED)", file.read(), re.M)
    print(" ".join(number for number, result in results if result != "FAILED"))
    return len(results) >= int(least)


def serve(*services):
    ready = selectors.DefaultSelector()
    for service in services:
        protocol, port = service.split(":")
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        listener = socket.socket(socket.AF_INET6, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", int(port)))
        if protocol == "tcp":
            listener.listen(64)
        ready.register(listener, selectors.EVENT_READ, protocol)
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            try:
                if key.data == "tcp":
                    key.fileobj.accept()[0].close()
                else:
                    _, sender = key.fileobj.recvfrom(65536)
                    key.fileobj.sendto(b"here", sender)
            except OSError:
                pass


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
    "drops-but": drops_but, "drops-like": drops_like, "firewall6": firewall6,
    "generation": generation, "held": held, "hello": hello, "iperf": iperf,
    "log-accepted": log_accepted, "log-lost": log_lost, "nmap-table": nmap_table,
    "reasons": reasons, "received": received, "rpc-error": rpc_error,
    "rpc-garbage": rpc_garbage, "rpc-too-long": rpc_too_long, "serve": serve,
    "sum-law": sum_law,
}

if __name__ == "__main__":
    sys.exit(0 if COMMANDS[sys.argv[1]](*sys.argv[2:]) else 1)
