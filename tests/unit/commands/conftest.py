"""Arbiters and watchers that remember what was asked of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circus.commands import find_command


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class FakeWatcher:
    """A watcher with the public methods of spec library.md 3; every verb gives a future that is done."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop, **facts: Any) -> None:
        self.name = name
        self.res_name = name.lower().replace(" ", "_")
        self._loop = loop
        self.numprocesses, self.singleton, self.autostart, self.priority = 1, False, True, 0
        self.stopped = False
        self._options: dict[str, Any] = {"flapping.attempts": "2"}
        self.optnames: tuple[str, ...] = ("cmd", "numprocesses", "flapping.attempts")
        self.cmd = "serve"
        self.processes: dict[int, Any] = {11: None, 12: None}
        self.calls: list[tuple[Any, ...]] = []
        for key, value in facts.items():
            setattr(self, key, value)

    def done(self, result: Any = None) -> asyncio.Future[Any]:
        future = self._loop.create_future()
        future.set_result(result)
        return future

    def note(self, *call: Any) -> None:
        self.calls.append(call)

    def __len__(self) -> int:
        return len(self.processes)

    def status(self) -> str:
        return "stopped" if self.stopped else "active"

    def is_stopped(self) -> bool:
        return self.stopped

    def active_pids(self) -> list[int]:
        return list(self.processes)

    def options(self) -> list[tuple[str, Any]]:
        return [("cmd", self.cmd), ("flapping.attempts", "2"), ("numprocesses", self.numprocesses)]

    def info(self, extended: bool = False) -> dict[int, Any]:
        self.note("info", extended)
        return {pid: {"pid": pid} for pid in self.processes}

    def process_info(self, pid: int, extended: bool = False) -> Any:
        self.note("process_info", pid, extended)
        self.processes[pid]
        return {"pid": pid}

    def start(self) -> Any:
        self.note("start")
        return self.done({"started": [1], "kept": []})

    def stop(self) -> Any:
        self.note("stop")
        return self.done()

    def restart(self) -> Any:
        self.note("restart")
        return self.done({"stopped": [1], "started": [2], "kept": []})

    def reload(self, graceful: bool = True, sequential: bool = False) -> Any:
        self.note("reload", graceful, sequential)
        return self.done({"stopped": [1], "started": [2], "kept": []})

    def incr(self, nb: int = 1) -> Any:
        self.numprocesses += nb
        return self.done(self.numprocesses)

    def decr(self, nb: int = 1) -> Any:
        self.numprocesses = max(0, self.numprocesses - nb)
        return self.done(self.numprocesses)

    def set_options(self, options: dict[str, Any]) -> Any:
        self.note("set_options", options)
        return self.done()

    def kill_workers(self, pids: Any, signum: Any, graceful_timeout: Any) -> Any:
        self.note("kill_workers", pids, signum, graceful_timeout)
        return self.done([11])

    def send_signal(self, pid: int, signum: int) -> None:
        self.note("signal", pid, signum)

    def send_signal_child(self, pid: int, child: int, signum: int) -> None:
        self.processes[pid]
        self.note("child", pid, child, signum)

    def send_signal_children(self, pid: int, signum: int) -> None:
        self.processes[pid]
        self.note("children", pid, signum)


