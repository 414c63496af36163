"""The life cycle of one watcher, as a state machine without a clock, a process or a socket.

:meth:`Lifecycle.handle` takes a fact and the time and returns instructions (:mod:`circus.model.steps`); the shell in
:mod:`circus.watcher` carries them out and reports what came of them as further facts. Nothing else may change the
state. Rules: spec lifecycle.md with its IMPROVE points, decisions 1-7 and 13.

Shape: an operator's wish becomes the current :class:`Operation` (or joins it, or supersedes it); :meth:`_reconcile`
then compares what is wanted with what is there after every fact, and is the only place that starts, retires and
settles. Hooks are questions whose answer continues a small closure, so that nothing ever waits in line.
"""

from __future__ import annotations

import functools
import heapq
import math
import signal
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from circus.exc import SpawnError, Superseded
from circus.model import steps
from circus.model.pacing import Backoff, Pace, gives_up
from circus.model.steps import Phase, Stage, Wish

#: Seconds after SIGKILL before a process that will not die (uninterruptible sleep) is no longer waited for.
UNKILLABLE_AFTER = 10.0
SIGKILL, SIGHUP = 9, 1
_GOING_DOWN = frozenset({Stage.STOPPING, Stage.CLOSING})
#: More instructions than this from one fact is a loop in the machine, not work.
MAX_STEPS = 200_000


_ENDED = frozenset({Phase.REAPING, Phase.LINGERING})
_COMING = frozenset({Phase.ASKING, Phase.SPAWNING, Phase.CONFIRMING})


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
        return bool(self.ending) or self.phase in _ENDED


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


