"""Managing by hand: a watcher whose processes a program put into ``watcher.processes`` itself.

Test-suites and old programs fill that dict with objects of their own, assign ``_status``, or replace
``spawn_process``; then nobody reports births and deaths to the life cycle, and it must keep out. :class:`ByHand` is
the part of :class:`circus.watcher.Watcher` that serves them, by looking instead of being told. An object in the dict
needs ``pid``, ``status``, ``started``, ``age``, ``stopping``, ``returncode()``, ``children()``, ``is_alive()``,
``stop()`` and ``wait()``, and nothing more (spec library.md 16). Circus itself never comes here.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from typing import Any

from circus.base.logs import logger
from circus.base.tasks import Ticket
from circus.model.steps import Wish
from circus.process import DEAD_OR_ZOMBIE, UNEXISTING

#: Seconds between two looks at a process that is to end.
LOOK_EVERY = 0.01


class Pause:
    """``await Pause(seconds)``: the only thing that a coroutine of this module ever waits for."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self.seconds


def drive(coro: Coroutine[Any, Any, Any], later: Callable[..., Any]) -> Ticket:
    """Run a coroutine to its first pause at once, and on from there by timers.

    :param later: ``loop.call_later``; not looked at unless there is a pause.
    """
    ticket = Ticket("by hand")

    def step() -> None:
        try:
            seconds = coro.send(None)
        except StopIteration as done:
            ticket.settle(done.value)
        except Exception as error:  # whatever it is belongs to whoever awaits the ticket
            ticket.fail(error)
        else:
            later(seconds, step)

    step()
    return ticket


def is_dead(process: Any) -> bool:
    """Whether a process, of whatever making, has ended."""
    return process.status in (DEAD_OR_ZOMBIE, UNEXISTING) or not process.is_alive()


