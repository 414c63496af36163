"""Restarts a watcher when the file that its command runs has changed: a convenience while developing.

Which watchers there are, and what they run, is asked of the daemon at every look.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

from circus.base.logs import logger
from circus.exc import CallError
from circus.plugins.base import CircusPlugin
from circus.plugins.tables import COMMAND_RELOADER

if TYPE_CHECKING:
    from tornado.ioloop import PeriodicCallback


class CommandReloader(CircusPlugin):
    """Restarts watchers whose program was modified. Options: :data:`~circus.plugins.tables.COMMAND_RELOADER`.

    :ivar cmd_files: watcher to ``{"path": the file, "mtime": when it was modified}``.
    :ivar period: what looks periodically.

    Source: spec plugins-hooks-streams.md 1.6.
    """

    option_table = COMMAND_RELOADER

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        self.name = config.get("name")  # type: ignore[assignment]
        self.loop_rate: float = self.option_values["loop_rate"]
        self.cmd_files: dict[str, dict[str, Any]] = {}
        self.period: PeriodicCallback | None = None

    def handle_init(self) -> None:
        """Look periodically from now on."""
        from tornado.ioloop import PeriodicCallback  # kept off the start path of circusd

        self.period = PeriodicCallback(self._look, self.loop_rate * 1000)
        self.period.start()

    def handle_stop(self) -> None:
        """Look no more."""
        if self.period is not None:
            self.period.stop()

    def handle_recv(self, data: list[Any]) -> None:
        """Ignore the event."""

    def _look(self) -> None:
        try:
            self.look_after()
        except CallError as error:
            logger.warning("%s: the daemon did not answer, trying again in %g s: %s", self.name, self.loop_rate, error)

    def look_after(self) -> None:
        """Look at the file of every watcher, and restart those whose file is not what it was.

        :raises CallError: the daemon does not answer.
        """
        watchers = [name for name in self.call("list")["watchers"] if not name.startswith("plugin:")]
        for gone in set(self.cmd_files).difference(watchers):
            del self.cmd_files[gone]
        for watcher in watchers:
            reply = self.call("get", name=watcher, keys=["cmd"])
            if "options" not in reply:  # it was removed between the two calls
                continue
            try:
                path = os.path.realpath(self._program(watcher, reply["options"]["cmd"]))
                mtime = os.stat(path).st_mtime
            except OSError:
                continue  # no file, or not there at present: a deployment may be under way
            if watcher in self.cmd_files and self.is_modified(watcher, mtime, path):
                logger.info("%s modified. Restarting.", path)
                self.call("restart", name=watcher)
            self.cmd_files[watcher] = {"path": path, "mtime": mtime}

    def is_modified(self, watcher: str, current_mtime: float, current_path: str) -> bool:
        """Whether the file of a known watcher is another one, or has another time of modification."""
        known = self.cmd_files[watcher]
        return bool(known["path"] != current_path or known["mtime"] != current_mtime)

    def _program(self, watcher: str, cmd: str | list[str]) -> str:
        """The file that a command runs: its first word, looked up as the daemon does."""
        from shutil import which  # kept off the start path of circusd

        words = cmd if isinstance(cmd, list) else _split(cmd)
        first = words[0] if words else ""
        if first.startswith("/") or "/" not in first:
            return which(first) or first
        options = self.call("get", name=watcher, keys=["working_dir"]).get("options") or {}
        return f"{options.get('working_dir') or '.'}/{first}"


def _split(cmd: str) -> list[str]:
    try:
        return shlex.split(cmd)
    except ValueError:  # an open quotation
        return cmd.split()
