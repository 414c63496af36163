"""The state of one watcher's life cycle, its counts, and the small verbs that all of its parts use.

The ground floor of :mod:`circus.model.lifecycle`; it decides nothing.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from circus.exc import Superseded
from circus.model import steps
from circus.model.pacing import Pace
from circus.model.slots import (
    COMING,
    GOING_DOWN,
    Operation,
    Rules,
    Slot,
)
from circus.model.steps import Phase, Stage, Wish

_NONE: frozenset[int] = frozenset()


class Machine:
    """The state, and who may change it.

    :param rules: the watcher's options, read afresh at each decision.
    :param rand: source of jitter, numbers in [0, 1).
    """

    def __init__(self, rules: Rules, rand: Callable[[], float] | None = None) -> None:
        self.rules = rules
        self.rand = rand or _random
        self.stage = Stage.IDLE
        #: Why it is in that stage, in words.
        self.because = ""
        self.slots: dict[int, Slot] = {}
        self.op: Operation | None = None
        #: A start that waits for the stop under way to end.
        self.next_op: Operation | None = None
        self.now = 0.0
        self.pace = Pace()
        self.hurried = False
        self._out: list[steps.Instruction] = []
        self._serial = 0
        self._tokens: dict[int, list[Callable[[bool], None]]] = {}
        #: The timer asked for last.
        self._timer = steps.WakeAt(0, 0.0)
        #: Hooks that have not answered yet.
        self._asked: dict[int, Callable[[bool], None]] = {}
        self._free: list[int] = []
        self._next_wid = 1
        #: Slots by what they count as, kept up to date by _mark: a fact about one of a thousand workers must not
        #: look at the other 999.
        self._present = self._coming = self._old = self._leaving = self._ending = 0
        self._filling = False
        #: Ids of workers that have had their one life since filling began (only with ``respawn`` off).
        self._spent: set[int] = set()
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
        #: Until when deaths are counted, not told one by one; and how many there were since, by what befell them.
        self._told_until = 0.0
        self._untold: dict[str, int] = {}

    if TYPE_CHECKING:  # verbs of the parts above

        def _call_off(self, why: str) -> None: ...
        def _open(self, op: Operation) -> None: ...
        def _reloaded(self, op: Operation) -> None: ...

    @property
    def status(self) -> str:
        """``stopped``, ``starting``, ``active`` or ``stopping``."""
        return self.stage.status

    @property
    def replaces(self) -> bool:
        """Whether a worker that ends by itself is followed by another; one on demand waits until it is asked for."""
        return self.rules.respawn and not self.rules.on_demand

    @property
    def failed_starts(self) -> int:
        """How many times in a row a worker could not be started through a fault of the watcher."""
        return self._failures

    @property
    def next_spawn_at(self) -> float:
        """The monotonic time before which no worker is started; 0.0 for any."""
        return self._next_spawn_at

    def alive(self) -> list[Slot]:
        """The slots that count as workers, oldest first."""
        return [s for s in self.slots.values() if not s.leaving]

    def next_wid(self) -> int:
        """The lowest worker id that no worker has."""
        return self._free[0] if self._free else self._next_wid

    def served(self) -> set[int] | frozenset[int]:
        """Worker ids that need nobody any more, for one has run under them and none may follow."""
        return self._spent if self._spent and self._filling and not self.rules.respawn else _NONE

    def retry_in(self) -> dict[int, float]:
        """Seconds until each worker id that is being held back may be tried again."""
        used = {s.wid for s in self.slots.values()} | self.served()
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
        assert self.next_op is None or self.stage in GOING_DOWN
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
        if slot.phase in COMING:
            self._coming += by

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

    def _wake(self, when: float, then: Callable[[bool], None]) -> None:
        """Go on at an instant. Workers that are ended together have one deadline, and one timer for it."""
        if self._timer.when == when and self._timer.token in self._tokens:
            self._tokens[self._timer.token].append(then)
            return
        self._serial += 1
        self._tokens[self._serial] = [then]
        self._timer = steps.WakeAt(self._serial, when)
        self._do(self._timer)

    def _settle(self, ticket: Any, result: Any = None, error: Exception | None = None) -> None:
        if ticket is not None:
            self._do(steps.Settle(ticket, result, error))

    def _say(self, level: str, text: str, *, has_event: bool = False) -> None:
        self._do(steps.Say(level, text, has_event))

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
        for then in self._tokens.pop(fact.token, ()):
            then(True)

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

    def _lowest_free(self, count: int) -> list[int]:
        """The ``count`` lowest worker ids that no worker has."""
        found = self._free[:1] if count == 1 else heapq.nsmallest(count, self._free)
        return [*found, *range(self._next_wid, self._next_wid + count - len(found))]

    def _begin_filling(self) -> None:
        """From now on missing workers are started, each id once where ``respawn`` is off."""
        if not self._filling:
            self._filling = True
            self._spent.clear()

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
            if self._present != self.rules.numprocesses and self.replaces:
                return
        tickets, self._resizes = self._resizes, []
        for ticket in tickets:
            self._settle(ticket, self.rules.numprocesses)


def _random() -> float:
    """A number from 0 up to 1. The module ``random`` might not be loadable when it is needed: without descriptors."""
    return (int.from_bytes(os.urandom(7), "big") >> 3) / (1 << 53)
