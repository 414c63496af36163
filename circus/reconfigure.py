"""Applying a reloadconfig plan: everything that can fail is tried before anything is touched.

:func:`apply_plan` first builds every new watcher and binds every new address; only then are watchers stopped and
started. What fails on the way is undone: the daemon ends as it was, and the caller learns why. Called by the arbiter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from circus.base.logs import configure_logger, logger
from circus.exc import ConfigError
from circus.model.plan import Act, Plan, Step
from circus.model.socketnames import socket_references
from circus.model.steps import Wish
from circus.sockets import CircusSocket
from circus.watcher import Watcher

#: What makes two socket sections mean the same place, so that the old one must go before the new one can be bound.
_ADDRESS = ("host", "port", "path", "family", "type", "proto", "interface")


async def apply_plan(arbiter: Any, plan: Plan, config: dict[str, Any]) -> None:
    """Bring ``config`` about.

    :param arbiter: whose watchers and sockets change.
    :param plan: from :func:`circus.model.plan.make_plan` for this very ``config``.
    :raises ConfigError: when the plan has problems. :raises OSError: ValueError: ImportError: when a new part cannot
        be made; then nothing was changed, or what was changed is as before.
    """
    if plan.problems:
        raise ConfigError("; ".join(plan.problems))
    for line in plan.lines():
        logger.info("reloadconfig: %s", line)
    if plan.restarts_daemon:
        await restart_daemon(arbiter)
        return
    change = _Change(arbiter, plan, config)
    change.prepare()
    await change.apply()
    arbiter._cfg = config


async def restart_daemon(arbiter: Any) -> None:
    """The change needs new endpoints or the like: a full restart from the file, which was read and checked already."""
    arbiter._busy = None
    await arbiter.restart(inside_circusd=True)


class _Change:
    """One run of a plan."""

    def __init__(self, arbiter: Any, plan: Plan, config: dict[str, Any]) -> None:
        self.arbiter, self.plan, self.config = arbiter, plan, config
        self.watchers: dict[str, Watcher] = {}
        self.sockets: dict[str, CircusSocket] = {}

    def _steps(self, *acts: Act) -> list[Step]:
        return [step for step in self.plan.steps if step.act in acts]

    # -- before anything is touched -----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Build new watchers and bind new addresses; on failure let go of them and raise."""
        try:
            for step in self._steps(Act.ADD_WATCHER, Act.REPLACE_WATCHER):
                self.watchers[step.name] = self._build(step.new)
            for step in self._steps(Act.ADD_SOCKET, Act.REPLACE_SOCKET):
                sock = CircusSocket.load_from_config(step.new)
                self.sockets[step.name] = sock
                if not _same_place(step) and not sock.so_reuseport:
                    sock.bind_and_listen()
        except BaseException:
            for sock in self.sockets.values():
                sock.close()
            raise

    def _build(self, config: Mapping[str, Any]) -> Watcher:
        if "use" in config and str(config.get("name", "")).startswith("plugin:"):
            watcher: Watcher = self.arbiter.make_plugin(config)
            watcher._cfg = dict(config)
            return watcher
        return Watcher.load_from_config(config)

    # -- the change ---------------------------------------------------------------------------------------------

    async def apply(self) -> None:
        """Carry out the steps in their order."""
        for step in self._steps(Act.SET_GLOBAL):
            self._set_global(step)
        await self._replace_sockets_in_place()
        removed = [self._find(step.name) for step in self._steps(Act.REMOVE_WATCHER)]
        stops = [self.arbiter.dismiss(watcher, "reloadconfig") for watcher in removed if watcher is not None]
        await asyncio.gather(*map(_settled, stops))
        for step in self._steps(Act.REMOVE_SOCKET):
            old = self.arbiter.sockets.pop(step.name, None)
            if old is not None:
                old.close()
        for step in self._steps(Act.ADD_SOCKET):
            self.arbiter.sockets[step.name] = self.sockets[step.name]
        for step in self._steps(Act.RESIZE_WATCHER):
            await self._resize(step)
        await self._replace_and_add()
        for step in self._steps(Act.REPLACE_SOCKET):
            if not _same_place(step):
                # Kept to the end: until its users were replaced the old address was still served.
                self._retire_socket(step)

    def _find(self, name: str) -> Watcher | None:
        return next((watcher for watcher in self.arbiter.watchers if watcher.name == name), None)

    def _set_global(self, step: Step) -> None:
        arbiter = self.arbiter
        setattr(arbiter, step.name, step.new)
        if step.name == "check_delay":
            arbiter.ctrl.set_check_delay(step.new)
        elif step.name in ("loglevel", "logoutput"):
            configure_logger(logger, arbiter.loglevel or "info", arbiter.logoutput or "-", arbiter.loggerconfig)

    async def _replace_sockets_in_place(self) -> None:
        """Sockets that keep their address: users stop, the old one goes, the new one comes; or all is as before."""
        for step in self._steps(Act.REPLACE_SOCKET):
            if not _same_place(step):
                continue
            users = [w for w in self.arbiter.iter_watchers() if _uses(w, step.name) and not w.is_stopped()]
            await asyncio.gather(*(watcher._stop(cause=f"socket {step.name} changes") for watcher in users))
            old = self.arbiter.sockets[step.name]
            old.close()
            new = self.sockets[step.name]
            try:
                if not new.so_reuseport:
                    new.bind_and_listen()
            except OSError:
                again = CircusSocket.load_from_config(step.old)
                again.bind_and_listen()
                self.arbiter.sockets[step.name] = again
                for watcher in users:
                    watcher.supervision.wish(Wish.START, "reloadconfig undone")
                raise
            self.arbiter.sockets[step.name] = new
            replaced = {s.name for s in self._steps(Act.REPLACE_WATCHER)}
            for watcher in users:
                if watcher.name not in replaced:
                    watcher.supervision.wish(Wish.START, f"socket {step.name} changed")

    def _retire_socket(self, step: Step) -> None:
        old, self.arbiter.sockets[step.name] = self._old_sockets.pop(step.name), self.sockets[step.name]
        old.close()

    async def _resize(self, step: Step) -> None:
        watcher = self._find(step.name)
        if watcher is not None:
            await watcher.set_numprocesses(step.new["numprocesses"], cause="reloadconfig")
            watcher._cfg = dict(step.new)

    async def _replace_and_add(self) -> None:
        self._old_sockets = {}
        for step in self._steps(Act.REPLACE_SOCKET):
            if not _same_place(step):
                self._old_sockets[step.name] = self.arbiter.sockets[step.name]
                self.arbiter.sockets[step.name] = self.sockets[step.name]
        todo = [(step, self.watchers[step.name]) for step in self._steps(Act.REPLACE_WATCHER, Act.ADD_WATCHER)]
        todo.sort(key=lambda item: item[1].priority, reverse=True)
        for step, watcher in todo:
            if step.act is Act.REPLACE_WATCHER:
                await self._swap_out(step)
            self.arbiter.watchers.append(watcher)
            self.arbiter._introduce(watcher)
            if watcher.on_demand:
                self.arbiter.alarm.arm(watcher)
            elif watcher.autostart:
                turn = self.arbiter._start_watchers([watcher], boot=False)
                await _settled(turn)

    async def _swap_out(self, step: Step) -> None:
        old = self._find(step.name)
        if old is not None:
            await old._stop(cause="reloadconfig")
            self.arbiter._drop(old)


async def _settled(ticket: Any) -> None:
    done = asyncio.get_running_loop().create_future()
    ticket.on_done(lambda _: done.done() or done.set_result(None))
    await done


def _same_place(step: Step) -> bool:
    if step.old is None or step.new is None:
        return False
    return all(step.old.get(key) == step.new.get(key) for key in _ADDRESS)


def _uses(watcher: Watcher, socket_name: str) -> bool:
    named = socket_references(vars(watcher))
    return socket_name.lower() in named or (not named and watcher.use_sockets)
