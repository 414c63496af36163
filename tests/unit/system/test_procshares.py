"""What a process's memory really is."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys

import pytest

from circus.system import procshares
from circus.system.procshares import read_shares

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="needs a Linux that tells it")


def test_our_own():
    found = read_shares(os.getpid())
    assert found is not None
    assert 0 < found["uss"] <= found["pss"]
    size = 64 << 20
    with mmap.mmap(-1, size) as ballast:  # nothing that was freed meanwhile can take its place
        ballast.write(bytes([7]) * size)
        more = read_shares(os.getpid())
    assert more is not None
    assert more["uss"] >= found["uss"] + size // 2


def test_one_that_is_gone():
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    assert read_shares(process.pid) is None


def test_one_that_may_not_be_looked_at(monkeypatch):
    def refuse(path):
        raise PermissionError(path)

    monkeypatch.setattr(procshares, "read_file", refuse)
    assert read_shares(os.getpid()) is None


def test_an_older_kernel_tells_less(monkeypatch):
    text = b"00400000-7fff ---p 00000000 00:00 0 [rollup]\nPss: 385 kB\nPrivate_Clean: 4 kB\nPrivate_Dirty: 80 kB\n"
    monkeypatch.setattr(procshares, "read_file", lambda path: text)
    assert read_shares(1) == {"pss": 385 << 10, "uss": 84 << 10, "swap": 0}
