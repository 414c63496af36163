"""Commands that only ask: what they answer, and how circusctl shows it."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from circus.commands import find_command
from circus.exc import ArgumentError, MessageError

INFO = {
    "mem_info1": "1.78M",
    "mem_info2": "2.85M",
    "cpu": 0.0,
    "mem": 0.007,
    "ctime": "0:00.0",
    "pid": 12,
    "username": "root",
    "nice": 0,
    "create_time": 1.0,
    "age": 2.0,
    "cmdline": "sleep",
    "children": [],
}
KID = {**INFO, "pid": 13, "cmdline": "kid"}
LINE = "12  sleep root 0 1.78M 2.85M 0.0 0.007 0:00.0"


def test_error_replies_are_shown_alike(shown: Any) -> None:
    for name in (
        "list",
        "listsockets",
        "numprocesses",
        "numwatchers",
        "options",
        "get",
        "stats",
        "dstats",
        "ipython",
    ):
        assert shown(name, status="error", reason="q") == "error: q"


# -- list ---------------------------------------------------------------------------------------------


def test_list(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    assert run(arbiter, "list") == {"watchers": ["api", "one two", "web"]}
    assert run(arbiter, "list", name="WEB") == {"pids": [11, 12]}
    assert run(arbiter, "list", name="one_two") == {"pids": [11, 12]}
    assert props("list") == {}
    assert props("list", "web") == {"name": "web"}
    assert shown("list", watchers=["circusd-stats", "one two"]) == "circusd-stats,one two"
    assert shown("list", pids=[1, 2]) == "1,2"
    assert shown("list", pids=[]) == ""
    with pytest.raises(ArgumentError, match=r"^Invalid number of arguments$"):
        props("list", "a", "b")
    with pytest.raises(MessageError, match=r"^program zz not found$"):
        run(arbiter, "list", name="zz")


def test_list_of_replies_without_status() -> None:
    command = find_command("list")
    assert command.console_msg({"watchers": ["foo", "bar"]}) == "foo,bar"
    assert command.console_msg({"pids": [12, 13]}) == "12,13"
    assert "error" in command.console_msg({"foo": "bar"})


def test_list_of_an_old_watcher(run: Any, arbiter: Any) -> None:
    old = SimpleNamespace(name="old", res_name="old", get_active_pids=lambda: [7])
    arbiter.watchers.append(old)
    assert run(arbiter, "list", name="old") == {"pids": [7]}


# -- numbers ------------------------------------------------------------------------------------------


def test_numwatchers(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    assert run(arbiter, "numwatchers") == {"numwatchers": 3}
    assert props("numwatchers") == {}
    assert shown("numwatchers", numwatchers=3) == "3"
    with pytest.raises(ArgumentError, match=r"^Invalid number of arguments$"):
        props("numwatchers", "x")


def test_numprocesses(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    assert run(arbiter, "numprocesses") == {"numprocesses": 6}
    assert run(arbiter, "numprocesses", name="WEB") == {"numprocesses": 2, "watcher_name": "WEB"}
    assert props("numprocesses", "web") == {"name": "web"}
    assert shown("numprocesses", numprocesses=0) == "0"
    with pytest.raises(ArgumentError, match=r"^message invalid$"):
        props("numprocesses", "a", "b")


# -- status -------------------------------------------------------------------------------------------


def test_status(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    arbiter.watchers[1].stopped = True
    statuses = {"web": "active", "Api": "stopped", "One Two": "active"}
    assert run(arbiter, "status") == {"statuses": statuses}
    assert run(arbiter, "status", name="api") == {"status": "stopped"}
    assert props("status") == {}
    assert shown("status", statuses=statuses) == "Api: stopped\nOne Two: active\nweb: active"
    assert shown("status", statuses={}) == ""
    assert shown("status", status="stopped") == "stopped"
    with pytest.raises(ArgumentError, match=r"^message invalid$"):
        props("status", "a", "b")


def test_status_of_an_unknown_watcher_is_one_word(shown: Any) -> None:
    assert shown("status", status="error", reason="program zz not found") == "error"


# -- options ------------------------------------------------------------------------------------------


def test_options(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    assert run(arbiter, "options", name="web") == {
        "options": {"cmd": "serve", "flapping.attempts": "2", "numprocesses": 1}
    }
    assert props("options", "web", "more") == {"name": "web"}
    with pytest.raises(ArgumentError, match=r"^number of arguments invalid$"):
        props("options")
    options = {
        "b": None,
        "a": "x",
        "env": {"B": "1", "A": "2"},
        "conf": {"filename": "x"},
        "f": False,
        "g": 2.0,
    }
    assert shown("options", options=options) == (
        "b: \na: x\nenv: A=2,B=1\nconf: {'filename': 'x'}\nf: False\ng: 2.0"
    )


def test_get(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    assert run(arbiter, "get", name="web", keys=["cmd", "numprocesses"]) == {
        "options": {"cmd": "serve", "numprocesses": 1}
    }
    assert run(arbiter, "get", name="web", keys=["flapping.attempts"]) == {
        "options": {"flapping.attempts": "2"}
    }
    assert run(arbiter, "get", name="web", keys="cmd") == {"options": {"cmd": "serve"}}
    assert props("get", "web", "cmd", "env") == {"name": "web", "keys": ["cmd", "env"]}
    assert shown("get", options={"cmd": "sleep", "numprocesses": 1}) == "cmd: sleep\nnumprocesses: 1"
    with pytest.raises(ArgumentError, match=r"^Invalid number of arguments$"):
        props("get", "web")


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["zz"], "'zz' option not found"),
        (["cmd", 5], "5 option not found"),
        ([["cmd"]], "['cmd'] option not found"),
        (["__class__"], "'__class__' option not found"),
        (5, "'keys' isn't a list"),
        (None, "'keys' isn't a list"),
    ],
)
def test_get_of_what_is_no_option(run: Any, arbiter: Any, keys: Any, text: str) -> None:
    with pytest.raises(MessageError) as caught:
        run(arbiter, "get", name="web", keys=keys)
    assert str(caught.value) == text


def test_globaloptions(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    everything = run(arbiter, "globaloptions")["options"]
    assert list(everything) == [
        "endpoint",
        "stats_endpoint",
        "pubsub_endpoint",
        "check_delay",
        "multicast_endpoint",
    ]
    assert run(arbiter, "globaloptions", option="check_delay") == {"options": {"check_delay": 1.0}}
    assert props("globaloptions", "a", "b") == {"option": "a"}
    assert (
        shown("globaloptions", options={"endpoint": "x", "b": None, "d": 1.0}) == "endpoint: x\nb: \nd: 1.0"
    )
    assert (
        shown("globaloptions", status="error", reason="'zz' not an existing option")
        == "'zz' not an existing option"
    )
    for option, text in (("zz", "'zz'"), (None, "None"), (["x"], "['x']"), ("watchers", "'watchers'")):
        with pytest.raises(MessageError) as caught:
            run(arbiter, "globaloptions", option=option)
        assert str(caught.value) == f"{text} not an existing option"


# -- sockets ------------------------------------------------------------------------------------------


def test_listsockets(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    def sock(fd: int, **facts: Any) -> Any:
        return SimpleNamespace(
            fileno=lambda: fd, backlog=2048, **{"host": None, "port": None, "path": None, **facts}
        )

    arbiter.sockets = {
        "ux": sock(8, name="ux", path="/p/ux.sock"),
        "http": sock(7, name="http", host="127.0.0.1", port=80),
    }
    found = run(arbiter, "listsockets")["sockets"]
    assert found == [
        {"fd": 7, "name": "http", "backlog": 2048, "host": "127.0.0.1", "port": 80},
        {"fd": 8, "name": "ux", "backlog": 2048, "path": "/p/ux.sock"},
    ]
    assert props("listsockets", "ignored") == {}
    assert shown("listsockets", sockets=found) == (
        "7:socket 'http' at 127.0.0.1:80\n8:socket 'ux' at /p/ux.sock"
    )
    assert shown("listsockets", sockets=[]) == ""


def test_listsockets_with_real_sockets(run: Any, arbiter: Any) -> None:
    sockets = pytest.importorskip("circus.sockets")
    with sockets.CircusSocket("x", host="127.0.0.1", port=0) as sock:
        sock.bind_and_listen()
        arbiter.sockets = {"x": sock}
        (found,) = run(arbiter, "listsockets")["sockets"]
        assert isinstance(sock, socket.socket)
        assert found == {
            "fd": sock.fileno(),
            "name": "x",
            "backlog": 2048,
            "host": "127.0.0.1",
            "port": sock.getsockname()[1],
        }


# -- stats --------------------------------------------------------------------------------------------


def test_stats_of_all(run: Any, arbiter: Any, props: Any) -> None:
    infos = run(arbiter, "stats")["infos"]
    assert list(infos) == ["web", "Api", "One Two"]
    assert infos["web"] == {11: {"pid": 11}, 12: {"pid": 12}}
    assert arbiter.watchers[0].calls == [("info", False)]
    run(arbiter, "stats", extended=True)
    assert arbiter.watchers[0].calls[-1] == ("info", True)
    assert props("stats") == {"extended": False}


def test_stats_of_all_asks_old_watchers_without_an_argument(run: Any) -> None:
    calls: list[tuple[Any, ...]] = []
    watcher = SimpleNamespace(name="one", info=lambda *args: calls.append(args) or {"meh": 0})
    assert run(SimpleNamespace(watchers=[watcher]), "stats") == {"infos": {"one": {"meh": 0}}}
    assert calls == [()]


def test_stats_of_one_watcher(run: Any, arbiter: Any, props: Any) -> None:
    assert run(arbiter, "stats", name="WEB") == {"name": "WEB", "info": {11: {"pid": 11}, 12: {"pid": 12}}}
    assert run(arbiter, "stats", name="web", extended=1)["name"] == "web"
    assert arbiter.watchers[0].calls == [("info", False), ("info", True)]
    assert props("stats", "web", extended=True) == {"name": "web", "extended": True}


def test_stats_of_one_process(run: Any, arbiter: Any, props: Any) -> None:
    assert run(arbiter, "stats", name="web", process=11) == {"process": 11, "info": {"pid": 11}}
    assert run(arbiter, "stats", name="web", process="12") == {"process": "12", "info": {"pid": 12}}
    assert props("stats", "web", "12") == {"name": "web", "process": 12, "extended": False}
    with pytest.raises(MessageError, match=r"^process 1 not found in 'web'$"):
        run(arbiter, "stats", name="web", process=1)
    with pytest.raises(MessageError, match=r"invalid literal for int\(\) with base 10: 'xx'$"):
        run(arbiter, "stats", name="web", process="xx")
    with pytest.raises(ArgumentError, match=r"^process isn't an integer: 'x'$"):
        props("stats", "web", "x")
    with pytest.raises(ArgumentError, match=r"^message invalid$"):
        props("stats", "a", "b", "c")


def test_stats_shown(shown: Any) -> None:
    assert shown("stats", infos={"web": {"12": {**INFO, "children": [KID]}}, "a": {}}) == (
        f"web:\n12: {LINE}\n   {LINE.replace('12  sleep', '13  kid')}\na:"
    )
    assert shown("stats", name="web", info={"12": INFO, "14": "No such process (stopped?)"}) == (
        f"web:\n12: {LINE}\n14: No such process (stopped?)"
    )
    assert shown("stats", process=12, info=INFO) == f"12: {LINE}\n"
    assert shown("stats", process=12, info="No such process (stopped?)") == "12: No such process (stopped?)\n"
    assert shown("stats", process=12, info={"pid": 12}).startswith("12: 12  N/A N/A")


# -- the daemon itself --------------------------------------------------------------------------------


def test_dstats(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    pytest.importorskip("circus.system.procinfo")
    command = find_command("dstats")
    first, second = (command.execute(arbiter, {})["info"] for _ in range(2))
    for info in (first, second):
        assert info["pid"] == os.getpid()
        assert info["children"] == []
        assert info["cpu"] >= 0.0
    assert props("dstats") == {}
    assert shown("dstats", info=INFO) == f"Main Process:\n    {LINE}"
    assert shown("dstats", info={**INFO, "children": [KID]}) == (
        f"Main Process:\n    {LINE}\nChildren:\n    {LINE.replace('12  sleep', '13  kid')}"
    )
    with pytest.raises(ArgumentError, match=r"^Invalid message$"):
        props("dstats", "x")


def test_listen(run: Any, arbiter: Any) -> None:
    command = find_command("listen")
    assert command.message() == [""]
    assert command.message("watcher.web.", "watcher.api") == ["watcher.web.", "watcher.api"]
    with pytest.raises(MessageError, match=r"^invalid message. use a pub/sub socket$"):
        run(arbiter, "listen")


def test_ipython(run: Any, arbiter: Any, props: Any, shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "IPython", None)
    reply = run(arbiter, "ipython")
    assert reply["shell"] is False
    assert "IPython" in reply["msg"]
    assert props("ipython") == {}
    assert shown("ipython", **reply) == "error: Could not start ipython kernel"
    with pytest.raises(ArgumentError, match=r"^Invalid message$"):
        props("ipython", "x")


def test_ipython_console_is_connected(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    import subprocess

    called: list[Any] = []
    monkeypatch.setattr(subprocess, "call", called.append)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/" + name)
    assert shown("ipython", shell="kernel-1.json", msg=None) == ""
    assert called == [["/usr/bin/jupyter", "console", "--existing", "kernel-1.json"]]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "kernel-1.json" in shown("ipython", shell="kernel-1.json", msg=None)
