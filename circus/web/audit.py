"""Who did what: one JSON line for each action, login and refusal. Also a line in the ordinary log.

Written at once; a file that was rotated is opened again (SIGUSR1).
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from circus.base.logs import logger

_RECENT = 500


class Audit:
    """The audit log.

    :param path: the file; None for the ordinary log only.
    :raises OSError: it cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        #: The last ones, for those who may look; their time is in epoch seconds.
        self.recent: deque[dict[str, Any]] = deque(maxlen=_RECENT)
        self.reopen()

    def reopen(self) -> None:
        """Open the file again after a rotation."""
        if self._path is None:
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        previous, self._file = self._file, os.fdopen(descriptor, "a", encoding="utf-8")
        if previous is not None:
            previous.close()

    def note(
        self, action: str, *, user: str, role: str, address: str, target: str = "", outcome: str = "ok", **more: Any
    ) -> None:
        """Something was done, or refused.

        :param action: such as ``stop`` or ``login``.
        :param target: what it was done to: an endpoint and a watcher.
        :param outcome: ``ok``, or why not.
        """
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"), "user": user, "role": role,
            "address": address, "action": action, "target": target, "outcome": outcome, **more,
        }  # fmt: skip
        self.recent.append({**entry, "time": round(time.time(), 3)})
        line = f"{action} by {user or '-'} ({role or '-'}) from {address}{f' on {target}' if target else ''}: {outcome}"
        logger.info("%s", "".join(letter if letter.isprintable() else "?" for letter in line))
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(entry, default=str) + "\n")
            self._file.flush()
        except OSError as error:
            logger.error("cannot write the audit log %s: %s", self._path, error.strerror)

    def close(self) -> None:
        """Close the file. May be called more than once."""
        if self._file is not None:
            self._file.close()
            self._file = None
