"""What the pages of the console are shown of the made-up daemon of :mod:`tests.web.mock_world`."""

from __future__ import annotations

import random
from collections import deque
from typing import Any


class Pictures:
    """The documents behind each topic, made of the state that :class:`tests.web.mock_world.World` keeps."""

    random: random.Random
    eid: str
    name: str
    endpoint: str
    online: bool
    since: float
    born: float
    pid: int
    events: deque[dict[str, Any]]
    watchers: dict[str, dict[str, Any]]
    workers: dict[str, dict[str, dict[str, Any]]]

    def summary(self, name: str) -> dict[str, Any]:
        """A watcher as the overview has it."""
        return {key: value for key, value in self.watchers[name].items() if not key.startswith("_")}

    def identity(self) -> dict[str, Any]:
        """Who this daemon is, and whether it is there."""
        return {
            "endpoint": self.endpoint,
            "name": self.name,
            "online": self.online,
            "since": self.since,
            "version": "1.0.0",
        }

    def overview(self) -> dict[str, Any]:
        """This daemon's part of the overview."""
        watchers = {name: self.summary(name) for name in self.watchers}
        ours = [watcher for watcher in watchers.values() if not watcher["plugin"]]
        totals = {
            "watchers": len(ours),
            "active": sum(each["status"] == "active" for each in ours),
            "stopped": sum(each["status"] == "stopped" for each in ours),
            "failing": sum(bool(each["problem"]) for each in watchers.values()),
            "processes": sum(each["count"] for each in ours),
            "cpu": round(sum(each["cpu"] for each in ours), 1),
            "rss": sum(each["rss"] for each in ours),
            "restarts": sum(each["restarts"] for each in ours),
        }
        return {
            **self.identity(),
            "totals": totals,
            "watchers": watchers,
        }

    def watcher(self, name: str, now: float) -> dict[str, Any]:
        """The page of a watcher."""
        inner = self.watchers[name]
        workers = self.workers[name]
        stopped = inner["status"] == "stopped"
        reason = (
            "stopped"
            if stopped
            else inner["problem"] or f"{inner['count']} of {inner['numprocesses']} processes running"
        )
        following = (
            "nothing until it is started"
            if stopped
            else "next try: worker 2, back-off 3.2 s"
            if inner["problem"]
            else "nothing to do"
        )
        told = {
            "cause": inner["_cause"],
            "since": inner["_since"],
            "reason": reason,
            "next": following,
            "stage": "idle" if stopped else "up",
        }
        why = {
            "name": name,
            "status": inner["status"],
            "wanted": inner["wanted"],
            **told,
            "next_try": inner["next_try"],
            "backoff": None,
            "exits": inner["_exits"],
            "story": inner["_story"],
            "streams": inner["_streams"],
            "workers": [
                {
                    "wid": each["wid"],
                    "pid": each["pid"],
                    "state": each["state"],
                    "started": each["started"],
                    "age": each["age"],
                    "why": inner["_cause"],
                }
                for each in list(workers.values())[:20]
            ],
        }
        return {
            "endpoint": self.eid,
            "watcher": {
                **self.summary(name),
                **told,
                "cmd": inner["_cmd"],
                "args": "",
                "singleton": name == "cron",
                "use_sockets": bool(inner["_sockets"]),
                "sockets": inner["_sockets"],
            },
            "workers": workers,
            "series": inner["_series"],
            "options": inner["_options"],
            "secrets": ["env.DB_PASSWORD"] if "DB_PASSWORD" in inner["_options"]["env"] else [],
            "why": why,
            "events": [event for event in self.events if event["watcher"] == name][-50:],
        }

    def sockets(self) -> dict[str, Any]:
        """The sockets page."""
        told = {}
        for index, (name, address, users) in enumerate(
            [
                ("http", "0.0.0.0:8000", ["web"]),
                ("push", "0.0.0.0:8001", ["websocket"]),
                ("search", "/run/shop/search.sock", ["search"]),
                ("billing", "127.0.0.1:8004", ["billing"]),
                ("preview", "127.0.0.1:8100", ["preview"]),
            ]
        ):
            queue = self.random.randrange(0, 20) if index == 0 else 118 if index == 1 else 0
            reads = self.random.randrange(200, 900) if index < 2 else self.random.randrange(0, 30)
            told[name] = {
                "name": name,
                "fd": 9 + index,
                "address": address,
                "family": "AF_UNIX" if "/" in address else "AF_INET",
                "backlog": 128 if index == 1 else 2048,
                "queue": queue,
                "overflows": 14 if index == 1 else 0,
                "reads": reads,
                "hits": reads,
                "consumers": users,
                "spark": {
                    "reads": [self.random.randrange(1, 900 if index < 2 else 30) for _ in range(60)],
                    "queue": [],
                },
            }
        return {"name": self.name, "sockets": told}

    def plugins(self) -> dict[str, Any]:
        """The plugins page."""
        extra = {
            "plugin:flapping": ("circus.plugins.flapping.Flapping", {"attempts": 2, "window": 1, "max_retry": 5}),
            "plugin:statsd": ("circus.plugins.statsd.StatsdEmitter", {"host": "metrics.internal", "port": 8125}),
        }
        return {
            "name": self.name,
            "plugins": {
                name: {**self.summary(name), "use": use, "options": options} for name, (use, options) in extra.items()
            },
        }

    def daemon(self, now: float) -> dict[str, Any]:
        """The daemon page."""
        times = [now - step for step in range(300, 0, -2)]
        shape = random.Random(3)
        return {
            **self.identity(),
            "python": "3.12.4",
            "pid": self.pid,
            "uptime": round(now - self.born),
            "cpu": 0.4,
            "rss": 31 << 20,
            "threads": 4,
            "fds": 388,
            "stall": 0.0042,
            "pubsub_endpoint": "tcp://127.0.0.1:5556",
            "stats_endpoint": "tcp://127.0.0.1:5557",
            "processes": {
                "circusd": {"pid": self.pid, "cpu": 0.4, "rss": 31 << 20, "age": now - self.born},
                "circusd-stats": {"pid": 1190, "cpu": 1.1, "rss": 38 << 20, "age": now - self.born},
                "circushttpd": {"pid": 1191, "cpu": 0.8, "rss": 52 << 20, "age": now - self.born},
            },
            "globals": {
                "check_delay": 5.0,
                "endpoint": self.endpoint,
                "httpd": True,
                "statsd": True,
                "warmup_delay": 0,
                "loglevel": "INFO",
                "capture": True,
                "pidfile": "/run/circus/circusd.pid",
            },
            "series": {
                "time": times,
                "cpu": [round(abs(shape.gauss(0.4, 0.1)), 2) for _ in times],
                "rss": [31 << 20 for _ in times],
                "stall": [abs(shape.gauss(0.002, 0.001)) for _ in times],
            },
        }