class ByHand:
    """What a watcher does while its processes are managed by hand."""

    # Of the watcher:
    processes: dict[int, Any]
    name: str
    numprocesses: int
    warmup_delay: float
    graceful_timeout: float
    stop_signal: int
    stop_children: bool
    send_hup: bool
    max_retry: int
    max_age: int
    max_age_variance: int
    respawn: bool
    on_demand: bool
    _status: str
    _forced_status: str | None
    _supervision: Any
    engine: Any
    stream_redirector: Any
    _managing: Ticket | None = None
    call_hook: Callable[..., bool]
    notify_event: Callable[..., None]
    make_process: Callable[[int], Any]
    manage_processes: Callable[[], Any]
    _future: Callable[[Ticket], Any]
    is_stopped: Callable[[], bool]
    open_streams: Callable[[], None]
    close_streams: Callable[[], None]
    send_signal_process: Callable[..., None]
    send_signal: Callable[[int, int], None]

    @property
    def pending_socket_event(self) -> bool:
        """See the watcher."""
        raise NotImplementedError

    @property
    def _nextwid(self) -> int:
        raise NotImplementedError

    @property
    def by_hand(self) -> bool:
        """True while somebody else than the life cycle brings processes in."""
        if self._forced_status is not None:
            return True
        if any(self._is_replaced(verb) for verb in ("spawn_process", "spawn_processes")):
            return True
        workers = self._supervision.workers.values() if self._supervision is not None else ()
        if len(workers) >= len(self.processes):
            return False
        own = {id(worker.process) for worker in workers}
        return any(id(process) not in own for process in self.processes.values())

    def _is_replaced(self, verb: str) -> bool:
        return verb in vars(self) or getattr(type(self), verb) is not getattr(ByHand, verb)

    def fulfil(self, wish: Wish, params: Mapping[str, Any]) -> Ticket:
        """Bring a wish about by hand."""
        if wish is Wish.START:
            return self._drive(self._start_by_hand())
        if wish is Wish.STOP:
            return self._drive(self._stop_by_hand())
        if wish is Wish.RESTART:
            return self._drive(self._restart_by_hand())
        if wish is Wish.RELOAD:
            return self._drive(self._reload_by_hand())
        if wish is Wish.KILL:
            return self._drive(self._kill_some(**params))
        return self._drive(self._manage_by_hand())

    def _drive(self, coro: Coroutine[Any, Any, Any]) -> Ticket:
        return drive(coro, lambda *args: self.engine.loop.call_later(*args))

    def check_by_hand(self) -> None:
        """The periodic look: here it is what notices deaths."""
        if self._managing is None or self._managing.done:
            self._managing = self._drive(self._manage_by_hand())
            self._managing.on_done(lambda done: logger.error("exception %s caught", done.error) if done.error else None)

    # -- one process --------------------------------------------------------------------------------------------

    def spawn_process(self, recovery_wid: int | None = None) -> float | bool:
        """Start one process, by hand.

        On a watcher that manages itself nothing is added beyond ``numprocesses``: it starts what is missing.

        :param recovery_wid: worker id to use; None for the next free one.
        :return: when it was started; False when it could not be and the watcher is to stop; True when the watcher is
            stopped.
        """
        if self.is_stopped():
            return True
        if not self.by_hand:
            self.manage_processes()
            return time.time()
        if not self.call_hook("before_spawn"):
            return False
        for attempt in range(max(1, self.max_retry)):
            try:
                process = self.make_process(recovery_wid or self._nextwid)
                process.finish_setup()
            except (OSError, ValueError) as error:
                logger.warning("error in %r: %s", self.name, error)
                if self.max_retry == 0 or attempt + 1 == self.max_retry:
                    break
                continue
            self.processes[process.pid] = process
            if self.stream_redirector is not None:
                self.stream_redirector.add_redirections(process)
            self.notify_event("spawn", {"process_pid": process.pid, "time": process.started})
            if not self.call_hook("after_spawn", pid=process.pid):
                process.stop()
                return False
            return float(process.started)
        return False

    def _reap_by_hand(self, pid: int, status: int | None = None) -> None:
        """Let go of a process that has ended; one that has not stays."""
        process = self.processes.get(pid)
        if process is None or (status is None and not is_dead(process)):
            return
        self.call_hook("before_reap", process_pid=pid, time=time.time())
        exit_code = process.returncode() if status is None else status
        self._let_go_by_hand(process)
        event = {"process_pid": pid, "time": time.time(), "exit_code": exit_code, "expected": False}
        self.notify_event("reap", event)
        self.call_hook("after_reap", process_pid=pid, time=event["time"], exit_code=exit_code,
                       process_status=process.status)

    def _let_go_by_hand(self, process: Any) -> None:
        if self.stream_redirector is not None and getattr(process, "redirected", False):
            self.stream_redirector.remove_redirections(process)
        process.stop()
        self.processes.pop(process.pid, None)

    async def _kill_by_hand(self, process: Any, signum: int | None = None, grace: float | None = None) -> bool:
        """End a process; False when somebody is at it already, or it has ended."""
        if process.stopping or is_dead(process):
            return False
        process.stopping = True
        try:
            self._signal_by_hand(process, self.stop_signal if signum is None else signum, self.stop_children)
            end = time.monotonic() + (self.graceful_timeout if grace is None else grace)
            while process.is_alive() and time.monotonic() < end:
                await Pause(LOOK_EVERY)
            if process.is_alive():
                self._signal_by_hand(process, signal.SIGKILL, True)
            process.stop()
        finally:
            process.stopping = False
        return True

    def _signal_by_hand(self, process: Any, signum: int, children: bool) -> None:
        if children:
            self.send_signal_process(process, signum, recursive=signum == signal.SIGKILL)
        else:
            self.send_signal(process.pid, signum)
        self.notify_event("kill", {"process_pid": process.pid, "time": time.time()})

    # -- all of them --------------------------------------------------------------------------------------------

    def spawn_processes(self) -> Any:
        """Start the processes that are missing. :return: Future, done when they run."""
        return self._future(self._drive(self._spawn_missing())) if self.by_hand else self.manage_processes()

    def remove_expired_processes(self) -> Any:
        """End the processes that are older than ``max_age``. :return: Future, done when they are gone."""
        return self._future(self._drive(self._expire_by_hand())) if self.by_hand else self.manage_processes()

    async def _spawn_missing(self) -> None:
        """Start what is missing by ``spawn_process``, whoever wrote that, with ``warmup_delay`` after each."""
        for _ in range(self.numprocesses - len(self.processes)):
            if self.spawn_process() is False:  # one that returns nothing did not object
                await self._stop_by_hand()
                return
            if self.warmup_delay:
                await Pause(self.warmup_delay)

    async def _manage_by_hand(self) -> int:
        """Let go of the dead, end the aged and the surplus, start the missing; the number that is wanted."""
        if self.is_stopped():
            return self.numprocesses
        for pid in list(self.processes):
            self._reap_by_hand(pid)
        await self._expire_by_hand()
        if self.respawn and not self.pending_socket_event and len(self.processes) < self.numprocesses:
            await self._await(self.spawn_processes())
        if not self.processes and not self.respawn and not self.on_demand:
            await self._stop_by_hand()
        newest_first = sorted(self.processes.values(), key=lambda process: process.started, reverse=True)
        await self._kill_and_drop(newest_first[self.numprocesses:])
        return self.numprocesses

    async def _expire_by_hand(self) -> None:
        """End the processes that are older than ``max_age``."""
        if self.max_age:
            import random  # kept off the start path

            limit = self.max_age + random.randint(0, max(0, self.max_age_variance))
            await self._kill_and_drop([p for p in self.processes.values() if _age(p) > limit])

    async def _kill_some(
        self, pids: Iterable[int] | None = None, signum: int | None = None, graceful_timeout: float | None = None
    ) -> None:
        doomed = [self.processes[pid] for pid in (self.processes if pids is None else pids) if pid in self.processes]
        for ticket in [self._drive(self._kill_by_hand(process, signum, graceful_timeout)) for process in doomed]:
            await self._await(ticket)

    async def _kill_and_drop(self, processes: Iterable[Any]) -> None:
        doomed = list(processes)
        tickets = [self._drive(self._kill_by_hand(process)) for process in doomed]
        for ticket in tickets:
            await self._await(ticket)
        for process in doomed:
            self._let_go_by_hand(process)

    async def _await(self, something: Any) -> None:
        """Wait for a ticket or a future; anything else is there already."""
        while not _is_over(something):
            await Pause(LOOK_EVERY)

    # -- the watcher --------------------------------------------------------------------------------------------

    async def _start_by_hand(self) -> dict[str, list[int]] | None:
        """Start it, or what is missing of it."""
        if self.pending_socket_event:
            return None
        before = set(self.processes)
        if self.is_stopped():
            if not self.call_hook("before_start"):
                return None
            self._status = "starting"
            self.open_streams()
            await self._await(self.spawn_processes())
            if not self.processes or not self.call_hook("after_start"):
                await self._stop_by_hand()
                return None
            self._status = "active"
            logger.info("%s started", self.name)
            self.notify_event("start", {"time": time.time()})
        elif len(self.processes) < self.numprocesses:
            await self._await(self.spawn_processes())
        return {"started": sorted(set(self.processes) - before), "kept": sorted(before & set(self.processes))}

    async def _stop_by_hand(self) -> None:
        """End all its processes and close its streams."""
        if self.is_stopped():
            return
        self._status = "stopping"
        self.call_hook("before_stop")
        await self._kill_and_drop(self.processes.values())
        self.close_streams()
        self.notify_event("stop", {"time": time.time()})
        self._status = "stopped"
        self.call_hook("after_stop")
        logger.info("%s stopped", self.name)

    async def _reload_by_hand(self) -> dict[str, list[int]]:
        """New processes first, then the old ones end; or SIGHUP to each."""
        before = set(self.processes)
        if self.is_stopped():
            await self._start_by_hand()
        elif self.send_hup:
            for process in self.processes.values():
                logger.info("SENDING HUP to %s", process.pid)
                process.send_signal(signal.SIGHUP)
        else:
            for _ in range(self.numprocesses):
                self.spawn_process()
            await self._manage_by_hand()
        self.notify_event("reload", {"time": time.time()})
        logger.info("%s reloaded", self.name)
        return self._difference(before)

    def _difference(self, before: set[int]) -> dict[str, list[int]]:
        now = set(self.processes)
        return {"stopped": sorted(before - now), "started": sorted(now - before), "kept": sorted(before & now)}

    async def _restart_by_hand(self) -> dict[str, list[int]]:
        """Stop, then start."""
        before = set(self.processes)
        await self._stop_by_hand()
        await self._start_by_hand()
        return self._difference(before)


def _is_over(something: Any) -> bool:
    done = getattr(something, "done", True)
    return bool(done() if callable(done) else done)


def _age(process: Any) -> float:
    age = process.age
    return float(age() if callable(age) else age)