class Lifecycle:
    """The state machine of one watcher.

    :param rules: the watcher's options, read afresh at each decision.
    :param rand: source of jitter, numbers in [0, 1).
    """

    def __init__(self, rules: Rules, rand: Callable[[], float] | None = None) -> None:
        self.rules = rules
        self.rand = rand or _random
        self.stage = Stage.IDLE
        self.slots: dict[int, Slot] = {}
        self.op: Operation | None = None
        #: A start that waits for the stop under way to end.
        self.next_op: Operation | None = None
        self.now = 0.0
        self.pace = Pace()
        self.hurried = False
        self._out: list[steps.Instruction] = []
        self._serial = 0
        self._tokens: dict[int, Callable[[bool], None]] = {}
        #: Hooks that have not answered yet.
        self._asked: dict[int, Callable[[bool], None]] = {}
        self._free: list[int] = []
        self._next_wid = 1
        #: Slots by what they count as, kept up to date by _mark: a fact about one of a thousand workers must not
        #: look at the other 999.
        self._present = self._coming = self._old = self._leaving = self._ending = 0
        self._filling = False
        self._stop_asked = False
        self._opening = 0
        self._asking_after_start = False
        self._why: dict[int, str] = {}
        self._next_spawn_at = 0.0
        self._failures = self._shortages = 0
        self._wake_at = 0.0
        self._resizes: list[Any] = []
        self._kills: list[tuple[Any, set[int]]] = []
        self._last_cause = ""

    # -- the only door ------------------------------------------------------------------------------------------

    def handle(self, fact: steps.Fact, now: float) -> list[steps.Instruction]:
        """Take in one fact at monotonic time ``now``; return what is to be done, in order."""
        self.now = now
        out = self._out = []
        _HANDLERS[type(fact)](self, fact)
        self._reconcile()
        if len(out) > MAX_STEPS:
            raise RuntimeError(f"{self.rules.name}: {len(out)} instructions from one fact, {fact!r}")
        return out

    @property
    def status(self) -> str:
        """``stopped``, ``starting``, ``active`` or ``stopping``."""
        return self.stage.status

    def alive(self) -> list[Slot]:
        """The slots that count as workers, oldest first."""
        return [s for s in self.slots.values() if not s.leaving]

    def next_wid(self) -> int:
        """The lowest worker id that no worker has."""
        return self._free[0] if self._free else self._next_wid

    def retry_in(self) -> dict[int, float]:
        """Seconds until each worker id that is being held back may be tried again."""
        used = {s.wid for s in self.slots.values()}
        held = {w: self.pace.not_before(w) - self.now for w in range(1, self.rules.numprocesses + 1) if w not in used}
        return {w: t for w, t in held.items() if t > 0}

    def check(self) -> None:
        """Raise AssertionError when the state contradicts itself (called by tests and in debug mode)."""
        wids = [s.wid for s in self.slots.values()]
        assert len(set(wids)) == len(wids), f"worker id used twice: {sorted(wids)}"
        assert not (set(wids) & set(self._free)), "worker id both used and free"
        pids = [s.pid for s in self.slots.values() if s.pid and s.phase is not Phase.LINGERING]
        assert len(set(pids)) == len(pids), f"pid held by two workers: {pids}"
        if self.stage is Stage.IDLE:
            assert not self.slots, f"stopped, yet has workers {list(self.slots.values())}"
            assert self.op is None, f"stopped, yet busy with {self.op}"
        assert self.next_op is None or self.stage in _GOING_DOWN
        assert self.next_op is None or (self.op is not None and self.op.wish is Wish.STOP)
        counts = (self._present, self._coming, self._old, self._leaving, self._ending)
        self._present = self._coming = self._old = self._leaving = self._ending = 0
        for slot in self.slots.values():
            self._tally(slot, 1)
        now = (self._present, self._coming, self._old, self._leaving, self._ending)
        assert counts == now, f"counts are off: {counts}"

    def _mark(self, slot: Slot, phase: Phase | None = None, ending: str | None = None, old: bool | None = None) -> None:
        """Change what a slot is; the only place that does, because the counts live on it."""
        self._tally(slot, -1)
        if phase is not None:
            slot.phase = phase
        if ending is not None:
            slot.ending = ending
        if old is not None:
            slot.old = old
        self._tally(slot, 1)

    def _tally(self, slot: Slot, by: int) -> None:
        if slot.leaving:
            self._leaving += by
            if not slot.old:
                self._ending += by
        elif slot.old:
            self._old += by
        else:
            self._present += by
        if slot.phase in _COMING:
            self._coming += by

    # -- small verbs --------------------------------------------------------------------------------------------

    def _do(self, instruction: steps.Instruction) -> None:
        self._out.append(instruction)

    def _ask(self, hook: str, then: Callable[[bool], None], **arguments: Any) -> None:
        """Ask a hook and go on with its answer; at once when the watcher has no such hook, or there is no time."""
        if self.hurried or hook not in self.rules.hooks:
            then(True)
            return
        self._serial += 1
        self._asked[self._serial] = then
        self._do(steps.AskHook(self._serial, hook, arguments))

    def _wake(self, when: float, then: Callable[[bool], None]) -> int:
        self._serial += 1
        self._tokens[self._serial] = then
        self._do(steps.WakeAt(self._serial, when))
        return self._serial

    def _settle(self, ticket: Any, result: Any = None, error: Exception | None = None) -> None:
        if ticket is not None:
            self._do(steps.Settle(ticket, result, error))

    def _say(self, level: str, text: str) -> None:
        self._do(steps.Say(level, text))

    # -- wishes -------------------------------------------------------------------------------------------------

    def _wanted(self, fact: steps.Wanted) -> None:
        self._last_cause = fact.cause
        match fact.wish:
            case Wish.START:
                self._want_start(fact)
            case Wish.STOP:
                self._want_stop(fact)
            case Wish.RESTART:
                self._want_restart(fact)
            case Wish.RELOAD:
                self._want_reload(fact)
            case Wish.RESIZE:
                self._filling = self._filling or self.stage in (Stage.STARTING, Stage.UP)
                self._resizes.append(fact.ticket)
            case Wish.KILL:
                self._want_kill(fact)

    def _begin(self, fact: steps.Wanted, *, sequential: bool = False) -> Operation:
        op = Operation(fact.wish, fact.cause, sequential=sequential)
        op.tickets.append((fact.wish, fact.ticket))
        op.before = {s.pid for s in self.alive() if s.pid}
        return op

    def _supersede(self, op: Operation | None, by: Wish) -> None:
        """Answer those who wait for ``op`` that a newer wish replaced it."""
        if op is None:
            return
        for wish, ticket in op.tickets:
            self._settle(ticket, error=Superseded(wish.value, by.value, self.rules.name))
        op.tickets.clear()

    def _follow(self, fact: steps.Wanted) -> None:
        """Have the wish follow the stop under way, in place of whatever else was to follow it."""
        self._supersede(self.op, fact.wish)
        self._supersede(self.next_op, fact.wish)
        if self.op is not None:
            self.op.wish = Wish.STOP  # of a restart only the first half is left
        self.next_op = self._begin(fact)

    def _want_start(self, fact: steps.Wanted) -> None:
        if self.stage in _GOING_DOWN:
            if self.op is not None and self.op.wish is Wish.RESTART:
                self.op.tickets.append((Wish.START, fact.ticket))
            elif self.next_op is not None:
                self.next_op.tickets.append((Wish.START, fact.ticket))
            else:
                self._follow(fact)
            return
        if self.op is not None:  # starting, or any operation that ends with the watcher up
            self.op.tickets.append((Wish.START, fact.ticket))
            self._filling = True
            return
        self.pace.clear()
        self.op = self._begin(fact)
        if self.stage is Stage.IDLE:
            self._open(self.op)
        else:
            self._filling = True

    def _follow_the_stop(self, fact: steps.Wanted) -> None:
        """While the watcher goes down something that brings it up again is wanted: it follows the stop."""
        self._supersede(self.op, fact.wish)
        self._supersede(self.next_op, fact.wish)
        if self.op is not None:
            self.op.wish = Wish.STOP  # the start half of a restart is replaced, too
        self.next_op = self._begin(fact)

    def _want_stop(self, fact: steps.Wanted) -> None:
        if self.stage is Stage.IDLE and self.op is None:
            self._settle(fact.ticket)
            return
        self._supersede(self.next_op, Wish.STOP)
        self.next_op = None
        if self.op is not None and self.op.wish is Wish.STOP:
            self.op.tickets.append((Wish.STOP, fact.ticket))
            return
        self._supersede(self.op, Wish.STOP)
        op = self._begin(fact)
        if self.stage is Stage.ASKING:
            self.stage, self.op = Stage.IDLE, None
            self._settle(fact.ticket)
        elif self.stage in _GOING_DOWN:  # the stop half of a restart: only the other half is dropped
            op.stopped = self.op.stopped if self.op else set()
            self.op = op
        else:
            self._shut(op)

    def _want_restart(self, fact: steps.Wanted) -> None:
        if self.op is not None and self.op.wish is Wish.RESTART:
            self.op.tickets.append((Wish.RESTART, fact.ticket))
        elif self.stage in _GOING_DOWN:
            self._follow(fact)
        else:
            self._supersede(self.op, Wish.RESTART)
            op = self._begin(fact)
            if self.stage in (Stage.STARTING, Stage.UP):
                self._shut(op)
            elif self.stage is Stage.ASKING:
                self.op = op
            else:
                self._open(op)

    def _want_reload(self, fact: steps.Wanted) -> None:
        sequential = bool((fact.params or {}).get("sequential"))
        if self.op is not None and self.op.wish is Wish.RELOAD and self.op.sequential == sequential:
            self.op.tickets.append((Wish.RELOAD, fact.ticket))
            return
        if self.stage in _GOING_DOWN:
            self._follow(fact)
            return
        self._supersede(self.op, Wish.RELOAD)
        op = self.op = self._begin(fact, sequential=sequential)
        if self.stage is not Stage.UP:
            if self.stage is Stage.IDLE:
                self._open(op)
            return
        if self.rules.send_hup:
            for slot in self.alive():
                if slot.pid:
                    self._say("info", f"SENDING HUP to {slot.pid}")
                    self._do(steps.Signal(slot.sid, SIGHUP))
            op.queue = []
        elif sequential or self.rules.singleton:
            op.queue = [s.sid for s in self._by_age(self.alive())]
        else:
            op.surge = True
            for slot in self.alive():
                self._mark(slot, old=True)
            self._filling = True

    def _want_kill(self, fact: steps.Wanted) -> None:
        params = fact.params or {}
        pids = params.get("pids")
        chosen = [s for s in self.alive() if s.pid and (pids is None or s.pid in pids)]
        for slot in chosen:
            how = (fact.cause or "kill command", params.get("signum"), params.get("graceful_timeout"))
            if slot.phase is Phase.CONFIRMING:
                slot.kill = how
            self._retire(slot, *how)
        sids = {s.sid for s in chosen}
        for slot in self.slots.values():
            stopping = slot.phase is Phase.STOPPING and slot.sid not in sids and (pids is None or slot.pid in pids)
            if stopping and self._shorten(slot, params.get("signum"), params.get("graceful_timeout")):
                sids.add(slot.sid)
        self._kills.append((fact.ticket, sids))

    def _shorten(self, slot: Slot, signum: int | None, graceful_timeout: float | None) -> bool:
        """End a worker that is being stopped already sooner than planned, if that is what a kill command asks for."""
        if signum == SIGKILL:
            graceful_timeout = 0.0
        if graceful_timeout is None or self.now + graceful_timeout >= slot.deadline:
            return False
        slot.deadline = self.now + graceful_timeout
        self._wake_for_grace(slot)
        return True

    def _wake_for_grace(self, slot: Slot) -> None:
        """Look at ``slot`` when its grace is over."""

        def over(_: bool) -> None:
            if slot.deadline <= self.now:  # else SIGKILL was sent before
                self._escalate(slot)

        self._wake(slot.deadline, over)

    def _hurry(self) -> None:
        """Grace is over, for processes and for hooks: those that have not answered are not waited for."""
        if self.stage in _GOING_DOWN:
            self.hurried = True
            asked, self._asked = self._asked, {}
            for then in asked.values():
                then(True)
        for slot in list(self.slots.values()):
            if slot.phase in (Phase.STOPPING, Phase.LINGERING):
                self._escalate(slot)

    # -- start --------------------------------------------------------------------------------------------------

    def _open(self, op: Operation) -> None:
        """Begin to bring a stopped watcher up."""
        self.op, self.stage, self.hurried = op, Stage.ASKING, False
        self.pace.clear()
        self._failures = self._shortages = 0
        self._opening += 1
        opening = self._opening

        def answered(go: bool) -> None:
            if self.stage is not Stage.ASKING or self._opening != opening or self.op is None:
                return  # a stop came in between
            if not go:
                self.stage = Stage.IDLE
                self._finish(self.op)
                return
            self.stage = Stage.STARTING
            self._filling = True
            self._next_spawn_at = 0.0
            self._do(steps.Streams(open=True))

        self._ask("before_start", answered)

    def _spawn(self, wid: int) -> None:
        self._serial += 1
        slot = self.slots[self._serial] = Slot(self._serial, wid, Phase.ASKING)
        self._tally(slot, 1)
        if self.op is not None and (self.op.surge or self.op.queue is not None):
            self.op.newcomers.add(slot.sid)
        slot.why = self._cause() if self.op is not None else self._why.pop(wid, "") or self._last_cause
        self._take_wid(wid)

        def answered(go: bool) -> None:
            if slot.phase is not Phase.ASKING or slot.sid not in self.slots:
                return
            if go:
                self._mark(slot, Phase.SPAWNING)
                self._do(steps.Spawn(slot.sid, wid))
            else:
                self._drop(slot)
                self._refused("before_spawn refused")

        self._ask("before_spawn", answered)

    def _take_wid(self, wid: int) -> None:
        if self._free and self._free[0] == wid:
            heapq.heappop(self._free)
        elif wid in self._free:
            self._free.remove(wid)
            heapq.heapify(self._free)
        else:
            for skipped in range(self._next_wid, wid):  # lower ones that are held back
                heapq.heappush(self._free, skipped)
            self._next_wid = wid + 1

    def _started(self, fact: steps.Started) -> None:
        slot = self.slots.get(fact.sid)
        if slot is None:
            return
        slot.pid, slot.started, slot.born = fact.pid, fact.at, self.now
        self._mark(slot, Phase.CONFIRMING)
        self._failures = self._shortages = 0
        if self.rules.warmup_delay > 0 and not (self.op is not None and self.op.surge):
            self._next_spawn_at = self.now + self.rules.warmup_delay

        def answered(go: bool) -> None:
            if slot.sid not in self.slots or slot.phase is not Phase.CONFIRMING:
                return
            if go:
                self._mark(slot, Phase.RUNNING)
                payload = {"process_pid": slot.pid, "time": slot.started, "wid": slot.wid, "cause": slot.why}
                self._do(steps.Emit("spawn", payload))
                self._watch_age(slot)
            pending, slot.pending_exit = slot.pending_exit, None
            if pending is not None:
                self._mark(slot, Phase.RUNNING)
                self._exited(pending)
            elif not go:
                self._mark(slot, Phase.RUNNING)
                self._retire(slot, "after_spawn refused")
            elif self.stage is Stage.STOPPING:
                self._retire(slot, self._cause())
            elif slot.kill is not None:
                self._retire(slot, *slot.kill)
            if not go:
                self._refused("after_spawn refused")

        self._ask("after_spawn", answered, pid=fact.pid)

    def _refused(self, why: str) -> None:
        """A spawn hook said no: a reload is called off, anything else stops the watcher (spec lifecycle.md 9)."""
        if self.op is not None and self.op.surge:
            self._call_off(why)
        elif self.stage in (Stage.STARTING, Stage.UP):
            self._give_up(why)

    def _spawn_failed(self, fact: steps.SpawnFailed) -> None:
        slot = self.slots.get(fact.sid)
        if slot is None:
            return
        self._drop(slot)
        if slot.leaving or self.stage not in (Stage.STARTING, Stage.UP):
            return
        self._say("warning", f"error in {self.rules.name!r}: {fact.text}")
        if fact.passing:  # the machine is short of something; that is no reason to give this watcher up
            self._shortages += 1
        else:
            self._failures += 1
        if fact.passing or not gives_up(self._failures, self.rules.max_retry):
            wait = self.rules.backoff.delay(max(self._failures, self._shortages), self.rand)
            self._next_spawn_at = max(self._next_spawn_at, self.now + wait)
            return
        error = SpawnError(f"error in {self.rules.name!r}: {fact.text}", self.rules.name)
        if self.op is not None and (self.op.surge or self.op.queue is not None):
            self._call_off(str(error))
        elif self.stage is Stage.UP and any(s.phase is Phase.RUNNING for s in self.slots.values()):
            self._go_on_short(error)
        else:
            self._give_up(f"could not be started: {fact.text}", error)

    def _go_on_short(self, error: SpawnError) -> None:
        """Some cannot be started, others run: those are not stopped for it, and the missing ones are tried seldom."""
        wait = self.rules.backoff.delay(self._failures, self.rand)
        self._next_spawn_at = max(self._next_spawn_at, self.now + wait)
        if self._failures == max(1, self.rules.max_retry):
            self._say("error", f"{self.rules.name} has {self._present} of {self.rules.numprocesses} workers; "
                               f"the others could not be started in {self._failures} tries")
        self._filling = False
        resizes, self._resizes = self._resizes, []
        for ticket in resizes:
            self._settle(ticket, error=error)
        if self.op is not None:
            self.op.error = error
            self._finish(self.op)

    def _give_up(self, why: str, error: Exception | None = None) -> None:
        """Bring the watcher down because it cannot be kept up; those who wait learn ``error``."""
        op = self.op or Operation(Wish.STOP, why)
        op.error = error
        if error is not None:
            self._say("error", f"{self.rules.name} gives up after {self._failures} tries; "
                               f"mend the cause, then start it again")
        self._shut(op, cause=why, start_after=False)

    def _watch_age(self, slot: Slot) -> None:
        if self.rules.max_age <= 0:
            return
        # Drawn once per worker: a new draw at every look would pull all ages towards max_age.
        age = self.rules.max_age + self.rand() * max(0, self.rules.max_age_variance)

        def too_old(_: bool) -> None:
            if slot.sid not in self.slots or slot.leaving or slot.old:
                return
            if self.stage is not Stage.UP or self.op is not None or self._old or self._coming or self._leaving:
                self._wake(self.now + 0.2, too_old)  # something else is going on: one is replaced at a time
            elif self.rules.singleton:
                self._retire(slot, "max_age")
            else:
                self._mark(slot, old=True)
                self._filling = True
                self._why[self.next_wid()] = f"replaces pid {slot.pid}, which reached max_age"

        self._wake(slot.born + age, too_old)

    # -- stop ---------------------------------------------------------------------------------------------------

    def _shut(self, op: Operation, cause: str = "", *, start_after: bool = True) -> None:
        """Begin to bring the watcher down, for a stop, a restart or because it cannot be kept up."""
        if not start_after:
            op.wish = Wish.STOP
        self.op, self.stage = op, Stage.STOPPING
        self._filling = False
        self._resizes, resizes = [], self._resizes
        for ticket in resizes:
            self._settle(ticket, self.rules.numprocesses)
        for slot in list(self.slots.values()):
            if slot.phase in (Phase.ASKING, Phase.SPAWNING):
                if slot.phase is Phase.SPAWNING:
                    self._do(steps.CancelSpawn(slot.sid))
                self._drop(slot)

        def answered(_: bool) -> None:
            if self.op is None or self.stage is not Stage.STOPPING:
                return
            for slot in self._by_age(list(self.slots.values())):
                if slot.phase is Phase.RUNNING:
                    self._retire(slot, cause or op.cause or op.wish.value)
            self._stop_asked = True

        self._stop_asked = False
        self._ask("before_stop", answered)

    def _retire(
        self, slot: Slot, cause: str, signum: int | None = None, graceful_timeout: float | None = None
    ) -> None:
        """End one worker: stop signal, grace, then SIGKILL for whatever is left of its tree."""
        if slot.phase is not Phase.RUNNING:
            return
        self._mark(slot, Phase.STOPPING, ending=cause or "stop")
        if self.op is not None and slot.pid:
            self.op.stopped.add(slot.pid)
        signum = self.rules.stop_signal if signum is None else signum
        grace = self.rules.graceful_timeout if graceful_timeout is None else graceful_timeout

        def answered(go: bool) -> None:
            if slot.sid not in self.slots:
                return
            if (go or signum == SIGKILL) and slot.phase in (Phase.STOPPING, Phase.KILLING):
                self._do(steps.Signal(slot.sid, signum, polite=True))
            self._ask("after_signal", announced, pid=slot.pid, signum=signum)

        def announced(_: bool) -> None:
            self._announce(slot)
            if grace <= 0:
                self._escalate(slot)

        slot.announcing += 1
        self._ask("before_signal", answered, pid=slot.pid, signum=signum)
        if self.hurried:
            self._escalate(slot)
        elif grace > 0:
            slot.deadline = self.now + grace
            self._wake_for_grace(slot)

    def _announce(self, slot: Slot) -> None:
        """The hooks of one signal were asked: publish it, and then the end that may have come meanwhile."""
        slot.announcing -= 1
        if slot.sid not in self.slots:
            return
        self._do(steps.Announce(slot.sid, slot.ending))
        if not slot.announcing and slot.pending_exit is not None and slot.phase is not Phase.CONFIRMING:
            pending, slot.pending_exit = slot.pending_exit, None
            self._exited(pending)

    def _escalate(self, slot: Slot) -> None:
        if slot.sid not in self.slots or slot.phase not in (Phase.STOPPING, Phase.LINGERING):
            return
        slot.deadline = math.inf
        if slot.phase is Phase.STOPPING:
            self._mark(slot, Phase.KILLING)

        # It is sent whatever the hooks answer, and does not wait for them.
        self._do(steps.Signal(slot.sid, SIGKILL, tree=True))
        slot.announcing += 1
        told = {"pid": slot.pid, "signum": SIGKILL}
        self._ask("before_signal", lambda _: self._ask("after_signal", lambda _: self._announce(slot), **told), **told)

        def unkillable(_: bool) -> None:
            if slot.sid in self.slots and slot.phase in (Phase.KILLING, Phase.LINGERING):
                self._say("error", f"{self.rules.name}: process {slot.pid} does not die of SIGKILL (uninterruptible "
                                   f"sleep?); no longer waited for")
                self._gone(slot)

        self._wake(self.now + UNKILLABLE_AFTER, unkillable)

    def _stopped(self) -> None:
        """All workers are gone: finish the stop."""
        op = self.op
        assert op is not None
        stays_open = op.wish is not Wish.STOP or self.next_op is not None
        if not stays_open:
            self._do(steps.Streams(open=False))
        self.stage, self._stop_asked = Stage.CLOSING, False
        self._why.clear()
        self._do(steps.Emit("stop", {"cause": op.cause}))

        def answered(_: bool) -> None:
            self._say("info", f"{self.rules.name} stopped")
            self.stage = Stage.IDLE
            if self.op is not None and self.op.wish is not Wish.STOP:
                self._open(self.op)  # the second half of a restart
                return
            following, self.next_op = self.next_op, None
            if following is None and stays_open:  # a stop came while after_stop was being asked
                self._do(steps.Streams(open=False))
            if self.op is not None:
                self._finish(self.op)
            if following is not None:
                following.stopped = op.stopped
                self._open(following)

        self._ask("after_stop", answered)

    # -- deaths -------------------------------------------------------------------------------------------------

    def _exited(self, fact: steps.Exited) -> None:
        slot = self.slots.get(fact.sid)
        if slot is None or slot.phase in (Phase.REAPING, Phase.LINGERING):
            return
        if slot.phase is Phase.CONFIRMING or slot.announcing:  # hooks are being asked: one thing after the other
            slot.pending_exit = fact
            return
        killed = slot.phase is Phase.KILLING
        self._mark(slot, Phase.REAPING)
        lived = self.now - slot.born
        ended_by_itself = not slot.ending
        if ended_by_itself:
            self._why[slot.wid] = f"replaces pid {slot.pid}, which {describe_exit(fact.returncode)}"
        if ended_by_itself and not slot.old:
            wait = self.pace.died(slot.wid, lived, self.now, self.rules.backoff, self.rand)
            if wait > 0:
                self._say("warning", f"{self.rules.name}.{slot.wid} (pid {slot.pid}) {describe_exit(fact.returncode)} "
                                     f"after {lived:.2f} s; next try in {wait:.1f} s")

        def reaped(_: bool) -> None:
            code = 0 if fact.returncode is None else fact.returncode
            cause = slot.ending or describe_exit(fact.returncode)
            self._do(steps.Emit("reap", {"process_pid": slot.pid, "exit_code": code, "expected": bool(slot.ending),
                                         "cause": cause, "wid": slot.wid, "uptime": round(lived, 6)}))
            status = None if slot.ending else 2  # UNEXISTING: its end was collected before the hook is asked
            self._ask("after_reap", gone, process_pid=slot.pid, exit_code=code, process_status=status)

        def gone(_: bool) -> None:
            if slot.sid not in self.slots:
                return
            if fact.leftovers and not slot.tree_gone:
                self._mark(slot, Phase.LINGERING)  # the deadline of its stop holds for what it left behind, too
                if killed or self.hurried or slot.deadline <= self.now:
                    self._escalate(slot)
            else:
                self._gone(slot)

        self._ask("before_reap", reaped, process_pid=slot.pid)
        if ended_by_itself and self.op is not None and slot.sid in self.op.newcomers:
            self._call_off(f"new worker {slot.wid} (pid {slot.pid}) {describe_exit(fact.returncode)} "
                           f"after {lived:.2f} s")

    def _gone(self, slot: Slot) -> None:
        self._drop(slot)
        self._do(steps.Forget(slot.sid))

    def _drop(self, slot: Slot) -> None:
        if self.slots.pop(slot.sid, None) is None:
            return
        self._tally(slot, -1)
        if slot.wid == self._next_wid - 1 and not self._free:
            self._next_wid -= 1
        else:
            heapq.heappush(self._free, slot.wid)
        for _, sids in self._kills:
            sids.discard(slot.sid)

    # -- wanted against present ---------------------------------------------------------------------------------

    def _reconcile(self) -> None:
        for _ in range(8):  # one stage may lead to the next at once; eight are more than there are
            stage = self.stage
            if stage is Stage.STOPPING:
                if self._stop_asked and not self.slots:
                    self._stopped()
            elif stage in (Stage.STARTING, Stage.UP):
                self._fill()
                self._shrink()
                self._advance()
                if self.stage is Stage.UP and not self.slots:
                    self._emptied()
            if self.stage is stage:
                break
        if self._kills:
            self._settle_kills()
        if self._resizes:
            self._settle_resizes()

    def _fill(self) -> None:
        """Start the workers that are missing, as far as pacing, warm-up and hooks allow now."""
        # One that is ending keeps its place until it is gone: its port and files may be needed by the next.
        missing = self.rules.numprocesses - self._present - self._ending
        if missing <= 0 or not (self._filling or (self.rules.respawn and not self.rules.on_demand)):
            return
        surge = self.op is not None and self.op.surge
        one_by_one = not surge and self.rules.warmup_delay > 0
        one_by_one = one_by_one or "before_spawn" in self.rules.hooks or "after_spawn" in self.rules.hooks
        if self._next_spawn_at > self.now:
            self._wake_for_fill(self._next_spawn_at)
            return
        earliest = math.inf
        # One that is held back does not hold up the others, nor may it come back at once under another id.
        for wid in self._lowest_free(missing):
            if self.stage not in (Stage.STARTING, Stage.UP) or (one_by_one and self._coming):
                return
            ready_at = max(self._next_spawn_at, self.pace.not_before(wid))  # a spawn may fail, or ask for a pause
            if ready_at > self.now:
                earliest = min(earliest, ready_at)
            else:
                self._spawn(wid)
        if earliest < math.inf:
            self._wake_for_fill(earliest)

    def _lowest_free(self, count: int) -> list[int]:
        """The ``count`` lowest worker ids that no worker has."""
        found = self._free[:1] if count == 1 else heapq.nsmallest(count, self._free)
        return [*found, *range(self._next_wid, self._next_wid + count - len(found))]

    def _wake_for_fill(self, when: float) -> None:
        if self.now < self._wake_at <= when:
            return  # an earlier look is already arranged
        self._wake_at = when

        def look(_: bool) -> None:
            self._wake_at = 0.0

        self._wake(when, look)

    def _shrink(self) -> None:
        """Retire the surplus, oldest first."""
        surplus = self._present - self.rules.numprocesses
        if surplus > 0:
            running = [s for s in self.slots.values() if not s.leaving and not s.old and s.phase is Phase.RUNNING]
            for slot in self._by_age(running)[:surplus]:
                self._retire(slot, self._cause() or "surplus")

    def _advance(self) -> None:
        """Carry the current operation as far as the facts allow."""
        if self._present < self.rules.numprocesses or self._coming:
            return
        if self._old:
            self._replace_old()
            return
        if self.now < self._next_spawn_at and (self.stage is Stage.STARTING or self.op is not None):
            self._wake_for_fill(self._next_spawn_at)
            return
        self._filling = False
        if self.stage is Stage.STARTING:
            self._up()
        elif self.op is not None:
            self._advance_operation(self.op)

    def _replace_old(self) -> None:
        """Retire replaced workers once their successors have proved themselves."""
        present = [s for s in self.slots.values() if not s.leaving and not s.old]
        ready_at = max((s.born for s in present), default=-1e9) + self.rules.reload_overlap
        if ready_at > self.now:
            self._wake_for_fill(ready_at)
            return
        if self.op is not None:
            self.op.surge = False
        for slot in self._by_age([s for s in self.slots.values() if s.old and not s.leaving]):
            self._retire(slot, self._cause() if self.op is not None else "max_age")

    def _up(self) -> None:
        """All workers of a start are running: ask after_start, then be active."""
        if not self._present:
            self._shut(self.op or Operation(Wish.STOP, ""), cause="no process", start_after=False)
            return
        if self._asking_after_start:
            return
        self._asking_after_start = True

        def answered(go: bool) -> None:
            self._asking_after_start = False
            if self.stage is not Stage.STARTING:
                return
            if not go:
                self._give_up("after_start refused")
                return
            op, self.stage = self.op, Stage.UP
            self._say("info", f"{self.rules.name} started")
            self._do(steps.Emit("start", {"cause": op.cause if op else ""}))
            if op is not None and op.wish is Wish.RELOAD:
                self._reloaded(op)
            elif op is not None:
                self._finish(op)

        self._ask("after_start", answered)

    def _advance_operation(self, op: Operation) -> None:
        """One more step of an operation on a watcher that is up and complete."""
        if op.wish is Wish.RELOAD:
            if op.queue:
                if self._leaving:
                    return
                slot = self.slots.get(op.queue.pop(0))
                if slot is not None and not slot.leaving:
                    self._filling = True
                    self._retire(slot, op.cause or "reload")
                return
            if self._leaving and any(s.leaving and s.pid in op.before for s in self.slots.values()):
                return
            self._reloaded(op)
        elif op.wish in (Wish.START, Wish.RESTART):
            self._finish(op)

    def _reloaded(self, op: Operation) -> None:
        self._do(steps.Emit("reload", {"cause": op.cause}))
        self._say("info", f"{self.rules.name} reloaded")
        self._finish(op)

    def _call_off(self, why: str) -> None:
        """New workers of a reload failed their trial: keep the old ones that are left, retire new ones on trial."""
        op = self.op
        assert op is not None
        surge, op.surge, op.queue = op.surge, False, None
        op.error = SpawnError(f"{self.rules.name}: reload called off, the old workers stay: {why}", self.rules.name)
        self._say("error", str(op.error))
        newcomers, op.newcomers = op.newcomers, set()
        for slot in list(self.slots.values()):
            if slot.old:
                self._mark(slot, old=False)
            if not surge or slot.sid not in newcomers:
                continue
            if slot.phase in (Phase.ASKING, Phase.SPAWNING):
                self._do(steps.CancelSpawn(slot.sid))
                self._drop(slot)
            elif slot.phase is Phase.CONFIRMING:
                self._mark(slot, Phase.RUNNING)
                self._retire(slot, "reload called off")
            else:
                self._retire(slot, "reload called off")
        self._filling = False
        self._next_spawn_at = 0.0
        self._failures = 0
        self._finish(op)

    def _emptied(self) -> None:
        """The last worker ended by itself and none may follow."""
        if self._filling or self.rules.numprocesses == 0:
            return
        if self.rules.on_demand:
            self.stage = Stage.IDLE
            if self.op is not None:
                self._finish(self.op)
            self._do(steps.Streams(open=False))
            self._say("info", f"{self.rules.name} is idle until its sockets are asked for")
        elif not self.rules.respawn:
            self._shut(self.op or Operation(Wish.STOP, "respawn is off"), "respawn is off", start_after=False)

    # -- settling -----------------------------------------------------------------------------------------------

    def _finish(self, op: Operation) -> None:
        """Answer everybody who waits for ``op``; the watcher is free for the next."""
        if self.op is op:
            self.op = None
        alive = {s.pid for s in self.alive() if s.pid}
        started, kept = sorted(alive - op.before), sorted(alive & op.before)
        for wish, ticket in op.tickets:
            if op.error is not None and wish is not Wish.STOP:
                self._settle(ticket, error=op.error)
            elif wish is Wish.STOP:
                self._settle(ticket)
            elif wish is Wish.START:
                self._settle(ticket, {"started": started, "kept": kept})
            else:
                self._settle(ticket, {"stopped": sorted(op.before - alive), "started": started, "kept": kept})
        op.tickets.clear()

    def _settle_kills(self) -> None:
        done = [k for k in self._kills if not k[1]]
        self._kills = [k for k in self._kills if k[1]]
        for ticket, _ in done:
            self._settle(ticket)

    def _settle_resizes(self) -> None:
        if self.stage in (Stage.STARTING, Stage.UP):
            if self._filling or self._leaving or self._coming or self._old:
                return
            if self._present != self.rules.numprocesses and self.rules.respawn and not self.rules.on_demand:
                return
        tickets, self._resizes = self._resizes, []
        for ticket in tickets:
            self._settle(ticket, self.rules.numprocesses)

    # -- looking ------------------------------------------------------------------------------------------------

    @staticmethod
    def _by_age(slots: Iterable[Slot]) -> list[Slot]:
        return sorted(slots, key=lambda s: (s.born, s.sid))

    def _cause(self) -> str:
        return (self.op.cause or self.op.wish.value) if self.op is not None else self._last_cause

    def _answered(self, fact: steps.Answered) -> None:
        then = self._asked.pop(fact.token, None)
        if then is not None:
            then(fact.go)

    def _woke(self, fact: steps.Woke) -> None:
        then = self._tokens.pop(fact.token, None)
        if then is not None:
            then(True)

    def _tree_gone(self, fact: steps.TreeGone) -> None:
        slot = self.slots.get(fact.sid)
        if slot is None:
            return
        slot.tree_gone = True
        if slot.phase is Phase.LINGERING:
            self._gone(slot)

    def _checked(self, fact: steps.Checked) -> None:
        """Nothing but the reconciliation that follows every fact."""


_HANDLERS: dict[type, Callable[[Lifecycle, Any], None]] = {
    steps.Wanted: Lifecycle._wanted,
    steps.Started: Lifecycle._started,
    steps.SpawnFailed: Lifecycle._spawn_failed,
    steps.Exited: Lifecycle._exited,
    steps.TreeGone: Lifecycle._tree_gone,
    steps.Answered: Lifecycle._answered,
    steps.Woke: Lifecycle._woke,
    steps.Hurried: lambda machine, _: machine._hurry(),
    steps.Checked: Lifecycle._checked,
}


def _random() -> float:
    from random import random  # kept off the start path

    return random()


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
