"""circus-httpd shows and controls a daemon on the far side of a real sshd."""

from __future__ import annotations

from pathlib import Path

from harness.daemon import Daemon
from harness.sshd import Sshd
from harness.waiting import eventually
from tests.e2e.console import Console

INI = "statsd = True\ncapture = True\n[watcher:web]\ncmd = sh -c 'echo hello; exec sleep 98765'\n"


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
