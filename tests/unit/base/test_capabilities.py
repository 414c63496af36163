"""What the machine can do."""

from __future__ import annotations

import os
import sys
import types

import pytest

from circus.base import capabilities


def test_constants():
    expected = {"MAXFD": 1024, "REDIRECT_TO": os.devnull, "IS_WINDOWS": os.name == "nt"}
    assert {name: getattr(capabilities, name) for name in expected} == expected
    assert capabilities.get_python_version() == tuple(sys.version_info[:3])
    assert all(type(part) is int for part in capabilities.get_python_version())


def test_close_on_exec():
    reader, writer = os.pipe()
    try:
        os.set_inheritable(reader, True)
        capabilities.close_on_exec(reader)
        assert not os.get_inheritable(reader)
    finally:
        os.close(reader)
        os.close(writer)
    with pytest.raises(OSError, match="Bad file descriptor"):
        capabilities.close_on_exec(reader)


def test_pidfd_is_asked_of_the_kernel_once(monkeypatch):
    ask = capabilities.has_pidfd.__wrapped__
    assert ask() is (sys.platform == "linux" and hasattr(os, "pidfd_open"))

    def refuse(pid):
        raise PermissionError(1, "seccomp")

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    assert ask() is False
    monkeypatch.delattr(os, "pidfd_open")
    assert ask() is False


def test_setproctitle_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "setproctitle", None)
    capabilities._setproctitle("circusd")
    titles = []
    monkeypatch.setitem(sys.modules, "setproctitle", types.SimpleNamespace(setproctitle=titles.append))
    capabilities._setproctitle("circusd")
    assert titles == ["circusd"]