class FakeArbiter:
    """An arbiter with the public methods of spec library.md 2."""

    endpoint, pubsub_endpoint, stats_endpoint = "tcp://127.0.0.1:1", "tcp://127.0.0.1:2", None
    multicast_endpoint, check_delay = "udp://237.219.251.97:12027", 1.0
    endpoint_owner: str | None = None
    endpoint_owner_mode = False

    def __init__(self, loop: asyncio.AbstractEventLoop, watchers: list[FakeWatcher]) -> None:
        self.watchers, self._loop = watchers, loop
        self.sockets: dict[str, Any] = {}
        self.calls: list[tuple[Any, ...]] = []

    def done(self, result: Any = None) -> asyncio.Future[Any]:
        future = self._loop.create_future()
        future.set_result(result)
        return future

    def find(self, name: str) -> FakeWatcher:
        for watcher in self.watchers:
            if name.lower() in (watcher.name.lower(), watcher.res_name):
                return watcher
        raise KeyError(name)

    def iter_watchers(self, reverse: bool = True) -> list[FakeWatcher]:
        return sorted(self.watchers, key=lambda watcher: watcher.priority, reverse=reverse)

    def numwatchers(self) -> int:
        return len(self.watchers)

    def numprocesses(self) -> int:
        return sum(map(len, self.watchers))

    def statuses(self) -> dict[str, str]:
        return {watcher.name: watcher.status() for watcher in self.watchers}

    def _group(self, what: str, chosen: Any, reverse: bool) -> Any:
        names = None if chosen is None else [watcher.name for watcher in chosen(reverse=reverse)]
        self.calls.append((what, names))
        return self.done()

    def start_watchers(self, watcher_iter_func: Any = None) -> Any:
        return self._group("start_watchers", watcher_iter_func, True)

    def stop_watchers(self, watcher_iter_func: Any = None) -> Any:
        return self._group("stop_watchers", watcher_iter_func, False)

    def restart(self, inside_circusd: bool = False, watcher_iter_func: Any = None) -> Any:
        if watcher_iter_func is None:
            self.calls.append(("restart", inside_circusd))
            return self.done()
        return self._group("restart", watcher_iter_func, True)

    def reload(self, graceful: bool = True, sequential: bool = False) -> Any:
        self.calls.append(("reload", graceful, sequential))
        return self.done()

    def reload_from_config(self) -> Any:
        self.calls.append(("reload_from_config",))
        return self.done()

    def plan_reload(self) -> dict[str, Any]:
        return {"plan": ["add watcher web"], "steps": [], "problems": []}

    def stop(self) -> Any:
        self.calls.append(("stop",))
        return self.done()

    def add_watcher(self, name: str, cmd: str, **options: Any) -> FakeWatcher:
        self.calls.append(("add", name, cmd, options))
        watcher = FakeWatcher(name, self._loop)
        self.watchers.append(watcher)
        return watcher

    def rm_watcher(self, name: str, nostop: bool = False) -> Any:
        self.calls.append(("rm", name, nostop))
        return self.done()


@pytest.fixture
def make_watcher(loop: asyncio.AbstractEventLoop) -> Callable[..., FakeWatcher]:
    def make(name: str, **facts: Any) -> FakeWatcher:
        return FakeWatcher(name, loop, **facts)

    return make


@pytest.fixture
def arbiter(loop: asyncio.AbstractEventLoop) -> FakeArbiter:
    """Watchers ``web``, ``Api`` and ``One Two``."""
    return FakeArbiter(loop, [FakeWatcher(name, loop) for name in ("web", "Api", "One Two")])


@pytest.fixture
def run(loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """Validate and execute a command as the controller does; returns the fields of the waited-for reply."""

    def run(arbiter: Any, name: str, /, **props: Any) -> Any:
        command = find_command(name)
        command.validate(props)
        result = command.execute(arbiter, props)
        if hasattr(result, "add_done_callback"):
            assert result.done(), "a future that is known to be done must be passed on as done"
            return result.result()
        return result

    return run


@pytest.fixture
def props() -> Callable[..., Any]:
    """The properties that a command line sends."""

    def props(name: str, /, *args: str, **opts: Any) -> Any:
        message = find_command(name).message(*args, **opts)
        assert message["command"] == name
        return message["properties"]

    return props


@pytest.fixture
def shown() -> Callable[..., str]:
    """The text for a reply."""

    def shown(name: str, /, **reply: Any) -> str:
        return find_command(name).console_msg({"status": "ok", "time": 1.5, "id": "i", **reply})

    return shown
