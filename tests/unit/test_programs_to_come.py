"""Console scripts of later versions: the command line is there, and one line says that the rest is not."""

from __future__ import annotations

import sys

import pytest

from circus import __version__, top, web
from circus.stats import client

PROGRAMS = {
    "circus-httpd": (
        web.main,
        ["--fd", "7", "--host", "h", "--port", "1", "--multicast", "udp://237.1.1.1:9"],
    ),
    "circushttpd": (web.main, ["--endpoint", "tcp://h:1", "--log-output", "-"]),
}


def run(monkeypatch, name, *arguments):
    monkeypatch.setattr(sys, "argv", [f"/usr/bin/{name}", *arguments])
    with pytest.raises(SystemExit) as ended:
        PROGRAMS[name][0]()
    return ended.value.code


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_line_says_that_it_is_not_there_yet(monkeypatch, name):
    # A text as exit code is printed on stderr, and the code is 1.
    assert run(monkeypatch, name, *PROGRAMS[name][1]) == f"{name} is not there yet in Circus {__version__}."


@pytest.mark.parametrize("name", PROGRAMS)
def test_version(monkeypatch, capsys, name):
    assert (run(monkeypatch, name, "--version"), capsys.readouterr().out) == (0, f"{__version__}\n")


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_names_the_program(monkeypatch, capsys, name):
    assert run(monkeypatch, name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: {name} [-h]")


@pytest.mark.parametrize("name", PROGRAMS)
def test_unknown_options_are_refused(monkeypatch, capsys, name):
    assert run(monkeypatch, name, "--nonsense") == 2
    assert "--nonsense" in capsys.readouterr().err


def test_old_home_of_circus_top():
    assert client.main is top.main
