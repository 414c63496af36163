"""The vocabulary of the life cycle: facts that go in, instructions that come out.

Plain records, shared by :mod:`circus.model.lifecycle` (which decides), :mod:`circus.watcher` (which carries out)
and the dialogue tests. They name slots (workers) by ``sid``, a serial number that is never used again, because a
worker has no pid before it is started and a pid may be recycled after its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Stage(Enum):
    """Where a watcher stands; :attr:`status` is the word clients see (spec lifecycle.md 1)."""

    IDLE = 0
    ASKING = 1  # before_start has not answered yet: clients still see "stopped"
    STARTING = 2
    UP = 3
    STOPPING = 4
    CLOSING = 5  # all workers are gone, after_stop has not answered yet

    @property
    def status(self) -> str:
        """The state on the wire: ``stopped``, ``starting``, ``active`` or ``stopping``."""
        return _STATUS[self.value]


_STATUS = ("stopped", "stopped", "starting", "active", "stopping", "stopped")


class Phase(Enum):
    """Where one worker stands."""

    ASKING = "asking"  # before_spawn has not answered yet
    SPAWNING = "spawning"
    CONFIRMING = "confirming"  # after_spawn has not answered yet
    RUNNING = "running"
    STOPPING = "stopping"
    KILLING = "killing"
    REAPING = "reaping"  # it ended; reap hooks are being asked
    LINGERING = "lingering"  # it ended, members of its tree have not


class Wish(Enum):
    """What an operator, a signal or a configuration can want of a watcher."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    RELOAD = "reload"
    RESIZE = "resize"
    KILL = "kill"


# -- facts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody wants something. ``ticket`` is settled when it is done (``None``: nobody waits).

    :param params: for RELOAD ``sequential``; for KILL ``pids``, ``signum``, ``graceful_timeout``.
    :param cause: who wanted it, in words for the story and the ``cause`` key of events.
    """

    wish: Wish
    ticket: Any = None
    cause: str = ""
    params: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """Worker ``sid`` runs as ``pid`` since the wall-clock instant ``at``."""

    sid: int
    pid: int
    at: float


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """Worker ``sid`` could not be started, for the reason ``text``."""

    sid: int
    text: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The process of ``sid`` ended and its output was read out.

    :param returncode: exit status, minus the signal number, or ``None`` when somebody else collected it.
    :param leftovers: members of its process tree still live and must be waited for (:class:`TreeGone` follows).
    """

    sid: int
    returncode: int | None
    leftovers: bool = False


@dataclass(frozen=True, slots=True)
class TreeGone:
    """Nothing is left of the process tree of ``sid``."""

    sid: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The hook asked with ``token`` answered: ``go`` says whether what it guards may go on."""

    token: int
    go: bool


@dataclass(frozen=True, slots=True)
class Woke:
    """The instant asked for with ``token`` has come."""

    token: int


@dataclass(frozen=True, slots=True)
class Hurried:
    """Grace is over: whatever is being stopped is to be killed now (second TERM, emergency stop)."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The periodic check: reconcile in case an option was changed behind our back."""


# -- instructions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a worker in slot ``sid`` with worker id ``wid``; answer with Started or SpawnFailed."""

    sid: int
    wid: int


@dataclass(frozen=True, slots=True)
class CancelSpawn:
    """Do not start ``sid`` after all, if that has not happened yet."""

    sid: int


@dataclass(frozen=True, slots=True)
class AskHook:
    """Call a hook off the loop; answer with Answered."""

    token: int
    hook: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signal:
    """Send ``signum`` to the worker of ``sid``.

    :param tree: also to every member of its tree, remembered before the first signal and found now.
    :param polite: a stop signal: the tree is remembered first, and ``stop_children`` is honoured.
    """

    sid: int
    signum: int
    polite: bool = False
    tree: bool = False


@dataclass(frozen=True, slots=True)
class Announce:
    """Publish ``kill`` for each pid the last Signal to ``sid`` went to."""

    sid: int
    cause: str


@dataclass(frozen=True, slots=True)
class Emit:
    """Publish an event of the watcher; ``time`` is added when absent."""

    event: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Say Woke(token) at the monotonic instant ``when``."""

    token: int
    when: float


@dataclass(frozen=True, slots=True)
class Forget:
    """Slot ``sid`` is over; its resources may go."""

    sid: int


@dataclass(frozen=True, slots=True)
class Streams:
    """Open (or close) the output streams of the watcher."""

    open: bool


@dataclass(frozen=True, slots=True)
class Settle:
    """Answer a ticket: ``error`` None means success with ``result``."""

    ticket: Any
    result: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """A line for the operator's log. ``level`` is a word of :mod:`logging`."""

    level: str
    text: str


Fact = Wanted | Started | SpawnFailed | Exited | TreeGone | Answered | Woke | Hurried | Checked
Instruction = (
    Spawn | CancelSpawn | AskHook | Signal | Announce | Emit | WakeAt | Forget | Streams | Settle | Say
)
