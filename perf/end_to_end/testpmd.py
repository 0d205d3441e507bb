"""The peer: dpdk-testpmd that moves packets from the same capture to the same sink, no more."""

import re
import shutil

from end_to_end import window
from end_to_end.child import Child, pinned_thread

PROGRAM = "dpdk-testpmd"


class Testpmd:
    """Counters are asked for at its prompt, through a pipe."""

    name = "testpmd io"

    def __init__(self, plan, capture, buffer_count):
        self.plan = plan
        self.capture = capture
        self.buffer_count = buffer_count
        self.child = None

    def story(self):
        return (f"dpdk-testpmd --forward-mode=io --burst={self.plan.burst} --nb-cores=1, the same "
                "devices, capture and memory")

    def start(self):
        plan = self.plan
        plan.configurations[self.name] = self.story()
        memory = ["--in-memory"] if plan.huge_pages else [
            "--no-huge", "--no-shconf", "-m", str(plan.ordinary_memory_mib(self.buffer_count))]
        command = [
            # Into a file its answers would otherwise come by the page.
            "stdbuf", "-oL", shutil.which(PROGRAM), "-l", f"{plan.other_core},{plan.core}",
            "--no-pci", "--no-telemetry", *memory,
            "--vdev", plan.source(self.capture), "--vdev", plan.sink(),
            "--", "--interactive", "--forward-mode=io", "--nb-cores=1", f"--burst={plan.burst}",
            f"--total-num-mbufs={self.buffer_count}", "--port-topology=paired"]
        self.child = Child(command, plan.directory / "testpmd.log", wants_stdin=True)
        self.child.name = PROGRAM
        self.child.wait_for(lambda: "testpmd>" in self.child.said(), "its prompt", 60)
        self.ask("start")
        self.child.wait_for(lambda: self.counters()[0] > 0, "the first packet", 20)

    def ask(self, line):
        self.child.process.stdin.write(line.encode() + b"\n")
        self.child.process.stdin.flush()

    def counters(self):
        """What the first port received, and nothing refused: the null sink sends everything."""
        before_size = self.child.log.stat().st_size
        self.ask("show port stats 0")
        found = self.child.wait_for(
            lambda: re.search(r"RX-packets:\s*(\d+)[\s\S]*Tx-pps", self.said_since(before_size)),
            "an answer to 'show port stats 0'", 10, pause_s=0.001)
        return int(found.group(1)), 0

    def said_since(self, size):
        with open(self.child.log, "rb") as file:
            file.seek(size)
            return file.read().decode(errors="replace")

    def look(self):
        thread = pinned_thread(self.child.pid, self.plan.core)
        if thread is None:
            raise self.child.failure(f"no thread polls on core {self.plan.core}")
        return window.look(self.child.pid, thread, self.counters)

    def check(self):
        """Nothing to check: it has no state."""

    def stop(self):
        if self.child:
            self.child.stop()
