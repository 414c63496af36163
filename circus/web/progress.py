"""Waiting for what was asked of watchers, with an eye on what becomes of it meanwhile.

A daemon that was asked to wait answers when all is as wanted. Where a worker ends as soon as it is started that is
never, and nobody should look at an hourglass for it: used by :mod:`circus.web.outcome`, this tells after a few seconds
which watchers do not come up and why. It reads what the daemon tells, and decides nothing about watchers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from circus.model.dashboard.endpoint import topic_name
from circus.web.problems import Problem

if TYPE_CHECKING:
    from circus.web.endpoints import Daemon

#: Seconds between two looks.
_LOOK = 1.0
#: Seconds in which what cannot run usually ends.
SETTLED = 0.4
#: How often is looked, at most, whether what has come up stays up, where a worker has failed within so many seconds.
_LOOKS_BACK = 3
_LATELY = 30.0
#: How many ends of new workers say that there will be more of them.
_LOOPING = 3
#: A wait before the next try, in seconds, that says the same after one end.
_HELD_BACK = 1.0
#: With more watchers than these to come it is only waited.
_MOST = 50
#: Seconds that the answer is waited for longer than by us, so that not the line breaks off but we do.
_LONGER = 30.0
#: The event that says that a command is done with a watcher.
_DONE = {
    "start": ("start",), "restart": ("start",), "reload": ("reload", "start"), "stop": ("stop",),
    "reloadconfig": (), "quit": (),
}  # fmt: skip


@dataclass
class Standing:
    """What had become of a request when we stopped waiting for it.

    :param reply: what the daemon answered; None: nothing so far.
    :param done: watchers with which it was done.
    :param stuck: watchers that do not come up, each with the reason.
    :param left: watchers with which it goes on, each with what it is about.
    :param took: seconds.
    """

    reply: dict[str, Any] | None = None
    done: list[str] = field(default_factory=list)
    stuck: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    took: float = 0.0


class Progress:
    """One request that is waited for.

    :param daemon: who is asked.
    :param command: what it is asked to do.
    :param names: the watchers concerned, as far as they are known.
    """

    def __init__(self, daemon: Daemon, command: str, names: Iterable[str]) -> None:
        self._daemon, self._command, self._names = daemon, command, list(names)
        self._seq = daemon.news.seq
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the request was made."""
        return time.monotonic() - self._began

    async def wait(self, properties: dict[str, Any], patience: float, sender: str) -> Standing:
        """Make the request and wait for its end, or until there is nothing more to wait for.

        :param patience: seconds to wait at most.
        :raises Problem: the daemon went away meanwhile (503).
        """
        request = asyncio.ensure_future(
            self._daemon.ask(self._command, properties, patience=patience + _LONGER, sender=sender)
        )
        standing = Standing()
        try:
            while True:
                pause = min(_LOOK, max(0.0, patience - self.elapsed))
                done, _ = await asyncio.wait({request}, timeout=pause)
                standing.took = self.elapsed
                if done:
                    standing.reply = request.result()
                    return standing
                if not self._daemon.is_online:
                    standing.reply = self._lost()
                    return standing
                is_over = self.elapsed >= patience
                is_idle = await self._look(standing)
                if is_over or is_idle:
                    return standing
        finally:
            request.cancel()

    async def look_back(self) -> Standing:
        """Whether what came up stays up: the daemon answers as soon as all run, even if they end a moment later.

        :returns: the watchers that lose their new workers again and again as stuck, all the others as done.
        """
        stuck: dict[str, str] = {}
        for number in range(_LOOKS_BACK if len(self._names) <= _MOST else 0):
            await asyncio.sleep(_LOOK if number else SETTLED)
            replies = dict(zip(self._names, await asyncio.gather(*map(self._explain, self._names)), strict=True))
            stuck = {name: _so_far(why) for name, why in replies.items() if is_looping(why, self.elapsed)}
            lately = self.elapsed + _LATELY
            if not any(is_failing(why, lately) for name, why in replies.items() if name not in stuck):
                break
        return Standing(done=[name for name in self._names if name not in stuck], stuck=stuck, took=self.elapsed)

    def _lost(self) -> dict[str, Any]:
        """The daemon is not there any more: that is what ``quit`` wants; of anything else nobody knows."""
        if self._command == "quit":
            return {}
        text = f"the connection to {self._daemon.endpoint} was lost meanwhile; whether it was done is not known"
        raise Problem(503, text, endpoint=self._daemon.id, since=self._daemon.since)

    async def _look(self, standing: Standing) -> bool:
        """How far it is by now; whether nothing will happen for some time."""
        finished = self._finished()
        standing.done = [name for name in self._names if topic_name(name) in finished]
        left = [name for name in self._names if topic_name(name) not in finished]
        standing.stuck, standing.left = {}, dict.fromkeys(left, "")
        if len(left) > _MOST:
            return False
        replies = dict(zip(left, await asyncio.gather(*map(self._explain, left)), strict=True))
        for name, why in replies.items():
            standing.left[name] = _so_far(why)
            if is_looping(why, self.elapsed):
                standing.stuck[name] = standing.left.pop(name)
        return bool(left) and all(name in standing.stuck or is_held(why) for name, why in replies.items())

    def _finished(self) -> set[str]:
        """The keys of the watchers of which an event said so."""
        told = _DONE.get(self._command, ())
        return {str(event.get("res_name")) for event in self._daemon.news.since(self._seq) if event["event"] in told}

    async def _explain(self, name: str) -> dict[str, Any]:
        """The reply to ``why``; empty if there is none."""
        try:
            why = await self._daemon.ask("why", {"name": name, "lines": 0})
        except Problem:
            return {}  # it is busy; the next look tells more
        return why if "story" in why else {}


def _so_far(why: Mapping[str, Any]) -> str:
    """What a watcher is about, in words."""
    return "; ".join(str(why[key]) for key in ("reason", "next") if why.get(key))


def is_held(why: Mapping[str, Any], longer: float = 3.0) -> bool:
    """Whether a watcher waits for its next try for some more seconds."""
    now, next_try = why.get("time"), why.get("next_try")
    return isinstance(now, int | float) and isinstance(next_try, int | float) and next_try - now > longer


def is_failing(why: Mapping[str, Any], seconds: float) -> bool:
    """Whether a worker that should run has ended by itself, or could not be started, within the last seconds."""
    return why.get("status") == "active" and _fresh_failures(why, seconds) > 0


def is_looping(why: Mapping[str, Any], elapsed: float) -> bool:
    """Whether workers that were started within the last seconds end again and again.

    :param why: the reply to ``why``.
    :param elapsed: since when it matters, in seconds before that reply.
    """
    if not is_held(why, -_LOOK):
        return False
    fresh = _fresh_failures(why, elapsed)
    return fresh >= _LOOPING or (fresh > 0 and is_held(why, _HELD_BACK))


def _fresh_failures(why: Mapping[str, Any], seconds: float) -> int:
    """How many workers have ended by themselves, or could not be started, within the last seconds."""
    now, failed = why["time"], why.get("spawn_error") or {}
    ends = [end["time"] for end in why.get("exits") or () if not end.get("expected")]
    ends += [failed["time"]] if "time" in failed else []
    return sum(now - at <= seconds for at in ends)
