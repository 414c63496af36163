"""circusctl as a process of its own whose output is awaited, for tests of commands that go on for ever."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from typing import Any

from harness.waiting import PATIENCE


class Program:
    """A running circusctl; usable as a context manager, which kills what still runs.

    :param argv: its arguments.
    :param variables: more environment variables.
    :param constants: other values of constants in the program, such as times that it waits: dotted name -> value.
    """

    def __init__(
        self, *argv: str, variables: dict[str, str] | None = None, constants: dict[str, object] | None = None
    ) -> None:
        self.out = self.err = ""
        command = ["-m", "circus.circusctl"]
        if constants:
            changes = [f"import {name.rpartition('.')[0]}; {name} = {value!r}" for name, value in constants.items()]
            command = ["-c", "\n".join([*changes, "import circus.circusctl; circus.circusctl.main()"])]
        self.process = subprocess.Popen(
            [sys.executable, *command, *argv],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **(variables or {})},
        )  # fmt: skip

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def expect(self, text: str) -> str:
        """Wait until ``text`` was printed on stdout; all that was printed there."""
        self._await(lambda: text in self.out, text)
        return self.out

    def complain(self, text: str) -> str:
        """Wait until ``text`` was printed on stderr; all that was printed there."""
        self._await(lambda: text in self.err, text)
        return self.err

    def interrupt(self) -> int:
        """Press Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> int:
        """Wait for its end; the exit status."""
        self._await(lambda: self.process.poll() is not None, "the end")
        while self._read(0):
            pass
        return self.process.wait(0)

    def _await(self, reached: Any, what: str) -> None:
        deadline = time.monotonic() + 2 * PATIENCE
        while not reached():
            assert time.monotonic() < deadline, f"no {what!r}: {self._told()}"
            if not self._read(0.1) and self.process.poll() is not None and not reached():
                raise AssertionError(f"it ended without {what!r}: {self._told()}")

    def _told(self) -> str:
        return f"{self.out[-1000:]!r} {self.err[-1000:]!r}"

    def _read(self, timeout: float) -> bool:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        ready, _, _ = select.select([self.process.stdout, self.process.stderr], [], [], timeout)
        found = False
        for pipe in ready:
            data = os.read(pipe.fileno(), 1 << 16)
            found = found or bool(data)
            if pipe is self.process.stdout:
                self.out += data.decode()
            else:
                self.err += data.decode()
        return found
