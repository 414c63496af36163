"""The command line of circus-httpd, and what it makes of it."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from circus import __version__, web
from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER
from circus.web.commandline import build_parser, make_settings
from circus.web.program import ServeError, base_url, is_private, make_tls, open_sockets
from circus.web.settings import default_state_directory


def settings_of(*arguments):
    return make_settings(build_parser().parse_args(arguments))


def run(monkeypatch, *arguments, name="circus-httpd"):
    monkeypatch.setattr(sys, "argv", [f"/usr/bin/{name}", *arguments])
    with pytest.raises(SystemExit) as ended:
        web.main()
    return ended.value.code


@pytest.mark.parametrize("name", ["circus-httpd", "circushttpd"])
def test_version_help_and_nonsense(monkeypatch, capsys, name):
    assert (run(monkeypatch, "--version", name=name), capsys.readouterr().out) == (0, f"{__version__}\n")
    assert run(monkeypatch, "--help", name=name) == 0
    assert capsys.readouterr().out.startswith(f"usage: {name} [-h]")
    assert run(monkeypatch, "--nonsense", name=name) == 2
    assert "--nonsense" in capsys.readouterr().err


def test_defaults(monkeypatch):
    monkeypatch.delenv("CIRCUSCTL_ENDPOINT", raising=False)
    monkeypatch.delenv("CIRCUS_WATCHER", raising=False)
    settings = settings_of()
    assert (settings.host, settings.port, settings.auth, settings.scheme) == ("127.0.0.1", 8080, "password", "http")
    assert settings.endpoints == (DEFAULT_ENDPOINT_DEALER,)
    assert settings.multicast == "udp://237.219.251.97:12027"
    assert settings.users == settings.state / "users"
    assert settings.own_watcher == ""
    monkeypatch.setenv("CIRCUSCTL_ENDPOINT", "ipc:///x")
    assert settings_of().endpoints == ("ipc:///x",)


def test_what_is_given(monkeypatch):
    monkeypatch.setenv("CIRCUS_WATCHER", "circushttpd")
    settings = settings_of(
        "--fd", "7", "--endpoint", "tcp://a:1", "--endpoint", "tcp://b:1", "--endpoint", "tcp://a:1",
        "--multicast", "none",
        "--url-prefix", "circus/web/", "--trusted-hosts", "a.example, b.example", "--trusted-hosts", "*.c.example",
        "--trusted-proxies", "10.0.0.0/8,unix", "--state-dir", "/s", "--users", "/u",
    )  # fmt: skip
    assert settings.endpoints == ("tcp://a:1", "tcp://b:1")
    assert settings.multicast is None
    assert settings.url_prefix == "/circus/web"
    assert settings.trusted_hosts == ("a.example", "b.example", "*.c.example")
    assert settings.trusted_proxies == ("10.0.0.0/8", "unix")
    assert (settings.state, settings.users) == (Path("/s"), Path("/u"))
    assert settings.own_watcher == "circushttpd"


@pytest.mark.parametrize("prefix", ["a?b", "a#b", 'a"b', "a b", "a\\b", "{x}", "é", "<a>", "%2e"])
def test_prefixes_that_will_not_do(prefix):
    with pytest.raises(ValueError, match="not a plain path"):
        settings_of("--url-prefix", prefix)


def test_where_its_files_are(monkeypatch, tmp_path):
    monkeypatch.setenv("CIRCUS_STATE_DIR", str(tmp_path))
    assert default_state_directory() == tmp_path / "httpd"
    monkeypatch.delenv("CIRCUS_STATE_DIR")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_state_directory() == Path("/var/lib/circus/httpd")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert default_state_directory() == Path("/x/circus/httpd")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Tornado leaves one open
def test_sockets_and_addresses():
    settings = settings_of("--port", "0", "--url-prefix", "c")
    sockets = open_sockets(settings)
    try:
        [sock] = sockets
        port = sock.getsockname()[1]
        assert is_private(sock)
        assert base_url(settings, sockets) == f"http://localhost:{port}/c/"
        twin = open_sockets(settings_of("--fd", str(sock.fileno())))[0]
        assert twin.getsockname() == sock.getsockname()
        twin.detach()
        with pytest.raises(ServeError, match="cannot serve on"):
            open_sockets(settings_of("--port", str(port)))
    finally:
        for each in sockets:
            each.close()
    with socket.socket() as sock:
        sock.bind(("0.0.0.0", 0))
        assert not is_private(sock)
        with pytest.raises(ServeError, match="does not listen"):
            open_sockets(settings_of("--fd", str(sock.fileno())))
    assert base_url(settings_of("--host", "::1"), []) == "http://localhost:8080/"
    assert base_url(settings_of("--host", "2001:db8::1"), []) == "http://[2001:db8::1]:8080/"
    secure = settings_of("--tls-cert", "/c", "--trusted-hosts", "ops.example.org")
    assert base_url(secure, []) == "https://ops.example.org:8080/"
    assert make_tls(settings_of()) is None
