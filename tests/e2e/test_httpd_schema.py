"""circus-httpd keeps what its OpenAPI document promises, whatever it is sent: schemathesis against the real program."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import Daemon
from tests.e2e.console import console_of

INI = "statsd = True\ncapture = True\n[watcher:0]\ncmd = sleep 98765\n[watcher:web]\ncmd = sleep 98765\n"
#: They end the daemon or connect to anything; login is throttled, and logging out means nothing to a token.
LEFT_OUT = ("quitDaemon", "restartAll", "connect", "login", "logout")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="needs schemathesis")
def test_the_api_is_as_its_document_says(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        browser = console.browser()
        browser.token = console.add_token("fuzz", "admin")
        console.online(browser)
        hooks = Path(__file__).with_name("schemathesis_hooks.py")
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"{browser.origin}/api/v1/openapi.json",
            "--header", f"Authorization: Bearer {browser.token}", "--phases", "examples,coverage,fuzzing",
            "--max-examples", os.environ.get("CIRCUS_TEST_EXAMPLES", "5"),
            "--generation-deterministic", "--continue-on-failure", "--no-color", "--warnings", "off",
            *(word for name in LEFT_OUT for word in ("--exclude-operation-id", name)),
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False,
            env={**os.environ, "SCHEMATHESIS_HOOKS": hooks.stem, "PYTHONPATH": str(hooks.parent)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
        assert browser.get("/healthz").status == 200
        assert set(daemon.call("list")["watchers"]) <= {"0", "circusd-stats", "probe", "web"}
