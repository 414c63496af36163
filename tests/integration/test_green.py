"""A green arbiter starts, answers a client on the same hub, and ends by a signal (spec library.md 14)."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("gevent")

_PROGRAM = """
import os, signal, sys, threading

if sys.argv[1] == "patched":
    from gevent import monkey
    monkey.patch_all()
import gevent
from circus.green import get_arbiter
from circus.green.client import CircusClient

endpoint = "ipc://" + sys.argv[2] + "/control"
watchers = [{"cmd": "sleep 100", "name": "sleeper", "graceful_timeout": 5}]
arbiter = get_arbiter(watchers, endpoint, "ipc://" + sys.argv[2] + "/events", check_delay=0.5)


def ask():
    print(CircusClient(endpoint=endpoint, timeout=20).send_message("list")["watchers"], flush=True)


def end(future):
    if sys.argv[1] == "patched":
        gevent.spawn(ask).link(lambda _: os.kill(os.getpid(), signal.SIGTERM))
    else:
        os.kill(os.getpid(), signal.SIGTERM)


arbiter.start(cb=end)
print("ended", flush=True)
"""


@pytest.mark.parametrize(("mode", "output"), [("patched", "['sleeper']\nended\n"), ("unpatched", "ended\n")])
def test_a_green_arbiter_lives_and_ends(mode, output, tmp_path):
    command = [sys.executable, "-c", _PROGRAM, mode, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, output), done.stderr


def test_a_green_arbiter_does_not_run_in_the_background():
    from circus.green import get_arbiter

    with pytest.raises(NotImplementedError):
        get_arbiter([], background=True)
