"""circus-httpd shows and controls a daemon on the far side of a real sshd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.daemon import Daemon
from harness.sshd import SSH, SSHD, Sshd
from harness.waiting import eventually
from tests.e2e.console import Console

pytestmark = [
    pytest.mark.skipif(SSHD is None, reason="no sshd (Debian: openssh-server)"),
    pytest.mark.skipif(SSH is None, reason="no ssh (Debian: openssh-client)"),
]

INI = "statsd = True\ncapture = True\n[watcher:web]\ncmd = sh -c 'echo hello; exec sleep 98765'\n"


@pytest.fixture
def sshd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A server; the programs started here use it and keep temporary files in its directory."""
    with Sshd() as server:
        (server.place / "tmp").mkdir()
        server.variables["TMPDIR"] = str(server.place / "tmp")
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("tempfile.tempdir", None)
        yield server


def test_everything_goes_through_the_tunnel(sshd: Sshd, tmp_path: Path) -> None:
    with Daemon(tmp_path, INI, transport="tcp", variables=sshd.variables) as daemon:
        arguments = ("--endpoint", daemon.endpoint, "--ssh", sshd.by_config)
        console = Console(tmp_path, *arguments, variables=sshd.variables).start()
        try:
            ada = console.admin()
            [told] = eventually(lambda: console.online(ada), 40)
            assert told["ssh"] == sshd.by_config
            done = ada.api("/watchers/web/restart", {})
            assert (done["outcome"], done["status"]) == ("ok", "active")
            assert f"--ssh {sshd.by_config}" in done["circusctl"]
            assert ada.api("/watchers/web/logs?lines=1")["lines"][0]["text"] == "hello"
            with ada.socket() as page:
                page.topic(
                    "overview", lambda data: "rss" in data["endpoints"][told["id"]]["watchers"].get("web", {}), 40
                )
                page.send({"logs": {"endpoint": told["id"], "watchers": ["web"], "lines": 5}})
                page.until(lambda message: message.get("first") and message["lines"], 40)
        finally:
            assert console.stop() == 0
        assert "Traceback" not in console.log
