"""Applying a reloadconfig plan: everything that can fail is tried before anything is touched.

:func:`apply_plan` first builds every new watcher and binds every new address; an address that only becomes free by
the change itself is bound as soon as its users have stopped. Until then all that was done can be, and is, undone when
something fails: the daemon ends as it was, and the caller learns why. Called by the arbiter.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from circus.base.causes import caused
from circus.base.logs import logger
from circus.base.tasks import Ticket
from circus.exc import ConfigError, ConflictError
from circus.model.plan import OWN_SOCKETS, Act, Plan, Step
from circus.model.socketnames import socket_references
from circus.model.steps import Wish
from circus.sockets import CircusSocket
from circus.system.transport import bind_endpoint
from circus.watcher import Watcher

_ENDPOINTS = ("endpoint", "pubsub_endpoint")


async def apply_plan(arbiter: Any, plan: Plan, config: dict[str, Any], cause: str = "reloadconfig") -> None:
    """Bring ``config`` about.

    :param arbiter: whose watchers and sockets change.
    :param plan: from :func:`circus.model.plan.make_plan` for this very ``config``.
    :param cause: who wants it.
    :raises ConfigError: when the plan has problems. :raises OSError: ValueError: ImportError: when a new part cannot
        be made; then nothing was changed, or what was changed is as before.
    :raises ConflictError: when the daemon is told to stop meanwhile.
    """
    if plan.problems:
        raise ConfigError("; ".join(plan.problems))
    for line in plan.lines():
        logger.info("reloadconfig: %s", line)
    if plan.restarts_daemon:
        # New endpoints or the like: a full restart from the file, which was read and checked already.
        arbiter._busy = None
        await caused(arbiter.restart, cause)(inside_circusd=True)
        return
    change = _Change(arbiter, plan, cause)
    change.prepare()
    await change.apply()
    arbiter._cfg = config


def rehearse(arbiter: Any, config: Mapping[str, Any]) -> None:
    """Try what would end the daemon in the middle of a full restart to ``config``: addresses that are not ours yet,
    and plugins that cannot be found.

    :raises OSError: ImportError: KeyError: as the restart would; nothing was changed.
    """
    for plugin in config.get("plugins", ()):
        arbiter.make_plugin(plugin)
    for name in _ENDPOINTS:
        endpoint = config.get(name)
        if endpoint is not None and endpoint not in (arbiter.endpoint, arbiter.pubsub_endpoint):
            bound = bind_endpoint(endpoint)
            if bound is not None:
                bound.close()
                bound.unlink()
    ours = [sock._cfg for sock in arbiter.sockets.values()]
    for section in config.get("sockets", ()):
        sock = CircusSocket.load_from_config(section)
        try:
            if not sock.so_reuseport and not sock.is_unix and not any(_may_collide(section, each) for each in ours):
                _bind(sock)
        finally:
            sock.close()


class _Change:
    """One run of a plan."""

    def __init__(self, arbiter: Any, plan: Plan, cause: str) -> None:
        self.arbiter, self.plan, self.cause = arbiter, plan, cause
        #: New watchers and sockets by name.
        self.watchers: dict[str, Watcher] = {}
        self.sockets: dict[str, CircusSocket] = {}
        #: Names of those whose address is still taken by one that goes.
        self.waiting: list[str] = []
        #: What takes back what was done so far; run last first.
        self.undo: list[Callable[[], None]] = []

    def _steps(self, *acts: Act) -> list[Step]:
        return [step for step in self.plan.steps if step.act in acts]

    # -- before anything is touched -----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Build new watchers and bind new addresses; on failure let go of them and raise."""
        self.undo.append(self._let_go)
        try:
            for step in self._steps(Act.ADD_WATCHER, Act.REPLACE_WATCHER):
                self.watchers[step.name] = self._build(step.new)
            for step in self._steps(Act.ADD_SOCKET, Act.REPLACE_SOCKET):
                self._bind_new(step)
        except BaseException:
            self._take_back()
            raise

    def _build(self, config: Mapping[str, Any]) -> Watcher:
        if "use" in config and str(config.get("name", "")).startswith("plugin:"):
            watcher: Watcher = self.arbiter.make_plugin(config)
            watcher._cfg = dict(config)
            return watcher
        return Watcher.load_from_config(config)

    def _bind_new(self, step: Step) -> None:
        """Bind now, or note that the address is one that this very change sets free."""
        sock = self.sockets[step.name] = CircusSocket.load_from_config(step.new)
        if sock.so_reuseport:
            return
        rivals = [other for other in self._steps(Act.REMOVE_SOCKET, Act.REPLACE_SOCKET)
                  if _may_collide(step.new, other.old)]
        if sock.is_unix and rivals:  # binding would take the file from the one that may have to stay
            self.waiting.append(step.name)
            return
        try:
            _bind(sock)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not rivals:
                raise
            self.waiting.append(step.name)

    def _let_go(self) -> None:
        """Give up what was prepared and is not in its place."""
        for name, sock in self.sockets.items():
            if self.arbiter.sockets.get(name) is not sock:
                sock.close()
        for watcher in self.watchers.values():
            if watcher not in self.arbiter.watchers:
                watcher.close_streams()

    def _take_back(self) -> None:
        while self.undo:
            self.undo.pop()()

    # -- the change ---------------------------------------------------------------------------------------------

    async def apply(self) -> None:
        """Carry out the steps in their order."""
        arbiter = self.arbiter
        for watcher in arbiter.watchers:  # descriptors are about to be closed
            arbiter.alarm.disarm(watcher)
        try:
            try:
                for step in self._steps(Act.SET_GLOBAL):
                    self._set_global(step)
                await self._free_addresses()
            except BaseException:
                self._take_back()
                raise
            self.undo.clear()
            # From here on nothing can fail but a single watcher, which is left to its retries.
            try:
                await self._exchange()
            finally:
                self._let_go()
        finally:
            for watcher in arbiter.watchers:
                if watcher.on_demand and watcher.is_stopped() and not arbiter._stopping:
                    arbiter.alarm.arm(watcher)

    def _set_global(self, step: Step) -> None:
        self.undo.append(lambda: self.arbiter.set_live(step.name, step.old))
        self.arbiter.set_live(step.name, step.new)

    async def _free_addresses(self) -> None:
        """Stop the users of sockets whose addresses others wait for, close those, and bind the others."""
        if not self.waiting:
            return
        waiting = [self._step_of(name).new for name in self.waiting]
        going = [step for step in self._steps(Act.REMOVE_SOCKET, Act.REPLACE_SOCKET)
                 if any(_may_collide(step.old, new) for new in waiting)]
        users = [w for w in self.arbiter.iter_watchers()
                 if not w.is_stopped() and any(_uses(w, step.name) for step in going)]
        self.undo.append(lambda: self._start_again(users))
        await self._stop_all(users, f"{self.cause}: its socket changes")
        for step in going:
            self.arbiter.sockets.pop(step.name).close()
            self.undo.append(lambda step=step: self._open_again(step))  # type: ignore[misc]
        for name in self.waiting:
            _bind(self.sockets[name])
        # Those that are not replaced anyway go on with the new sockets.
        replaced = {step.name for step in self._steps(Act.REPLACE_WATCHER, Act.REMOVE_WATCHER)}
        self.restarting = [watcher for watcher in users if watcher.name not in replaced]

    #: Watchers that were stopped for the sake of an address and are otherwise unchanged.
    restarting: Iterable[Watcher] = ()

    def _step_of(self, name: str) -> Step:
        return next(step for step in self._steps(Act.ADD_SOCKET, Act.REPLACE_SOCKET) if step.name == name)

    def _open_again(self, step: Step) -> None:
        for name in self.waiting:  # whichever of them has been bound already is in the way
            self.sockets[name].close()
        again = self.arbiter.sockets[step.name] = CircusSocket.load_from_config(step.old)
        if not again.so_reuseport:
            with contextlib.suppress(OSError):  # logged there; the error that led here is the one to tell
                again.bind_and_listen()

    def _start_again(self, watchers: Iterable[Watcher]) -> None:
        for watcher in watchers:
            watcher.supervision.wish(Wish.START, f"{self.cause}, undone")

    async def _exchange(self) -> None:
        """New parts take the places of old ones."""
        arbiter = self.arbiter
        removed = [self._find(step.name) for step in self._steps(Act.REMOVE_WATCHER)]
        gone = f"{self.cause}: it is gone from the file"
        stops = [arbiter.dismiss(watcher, gone) for watcher in removed if watcher is not None]
        await asyncio.gather(*map(_settled, stops))
        retired = []
        for step in self._steps(Act.REMOVE_SOCKET, Act.REPLACE_SOCKET):
            old = arbiter.sockets.pop(step.name, None)
            if old is not None:
                retired.append(old)
        for step in self._steps(Act.ADD_SOCKET, Act.REPLACE_SOCKET):
            arbiter.sockets[step.name] = self.sockets[step.name]
        for watcher in self.restarting:
            watcher.supervision.wish(Wish.START, f"{self.cause}: its socket has changed")
        for step in self._steps(Act.RESIZE_WATCHER):
            await self._resize(step)
        await self._replace_and_add()
        self._renew_holders()
        for sock in retired:
            sock.close()  # kept to the end: until its users were replaced the old address was still served

    def _find(self, name: str) -> Watcher | None:
        return next((watcher for watcher in self.arbiter.watchers if watcher.name == name), None)

    async def _resize(self, step: Step) -> None:
        watcher = self._find(step.name)
        if watcher is not None:
            watcher._cfg = dict(step.new)
            watcher.numprocesses = max(0, int(step.new["numprocesses"]))
            turn = Ticket("turn")
            watcher.supervision.until_trouble(turn)
            watcher.supervision.wish(Wish.RESIZE, self.cause).on_done(lambda _: turn.settle())
            await _settled(turn)

    async def _replace_and_add(self) -> None:
        todo = [(step, self.watchers[step.name]) for step in self._steps(Act.REPLACE_WATCHER, Act.ADD_WATCHER)]
        todo.sort(key=lambda item: item[1].priority, reverse=True)
        for step, watcher in todo:
            self._check_still_running()
            old = self._find(step.name)
            if old is not None:
                await self._stop_all([old], f"{self.cause}: its section has changed")
                self.arbiter._drop(old)
                old.close_streams()
            self._check_still_running()
            self.arbiter.watchers.append(watcher)
            self.arbiter._introduce(watcher)
            if watcher.autostart and not watcher.on_demand:
                await _settled(self.arbiter._start_watchers([watcher], boot=False, cause=self.cause))

    def _renew_holders(self) -> None:
        """Watchers that hold every socket there is, though they name none, must not keep old addresses open."""
        gone = self._steps(Act.REMOVE_SOCKET, Act.REPLACE_SOCKET)
        if not gone:
            return
        fresh = {*self.watchers.values(), *self.restarting}
        for watcher in self.arbiter.iter_watchers():
            named = socket_references(vars(watcher))
            if watcher.use_sockets and not named - OWN_SOCKETS and watcher not in fresh and not watcher.is_stopped():
                watcher.supervision.wish(Wish.RESTART, f"{self.cause}: a socket it had is gone")

    async def _stop_all(self, watchers: Iterable[Watcher], cause: str) -> None:
        await asyncio.gather(*(_settled(watcher.supervision.wish(Wish.STOP, cause)) for watcher in watchers))

    def _check_still_running(self) -> None:
        if self.arbiter._stopping:
            raise ConflictError("arbiter is already running arbiter_stop command")


def _bind(sock: CircusSocket) -> None:
    """Bind and listen; an error says which socket it is about."""
    try:
        sock.bind_and_listen()
    except OSError as error:
        text = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(error.errno, f"{text} ({sock})") from error


async def _settled(ticket: Ticket) -> None:
    done = asyncio.get_running_loop().create_future()
    ticket.on_done(lambda _: None if done.done() else done.set_result(None))
    await done


def _may_collide(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two socket sections may mean the same address, so that both cannot be bound at a time."""
    if one is None or other is None:
        return False
    if one.get("path") is not None or other.get("path") is not None:
        return bool(one.get("path") == other.get("path"))
    return int(one.get("port", 8080)) == int(other.get("port", 8080)) != 0


def _uses(watcher: Watcher, socket_name: str) -> bool:
    named = socket_references(vars(watcher))
    return socket_name.lower() in named or (not named and watcher.use_sockets)
