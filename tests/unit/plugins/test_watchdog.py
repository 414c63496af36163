"""WatchDog: who is expected to send heart beats, what one looks like, who is ended."""

from __future__ import annotations

import json
import socket
from unittest import mock

import pytest

from circus.exc import CallError, OptionError
from circus.plugins import watchdog
from circus.plugins.watchdog import WatchDog


@pytest.fixture
def clock(monkeypatch):
    """Time that the test sets."""
    clock = mock.Mock(monotonic=mock.Mock(return_value=1000.0))
    monkeypatch.setattr(watchdog, "time", clock)
    return clock.monotonic


@pytest.fixture
def plugin(make, clock):
    """One that listens, and knows the daemon's watchers ``web`` and ``Batch Job``."""
    found = make(WatchDog, loop_rate="10")
    found.sock = mock.Mock(recvfrom=mock.Mock(side_effect=BlockingIOError))
    found.starting = False
    found._names = {"web", "batch_job"}
    yield found
    found.sock = None


def tell(plugin, event, watcher="web", **payload):
    plugin.handle_recv([f"watcher.{watcher}.{event}".encode(), json.dumps(payload).encode()])


def beat(plugin, text):
    plugin._note_beat(text, ("127.0.0.1", 4))


def test_defaults(make):
    plugin = make(WatchDog)
    assert (plugin.name, plugin.loop_rate, plugin.max_count) == ("watchdog", 60.0, 3)
    assert (plugin.watchdog_ip, plugin.watchdog_port) == ("127.0.0.1", 1664)
    assert (plugin.watchers_stop_signal, plugin.watchers_graceful_timeout) == (None, None)
    assert plugin.starting is True


def test_its_options_reach_the_base_class(make):
    assert make(WatchDog, active="no", name="plugin:w").active is False


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("watchers_regex", "(", "'\\(' is no regular expression: missing \\)"),
        ("msg_regex", "^(.*)$", "'\\^\\(\\.\\*\\)\\$' has no group \\(\\?P<pid>\\.\\.\\.\\)"),
        ("port", "0", "0 is not from 1 to 65535"),
        ("watchers_stop_signal", "x", "signal invalid: x"),
        ("max_count", "1.5", "invalid literal for int"),
    ],
)
def test_bad_options(make, option, value, text):
    with pytest.raises(OptionError, match=f"^\\[plugin:w\\] {option}: {text}"):
        make(WatchDog, name="plugin:w", **{option: value})


# -- which processes ---------------------------------------------------------------------------------------------------


def test_processes_come_and_go(plugin):
    tell(plugin, "spawn", process_pid=7)
    assert plugin.pid_status == {"7": {"watcher": "web", "last_activity": 1000.0}}
    tell(plugin, "kill", process_pid=7)
    assert "7" in plugin.pid_status
    tell(plugin, "reap", process_pid=7)
    tell(plugin, "reap", process_pid=8)
    assert plugin.pid_status == {}
    assert plugin.starting is False


def test_events_without_a_pid_are_ignored_with_a_warning(plugin, caplog):
    tell(plugin, "spawn")
    plugin.handle_recv(["watcher.web.reap", None])
    assert plugin.pid_status == {}
    assert len(caplog.messages) == 2


@pytest.mark.parametrize(
    ("regex", "watcher", "watched"),
    [
        (".*", "web", True), ("we", "web", True), ("eb", "web", False), ("^web$", "web.one", False),
        (".*", "plugin:watchdog", False), (".*", "circusd-stats", False), (".*", "circushttpd", False),
    ],
)  # fmt: skip
def test_the_name_decides(make, regex, watcher, watched):
    plugin = make(WatchDog, watchers_regex=regex)
    tell(plugin, "spawn", watcher, process_pid=7)
    assert bool(plugin.pid_status) is watched


def answers(command, name=None):
    if name is None:
        return {"watchers": ["batch job", "new", "plugin:watchdog", "web"]}
    return {"pids": {"web": [7, 8], "batch job": [9], "new": [10]}[name]}


def test_the_first_check_asks_which_processes_there_are(plugin, clock):
    plugin.starting = True
    plugin.call.side_effect = answers
    plugin.pid_status["7"] = {"watcher": "web", "last_activity": 990.0}
    plugin.look_after()
    plugin.look_after()
    asked = [mock.call("list"), *(mock.call("list", name=name) for name in ("batch job", "new", "web"))]
    assert plugin.call.mock_calls == asked
    assert {pid: (each["watcher"], each["last_activity"]) for pid, each in plugin.pid_status.items()} == {
        "7": ("web", 990.0), "8": ("web", 1000.0), "9": ("batch job", 1000.0), "10": ("new", 1000.0),
    }  # fmt: skip
    assert plugin.starting is False


