"""The last events of a daemon, kept in memory so that one who comes later can ask what happened.

Owned by the arbiter, written by the watchers through :meth:`circus.watcher.Watcher.notify_event`, read by the
``events`` command. It keeps payloads as they are and never looks into them: recording is on the way of every spawn and
reap, and has to cost next to nothing.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any

#: Events kept; older ones are forgotten.
LENGTH = 2000
#: What is greater than this is an instant, else the number of an event.
EPOCHS_FROM = 1e9
#: The cause of an event that a hook or an embedding program published without one.
UNTOLD = "published by a hook or a program"

_Entry = tuple[int, str, str, str, Mapping[str, Any]]


class Journal:
    """A bounded history of events.

    To be written on one thread, that of the daemon's loop.

    :param maxlen: how many events are kept.
    """

    __slots__ = ("_entries", "last", "run_id")

    def __init__(self, maxlen: int = LENGTH) -> None:
        self._entries: deque[_Entry] = deque(maxlen=maxlen)
        #: Number of the newest event; 0 before the first.
        self.last = 0
        #: Tells this run of the daemon from every other one: numbers of different runs cannot be compared.
        self.run_id = os.urandom(8).hex()

    def __len__(self) -> int:
        return len(self._entries)

    def record(self, watcher: str, res_name: str, event: str, payload: Mapping[str, Any]) -> int:
        """Take note of an event.

        :param watcher: the watcher's name; ``res_name``: as it is written in topics.
        :param payload: belongs to the journal from now on; it must not be changed any more.
        :return: the number of the event.
        """
        self.last = seq = self.last + 1
        self._entries.append((seq, watcher, res_name, event, payload))
        return seq

    @property
    def first(self) -> int:
        """Number of the oldest event that is still kept; that of the next one when there is none."""
        return self._entries[0][0] if self._entries else self.last + 1

    def since(
        self,
        since: float | None = None,
        name: str | None = None,
        events: Collection[str] | None = None,
        limit: int | None = None,
    ) -> tuple[list[dict[str, Any]], bool]:
        """The events of the past, oldest first.

        :param since: only those after this number, or at and after this instant (anything above 1e9); None for all.
        :param name: only those of this watcher, by its name or as in topics, ignoring case.
        :param events: only those called so.
        :param limit: how many at most: the oldest of them with ``since``, so that the rest can be asked for, and the
            newest without.
        :return: the events, and whether ``limit`` left some out.
        """
        chosen = self._after(since)
        if name is not None:
            wanted = name.lower()
            chosen = [entry for entry in chosen if wanted in (entry[1].lower(), entry[2])]
        if events is not None:
            chosen = [entry for entry in chosen if entry[3] in events]
        more = limit is not None and len(chosen) > limit
        if more:
            chosen = chosen[:limit] if since is not None else chosen[len(chosen) - (limit or 0):]
        return [_told(entry) for entry in chosen], more

    def _after(self, since: float | None) -> list[_Entry]:
        if since is None:
            return list(self._entries)
        if since > EPOCHS_FROM:
            return [entry for entry in self._entries if _time_of(entry) >= since]
        # Numbers have no gaps, so what is wanted is that many from the end.
        missed = min(max(self.last - int(since), 0), len(self._entries))
        entries = list(self._entries)
        return entries[len(entries) - missed:]


def _time_of(entry: _Entry) -> float:
    at = entry[4].get("time")
    return at if isinstance(at, (int, float)) else 0.0  # a hook's own event may hold anything


def _told(entry: _Entry) -> dict[str, Any]:
    seq, watcher, res_name, event, payload = entry
    head = {"seq": seq, "watcher": watcher, "res_name": res_name, "event": event, "time": payload.get("time")}
    return {**head, **payload, **head}
