"""Commands about processes and values of a watcher: incr, decr, kill, signal, set."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from circus.commands import find_command
from circus.exc import ArgumentError, MessageError

# -- incr, decr ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["incr", "decr"])
def test_resize_messages(props: Any, shown: Any, name: str) -> None:
    assert props(name, "web", waiting=False) == {"name": "web", "waiting": False}
    assert props(name, "web", "3", waiting=True) == {"name": "web", "nb": 3, "waiting": True}
    assert props(name, "web", 2, "ignored") == {"name": "web", "nb": 2}
    assert shown(name) == "ok"
    assert shown(name, numprocesses=0) == "0"
    assert shown(name, numprocesses=1, singleton=True) == (
        "This watcher is a Singleton - not changing the number of processes"
    )
    assert shown(name, status="error", reason="q") == "error: q"
    with pytest.raises(ArgumentError, match=r"^Invalid number of arguments$"):
        props(name)
    with pytest.raises(ArgumentError, match=r"^nb isn't an integer: 'x'$"):
        props(name, "web", "x")


def test_resize(run: Any, arbiter: Any) -> None:
    assert run(arbiter, "incr", name="web") == {"numprocesses": 2}
    assert run(arbiter, "incr", name="web", nb=3) == {"numprocesses": 5}
    assert run(arbiter, "decr", name="web", nb=2) == {"numprocesses": 3}
    assert run(arbiter, "decr", name="web", nb=100) == {"numprocesses": 0}
    assert run(arbiter, "decr", name="web", nb=-2) == {"numprocesses": 2}
    for nb in ("2", 1.0, True, None):
        with pytest.raises(MessageError, match=r"^'nb' isn't an integer$"):
            run(arbiter, "incr", name="web", nb=nb)


def test_resize_leaves_a_singleton_alone(run: Any, arbiter: Any) -> None:
    arbiter.watchers[0].singleton = True
    assert run(arbiter, "incr", name="web") == {"numprocesses": 1, "singleton": True}
    assert run(arbiter, "decr", name="web") == {"numprocesses": 1, "singleton": True}


def test_resize_of_an_old_watcher_that_gives_no_future(run: Any) -> None:
    class Watcher:
        numprocesses, singleton = 1, False

        def incr(self, nb: int) -> None:
            self.numprocesses += nb

        def decr(self, nb: int) -> None:
            self.numprocesses -= nb

    watcher = Watcher()
    arbiter = SimpleNamespace(watchers=[watcher], get_watcher=lambda name: watcher)
    assert run(arbiter, "incr", **find_command("incr").message("dummy", 2)["properties"]) == {
        "numprocesses": 3
    }
    assert run(arbiter, "decr", **find_command("decr").message("dummy")["properties"]) == {"numprocesses": 2}


# -- kill ---------------------------------------------------------------------------------------------


def test_kill_message(props: Any, shown: Any) -> None:
    assert props("kill", "web", signum=None, graceful_timeout=None, waiting=False) == {"name": "web"}
    assert props("kill", "web", "12", signum="9", graceful_timeout="3", waiting=True) == {
        "name": "web",
        "pid": "12",
        "signum": "9",
        "graceful_timeout": 3.0,
        "waiting": True,
    }
    assert shown("kill") == "ok"
    for wrong in ((), ("a", "b", "c")):
        with pytest.raises(ArgumentError, match=r"^Invalid number of arguments$"):
            props("kill", *wrong)
    with pytest.raises(ArgumentError, match=r"^graceful_timeout isn't a number: 'soon'$"):
        props("kill", "web", graceful_timeout="soon")


@pytest.mark.parametrize(
    ("request_", "call"),
    [
        ({}, (None, None, None)),
        ({"pid": "11"}, ([11], None, None)),
        ({"pid": 99, "signum": "term"}, ([99], 15, None)),
        ({"pid": None, "signum": None, "graceful_timeout": None}, (None, None, None)),
        ({"signum": "SIGRTMIN+2", "graceful_timeout": "1.5"}, (None, 36, 1.5)),
        ({"graceful_timeout": -1}, (None, None, 0.0)),
    ],
)
def test_kill(run: Any, arbiter: Any, request_: dict[str, Any], call: tuple[Any, ...]) -> None:
    assert run(arbiter, "kill", name="WEB", **request_) is None
    assert arbiter.watchers[0].calls == [("kill_workers", *call)]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"name": "zz"}, "program zz not found"),
        ({"pid": "xx"}, "'pid' isn't an integer: invalid literal for int() with base 10: 'xx'"),
        ({"pid": True}, "'pid' isn't an integer: True"),
        ({"signum": "++"}, "signal invalid"),
        ({"signum": "NOSIG"}, "signal invalid"),
        ({"graceful_timeout": "soon"}, "'graceful_timeout' isn't a number"),
    ],
)
def test_kill_refuses(run: Any, arbiter: Any, request_: dict[str, Any], text: str) -> None:
    with pytest.raises(MessageError) as caught:
        run(arbiter, "kill", **{"name": "web", **request_})
    assert str(caught.value) == text
    assert arbiter.watchers[0].calls == []


def test_kill_by_the_methods_of_old_watchers(run: Any) -> None:
    calls: list[Any] = []
    watcher = SimpleNamespace(
        processes={11: "process"},
        kill_processes=lambda **how: calls.append(how),
        kill_process=lambda process, **how: calls.append((process, how)),
    )
    arbiter = SimpleNamespace(get_watcher=lambda name: watcher)
    for request in ({}, {"pid": "11", "signum": 9, "graceful_timeout": 1}, {"pid": 12}):
        assert run(arbiter, "kill", name="old", **request) is None
    assert calls == [
        {"stop_signal": None, "graceful_timeout": None},
        ("process", {"stop_signal": 9, "graceful_timeout": 1.0}),
    ]


# -- signal -------------------------------------------------------------------------------------------


def test_signal_message(props: Any, shown: Any) -> None:
    assert props("signal", "web", "9", children=False, recursive=False) == {
        "name": "web",
        "children": False,
        "recursive": False,
        "signum": "9",
    }
    assert props("signal", "web", "12", "TERM", children=True) == {
        "name": "web",
        "children": True,
        "recursive": False,
        "signum": "TERM",
        "pid": 12,
    }
    assert shown("signal") == "ok"
    for wrong in ((), ("web",), ("web", "1", "2", "3")):
        with pytest.raises(ArgumentError, match=r"^Invalid number of arguments$"):
            props("signal", *wrong)
    with pytest.raises(ArgumentError, match=r"^pid isn't an integer: 'x'$"):
        props("signal", "web", "x", "9")


@pytest.mark.parametrize(
    ("request_", "calls"),
    [
        ({"signum": "hup"}, [("signal", 11, 1), ("signal", 12, 1)]),
        ({"signum": 1, "pid": 12}, [("signal", 12, 1)]),
        ({"signum": "1", "pid": "12"}, [("signal", 12, 1)]),
        ({"signum": 1, "pid": 99}, [("signal", 99, 1)]),
        ({"signum": 1, "children": True}, [("children", 11, 1), ("children", 12, 1)]),
        ({"signum": 1, "pid": 11, "children": True}, [("children", 11, 1)]),
        ({"signum": 1, "pid": 11, "childpid": 5}, [("child", 11, 5, 1)]),
        ({"signum": 1, "pid": 11, "child_pid": "5"}, [("child", 11, 5, 1)]),
        ({"signum": 1, "pid": 11, "childpid": None}, [("signal", 11, 1)]),
    ],
)
def test_signal(run: Any, arbiter: Any, request_: dict[str, Any], calls: list[Any]) -> None:
    assert run(arbiter, "signal", name="web", **request_) is None
    assert arbiter.watchers[0].calls == calls


def test_signal_refuses(run: Any, arbiter: Any) -> None:
    with pytest.raises(MessageError, match=r"^signal invalid$"):
        run(arbiter, "signal", name="web", signum="++")
    with pytest.raises(ArgumentError, match=r"^cannot specify childpid without pid$"):
        run(arbiter, "signal", name="web", signum=1, childpid=5)
    for how in ({"children": True}, {"childpid": 5}):
        with pytest.raises(KeyError, match=r"^99$"):
            run(arbiter, "signal", name="web", signum=1, pid=99, **how)
    with pytest.raises(MessageError, match=r"^'pid' isn't an integer"):
        run(arbiter, "signal", name="web", signum=1, pid="x")


def test_recursive_signal_reaches_descendants_after_their_parent(run: Any, arbiter: Any) -> None:
    pytest.importorskip("circus.system.procinfo")
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    try:
        process = SimpleNamespace(children=lambda recursive: [child.pid] if recursive else [])
        arbiter.watchers[0].processes = {11: process}
        assert run(arbiter, "signal", name="web", signum="TERM", recursive=True) is None
        assert child.wait(timeout=10) == -signal.SIGTERM
        assert arbiter.watchers[0].calls == [("signal", 11, 15)]
    finally:
        child.kill()
        child.wait()


def test_recursive_signal_of_an_unknown_or_gone_process(run: Any, arbiter: Any) -> None:
    pytest.importorskip("circus.system.procinfo")
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()
    arbiter.watchers[0].processes = {11: SimpleNamespace(children=lambda recursive: [gone.pid])}
    assert run(arbiter, "signal", name="web", signum=9, recursive=True) is None
    assert run(arbiter, "signal", name="web", signum=9, recursive=True, pid=99) is None
    assert arbiter.watchers[0].calls == [("signal", 11, 9), ("signal", 99, 9)]


def test_recursive_signal_goes_on_after_a_refusal(
    run: Any, arbiter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    procinfo = pytest.importorskip("circus.system.procinfo")
    seen: list[int] = []

    def refuse(ref: Any, signum: int) -> bool:
        seen.append(ref)
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(procinfo, "ref_of", lambda pid: pid)
    monkeypatch.setattr(procinfo, "signal_ref", refuse)
    arbiter.watchers[0].processes = {11: SimpleNamespace(children=lambda recursive: [os.getpid(), 1])}
    with pytest.raises(PermissionError):
        run(arbiter, "signal", name="web", signum=0, recursive=True)
    assert seen == [os.getpid(), 1]


# -- set ----------------------------------------------------------------------------------------------


def test_set_message(props: Any, shown: Any) -> None:
    assert props("set", "web", "numprocesses", "3", "warmup_delay", "2", waiting=False) == {
        "name": "web",
        "options": {"numprocesses": 3, "warmup_delay": 2.0},
    }
    assert list(props("set", "web", "CMD", "x", waiting=True)) == ["name", "waiting", "options"]
    assert props("set", "web", "hooks", "before_start:a,after_start:b")["options"] == {
        "hooks": {"before_start": "a", "after_start": "b"}
    }
    assert props(
        "set", "web", "stop_signal", "TERM", "rlimit_nofile", "3", "stdout_stream.max_bytes", "5"
    ) == {
        "name": "web",
        "options": {"stop_signal": 15, "rlimit_nofile": 3, "stdout_stream.max_bytes": 5},
    }
    assert props("set", "web", "env", "A=1,B=2")["options"] == {"env": {"A": "1", "B": "2"}}
    assert shown("set") == "ok"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("web",), "Invalid number of arguments"),
        (("web", "a"), "Invalid number of arguments"),
        (("web", "a", "b", "c"), "List of key/values is invalid"),
        (("web", "zz", "1"), "unknown key 'zz'"),
        (("web", "numprocesses", "x"), "numprocesses: invalid literal for int() with base 10: 'x'"),
        (("web", "stop_signal", "NOSIG"), "stop_signal: signal invalid: NOSIG"),
    ],
)
def test_set_message_refuses(props: Any, words: tuple[str, ...], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        props("set", *words)
    assert str(caught.value) == text
    assert "\n" not in str(caught.value)


def test_set_takes_values_as_the_tables_mean_them(run: Any, arbiter: Any) -> None:
    run(
        arbiter, "set", name="web", options={"rlimit_nofile": None, "rlimit_core": [0, None], "max_age": True}
    )
    ((_, options),) = arbiter.watchers[0].calls
    assert options == {"rlimit_nofile": -1, "rlimit_core": (0, -1), "max_age": 1}


def test_set(run: Any, arbiter: Any) -> None:
    options = {"numprocesses": 3, "hooks": {"before_start": "a.b", "after_stop": "c.d,true"}, "cmd": "x"}
    assert run(arbiter, "set", name="WEB", options=options) is None
    assert arbiter.watchers[0].calls == [
        (
            "set_options",
            {
                "numprocesses": 3,
                "hooks.before_start": "a.b",
                "hooks.after_stop": "c.d,true",
                "cmd": "x",
            },
        )
    ]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({}, "message invalid 'options' is missing"),
        ({"options": []}, "'options' property should be an object"),
        ({"options": None}, "'options' property should be an object"),
        ({"options": {"cmd": "x", "zz": 1}}, "unknown key 'zz'"),
        ({"options": {"shell": "yes"}}, "'shell' isn't a valid boolean"),
        ({"options": {"cmd": "x"}, "name": "zz"}, "program zz not found"),
    ],
)
def test_set_refuses_before_anything_is_applied(
    run: Any, arbiter: Any, request_: dict[str, Any], text: str
) -> None:
    with pytest.raises(MessageError) as caught:
        run(arbiter, "set", **{"name": "web", **request_})
    assert str(caught.value) == text
    assert arbiter.watchers[0].calls == []


def test_set_by_the_methods_of_old_watchers(run: Any) -> None:
    class Watcher:
        def __init__(self) -> None:
            self.options: dict[str, Any] = {}
            self.actions: list[int] = []

        def set_opt(self, key: str, value: Any) -> int | None:
            self.options[key] = value
            return {"cmd": 1, "numprocesses": 0, "graceful_timeout": -1}.get(key)

        def do_action(self, number: int) -> None:
            self.actions.append(number)

    watcher = Watcher()
    arbiter = SimpleNamespace(get_watcher=lambda name: watcher)
    for words in (
        ("stdout_stream.file", "/tmp/ok", "stdout_stream.class", "FileStream"),
        ("numprocesses", "2", "cmd", "x"),
        ("graceful_timeout", "2"),
        ("hooks", "before_start:some,after_start:hook"),
    ):
        message = find_command("set").message("dummy", *words)
        assert run(arbiter, "set", **message["properties"]) is None
    assert watcher.actions == [0, 1, 0, 0]
    assert watcher.options["stdout_stream.file"] == "/tmp/ok"
    assert watcher.options["hooks.before_start"] == "some"
    assert watcher.options["hooks.after_start"] == "hook"
