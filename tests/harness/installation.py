"""Which Circus a test runs: an interpreter and the environment in which ``import circus`` finds the right one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.paths import ROOT

#: What a daemon of a test gets from the environment; the rest would make tests depend on who runs them.
KEPT = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME", "COVERAGE_PROCESS_START", "PYTHONPYCACHEPREFIX",
)  # fmt: skip


@dataclass(frozen=True)
class Installation:
    """An installed Circus.

    :param name: how messages call it.
    :param python: the interpreter it is installed for.
    :param variables: environment variables it needs.
    :param strict: whether processes that survive the daemon are a failure of the test (the released 0.19 is
        known to leave some).
    """

    name: str
    python: str
    variables: dict[str, str] = field(default_factory=dict)
    strict: bool = True

    def environment(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        """The whole environment for its programs; nothing of ours leaks into another installation."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        if "PYTHONPYCACHEPREFIX" not in kept:  # else it goes where it is in nobody's way: tests/conftest.py
            kept["PYTHONDONTWRITEBYTECODE"] = "1"
        return {**kept, **self.variables, **(extra or {})}

    def command(self, module: str, *arguments: object) -> list[str]:
        """Arguments that run a module of the package as a program."""
        return [self.python, "-m", module, *map(str, arguments)]

    @contextlib.contextmanager
    def running(self, directory: Path, module: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
        """A module of the package as a program, with its output in pipes; killed in the end if need be."""
        process = subprocess.Popen(
            self.command(module, *arguments),
            cwd=directory,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


#: The code under test.
OURS = Installation("ours", sys.executable, {"PYTHONPATH": str(ROOT)})
