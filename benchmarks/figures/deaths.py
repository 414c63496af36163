"""Workers are killed from outside: how soon are they replaced, and how soon (and whether) is it told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

from benchmarks.figures.base import Size, Workload
from benchmarks.processes import Late
from benchmarks.report import Figure, Goal, median, percentile
from benchmarks.systems import Daemon, Job, Place, System
from benchmarks.wire import BATCH_SECONDS, Events

# Circus 0.19.0 looks for deaths every 5 s; a system that needs longer than twice that has lost them.
NOTICE_SECONDS = 11.0
# A worker that lived less than a second may be made to wait by a back-off: let all be older than that.
OLD_ENOUGH = 1.5


class Deaths(Workload):
    """First the new workers are timed with nobody subscribed, then the events."""

    name = "deaths"
    figures = (
        Figure("respawn_p50", "respawn p50", "ms", Goal("<=", 2)),
        Figure("respawn_p99", "respawn p99", "ms", Goal("<=", 3)),
        Figure("respawn_all", "respawn of 175 killed at once", "ms", Goal("<=", 1.6)),
        Figure("reap_p50", "reap event p50", "ms", Goal("<=", 2)),
        Figure("reap_last", "reap event, last of 175", "ms", Goal("<=", 1.6)),
        Figure("reap_lost", "reap events lost, of 175", "", Goal("<=", 0, absolute=True)),
    )

    def measure(self, system: System, place: Place, size: Size) -> dict[str, float]:
        """Milliseconds from kill(2) to the first write of the successor, or to the event at a subscriber."""
        with system.daemon(place, Job(place.worker(), size.workers)) as daemon:
            alive = {pid for _, pid in daemon.workers(size.workers)}
            daemon.settle()
            time.sleep(OLD_ENOUGH)
            single = respawns(daemon, alive, victims(alive, size.kills), size.spread)
            time.sleep(OLD_ENOUGH)
            together = respawns(daemon, alive, sorted(alive), 0.0)
            events = daemon.events()
            try:
                time.sleep(OLD_ENOUGH)  # and time for the subscription to arrive
                few = victims(alive, size.kills // 2)
                told = [delay for delay in reaps(daemon, events, few, size.spread) if delay is not None]
                renew(daemon, alive, few)
                time.sleep(OLD_ENOUGH)
                all_told = reaps(daemon, events, sorted(alive), 0.0)
            finally:
                events.close()
        if not told or all_told.count(None) == len(all_told):
            raise Late("no reap event came at all")
        return {
            "respawn_p50": median(single) * 1e3,
            "respawn_p99": percentile(single, 99) * 1e3,
            "respawn_all": max(together) * 1e3,
            "reap_p50": median(told) * 1e3,
            "reap_last": max(delay for delay in all_told if delay is not None) * 1e3,
            "reap_lost": all_told.count(None),
        }


def victims(alive: set[int], count: int) -> list[int]:
    """Some of the workers; a pid that is killed is never in the set again, so nobody young is chosen."""
    return sorted(alive)[:count]


def kill_times(count: int, spread: float) -> list[float]:
    """When to kill, evenly over ``spread`` seconds: a daemon that polls is met at every phase of its tick."""
    now = time.perf_counter()
    return [now + spread * index / count for index in range(count)]


def respawns(daemon: Daemon, alive: set[int], pids: Sequence[int], spread: float) -> list[float]:
    """Seconds from each kill to the next successor; with ``spread`` 0, from the first kill to each."""
    daemon.own(pids)
    killed_at: list[float] = []
    born: list[tuple[float, int]] = []
    for pid, due in zip(pids, kill_times(len(pids), spread), strict=True):
        while spread and time.perf_counter() < due:
            born += daemon.notices.starts(due)
        killed_at.append(time.perf_counter())
        os.kill(pid, signal.SIGKILL)
    deadline = time.perf_counter() + NOTICE_SECONDS
    while len(born) < len(pids):
        born += daemon.notices.starts(deadline)
        if not spread:
            time.sleep(BATCH_SECONDS)
        if time.perf_counter() >= deadline:
            raise Late(f"{len(born)} of {len(pids)} workers were replaced{daemon.complaint()}")
    alive.difference_update(pids)
    alive.update(pid for _, pid in born)
    daemon.seen.update(alive)
    since = killed_at if spread else [killed_at[0]] * len(pids)
    return [at - killed for (at, _), killed in zip(born, since, strict=True)]


def reaps(daemon: Daemon, events: Events, pids: Sequence[int], spread: float) -> list[float | None]:
    """Seconds from each kill (``spread`` 0: from the first) to its event; None for one that never came."""
    daemon.own(pids)
    killed_at: dict[int, float] = {}
    told_at: dict[int, float] = {}
    for pid, due in zip(pids, kill_times(len(pids), spread), strict=True):
        while spread and time.perf_counter() < due:
            told_at.update((dead, at) for at, dead in events.reaps(due))
        killed_at[pid] = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
    deadline = time.perf_counter() + NOTICE_SECONDS
    while not told_at.keys() >= killed_at.keys() and time.perf_counter() < deadline:
        told_at.update((dead, at) for at, dead in events.reaps(deadline))
    first = next(iter(killed_at.values()))
    since = killed_at if spread else dict.fromkeys(pids, first)
    return [told_at[pid] - since[pid] if pid in told_at else None for pid in pids]


def renew(daemon: Daemon, alive: set[int], dead: Sequence[int]) -> None:
    """Bring the set of live workers up to date after deaths that were timed by their events."""
    born = daemon.workers(len(dead), NOTICE_SECONDS)
    alive.difference_update(dead)
    alive.update(pid for _, pid in born)
