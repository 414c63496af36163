"""A sign of life while a long operation is waited for: one line on the terminal, gone with the reply.

Called by circusctl for commands with ``--waiting``, only when stderr is a terminal. While it waits it asks
the daemon, over the same connection, how far the watchers are.
"""

from __future__ import annotations

import os
import time

from circus.ctl.arguments import Unasked
from circus.exc import CallError
from circus.system.zmtp import NoAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from circus.client_light import LightClient

#: Nothing is drawn before this many seconds: what ends sooner needs no sign of life.
PATIENCE = 0.4
_FRAME = 0.1
_ASK_EVERY = 0.5
_DOTS, _DASHES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"


class ProgressLine:
    """One line that is drawn over itself.

    :param stream: the terminal.
    :param label: what is going on, such as ``restart web``.
    """

    def __init__(self, stream: TextIO, label: str) -> None:
        self._stream, self._label = stream, label
        self._began_at = time.monotonic()
        self._drawn = False
        self._turn = 0
        encoding = (getattr(stream, "encoding", "") or "").lower().replace("-", "")
        self._frames = _DOTS if encoding == "utf8" else _DASHES

    def draw(self, detail: str = "") -> None:
        """Draw the next frame."""
        elapsed = time.monotonic() - self._began_at
        if elapsed < PATIENCE:
            return
        self._turn += 1
        frame = self._frames[self._turn % len(self._frames)]
        text = f"{frame} {self._label}  {elapsed:.1f} s" + (f"  {detail}" if detail else "")
        self._stream.write(f"\r{text[: _width() - 1]}\x1b[K")
        self._stream.flush()
        self._drawn = True

    def erase(self) -> None:
        """Leave the line as if nothing had been there."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False


def _width() -> int:
    try:
        return max(os.get_terminal_size(2).columns, 20)
    except OSError:
        return 80


def call_with_progress(client: LightClient, cmd: dict[str, Any], label: str, stream: TextIO) -> Any:
    """``client.call(cmd)``, with a progress line while it lasts.

    The default time limit counts from the last answer of the daemon: somebody looks on, and sees that it is at work.
    A limit that was asked for is kept.

    :raises CallError: as ``client.call``.
    """
    deadline = client.deadline()
    mid = client.submit(cmd, deadline)
    if mid is None:
        return None
    line = ProgressLine(stream, label)
    watch = _StatusWatch(client, cmd.get("properties", {}).get("name"))
    try:
        while True:
            now = time.monotonic()
            slice_end = now + _FRAME if deadline is None else min(now + _FRAME, deadline)
            reply = _collect(client, mid, slice_end)
            if reply is not None:
                return reply
            if deadline is not None and time.monotonic() >= deadline:
                raise CallError("Timed out.")
            line.draw(watch.detail())
            if watch.has_answered() and isinstance(client.timeout, Unasked):
                deadline = client.deadline()
    finally:
        line.erase()
        watch.close()
        client.forget(mid)


def _collect(client: LightClient, mid: str, until: float) -> Any:
    try:
        return client.collect(mid, until)
    except NoAnswer:
        return None


class _StatusWatch:
    """How far the watchers are, asked now and then without waiting for the answer."""

    def __init__(self, client: LightClient, name: Any) -> None:
        self._client = client
        self._properties = {"name": name} if isinstance(name, str) else {}
        self._question: str | None = None
        self._ask_at = time.monotonic() + PATIENCE
        self._known = ""
        self._is_new = False

    def has_answered(self) -> bool:
        """Whether an answer came since this was asked last."""
        is_new, self._is_new = self._is_new, False
        return is_new

    def detail(self) -> str:
        now = time.monotonic()
        if self._question is not None:
            reply = _collect(self._client, self._question, now)
            if reply is not None:
                self._question, self._known, self._is_new = None, _summary(reply), True
        elif now >= self._ask_at:
            self._ask_at = now + _ASK_EVERY
            cmd = {"command": "status", "properties": dict(self._properties)}
            try:
                self._question = self._client.submit(cmd, now + _FRAME)
            except NoAnswer:
                pass  # the daemon does not even read; the operation's own deadline decides
        return self._known

    def close(self) -> None:
        """Take no interest in the answer any more."""
        if self._question is not None:
            self._client.forget(self._question)


def _summary(reply: Any) -> str:
    """``stopping`` for one watcher, ``2 active, 1 stopping`` for many."""
    states = reply.get("statuses") if isinstance(reply, dict) else None
    if not isinstance(states, dict):
        state = reply.get("status") if isinstance(reply, dict) else None
        return state if isinstance(state, str) and state != "error" else ""
    counts: dict[str, int] = {}
    for state in states.values():
        counts[str(state)] = counts.get(str(state), 0) + 1
    return ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
