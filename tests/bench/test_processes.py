"""CPU time comes from the operating system and includes every process."""

import os
import subprocess
import sys

from bench.processes import cpu_seconds, memory_mb, peak_memory_mb

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"


def test_a_busy_child_is_counted_while_it_lives_and_after_it_has_exited():
    before = cpu_seconds(os.getpid())
    child = subprocess.Popen(
        [sys.executable, "-c", BURN + "print('done', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"done\n"
    assert cpu_seconds(child.pid) >= 0.28  # the kernel's accounting clock ticks a hundred times a second
    assert cpu_seconds(os.getpid()) - before >= 0.28
    child.communicate(b"\n")
    assert cpu_seconds(os.getpid()) - before >= 0.28


def test_a_grandchild_is_counted():
    grandchild = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}]); print('done', flush=True)"
    child = subprocess.Popen(
        [sys.executable, "-c", grandchild + "; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"done\n"
    assert cpu_seconds(child.pid) >= 0.28
    child.communicate(b"\n")


def test_memory_is_that_of_the_largest_child_and_its_peak_stays():
    grow = "block = bytearray(64 * 2**20); del block; print('done', flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", grow], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"done\n"
    assert peak_memory_mb(os.getpid()) > 64
    assert memory_mb(os.getpid()) < peak_memory_mb(os.getpid())
    child.communicate(b"\n")
