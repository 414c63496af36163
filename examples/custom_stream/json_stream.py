"""A stream that writes a line of JSON for each line of output (examples/custom_stream/custom_stream.ini).

circusd calls it from a thread that may wait for a disk or a network: only what writes to the same stream waits with it.
Two calls of one stream never overlap.
"""

from __future__ import annotations

import json
import time
from typing import Any, TextIO


class JsonStream:
    """Appends JSON to a file.

    :param filename: the file.
    :param application: written into each line.
    :param options: other keys of the section; this stream has no use for them.
    """

    def __init__(self, filename: str, application: str = "", **options: Any) -> None:
        self.filename, self.application = filename, application
        self._file: TextIO | None = None

    def open(self) -> None:
        """Called before the watcher starts."""
        self._file = open(self.filename, "a", encoding="utf-8")  # noqa: SIM115 - closed below

    def close(self) -> None:
        """Called when the watcher has stopped; ``open`` may follow."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __call__(self, data: dict[str, Any]) -> None:
        """What a process wrote to its ``stdout`` or ``stderr``: whole lines, unless it was slow to finish one."""
        if self._file is None:
            return
        facts = {"time": time.time(), "application": self.application, "pid": data["pid"], "stream": data["name"]}
        for line in data["data"].splitlines():
            self._file.write(json.dumps({**facts, "text": line.decode(errors="replace")}) + "\n")
        self._file.flush()
