"""The progress line of long operations."""

from __future__ import annotations

import os
import re
import sys
import threading
import time

import pytest

from circus import circusctl
from circus.client_light import LightClient
from circus.ctl import progress
from circus.ctl.arguments import Unasked
from circus.ctl.progress import ProgressLine, call_with_progress
from circus.exc import CallError, TransportError
from tests.unit.ctl.fakedaemon import SILENT, FakeDaemon
from tests.unit.ctl.test_render import Terminal


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.02)
    monkeypatch.setattr(progress, "_FRAME", 0.01)
    monkeypatch.setattr(progress, "_ASK_EVERY", 0.02)


@pytest.fixture
def slow_daemon():
    """It answers ``restart`` only after it was asked for the status three times, and the status at once."""
    asked = []

    def status(props):
        asked.append(props)
        reply = (
            {"statuses": {"a": "active", "b": "stopping", "c": "active"}}
            if not props
            else {"status": "stopping"}
        )
        return [reply] if len(asked) < 3 else [reply, {"id": daemon.requests[0]["id"], "done": True}]

    with FakeDaemon({"restart": SILENT, "status": status}) as daemon:
        yield daemon


@pytest.fixture
def client(slow_daemon):
    made = LightClient(slow_daemon.endpoint, 10)
    yield made
    made.stop()


def restart(**properties):
    return {"command": "restart", "properties": {**properties, "waiting": True}}


@pytest.mark.parametrize(
    ("properties", "detail"),
    [({"name": "web"}, "  stopping"), ({}, "  2 active, 1 stopping"), ({"name": 3}, "  2 active")],
)
def test_a_line_is_drawn_and_erased(client, properties, detail):
    terminal = Terminal()
    reply = call_with_progress(client, restart(**properties), "restart web", terminal)
    assert reply["done"]
    drawn = terminal.getvalue()
    assert re.search(r"\r⠙ restart web  \d+\.\d s", drawn)
    assert detail in drawn
    assert drawn.endswith("\r\x1b[K")
    assert client._awaited == set()


def test_nothing_is_drawn_for_what_ends_soon(client, slow_daemon, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 60)
    slow_daemon.replies["restart"] = {}
    terminal = Terminal()
    assert call_with_progress(client, restart(), "restart", terminal)["status"] == "ok"
    assert terminal.getvalue() == ""


def test_a_time_out_erases_the_line(client, slow_daemon):
    slow_daemon.replies["status"] = SILENT
    client.timeout = 1.0
    terminal = Terminal()
    began = time.monotonic()
    with pytest.raises(CallError, match=r"^Timed out\.$"):
        call_with_progress(client, restart(), "restart", terminal)
    assert time.monotonic() - began < 5
    assert terminal.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize("limit", [Unasked(5), 5])
def test_only_the_default_limit_counts_from_the_last_answer(client, slow_daemon, monkeypatch, limit):
    ends_at = time.monotonic() + (1.8 if isinstance(limit, Unasked) else 60)
    lengths = iter([1.5])  # from the first answer on, longer than any machine stands still

    def status(props):
        reply = {"status": "stopping"}
        return [reply] if time.monotonic() < ends_at else [reply, {"id": slow_daemon.requests[0]["id"], "done": True}]

    slow_daemon.replies["status"] = status
    client.timeout = limit
    monkeypatch.setattr(client, "deadline", lambda: time.monotonic() + next(lengths, 30.0))
    if limit.__class__ is int:
        with pytest.raises(CallError, match=r"^Timed out\.$"):
            call_with_progress(client, restart(), "restart", Terminal())
        assert time.monotonic() < ends_at
    else:
        assert call_with_progress(client, restart(), "restart", Terminal())["done"]


def test_a_daemon_that_goes_erases_the_line(client, slow_daemon):
    slow_daemon.replies["status"] = lambda props: threading.Thread(target=slow_daemon.stop).start() or []
    terminal = Terminal()
    with pytest.raises(TransportError):
        call_with_progress(client, restart(), "restart", terminal)
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_cast_shows_nothing(client):
    assert call_with_progress(client, restart() | {"msg_type": "cast"}, "restart", Terminal()) is None


def test_a_line_fits_the_terminal(monkeypatch):
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((30, 24)))
    terminal = Terminal()
    line = ProgressLine(terminal, "x" * 100)
    time.sleep(0.03)
    line.draw()
    assert len(terminal.getvalue()) == len("\r") + 29 + len("\x1b[K")


def test_a_terminal_without_utf8_gets_dashes():
    terminal = Terminal()
    terminal.encoding = "latin-1"
    line = ProgressLine(terminal, "restart")
    time.sleep(0.03)
    line.draw()
    assert terminal.getvalue()[1] in "|/-\\"


def test_circusctl_shows_it_on_a_terminal_only(slow_daemon, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert circusctl.run(["--endpoint", slow_daemon.endpoint, "restart", "web", "--waiting"]) == 0
    assert "restart web" in terminal.getvalue()
    assert capsys.readouterr().out == "ok\n"
    assert slow_daemon.commands[0] == "restart"


def test_circusctl_shows_nothing_elsewhere(slow_daemon, capsys):
    slow_daemon.replies["restart"] = lambda props: time.sleep(0.1) or {}
    assert circusctl.run(["--endpoint", slow_daemon.endpoint, "restart", "web", "--waiting"]) == 0
    assert capsys.readouterr().err == ""
    assert slow_daemon.commands == ["restart"]
