"""The vocabulary of the life cycle: facts that go in, instructions that come out.

Plain records, shared by :mod:`circus.model.lifecycle` (which decides), :mod:`circus.watcher` (which carries out)
and the dialogue tests. They name slots (workers) by ``sid``, a serial number that is never used again, because a
worker has no pid before it is started and a pid may be recycled after its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from circus.base.record import Record


class Stage(Enum):
    """Where a watcher stands; :attr:`status` is the word clients see (spec lifecycle.md 1)."""

    __hash__ = object.__hash__  # there is one object for each; Enum's own is Python code, run for every lookup
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

    __hash__ = object.__hash__  # as above
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


class Wanted(Record):
    """Somebody wants something. ``ticket`` is settled when it is done (``None``: nobody waits).

    :param params: for RELOAD ``sequential``; for KILL ``pids``, ``signum``, ``graceful_timeout``.
    :param cause: who wanted it, in words for the story and the ``cause`` key of events.
    """

    wish: Wish
    ticket: Any = None
    cause: str = ""
    params: Mapping[str, Any] | None = None


class Started(Record):
    """Worker ``sid`` runs as ``pid`` since the wall-clock instant ``at``."""

    sid: int
    pid: int
    at: float


class SpawnFailed(Record):
    """Worker ``sid`` could not be started, for the reason ``text``.

    :param passing: the machine lacks descriptors, memory or processes at the moment: no fault of the watcher.
    """

    sid: int
    text: str
    passing: bool = False


class Exited(Record):
    """The process of ``sid`` ended and its output was read out.

    :param returncode: exit status, minus the signal number, or ``None`` when somebody else collected it.
    :param leftovers: members of its process tree still live and must be waited for (:class:`TreeGone` follows).
    """

    sid: int
    returncode: int | None
    leftovers: bool = False


class TreeGone(Record):
    """Nothing is left of the process tree of ``sid``."""

    sid: int


class Answered(Record):
    """The hook asked with ``token`` answered: ``go`` says whether what it guards may go on."""

    token: int
    go: bool


class Woke(Record):
    """The instant asked for with ``token`` has come."""

    token: int


class Hurried(Record):
    """Grace is over: whatever is being stopped is to be killed now (second TERM, emergency stop)."""


class Checked(Record):
    """The periodic check: reconcile in case an option was changed behind our back."""


# -- instructions -----------------------------------------------------------------------------------------------


class Spawn(Record):
    """Start a worker in slot ``sid`` with worker id ``wid``; answer with Started or SpawnFailed."""

    sid: int
    wid: int


class CancelSpawn(Record):
    """Do not start ``sid`` after all, if that has not happened yet."""

    sid: int


class AskHook(Record):
    """Call a hook off the loop; answer with Answered."""

    token: int
    hook: str
    arguments: Mapping[str, Any]


class Signal(Record):
    """Send ``signum`` to the worker of ``sid``.

    :param tree: also to every member of its tree, remembered before the first signal and found now.
    :param polite: a stop signal: the tree is remembered first, and ``stop_children`` is honoured.
    """

    sid: int
    signum: int
    polite: bool = False
    tree: bool = False


class Announce(Record):
    """Publish ``kill`` for each pid the last Signal to ``sid`` went to."""

    sid: int
    cause: str


class Emit(Record):
    """Publish an event of the watcher.

    :param payload: in the order of :mod:`circus.model.events`; ``time`` is None for now. Whoever publishes owns it.
    """

    event: str
    payload: dict[str, Any]


class WakeAt(Record):
    """Say Woke(token) at the monotonic instant ``when``."""

    token: int
    when: float


class Forget(Record):
    """Slot ``sid`` is over; its resources may go."""

    sid: int


class Streams(Record):
    """Open (or close) the output streams of the watcher."""

    open: bool


class Settle(Record):
    """Answer a ticket: ``error`` None means success with ``result``."""

    ticket: Any
    result: Any = None
    error: Exception | None = None


class Say(Record):
    """A line for the operator's log. ``level`` is a word of :mod:`logging`; ``has_event``: an event tells it, too."""

    level: str
    text: str
    has_event: bool = False


Fact = Wanted | Started | SpawnFailed | Exited | TreeGone | Answered | Woke | Hurried | Checked
Instruction = Spawn | CancelSpawn | AskHook | Signal | Announce | Emit | WakeAt | Forget | Streams | Settle | Say
