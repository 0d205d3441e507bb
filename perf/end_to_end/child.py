"""A program under measurement: started alone, watched, and surely ended."""

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PRIORITY = -15
# Before the suite itself keeps off the worker's core: what it starts may use all of these.
ALL_CORES = frozenset(os.sched_getaffinity(0))


class Failed(Exception):
    """A program did not do what measuring it needs; the text is for the reader of the table."""


def _prepare():
    """In the child: it dies with the suite, even when that is killed, and goes before others."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.sched_setaffinity(0, ALL_CORES)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
        # Where the kernel groups sessions, it is the group's rank that counts.
        Path("/proc/self/autogroup").write_text(str(_PRIORITY))
    except OSError:
        pass  # the share of the core tells whether that mattered


class Child:
    """Both outputs go to a file; stdin is a pipe where asked for."""

    def __init__(self, command, log, environment=None, wants_stdin=False):
        self.name = os.path.basename(command[0])
        self.log = Path(log)
        with open(log, "wb") as sink:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE if wants_stdin else subprocess.DEVNULL,
                stdout=sink, stderr=sink, env=environment, preexec_fn=_prepare,
                start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def said(self):
        return self.log.read_text(errors="replace")

    def failure(self, text):
        tail = " | ".join(line for line in self.said().splitlines()[-3:] if line.strip())
        return Failed(f"{self.name}: {text}" + (f" ({tail})" if tail else ""))

    def wait_for(self, condition, what, limit_s, pause_s=0.02):
        """Polls a condition while the program lives; the value it came to."""
        deadline = time.monotonic() + limit_s
        while True:
            value = condition()
            if value:
                return value
            if self.process.poll() is not None:
                raise self.failure(f"ended with status {self.process.returncode} before {what}")
            if time.monotonic() > deadline:
                raise self.failure(f"{what} did not come within {limit_s:.0f} s")
            time.sleep(pause_s)

    def stop(self, patience_s=5):
        """Asks it twice to end, then ends it. Safe to call again."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None:
                break
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=patience_s)
            except subprocess.TimeoutExpired:
                continue
        if self.process.stdin:
            try:
                self.process.stdin.close()
            except OSError:
                pass


def pinned_thread(pid, core):
    """The thread that may run on that core alone: the worker. None if there is none."""
    for task in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        try:
            if os.sched_getaffinity(int(task)) == {core}:
                return int(task)
        except OSError:
            continue
    return None


def cpu_seconds(pid, thread):
    """How long a thread has had a core, to the nanosecond where the kernel keeps that."""
    try:
        return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, IndexError):
        fields = Path(f"/proc/{pid}/task/{thread}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