def test_an_event_of_an_unknown_watcher_has_it_ask_again(plugin):
    tell(plugin, "spawn", "batch_job", process_pid=9)
    assert plugin.starting is False
    tell(plugin, "spawn", "new", process_pid=10)
    assert plugin.starting is True


def test_without_an_answer_it_asks_again(plugin, caplog):
    plugin.starting = True
    plugin.call.side_effect = CallError("Timed out.")
    plugin.look_after()
    assert plugin.starting is True
    assert "asking again in 10 s: Timed out." in caplog.text


# -- heart beats -------------------------------------------------------------------------------------------------------


def test_a_heart_beat_is_noted(plugin, clock):
    tell(plugin, "spawn", process_pid=7)
    clock.return_value = 1020.0
    beat(plugin, b"7;1295.5")
    assert plugin.pid_status["7"]["last_activity"] == 1020.0


@pytest.mark.parametrize("text", [b"", b"hello", b"\xff\xfe", b"7 12"])
def test_what_is_no_heart_beat_is_warned_about(plugin, caplog, text):
    beat(plugin, text)
    assert "is not understood" in caplog.text


def test_a_heart_beat_of_nobody_is_warned_about(plugin, caplog):
    beat(plugin, b"99;1")
    assert caplog.messages == ["watchdog: heart beat of an unknown process: '99'"]


def test_heart_beats_come_in_by_udp(make):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    plugin = make(WatchDog, port=str(port))
    tell(plugin, "spawn", process_pid=7)
    tell(plugin, "spawn", process_pid=8)
    for status in plugin.pid_status.values():
        status["last_activity"] = 0.0
    noted = plugin._note_beat

    def note(*arguments):
        noted(*arguments)
        if all(status["last_activity"] for status in plugin.pid_status.values()):
            plugin.loop.stop()

    plugin._note_beat = note
    plugin.handle_init()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as worker:
        for text in (b"7;1", b"nonsense", b"8;1"):
            worker.sendto(text, ("127.0.0.1", port))
    plugin.loop.call_later(5, plugin.loop.stop)
    plugin.loop.start()
    assert all(status["last_activity"] for status in plugin.pid_status.values())
    plugin.handle_stop()
    assert plugin.sock is None


def test_a_port_that_is_taken_is_told_and_tried_again_and_nobody_is_ended(make, caplog, clock):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        plugin = make(WatchDog, port=str(port), loop_rate="10")
        plugin.handle_init()
        assert plugin.sock is None
        assert f"cannot listen on 127.0.0.1:{port}" in caplog.text
        plugin.starting, plugin._names = False, {"web"}
        tell(plugin, "spawn", process_pid=7)
        clock.return_value = 5000.0
        plugin.look_after()
        assert plugin.sock is None
    plugin.look_after()
    assert plugin.sock is not None
    assert not plugin.cast.called
    plugin.look_after()  # its silence is reckoned from the moment when it could be heard
    assert not plugin.cast.called
    plugin.handle_stop()


def test_stopping_one_that_could_not_listen(make):
    make(WatchDog).handle_stop()


# -- the check ---------------------------------------------------------------------------------------------------------


def test_silent_processes_are_ended_and_forgotten(plugin, clock, caplog):
    for pid in (7, 8, 9):
        tell(plugin, "spawn", process_pid=pid)
    clock.return_value = 1030.0
    beat(plugin, b"8;1")
    plugin.look_after()
    assert not plugin.cast.called
    clock.return_value = 1030.1
    plugin.look_after()
    assert plugin.cast.mock_calls == [mock.call("kill", name="web", pid=pid) for pid in (7, 9)]
    assert list(plugin.pid_status) == ["8"]
    assert "watcher:web, process 7 has sent no heart beat for 30.1 s: it is ended" in caplog.messages


def test_heart_beats_that_wait_to_be_read_count(plugin, clock):
    """The plugin had no turn for long, or the daemon took its time to answer: the workers did their part."""
    tell(plugin, "spawn", process_pid=7)
    tell(plugin, "spawn", process_pid=8)
    clock.return_value = 1100.0
    plugin.sock.recvfrom.side_effect = [(b"7;1", ("127.0.0.1", 4)), BlockingIOError]
    plugin.look_after()
    assert plugin.cast.mock_calls == [mock.call("kill", name="web", pid=8)]


def test_how_they_are_ended_can_be_said(make, clock):
    plugin = make(WatchDog, watchers_stop_signal="sigkill", watchers_graceful_timeout="0.5", loop_rate="1")
    plugin.sock, plugin.starting = mock.Mock(recvfrom=mock.Mock(side_effect=BlockingIOError)), False
    tell(plugin, "spawn", process_pid=7)
    plugin.starting = False
    clock.return_value = 1004.0
    plugin.look_after()
    plugin.cast.assert_called_once_with("kill", name="web", pid=7, signum=9, graceful_timeout=0.5)
    plugin.sock = None
