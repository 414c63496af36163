"""The life cycle of one watcher, as a state machine without a clock, a process or a socket.

:meth:`Lifecycle.handle` takes a fact and the time and returns instructions (:mod:`circus.model.steps`); the shell in
:mod:`circus.watcher` carries them out and reports what came of them as further facts. Nothing else may change the
state. Rules: spec lifecycle.md with its IMPROVE points, decisions 1-7 and 13.

Shape: an operator's wish becomes the current :class:`Operation` (or joins it, or supersedes it); :meth:`_reconcile`
then compares what is wanted with what is there after every fact, and is the only place that starts, retires and
settles. Hooks are questions whose answer continues a small closure, so that nothing ever waits in line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from circus.model import steps
from circus.model.rollout import Rollout
from circus.model.slots import (
    GOING_DOWN,
    SIGHUP,
    Operation,
    Rules,
    Slot,
    describe_exit,
)
from circus.model.steps import Phase, Stage, Wish

#: More instructions than this from one fact is a loop in the machine, not work.
MAX_STEPS = 200_000
__all__ = ["Lifecycle", "Operation", "Rules", "Slot", "describe_exit"]


class Lifecycle(Rollout):
    """The state machine of one watcher.

    :param rules: the watcher's options, read afresh at each decision.
    :param rand: source of jitter, numbers in [0, 1).
    """

    def handle(self, fact: steps.Fact, now: float) -> list[steps.Instruction]:
        """Take in one fact at monotonic time ``now``; return what is to be done, in order."""
        self.now = now
        out = self._out = []
        _HANDLERS[type(fact)](self, fact)
        self._reconcile()
        if len(out) > MAX_STEPS:
            raise RuntimeError(f"{self.rules.name}: {len(out)} instructions from one fact, {fact!r}")
        return out

    def _checked(self, fact: steps.Checked) -> None:
        """Nothing but the reconciliation that follows every fact."""

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
                if self.stage in (Stage.STARTING, Stage.UP):
                    self._begin_filling()
                self._resizes.append(fact.ticket)
            case Wish.KILL:
                self._want_kill(fact)

    def _follow(self, fact: steps.Wanted) -> None:
        """Have the wish follow the stop under way, in place of whatever else was to follow it."""
        self._supersede(self.op, fact.wish)
        self._supersede(self.next_op, fact.wish)
        if self.op is not None:
            self.op.wish = Wish.STOP  # of a restart only the first half is left
        self.next_op = self._begin(fact)

    def _want_start(self, fact: steps.Wanted) -> None:
        if self.stage in GOING_DOWN:
            if self.op is not None and self.op.wish is Wish.RESTART:
                self.op.tickets.append((Wish.START, fact.ticket))
            elif self.next_op is not None:
                self.next_op.tickets.append((Wish.START, fact.ticket))
            else:
                self._follow(fact)
            return
        if self.op is not None:  # starting, or any operation that ends with the watcher up
            self.op.tickets.append((Wish.START, fact.ticket))
            self._begin_filling()
            return
        self.pace.clear()
        self.op = self._begin(fact)
        if self.stage is Stage.IDLE:
            self._open(self.op)
        else:
            self._begin_filling()

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
            self.stage, self.op, self.because = Stage.IDLE, None, fact.cause
            self._settle(fact.ticket)
        elif self.stage in GOING_DOWN:  # the stop half of a restart: only the other half is dropped
            op.stopped = self.op.stopped if self.op else set()
            self.op, self.because = op, fact.cause
        else:
            self._shut(op)

    def _want_restart(self, fact: steps.Wanted) -> None:
        if self.op is not None and self.op.wish is Wish.RESTART:
            self.op.tickets.append((Wish.RESTART, fact.ticket))
        elif self.stage in GOING_DOWN:
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
        if self.stage in GOING_DOWN:
            self._follow(fact)
            return
        self._supersede(self.op, Wish.RELOAD)
        op = self.op = self._begin(fact, sequential=sequential)
        self.pace.clear()  # what is reloaded was mended, perhaps
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
            self._begin_filling()

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
