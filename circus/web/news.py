"""What a daemon's events tell beyond the model: the events themselves as they came, and how workers ended last.

Pure; fed by :class:`circus.web.endpoints.Daemon` with events and replies to ``events``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from circus.model.dashboard.columns import exit_text

_KEPT = 2000
_MINUTE = 60.0


def _how(code: int) -> str:
    return f"killed by {exit_text(code)}" if code < 0 else f"exited with {code}"


class News:
    """The events of one daemon, oldest first."""

    def __init__(self) -> None:
        self.events: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        #: Counts what came in, so that who tells knows whether there is anything new.
        self.version = 0
        self._run_id = ""
        self._last_exit: dict[str, dict[str, Any]] = {}
        self._last_stop: dict[str, str] = {}
        self._ends: dict[str, deque[float]] = {}

    def take_event(self, topic: str, payload: Mapping[str, Any], name: str = "") -> dict[str, Any] | None:
        """One event as it was published.

        :param name: how its watcher is shown.
        :returns: it, as it is told; None if it was known.
        """
        key, _, event = topic.partition(".")[2].rpartition(".")
        told = {"watcher": name or key, "res_name": key, "event": event, **payload}
        seq = told.get("seq")
        if self.events and isinstance(seq, int) and seq <= (self.events[-1].get("seq") or 0):
            return None
        self.events.append(told)
        self._note(told)
        self.version += 1
        return told

    def take_journal(self, reply: Mapping[str, Any]) -> None:
        """What the daemon remembers."""
        if reply.get("daemon") != self._run_id:
            self._run_id = str(reply.get("daemon"))
            self.events.clear()
            self._last_exit.clear()
            self._last_stop.clear()
        known = {event.get("seq") for event in self.events}
        fresh = [dict(event) for event in reply.get("events") or () if event.get("seq") not in known]
        self.events = deque(sorted([*self.events, *fresh], key=lambda event: event.get("seq") or 0), maxlen=_KEPT)
        for event in fresh:
            self._note(event)
        self.version += 1

    def _note(self, event: Mapping[str, Any]) -> None:
        key, at = str(event.get("res_name")), event.get("time")
        if event["event"] == "stop":
            self._last_stop[key] = str(event.get("cause", ""))
        if event["event"] != "reap" or not isinstance(at, int | float):
            return
        code = event.get("exit_code")
        if event.get("expected") is False:
            self._ends.setdefault(key, deque(maxlen=1000)).append(at)
        elif event.get("expected"):
            return  # somebody wanted it; how it ended is of no interest
        before = self._last_exit.get(key)
        if before is None or before["time"] <= at:
            text = "ended" if not isinstance(code, int) else _how(code)
            self._last_exit[key] = {"text": text, "time": at, "pid": event.get("process_pid"), "code": code}

    def last_exit(self, key: str) -> dict[str, Any] | None:
        """How a worker of a watcher ended unasked last."""
        return self._last_exit.get(key)

    def take_stop(self, key: str, cause: str) -> None:
        """Why a watcher is stopped whose stop is older than all events that are known."""
        self._last_stop.setdefault(key, cause)

    def last_stop(self, key: str) -> str:
        """Why a watcher was stopped last."""
        return self._last_stop.get(key, "")

    def rate(self, key: str, now: float) -> int:
        """How many workers of a watcher ended unasked in the last minute."""
        ends = self._ends.get(key)
        while ends and ends[0] < now - _MINUTE:
            ends.popleft()
        return len(ends) if ends else 0

    @property
    def seq(self) -> int:
        """The number of the last event."""
        return (self.events[-1].get("seq") or 0) if self.events else 0

    def since(self, seq: int) -> list[dict[str, Any]]:
        """The events after one, the last one first."""
        return list(takewhile(lambda event: (event.get("seq") or 0) > seq, reversed(self.events)))

    def ends_since(self, seq: int) -> dict[str, str]:
        """Watchers that were started or reloaded after an event and have failed since, with how the last one ended."""
        found: dict[str, str] = {}
        touched: set[str] = set()
        for event in self.since(seq):
            key, code = str(event.get("watcher")), event.get("exit_code")
            if event["event"] in ("start", "reload"):
                touched.add(key)
            elif event["event"] == "reap" and event.get("expected") is False and isinstance(code, int) and code:
                found.setdefault(key, _how(code))
        return {key: how for key, how in found.items() if key in touched}

    def last(self, limit: int, key: str | None = None) -> list[dict[str, Any]]:
        """The last events, of one watcher or of all."""
        found: list[dict[str, Any]] = []
        for event in reversed(self.events):
            if key is None or event.get("res_name") == key:
                found.append(event)
                if len(found) >= limit:
                    break
        return found[::-1]
