"""Messages as daemons send them, made in one line each."""

from __future__ import annotations

from typing import Any

from circus.model.dashboard import Dashboard, Endpoint

NOW = 1_795_000_000.0


def sample(pid: int, watcher: str = "web", **values: Any) -> list[Any]:
    """``stat.<watcher>.<pid>`` as circusd-stats sends it."""
    info = {
        "mem_info1": "1.50M", "mem_info2": "2.50M", "cpu": 1.0, "mem": 0.1, "ctime": "0:00.10", "pid": pid,
        "username": "www", "nice": 0, "create_time": NOW, "age": 5.0, "cmdline": "serve", "children": [],
        "rss": 1000, "vms": 2000, "threads": 1, "fds": 3, "read_bytes": 0, "write_bytes": 0, "ctx_switches": 1,
        "children_count": 0, "children_rss": 0, "children_cpu": 0.0, "subtopic": pid, "name": None, "wid": 1,
        "state": "running", "restarts": 0, "uptime": 5.0, "watcher": watcher, "dropped": 0, "time": NOW, **values,
    }  # fmt: skip
    return [f"stat.{watcher.lower().replace(' ', '_')}.{pid}", info]


def old_sample(pid: int, watcher: str = "web", **values: Any) -> list[Any]:
    """The same from a daemon that knows none of the newer keys."""
    info = {
        "mem_info1": "1.50M", "mem_info2": "2.50M", "cpu": 1.0, "mem": 0.1, "ctime": "0:00.10", "pid": pid,
        "username": "www", "nice": 0, "create_time": NOW, "age": 5.0, "cmdline": "serve", "children": [],
        "subtopic": pid, "name": None, **values,
    }  # fmt: skip
    return [f"stat.{watcher}.{pid}", info]


def total(watcher: str = "web", **values: Any) -> list[Any]:
    """``stat.<watcher>``, the aggregate."""
    told = {
        "pid": [], "cpu": 0.0, "mem": 0.0, "age": 5.0, "rss": 0, "cpu_sum": 0.0, "count": 0, "restarts": 0,
        "status": "active", "time": NOW, "numprocesses": 1, "watcher": watcher, **values,
    }  # fmt: skip
    return [f"stat.{watcher.lower().replace(' ', '_')}", told]


def event(name: str, watcher: str = "web", seq: int | None = None, time: float = NOW, **values: Any) -> list[Any]:
    """``watcher.<res_name>.<event>``."""
    payload = {"time": time, **values}
    if seq is not None:
        payload["seq"] = seq
    return [f"watcher.{watcher}.{name}", payload]


def live(timeout: float = 3.0) -> Endpoint:
    """An endpoint that is connected."""
    endpoint = Endpoint("e", timeout)
    endpoint.take("connected", {"control": "tcp://h:1", "stats": None, "pubsub": None}, NOW)
    endpoint.take("source", {"source": "stream", "why": ""}, NOW)
    return endpoint


def board(*inputs: tuple[str, Any]) -> Dashboard:
    """A dashboard that heard these things of one daemon called ``e``."""
    made = Dashboard()
    made.take("e", "connected", {"control": "tcp://h:1"}, NOW)
    made.take("e", "source", {"source": "stream", "why": ""}, NOW)
    for kind, data in inputs:
        made.take("e", kind, data, NOW)
    made.tick(NOW)
    return made
