"""What the numbers were measured on, and the huge pages that the run borrows from it."""

import os
import platform
import re
import subprocess
from pathlib import Path

_PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
_PAGE_SIZE = 2 << 20
# What a run must leave to everybody else.
_MEMORY_LEFT_MIN = 2 << 30


def _cpu_field(name):
    found = re.search(rf"^{name}\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found.group(1).strip() if found else ""


def tsc_hz():
    """The rate of the time stamp counter; Linux derives BogoMIPS from it on x86."""
    text = _cpu_field("bogomips")
    return float(text) / 2 * 1e6 if text else None


def _memory(name):
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    return int(found.group(1)) * 1024


def describe():
    """The machine in one line; the same words mean that numbers may be compared."""
    clock = tsc_hz()
    return (f"{_cpu_field('model name') or platform.machine()}, {os.cpu_count()} cores, "
            f"{_memory('MemTotal') / 2**30:.0f} GiB, "
            f"TSC {f'{clock / 1e9:.3f} GHz' if clock else 'unknown'}, "
            f"Linux {platform.release()}")


def load():
    return [round(value, 2) for value in os.getloadavg()]


def commit(root):
    """The commit of the checkout; '+' says that files differ from it."""
    def git(*words):
        # The checkout may belong to the one who called sudo.
        answer = subprocess.run(["git", "-c", f"safe.directory={root}", "-C", str(root), *words],
                                capture_output=True, text=True, check=False)
        return answer.stdout.strip() if answer.returncode == 0 else None
    head = git("rev-parse", "--short=12", "HEAD")
    if head is None:
        return "unknown"
    return head + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


class HugePages:
    """Huge pages for one run: taken on entry if this process may and there is memory, and given
    back on exit. `held` says whether there are enough; `story` says it to a reader."""

    def __init__(self, size):
        self.needed = -(-size // _PAGE_SIZE)
        self.added = 0
        self.held = False
        self.story = ""

    def _read(self, name):
        return int((_PAGES / name).read_text())

    def _resize(self, change):
        total = max(0, self._read("nr_hugepages") + change)
        (_PAGES / "nr_hugepages").write_text(str(total))
        return self._read("nr_hugepages")

    def __enter__(self):
        try:
            self._take()
        except OSError as error:
            self.story = f"no huge pages ({error.strerror}): rates are about half of what they were"
        return self

    def _take(self):
        missing = self.needed - self._read("free_hugepages")
        if missing <= 0:
            self.held, self.story = True, f"{self.needed} huge pages, which were there"
            return
        left = _memory("MemAvailable") - missing * _PAGE_SIZE
        if left < _MEMORY_LEFT_MIN:
            self.story = f"no huge pages: only {left / 2**30:.1f} GiB of memory would be left"
            return
        before = self._read("nr_hugepages")
        # Counted first, so that an interrupt between the two lines gives back what came.
        self.added = missing
        self.added = self._resize(missing) - before
        self.held = self._read("free_hugepages") >= self.needed
        if self.held:
            self.story = f"{self.added} huge pages of 2 MiB reserved for this run"
        else:
            self.story = f"no huge pages: the kernel found {self.added} of {missing} together"
            self.__exit__()

    def __exit__(self, *_):
        if self.added > 0:
            added, self.added = self.added, 0
            self._resize(-added)
