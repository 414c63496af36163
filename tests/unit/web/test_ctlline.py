"""The circusctl line of a request makes the same request."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER
from circus.ctl.arguments import parse_arguments
from circus.ctl.vocabulary import Vocabulary
from circus.web.ctlline import circusctl_line

_NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=10).filter(
    lambda name: name not in Vocabulary()
)
_FLAG = st.booleans()


def said(line):
    words = shlex.split(line)
    assert words[0] == "circusctl"
    vocabulary = Vocabulary()
    parsed = parse_arguments(words[1:], vocabulary)["args"]
    message = vocabulary[parsed.command].message(*parsed.args, **parsed.opts)
    properties = message["properties"].items()
    return message["command"], {key: value for key, value in properties if value not in (False, None)}


def line_of(command, **properties):
    return circusctl_line(DEFAULT_ENDPOINT_DEALER, None, {"command": command, "properties": properties})


@given(st.sampled_from(["start", "stop", "restart"]), _NAMES, _FLAG)
def test_by_name(command, name, waiting):
    properties = {"name": name, "match": "simple", **({"waiting": True} if waiting else {})}
    told, found = said(line_of(command, **properties))
    has_pattern = any(character in name for character in "*?[")
    assert (told, found) == (command, {**properties, "match": "simple" if has_pattern else "glob"})


@given(_NAMES, _FLAG, _FLAG, _FLAG)
def test_reload(name, graceful, sequential, waiting):
    given_ = {"graceful": graceful, "sequential": sequential, "waiting": waiting}
    wanted = {"name": name, **{key: True for key, value in given_.items() if value}}
    assert said(line_of("reload", name=name, **given_)) == ("reload", wanted)


@given(st.sampled_from(["incr", "decr"]), _NAMES, st.integers(1, 9))
def test_resize(command, name, count):
    wanted = {"name": name, "nb": count, "waiting": True}
    assert said(line_of(command, **wanted)) == (command, wanted)


@given(_NAMES, st.integers(1, 99999), st.sampled_from(["HUP", "TERM", "9"]), _FLAG)
def test_signal_and_kill(name, pid, signum, recursive):
    wanted = {"name": name, "pid": pid, "signum": signum, **({"recursive": True} if recursive else {})}
    assert said(line_of("signal", **wanted)) == ("signal", wanted)
    wanted = {"name": name, "pid": str(pid), "signum": signum, "graceful_timeout": 2.5, "waiting": True}
    assert said(line_of("kill", **wanted)) == ("kill", wanted)


@given(_NAMES, st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20), _FLAG)
def test_add_and_remove(name, cmd, start):
    wanted = {"name": name, "cmd": cmd, **({"start": True} if start else {})}
    assert said(line_of("add", **wanted)) == ("add", wanted)
    assert said(line_of("rm", name=name, nostop=start, waiting=True)) == (
        "rm", {"name": name, "waiting": True, **({"nostop": True} if start else {})},
    )  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {"numprocesses": 4}, {"graceful_timeout": 2.5}, {"cmd": "serve 'a b' --x"}, {"send_hup": True},
        {"copy_env": False},
        {"env": {"A": "1", "B": "x"}}, {"stop_signal": 9}, {"stop_exit_codes": [77, 78]}, {"max_age": 0, "uid": "www"},
        {"numprocesses": -1}, {"rlimit_nofile": 100}, {"stdout_stream.class": "FileStream"},
        {"hooks.before_start": "a.b"},
    ],
)  # fmt: skip
def test_set(options):
    command, properties = said(line_of("set", name="web", options=options, waiting=True))
    assert (command, properties["name"], properties["waiting"]) == ("set", "web", True)
    assert properties["options"] == options


def test_the_rest():
    assert line_of("start", waiting=True) == "circusctl start --waiting"
    assert line_of("reloadconfig", dry_run=True) == "circusctl reloadconfig --dry-run"
    assert line_of("quit") == "circusctl quit"
    line = circusctl_line("ipc:///run/c", "me@h", {"command": "stop", "properties": {"name": "a b"}})
    assert line == "circusctl --endpoint ipc:///run/c --ssh me@h stop 'a b'"
    lines = line_of("add", name="w", cmd="x", args=["a b", "c"], options={"numprocesses": 2}, start=True).splitlines()
    assert lines == ["circusctl add w 'x '\"'\"'a b'\"'\"' c'", "circusctl set w numprocesses 2", "circusctl start w"]
