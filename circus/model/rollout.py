"""What is wanted against what is there: the reconciliation that follows every fact, and reloads.

Part of :mod:`circus.model.lifecycle`. Start, stop, restart, reload, resizing and max_age all come down to this: there
are too few workers, too many, or old ones to be replaced.
"""

from __future__ import annotations

import math

from circus.exc import SpawnError
from circus.model import steps
from circus.model.beginnings import Beginnings
from circus.model.slots import (
    Operation,
)
from circus.model.steps import Phase, Stage, Wish


class Rollout(Beginnings):
    """A machine that brings about what is wanted."""

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
        served = self.served()
        missing = self.rules.numprocesses - self._present - self._ending - len(served)
        if missing <= 0 and not self._leaving:
            self._why.clear()  # of those that needed no successor
        if missing <= 0 or not (self._filling or self.replaces):
            return
        surge = self.op is not None and self.op.surge
        one_by_one = not surge and self.rules.warmup_delay > 0
        one_by_one = one_by_one or "before_spawn" in self.rules.hooks or "after_spawn" in self.rules.hooks
        if self._next_spawn_at > self.now:
            self._wake_for_fill(self._next_spawn_at)
            return
        earliest = math.inf
        # One that is held back does not hold up the others, nor may it come back at once under another id.
        for wid in [wid for wid in self._lowest_free(missing + len(served)) if wid not in served][:missing]:
            if self.stage not in (Stage.STARTING, Stage.UP) or (one_by_one and self._coming):
                return
            ready_at = max(self._next_spawn_at, self.pace.not_before(wid))  # a spawn may fail, or ask for a pause
            if ready_at > self.now:
                earliest = min(earliest, ready_at)
            else:
                self._spawn(wid)
        if earliest < math.inf:
            self._wake_for_fill(earliest)

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
        if self._present + len(self.served()) < self.rules.numprocesses or self._coming:
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

    def _advance_operation(self, op: Operation) -> None:
        """One more step of an operation on a watcher that is up and complete."""
        if op.wish is Wish.RELOAD:
            if op.queue:
                if self._leaving:
                    return
                slot = self.slots.get(op.queue.pop(0))
                if slot is not None and not slot.leaving:
                    self._begin_filling()
                    self._retire(slot, op.cause or "reload")
                return
            if self._leaving and any(s.leaving and s.pid in op.before for s in self.slots.values()):
                return
            self._reloaded(op)
        elif op.wish in (Wish.START, Wish.RESTART):
            self._finish(op)

    def _reloaded(self, op: Operation) -> None:
        self._do(steps.Emit("reload", {"time": None, "cause": op.cause or op.wish.value}))
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
            self.stage, self.because = Stage.IDLE, "all its processes have ended"
            if self.op is not None:
                self._finish(self.op)
            self._do(steps.Streams(open=False))
            self._say("info", f"{self.rules.name} is idle until its sockets are asked for")
        elif not self.rules.respawn:
            self._shut(self.op or Operation(Wish.STOP, "respawn is off"), "respawn is off", start_after=False)
