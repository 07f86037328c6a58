"""CPU time and memory of processes, as the operating system counts them."""

from collections.abc import Iterator
from pathlib import Path

import psutil


def cpu_seconds(pid: int) -> float:
    """User and system CPU time of a process and its descendants, including those that have exited."""
    return sum(_cpu_seconds(process) for process in _family(pid))


def memory_mb(pid: int) -> float:
    """Resident memory of the largest descendant, such as a server's worker. Shared pages count in full."""
    return _largest(pid, "VmRSS")


def peak_memory_mb(pid: int) -> float:
    """Like `memory_mb`, but the maximum since the start."""
    return _largest(pid, "VmHWM")


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0  # its parent has its time now
    # The time of a process that has exited is in its parent's times, because the parent waited for it.
    return float(times.user + times.system + times.children_user + times.children_system)


def _largest(pid: int, name: str) -> float:
    return max(max(_status_mb(child.pid, name), 0.0) for child in _family(pid)[1:])


def _status_mb(pid: int, name: str) -> float:
    for line in _status(pid):
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _status(pid: int) -> Iterator[str]:
    try:
        yield from Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return  # the process has just exited
