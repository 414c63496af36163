"""What circusctl says of itself."""

from __future__ import annotations

import os
import re

import pytest

from circus.ctl import identity


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(identity, "_known", None)
    monkeypatch.delenv("SUDO_USER", raising=False)


def test_who_asks():
    assert re.fullmatch(rf"circusctl \S+@{re.escape(os.uname().nodename)} pid {os.getpid()}", identity.caller())
    assert identity.caller() is identity.caller()


def test_who_is_behind_sudo(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "alice")
    assert identity.caller().endswith(" for alice")


def test_it_is_short_and_printable(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "a\nb\x1b" + "x" * 500)
    assert len(identity.caller()) == 200
    assert identity.caller().isprintable()


def test_a_user_without_an_entry(monkeypatch):
    def unknown(_):
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.delenv("USERNAME", raising=False)
    assert f"circusctl {os.getuid()}@" in identity.caller()
