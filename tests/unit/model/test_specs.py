"""Specs: a configuration to compare and print."""

from __future__ import annotations

import pytest

from circus.model.options import OnChange
from circus.model.origin import Located
from circus.model.specs import ArbiterSpec, PluginSpec, SocketSpec, StreamSpec, WatcherSpec


def test_declared_and_free_form_options_are_told_apart() -> None:
    spec = WatcherSpec(
        Located({"name": "w", "cmd": "x", "flapping.x": "1", "__name__": "watcher:w"}, ("f", 3))
    )
    assert spec.name == "w"
    assert dict(spec.options) == {"name": "w", "cmd": "x"}
    assert dict(spec.extra) == {"flapping.x": "1"}
    assert spec.place == ("f", 3)
    assert (spec.get("cmd"), spec.get("max_retry"), spec.get("flapping.x"), spec.get("zork")) == (
        "x",
        5,
        "1",
        None,
    )
    with pytest.raises(AttributeError, match="frozen"):
        spec.name = "y"
    with pytest.raises(TypeError):
        spec.options["cmd"] = "y"  # type: ignore[index]


def test_changes() -> None:
    old = WatcherSpec({"name": "w", "cmd": "x", "numprocesses": 1, "gone": "1"})
    new = WatcherSpec({"name": "w", "cmd": "y", "numprocesses": 1, "max_age": "5"})
    assert [(c.option, c.old, c.new, c.on_change) for c in old.changes(new)] == [
        ("cmd", "x", "y", OnChange.ROLL),
        ("gone", "1", None, OnChange.NOTHING),
        ("max_age", None, "5", OnChange.ROLL),
    ]
    assert list(old.changes(old)) == []
    assert old != new
    assert old == WatcherSpec({"name": "w", "cmd": "x", "numprocesses": 1, "gone": "1"})
    assert old != SocketSpec({"name": "w"})


def test_text() -> None:
    spec = WatcherSpec(
        {"name": "w", "cmd": "x", "numprocesses": 1, "stop_signal": 9, "z": "1", "max_retry": 3}
    )
    assert spec.render() == "cmd = x\nmax_retry = 3\nname = w\nstop_signal = 9\nz = 1"


def test_whole_configuration() -> None:
    config = {
        "check_delay": 3.0,
        "watchers": [{"name": "w", "cmd": "x"}],
        "plugins": [{"name": "plugin:p", "use": "a.B", "window": "3"}],
        "sockets": [{"name": "s", "port": "1"}],
    }
    spec = ArbiterSpec(config)
    assert dict(spec.options) == {"check_delay": 3.0}
    assert spec.watchers == (WatcherSpec({"name": "w", "cmd": "x"}),)
    assert dict(spec.plugins[0].extra) == {"window": "3"}
    assert isinstance(spec.plugins[0], PluginSpec)
    assert spec.sockets[0].get("backlog") == 2048
    assert spec == ArbiterSpec(config)
    assert spec != ArbiterSpec({**config, "sockets": []})
    assert spec != 5
    assert repr(spec.watchers[0]) == "<WatcherSpec 'w'>"
    assert StreamSpec({"class": "FileStream", "mine": 1}).extra == {"mine": 1}
