"""How workers end: stop, grace, SIGKILL, and what is told of an end however it came.

Part of :mod:`circus.model.lifecycle`.
"""

from __future__ import annotations

import math

from circus.base.spans import span
from circus.exc import SpawnError
from circus.model import steps
from circus.model.machine import Machine
from circus.model.slots import (
    GOING_DOWN,
    SIGKILL,
    UNKILLABLE_AFTER,
    Operation,
    Slot,
    describe_exit,
)
from circus.model.steps import Phase, Stage, Wish

#: After one death was told, those that follow are told together when so many seconds are over.
TELL_EVERY = 1.0


class Endings(Machine):
    """A machine that can end workers."""

    def _shut(self, op: Operation, cause: str = "", *, start_after: bool = True) -> None:
        """Begin to bring the watcher down, for a stop, a restart or because it cannot be kept up."""
        if not start_after:
            op.wish = Wish.STOP
        self.op, self.stage = op, Stage.STOPPING
        self.because = cause or op.cause or op.wish.value
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
        at_once = self.hurried or self.now < slot.deadline
        slot.deadline = math.inf
        if slot.phase is Phase.STOPPING:
            why = "SIGKILL at once" if at_once else "SIGKILL because it did not end in time"
            self._mark(slot, Phase.KILLING, ending=f"{slot.ending}, {why}")

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

    def _hurry(self) -> None:
        """Grace is over, for processes and for hooks: those that have not answered are not waited for."""
        if self.stage in GOING_DOWN:
            self.hurried = True
            asked, self._asked = self._asked, {}
            for then in asked.values():
                then(True)
        for slot in list(self.slots.values()):
            if slot.phase in (Phase.STOPPING, Phase.LINGERING):
                self._escalate(slot)

    def _stopped(self) -> None:
        """All workers are gone: finish the stop."""
        op = self.op
        assert op is not None
        stays_open = op.wish is not Wish.STOP or self.next_op is not None
        if not stays_open:
            self._do(steps.Streams(open=False))
        self.stage, self._stop_asked = Stage.CLOSING, False
        self._why.clear()
        self._do(steps.Emit("stop", {"time": None, "cause": self.because}))

        def answered(_: bool) -> None:
            self._tell_other_deaths()
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
            was = "was " if (fact.returncode or 0) < 0 else ""
            self._why[slot.wid] = f"replaces pid {slot.pid}, which {was}{describe_exit(fact.returncode)}"
            if self._filling and not self.rules.respawn and not slot.old:
                self._spent.add(slot.wid)
        final = ended_by_itself and fact.returncode in self.rules.stop_exit_codes
        if ended_by_itself and not slot.old and not final:
            wait = self.pace.died(slot.wid, lived, self.now, self.rules.backoff, self.rand)
            if wait > 0:
                again = f"; next try in {wait:.1f} s" if self.replaces else ""
                self._say("warning", f"{self.rules.name}.{slot.wid} (pid {slot.pid}) {describe_exit(fact.returncode)} "
                                     f"after {lived:.2f} s{again}")
            else:
                self._tell_death(slot, fact.returncode, lived)

        def reaped(_: bool) -> None:
            code = 0 if fact.returncode is None else fact.returncode
            cause = slot.ending or describe_exit(fact.returncode)
            self._do(steps.Emit("reap", {"process_pid": slot.pid, "time": None, "exit_code": code,
                                         "expected": bool(slot.ending), "wid": slot.wid,
                                         "uptime": round(lived, 6), "cause": cause}))
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
        elif final and self.stage in (Stage.STARTING, Stage.UP):
            self._end_of_tries(f"worker {slot.wid} (pid {slot.pid}) {describe_exit(fact.returncode)}, "
                               f"which is final by stop_exit_codes")

    def _tell_death(self, slot: Slot, returncode: int | None, lived: float) -> None:
        """Log that a worker died after a good life; of many that die together the others are told in one line."""
        how = describe_exit(returncode)
        if self.now < self._told_until:
            if not self._untold:
                self._wake(self._told_until, lambda _: self._tell_other_deaths())
            self._untold[how] = self._untold.get(how, 0) + 1
            return
        self._told_until = self.now + TELL_EVERY
        again = "; it is replaced" if self.replaces and self.stage in (Stage.STARTING, Stage.UP) else ""
        self._say("warning" if returncode else "info",
                  f"{self.rules.name}.{slot.wid} (pid {slot.pid}) {how} after {span(lived)}{again}", has_event=True)

    def _tell_other_deaths(self) -> None:
        untold, self._untold = self._untold, {}
        if not untold:
            return
        hows = ", ".join(f"{how} ({count})" for how, count in untold.items())
        level = "info" if list(untold) == [describe_exit(0)] else "warning"
        many = sum(untold.values())
        they = "by itself" if many == 1 else "by themselves"
        self._say(level, f"{self.rules.name}: {many} more ended {they} within {TELL_EVERY:g} s: {hows}", has_event=True)

    def _end_of_tries(self, why: str) -> None:
        """Bring the watcher down because a worker said itself that another try cannot help."""
        self._say("error", f"{self.rules.name} stops: {why}; mend the cause, then start it again")
        op = self.op or Operation(Wish.STOP, why)
        op.error = SpawnError(f"{self.rules.name}: {why}", self.rules.name)
        self._shut(op, cause=why, start_after=False)

    def _tree_gone(self, fact: steps.TreeGone) -> None:
        slot = self.slots.get(fact.sid)
        if slot is None:
            return
        slot.tree_gone = True
        if slot.phase is Phase.LINGERING:
            self._gone(slot)

    def _gone(self, slot: Slot) -> None:
        self._drop(slot)
        self._do(steps.Forget(slot.sid))
