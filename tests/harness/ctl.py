"""circusctl, run many times without starting an interpreter each time: see harness/forkserver.py."""

from __future__ import annotations

import json
import select
import subprocess
from pathlib import Path

from harness.installation import Installation
from harness.processes import SERVERS
from harness.waiting import PATIENCE


class WarmProgram:
    """A console script of an installation, imported once and forked for each run.

    What differs from a process of its own: the interpreter's start, and modules that are loaded already.
    """

    def __init__(self, installation: Installation, module: str, name: str) -> None:
        self.installation = installation
        server = Path(__file__).with_name("forkserver.py")
        self._server = subprocess.Popen(
            [installation.python, "-B", str(server), module, name],
            env=installation.environment(),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        SERVERS.add(self._server.pid)

    def run(
        self, *argv: str, cwd: Path, stdin: str = "", variables: dict[str, str] | None = None
    ) -> tuple[int, str, str]:
        """One run: exit code, stdout, stderr.

        :raises AssertionError: it does not end in time (the server is then unusable), or the server is dead.
        """
        request = {
            "argv": argv,
            "stdin": stdin,
            "cwd": str(cwd),
            "env": self.installation.environment(variables),
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request).encode() + b"\n")
        self._server.stdin.flush()
        ready, _, _ = select.select([self._server.stdout], [], [], 2 * PATIENCE)
        assert ready, f"{argv} does not end"
        line = self._server.stdout.readline()
        assert line, f"the server of {self.installation.name} died on {argv}"
        answer = json.loads(line)
        return answer["rc"], answer["out"], answer["err"]

    def close(self) -> None:
        """End the server."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        try:
            self._server.wait(5)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server.stdout.close()
