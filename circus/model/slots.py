"""The nouns of the life cycle: a worker's slot, an operation under way, the rules it follows.

Plain state, changed only by the machine in :mod:`circus.model.machine` and the parts built on it.
"""

from __future__ import annotations

import functools
import math
import signal
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from circus.model import steps
from circus.model.pacing import Backoff
from circus.model.steps import Phase, Stage, Wish

#: Seconds after SIGKILL before a process that will not die (uninterruptible sleep) is no longer waited for.
UNKILLABLE_AFTER = 10.0
SIGKILL, SIGHUP = 9, 1
GOING_DOWN = frozenset({Stage.STOPPING, Stage.CLOSING})
ENDED = frozenset({Phase.REAPING, Phase.LINGERING})
COMING = frozenset({Phase.ASKING, Phase.SPAWNING, Phase.CONFIRMING})


class Rules(Protocol):
    """What the machine reads of a watcher's options; :class:`circus.watcher.Watcher` is one."""

    name: str
    numprocesses: int
    warmup_delay: float
    graceful_timeout: float
    stop_signal: int
    max_retry: int
    max_age: int
    max_age_variance: int
    respawn: bool
    singleton: bool
    on_demand: bool
    send_hup: bool
    reload_overlap: float
    stop_exit_codes: Collection[int]
    backoff: Backoff

    @property
    def hooks(self) -> Mapping[str, Any]:
        """The hooks it has, by name."""


class Slot:
    """One worker, from the wish to have it until nothing of it is left."""

    __slots__ = (
        "announcing", "born", "deadline", "ending", "kill", "old", "pending_exit", "phase", "pid", "sid", "started",
        "tree_gone", "why", "wid",
    )

    def __init__(self, sid: int, wid: int, phase: Phase) -> None:
        self.sid, self.wid, self.phase = sid, wid, phase
        self.pid = 0
        self.born = self.started = 0.0
        #: Set while a replacement is being brought up for it; it is retired when that has proved itself.
        self.old = False
        #: Why Circus ends it; empty while nobody asked for its death.
        self.ending = ""
        #: Why Circus started it.
        self.why = ""
        #: Signals whose hooks were not all asked yet: ``kill`` is published before ``reap``.
        self.announcing = 0
        #: Its end, when it came while hooks were being asked that come before it.
        self.pending_exit: steps.Exited | None = None
        #: How it is to be killed, when that was wanted while after_spawn was being asked.
        self.kill: tuple[str, int | None, float | None] | None = None
        #: When its grace is over; infinite once SIGKILL was sent.
        self.deadline = math.inf
        #: What it left behind has ended while reap hooks were being asked.
        self.tree_gone = False

    def __repr__(self) -> str:
        return f"<Slot {self.sid} wid={self.wid} pid={self.pid} {self.phase.value}>"

    @property
    def leaving(self) -> bool:
        """True when it no longer counts as a worker of the watcher."""
        return bool(self.ending) or self.phase in ENDED


class Operation:
    """What the watcher is busy with on somebody's behalf."""

    __slots__ = (
        "before", "cause", "error", "newcomers", "queue", "sequential", "stopped", "surge", "tickets", "wish"
    )

    def __init__(self, wish: Wish, cause: str, *, sequential: bool = False) -> None:
        self.wish, self.cause, self.sequential = wish, cause, sequential
        self.tickets: list[tuple[Wish, Any]] = []
        self.before: set[int] = set()
        self.stopped: set[int] = set()
        #: Sids still to be replaced one by one (sequential reload); None when that is not how it is done.
        self.queue: list[int] | None = None
        #: A graceful reload whose new workers are still on trial.
        self.surge = False
        self.newcomers: set[int] = set()
        self.error: Exception | None = None


@functools.cache
def describe_exit(returncode: int | None) -> str:
    """An exit status in words for log lines and causes: ``exited with 3``, ``killed by SIGKILL``."""
    if returncode is None:
        return "vanished"
    if returncode >= 0:
        return f"exited with {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"
