"""The watchers of a daemon as a fleet: found by name, started by priority, stopped together, added and removed.

A base class of :class:`circus.arbiter.Arbiter`. It orders wishes to watchers; what each of them does about one is
decided in :mod:`circus.model.lifecycle`.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from circus.base.logs import logger, reopen_log_files
from circus.base.tasks import Ticket, as_future
from circus.exc import AlreadyExist, CircusError, Superseded
from circus.model.steps import Stage, Wish
from circus.watcher import Watcher

if TYPE_CHECKING:
    from circus.engine import Engine
    from circus.ondemand import SocketAlarm
    from circus.sockets import CircusSockets
    from circus.system.bootloop import BootLoop
    from circus.system.bus import Bus
    from circus.system.notify import Notifier


class Fleet:
    """All watchers of one arbiter."""

    watchers: list[Watcher]
    sockets: CircusSockets
    alarm: SocketAlarm
    bus: Bus
    engine: Engine
    herald: Notifier | None
    prereload_fn: Callable[[Any], Any] | None
    warmup_delay: float
    _boot: BootLoop
    _evpub: Any
    _leaving: set[Watcher]
    _open: bool
    _queues: list[list[Watcher]]
    _stopping: bool
    _watchers_names: dict[str, Watcher]

    def _guard(self, operation: str) -> None:
        """Refuse an exclusive operation (see the arbiter)."""
        raise NotImplementedError

    def iter_watchers(self, reverse: bool = True) -> list[Watcher]:
        """The watchers by priority, highest first (lowest first without ``reverse``); equals in order of creation."""
        return sorted(self.watchers, key=lambda watcher: watcher.priority, reverse=reverse)

    def get_watcher(self, name: str) -> Watcher:
        """The watcher of that name, compared without case; KeyError when there is none."""
        return self._watchers_names[name.lower()]

    def find(self, name: str) -> Watcher:
        """As :meth:`get_watcher`, but a topic's spelling of a name (blanks as ``_``) finds it, too."""
        try:
            return self.get_watcher(name)
        except KeyError:
            for watcher in self.watchers:
                if watcher.res_name == name.lower():
                    return watcher
            raise

    def statuses(self) -> dict[str, str]:
        """The status of each watcher by name."""
        return {watcher.name: watcher.status() for watcher in self.watchers}

    def numprocesses(self) -> int:
        """How many processes there are, dead ones included until their end was dealt with."""
        return sum(len(watcher) for watcher in self.watchers)

    def numwatchers(self) -> int:
        """How many watchers there are."""
        return len(self.watchers)

    def summary(self) -> str:
        """All that in a few words."""
        stopped = sum(watcher.is_stopped() for watcher in self.watchers)
        idle = f" ({stopped} stopped)" if stopped else ""
        return f"Watchers: {self.numwatchers()}{idle}, processes: {self.numprocesses()}"

    def matching(self, pattern: str) -> list[Watcher]:
        """Watchers whose names match a shell pattern, without case, by priority."""
        return [w for w in self.iter_watchers() if fnmatch.fnmatchcase(w.name.lower(), pattern.lower())]

    def _introduce(self, watcher: Watcher) -> None:
        watcher.initialize(self.bus, self.sockets, self)
        self._watchers_names[watcher.name.lower()] = watcher
        if watcher.on_demand:
            watcher.supervision.on_stage = self._stage_changed

    def _stage_changed(self, watcher: Watcher, stage: Stage) -> None:
        if not self._stopping and watcher in self.watchers:
            self.alarm.stage_changed(watcher, stage)

    def _start_watchers(
        self, watchers: Iterable[Watcher] | None, *, boot: bool, forced: bool = False, cause: str = "start"
    ) -> Ticket:
        """Start watchers one after the other, by priority, with ``warmup_delay`` after each.

        A watcher that meets trouble is left to its retries and the next one has its turn; one that was stopped
        meanwhile (:meth:`unqueue`) loses its turn.
        """
        todo = list(watchers) if watchers is not None else self.iter_watchers()
        self._queues.append(todo)
        total = len(todo)
        taken = 0
        done = Ticket("start")
        done.on_done(lambda _: self._queues.remove(todo))

        def following() -> None:
            nonlocal taken
            while todo and not self._stopping:
                watcher = todo.pop(0)
                taken += 1
                if watchers is None and watcher.on_demand:
                    self.alarm.hold(watcher, held=False)
                    if watcher.is_stopped():
                        self.alarm.arm(watcher)
                elif forced or watcher.autostart:
                    start_one(watcher)
                    return
            if taken < total and not boot:
                done.fail(Superseded("start", "quit" if self._stopping else "stop", "*"))
            else:
                done.settle()

        def start_one(watcher: Watcher) -> None:
            turn = Ticket("turn")
            turn.on_done(lambda _: self._boot.call_later(self.warmup_delay, following)
                         if self.warmup_delay else self._boot.call_soon(following))
            watcher.supervision.until_trouble(turn)
            wish = watcher.wish(Wish.START, "daemon start" if boot else cause)
            wish.on_done(lambda _: turn.settle())

        following()
        return done

    def unqueue(self, watchers: Iterable[Watcher]) -> None:
        """Watchers that somebody stops now are not started by a group start that began before."""
        for queue in self._queues:
            queue[:] = [watcher for watcher in queue if watcher not in watchers]

    def start_watcher(self, watcher: Watcher, cause: str = "start_watcher() in a program") -> Any:
        """Start one watcher if it has ``autostart``. :return: Future, done ``warmup_delay`` later."""
        return as_future(self._start_watchers([watcher], boot=False, cause=cause), self._boot.real)

    def start_watchers(
        self,
        watcher_iter_func: Callable[..., Iterable[Watcher]] | None = None,
        cause: str = "start_watchers() in a program",
    ) -> Any:
        """Start several watchers by priority; those a function chose are all started, else those with autostart."""
        self._guard("arbiter_start_watchers")
        chosen = None if watcher_iter_func is None else list(watcher_iter_func())
        for watcher in chosen or ():
            self.alarm.hold(watcher, held=False)
        started = self._start_watchers(chosen, boot=False, forced=chosen is not None, cause=cause)
        return as_future(started, self._boot.real)

    def stop_watchers(
        self,
        watcher_iter_func: Callable[..., Iterable[Watcher]] | None = None,
        cause: str = "stop_watchers() in a program",
    ) -> Any:
        """Stop several watchers together (all when none are chosen). :return: Future, done when the last is stopped."""
        self._guard("arbiter_stop_watchers")
        chosen = self.watchers if watcher_iter_func is None else list(watcher_iter_func(reverse=False))
        for watcher in chosen:
            self.alarm.hold(watcher, held=True)
        return as_future(self._stop_watchers(chosen, cause), self._boot.real)

    def _stop_watchers(self, watchers: Iterable[Watcher], cause: str) -> Ticket:
        chosen = sorted(watchers, key=lambda watcher: watcher.priority)
        self.unqueue(chosen)
        self.engine.trees.prime([pid for watcher in chosen for pid in watcher.active_pids()])
        done = Ticket("stop")
        pending = len(chosen)
        if not pending:
            done.settle()

        def one_done(_: Ticket) -> None:
            nonlocal pending
            pending -= 1
            if not pending:
                done.settle()

        for watcher in chosen:
            watcher.wish(Wish.STOP, cause).on_done(one_done)
        return done

    def hurry(self) -> None:
        """Cut all graceful timeouts short (second TERM or INT)."""
        for watcher in [*self.watchers, *self._leaving]:
            watcher.hurry()

    def reload(self, graceful: bool = True, sequential: bool = False, cause: str = "reload() in a program") -> Any:
        """Reload every running watcher, highest priority first; log files are opened again. :return: Future."""
        if self._stopping:
            done = Ticket("reload")
            done.settle()
            return as_future(done, self._boot.real)
        self._guard("arbiter_reload")
        if self.prereload_fn is not None:
            self.prereload_fn(self)
        self.reopen_logs()
        from circus.base.tasks import create_task  # asyncio runs by now

        task = create_task(self._reload(graceful, sequential, cause), name="reload")
        if self.herald is not None:
            self.herald.reloading(task)
        return task

    async def _reload(self, graceful: bool, sequential: bool, cause: str) -> None:
        """Watchers of one priority go together when no warm-up is asked for: a reload waits for proof of life."""
        import asyncio

        groups: dict[int, list[Watcher]] = {}
        for watcher in self.iter_watchers():
            if not watcher.is_stopped():
                groups.setdefault(watcher.priority, []).append(watcher)
        failures: list[str] = []
        for group in groups.values():
            batches = [[watcher] for watcher in group] if self.warmup_delay else [group]
            for batch in batches:
                futures = [self._reload_in_turn(watcher, graceful, sequential, cause) for watcher in batch]
                results = await asyncio.gather(*futures, return_exceptions=True)
                failures += [str(result) for result in results if isinstance(result, Exception)]
                if self.warmup_delay:
                    await asyncio.sleep(self.warmup_delay)
        if failures:
            raise CircusError("; ".join(failures))

    def _reload_in_turn(self, watcher: Watcher, graceful: bool, sequential: bool, cause: str) -> Any:
        """Reload one of several. One that is not up is waited for no longer than until its first trouble.

        A reload of one that is up ends by itself: it is called off if its new workers do not live.
        """
        if graceful and watcher.supervision.machine.stage is Stage.UP:
            return watcher._reload(graceful, sequential, cause)
        turn = Ticket("turn")
        watcher.supervision.until_trouble(turn)

        def done(reloaded: Any) -> None:
            if reloaded.cancelled():
                turn.settle()
            elif reloaded.exception() is not None:
                turn.fail(reloaded.exception())
            else:
                turn.settle(reloaded.result())

        watcher._reload(graceful, sequential, cause).add_done_callback(done)
        return as_future(turn, self._boot.real)

    def reopen_logs(self) -> None:
        """Open the daemon's and all watchers' log files again by name (after logrotate)."""
        reopen_log_files()
        for watcher in self.watchers:
            watcher.reopen_streams()

    def add_watcher(self, name: str, cmd: str, *, cause: str = "add_watcher() in a program", **kw: Any) -> Watcher:
        """Add a watcher; it is not started.

        :param cause: who wants it, for the ``add`` event; everything else is an option of the watcher.
        :raises AlreadyExist: for a name that is taken, whatever its case. :raises ValueError: for an empty name.
        """
        self._guard("arbiter_add_watcher")
        if not name:
            raise ValueError("command name shouldn't be empty")
        if name.lower() in self._watchers_names or any(w.name.lower() == name.lower() for w in self.watchers):
            raise AlreadyExist(f"{name!r} already exist")
        watcher = Watcher(name, cmd, **kw)
        self.watchers.append(watcher)
        self._watchers_names[name.lower()] = watcher
        if self._open or self._evpub is not None:
            self._introduce(watcher)
        watcher.notify_event("add", {"time": time.time(), "cause": cause})
        return watcher

    def rm_watcher(self, name: str, nostop: bool = False, cause: str = "rm_watcher() in a program") -> Any:
        """Forget a watcher; its processes are stopped, or run on unmanaged with ``nostop``. :return: Future."""
        self._guard("arbiter_rm_watcher")
        done = Ticket("rm")
        try:
            watcher = self.get_watcher(name)
        except KeyError as error:
            done.fail(error)
            return as_future(done, self._boot.real)
        watcher.notify_event("remove", {"time": time.time(), "cause": cause})
        if nostop:
            self._drop(watcher)
            watcher.supervision.abandon()
            done.settle()
        else:
            self.dismiss(watcher, cause).on_done(lambda _: done.settle())
        return as_future(done, self._boot.real)

    def dismiss(self, watcher: Watcher, cause: str) -> Ticket:
        """Forget a watcher and stop it; the end of the daemon waits for its processes. :return: Ticket of the stop."""
        self._drop(watcher)
        self._leaving.add(watcher)
        ticket = watcher.wish(Wish.STOP, cause)
        ticket.on_done(lambda _: self._leaving.discard(watcher))
        return ticket

    def _drop(self, watcher: Watcher) -> None:
        self.alarm.disarm(watcher)
        self.unqueue([watcher])
        self.watchers.remove(watcher)
        if self._watchers_names.get(watcher.name.lower()) is watcher:
            del self._watchers_names[watcher.name.lower()]

    def reap_processes(self) -> None:
        """Collect whatever has ended, now."""
        for pid in self.engine.reaper.audit():
            logger.error("the end of process %s was noticed by the periodic check only; please report this", pid)

    def manage_watchers(self) -> None:
        """The periodic check: finds what events should have told, and follows options changed by hand."""
        if self._stopping:
            return
        self.reap_processes()
        for watcher in list(self.watchers):
            watcher.check()
