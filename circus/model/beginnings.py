"""How workers begin: from the wish to have them up to the watcher that is up, or gives up.

Part of :mod:`circus.model.lifecycle`.
"""

from __future__ import annotations

from circus.exc import SpawnError
from circus.model import steps
from circus.model.endings import Endings
from circus.model.pacing import gives_up
from circus.model.slots import (
    Operation,
    Slot,
)
from circus.model.steps import Phase, Stage, Wish

#: Failed starts after which a reload is called off where ``max_retry`` sets no limit.
TRIES_OF_A_TRIAL = 5


class Beginnings(Endings):
    """A machine that can start workers, too."""

    def _open(self, op: Operation) -> None:
        """Begin to bring a stopped watcher up."""
        self.op, self.stage, self.hurried = op, Stage.ASKING, False
        self.because = op.cause or op.wish.value
        self.pace.clear()
        self._failures = self._shortages = 0
        self._opening += 1
        opening = self._opening

        def answered(go: bool) -> None:
            if self.stage is not Stage.ASKING or self._opening != opening or self.op is None:
                return  # a stop came in between
            if not go:
                self.stage, self.because = Stage.IDLE, "before_start refused"
                self._finish(self.op)
                return
            self.stage = Stage.STARTING
            self._begin_filling()
            self._next_spawn_at = 0.0
            self._do(steps.Streams(open=True))

        self._ask("before_start", answered)

    def _spawn(self, wid: int) -> None:
        self._serial += 1
        slot = self.slots[self._serial] = Slot(self._serial, wid, Phase.ASKING)
        self._tally(slot, 1)
        if self.op is not None and (self.op.surge or self.op.queue is not None):
            self.op.newcomers.add(slot.sid)
        slot.why = self._cause() if self.op is not None else self._reason(wid)
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

    def _reason(self, wid: int) -> str:
        """Why a worker is started when nobody asked for it: what became of the one before it."""
        # After a reload the lowest free id is not that of the worker that ended.
        before = wid if wid in self._why else next(iter(self._why), wid)
        return self._why.pop(before, "") or self._last_cause

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
        on_trial = self.op is not None and (self.op.surge or self.op.queue is not None)
        tries = self.rules.max_retry
        if on_trial and tries == -1:
            tries = TRIES_OF_A_TRIAL  # what runs goes on: whoever waits for a reload need not do so for ever
        if fact.passing or not gives_up(self._failures, tries):
            wait = self.rules.backoff.delay(max(self._failures, self._shortages), self.rand)
            self._next_spawn_at = max(self._next_spawn_at, self.now + wait)
            return
        error = SpawnError(f"error in {self.rules.name!r}: {fact.text}", self.rules.name)
        if on_trial:
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
                self._begin_filling()
                self._why[self.next_wid()] = f"replaces pid {slot.pid}, which reached max_age"

        self._wake(slot.born + age, too_old)

    def _up(self) -> None:
        """All workers of a start are running: ask after_start, then be active."""
        if not self._present and not (self._spent and self.rules.numprocesses):
            self._shut(self.op or Operation(Wish.STOP, ""), cause="it has no process to run", start_after=False)
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
            cause = op.cause if op and op.cause else self.because
            self._do(steps.Emit("start", {"time": None, "cause": cause}))
            if op is not None and op.wish is Wish.RELOAD:
                self._reloaded(op)
            elif op is not None:
                self._finish(op)

        self._ask("after_start", answered)
