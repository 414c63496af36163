"""Where the consoles run, and that a login link leads to one of them."""

from __future__ import annotations

import os
import sys

import pytest

from circus import web
from circus.web import users
from circus.web.commandline import build_parser, make_settings
from circus.web.program import _command
from circus.web.settings import default_state_directory
from circus.web.users import write_private
from circus.web.whereabouts import addresses, announced


def link(monkeypatch, capsys, *arguments):
    """What ``--login-link`` prints: the address without its token, and what stands on standard error."""
    monkeypatch.setattr(sys, "argv", ["circus-httpd", "--login-link", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        web.main()
    assert ended.value.code == 0
    told = capsys.readouterr()
    [line] = told.out.splitlines()
    address, token = line.split("#token=")
    assert token
    return address, told.err


def test_those_that_run_are_known(tmp_path):
    assert addresses(tmp_path / "none") == []
    with announced(tmp_path, "http://localhost:8081/"):
        assert addresses(tmp_path) == ["http://localhost:8081/"]
        first = next((tmp_path / "running").iterdir())
        os.utime(first, (1, 1))
        assert first.stat().st_mode & 0o777 == 0o600
        with announced(tmp_path, "https://ops.example.org/c/"):
            assert addresses(tmp_path) == ["https://ops.example.org/c/", "http://localhost:8081/"]
        assert addresses(tmp_path) == ["http://localhost:8081/"]
    assert addresses(tmp_path) == []
    assert list((tmp_path / "running").iterdir()) == []


def test_one_that_was_killed_is_forgotten(tmp_path):
    (tmp_path / "running").mkdir()
    left_over, begun = tmp_path / "running" / "a", tmp_path / "running" / "b"
    left_over.write_text("http://localhost:1/")
    begun.touch()  # by one that has not come to writing yet
    assert addresses(tmp_path) == []
    assert not left_over.exists()
    assert begun.exists()


def test_a_directory_that_cannot_be_written_harms_nobody(tmp_path):
    (tmp_path / "file").touch()
    with announced(tmp_path / "file", "http://localhost:8081/"):
        assert addresses(tmp_path / "file") == []


def test_the_link_leads_to_the_console_that_runs(monkeypatch, capsys, tmp_path):
    with announced(tmp_path, "http://localhost:8081/circus/"):
        assert link(monkeypatch, capsys, "--state-dir", tmp_path) == ("http://localhost:8081/circus/login", "")
        said = link(monkeypatch, capsys, "--state-dir", tmp_path, "--port", 8080)
        assert said == ("http://localhost:8080/login", "")
        with announced(tmp_path, "http://localhost:8082/"):
            address, note = link(monkeypatch, capsys, "--state-dir", tmp_path)
    assert address == "http://localhost:8082/login"
    assert note == "note: others run as well (--port picks one): http://localhost:8081/circus/\n"


def test_a_link_for_nobody_says_so(monkeypatch, capsys, tmp_path):
    address, note = link(monkeypatch, capsys, "--state-dir", tmp_path)
    assert address == "http://localhost:8080/login"
    assert note.startswith(f"note: no console runs with the files in {tmp_path}; ")


def test_a_service_keeps_its_files_where_root_looks(monkeypatch):
    """As systemd starts it, with StateDirectory=circus, as a user of its own."""
    monkeypatch.delenv("CIRCUS_STATE_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    as_root = default_state_directory()
    monkeypatch.setattr("os.geteuid", lambda: 990)
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/circus:/var/lib/other")
    assert default_state_directory() == as_root
    settings = make_settings(build_parser().parse_args([]))
    assert _command(settings, "--login-link") == "circus-httpd --login-link --state-dir /var/lib/circus/httpd"
    monkeypatch.delenv("STATE_DIRECTORY")
    assert _command(make_settings(build_parser().parse_args([])), "--login-link") == "circus-httpd --login-link"


def test_what_root_writes_belongs_to_whom_the_directory_belongs(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(users.os, "geteuid", lambda: 0)
    monkeypatch.setattr(users.os, "fchown", lambda _, *ids: given.append(ids))
    owned = os.stat_result((0o40700, 0, 0, 1, 990, 991, 0, 0, 0, 0))
    monkeypatch.setattr(type(tmp_path), "stat", lambda self, **_: owned)
    write_private(tmp_path / "users", b"x")
    monkeypatch.undo()
    assert given == [(990, 991)]
    assert [path.name for path in tmp_path.iterdir()] == ["users"]
