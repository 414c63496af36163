"""A made-up daemon with moving figures: what the mock server of the console's browser tests shows.

Twelve watchers and 175 workers by default, among them one that keeps crashing, one that is stopped, one started on
demand and two plugins. It changes when :meth:`World.tick` is called; actions change it as circusd would. No process is
ever started.
"""

from __future__ import annotations

import random
import shlex
from collections import deque
from itertools import takewhile
from typing import Any

from circus.model.options import WATCHER
from tests.web.mock_pictures import Pictures

CRASHING = "mailer"
MASK = "•" * 8

_LAYOUT = [
    # name, workers, cpu of each, MB of each, command, sockets
    ("web", 32, 9.0, 118, "gunicorn app:api --fd $(circus.sockets.http)", ["http"]),
    ("worker", 64, 21.0, 240, "python -m jobs.worker --queue default", []),
    ("billing", 6, 3.0, 96, "python -m billing.service", ["billing"]),
    ("search", 12, 14.0, 512, "/usr/local/bin/searchd --config /etc/search.toml", ["search"]),
    ("images", 24, 33.0, 180, "python -m images.resize", []),
    ("websocket", 16, 5.0, 88, "python -m push.server --fd $(circus.sockets.push)", ["push"]),
    (CRASHING, 4, 1.0, 44, "python -m mailer --config /etc/mailer.yml", []),
    ("cron", 1, 0.2, 31, "python -m cron", []),
    ("reports", 0, 0.0, 0, "python -m reports.nightly", []),
    ("preview", 0, 0.0, 0, "node preview.js", ["preview"]),
    ("plugin:flapping", 1, 0.3, 27, "circus-plugin circus.plugins.flapping.Flapping", []),
    ("plugin:statsd", 1, 0.4, 28, "circus-plugin circus.plugins.statsd.StatsdEmitter", []),
]

_LINES = {
    "web": [
        "INFO  GET /api/v1/orders 200 {n}ms",
        "INFO  POST /api/v1/cart 201 {n}ms",
        "WARNING slow query: {n}0 ms in orders.list",
        "\x1b[32m200\x1b[0m \x1b[1mGET\x1b[0m /static/app.css {n}ms",
        "DEBUG cache hit ratio 0.{n}",
    ],
    "worker": [
        "INFO  job {n} done in 0.{n} s",
        '{{"level":"info","job":{n},"queue":"default","took":0.{n}}}',
        "INFO  job {n} begins",
        "\x1b[33mWARNING\x1b[0m retrying job {n}: timeout",
    ],
    "images": ["INFO  resized {n}.jpg 2048x1365 -> 640x427", "INFO  queue length {n}"],
    CRASHING: [
        "INFO  reading /etc/mailer.yml",
        "Traceback (most recent call last):",
        '  File "/srv/mailer/__main__.py", line 41, in main',
        "    smtp = connect(config.host, config.port)",
        "ConnectionRefusedError: [Errno 111] Connection refused: smtp.internal:2525",
    ],
}


def plain_option(value: Any) -> Any:
    """An option value as JSON has it."""
    if value is None or isinstance(value, str | bool | float | dict | list):
        return value
    return int(value) if isinstance(value, int) else str(value)


class World(Pictures):
    """The state of one made-up daemon.

    :param eid: its endpoint id.
    :param workers: how many there are in all, about.
    :param seed: for the figures.
    """

    def __init__(self, eid: str, now: float, *, workers: int = 175, seed: int = 1, name: str = "shop-1") -> None:
        self.random = random.Random(seed)
        self.eid, self.name, self.endpoint = eid, name, "tcp://127.0.0.1:5555"
        self.online, self.since, self.born = True, now - 7200, now - 86400 * 3
        self.pid = 1187
        self.next_pid = 4200
        self.seq = 0
        self.events: deque[dict[str, Any]] = deque(maxlen=2000)
        self.lines: deque[dict[str, Any]] = deque(maxlen=5000)
        self.fresh_lines: list[dict[str, Any]] = []
        self.fresh_events: list[dict[str, Any]] = []
        self.plan: list[dict[str, Any]] = [
            {"act": "remove watcher", "name": "reports", "changes": []},
            {
                "act": "replace watcher",
                "name": "web",
                "changes": [{"option": "cmd", "old": "'serve'", "new": "'serve --fast'"}, {"option": "env"}],
            },
            {"act": "add watcher", "name": "thumbnails", "changes": [{"note": "it is new"}]},
        ]
        self.plan_problems: list[str] = []
        self.watchers: dict[str, dict[str, Any]] = {}
        self.workers: dict[str, dict[str, dict[str, Any]]] = {}
        self.hidden: dict[str, dict[str, Any]] = {}
        scale = workers / 175 if workers > 200 else 1.0
        for layout in _LAYOUT:
            self._make(*layout, scale=scale, now=now)
        for step in range(900, 0, -1):
            self._series(now - step)
        for step in range(240, 0, -1):
            self.write_lines(now - step)
        for step in (4, 2):
            self.hidden[CRASHING]["due"] = now - step
            self._crash(CRASHING, self.watchers[CRASHING], now - step)
        self._sum(CRASHING, now)
        self.fresh_lines.clear()
        self.fresh_events.clear()

    # -- making ------------------------------------------------------------------------------------------

    def _make(
        self, name: str, count: int, cpu: float, rss: float, cmd: str, sockets: list[str], *, scale: float, now: float
    ) -> None:
        options = {
            option.reported_name: plain_option(option.default)
            for option in WATCHER
            if not option.is_family and (option.reported or option.settable)
        }
        number = max(1, round(count * scale)) if count > 1 else max(1, count)
        options.update(
            cmd=cmd,
            numprocesses=number,
            use_sockets=bool(sockets),
            on_demand=name == "preview",
            capture=name != "cron",
            env={"APP_ENV": "production", "LOG_LEVEL": "info", "DB_PASSWORD": MASK}
            if name in ("web", CRASHING)
            else {},
            singleton=name == "cron",
            stop_signal=15,
        )
        if name == "web":
            options["hooks.after_start"] = ["shop.hooks.warm_caches", True]
            options["rlimit_nofile"] = 8192
        active = count > 0
        self.hidden[name] = {"cpu": cpu, "rss": rss * 1048576.0, "due": now + 1, "crashing": name == CRASHING}
        self.watchers[name] = {
            "name": name,
            "status": "active" if active else "stopped",
            "wanted": "running" if active else "stopped",
            "numprocesses": number,
            "count": 0,
            "cpu": 0.0,
            "rss": 0,
            "restarts": 37 if name == CRASHING else 0,
            "uptime": 86400.0 * 3 if active else None,
            "last_exit": None,
            "problem": None,
            "rate": 0,
            "next_try": None,
            "queue": 0 if sockets else None,
            "plugin": name.startswith("plugin:"),
            "on_demand": name == "preview",
            "spark": {"cpu": [], "rss": []},
            "_cmd": cmd,
            "_sockets": sockets,
            "_options": options,
            "_cause": "configuration" if name != "reports" else "stop command (circusctl ann@ops-2 pid 3121)",
            "_since": now - 86400 * 3,
            "_story": [{"time": now - 86400 * 3, "text": "start asked for: daemon start"}],
            "_exits": [],
            "_streams": {"stderr": {"dropped": 4003, "to": "FileStream /var/log/shop/mailer.err"}}
            if name == CRASHING
            else {},
            "_series": {
                key: [] for key in ("time", "cpu", "rss", "read_rate", "write_rate", "count", "restarts", "queue")
            },
        }
        self.workers[name] = {}
        if active and name != CRASHING:
            for wid in range(1, number + 1):
                self._spawn(name, wid, now - self.random.uniform(3600, 86400 * 3), quiet=True)
        elif name == CRASHING:
            self._spawn(name, 1, now - 3000, quiet=True)
        self._sum(name, now)

    def _spawn(
        self, name: str, wid: int, started: float, *, quiet: bool = False, cause: str = "a worker ended"
    ) -> dict[str, Any]:
        self.next_pid += self.random.randrange(1, 4)
        pid = self.next_pid
        hidden = self.hidden[name]
        worker = {
            "wid": wid,
            "pid": pid,
            "state": "running",
            "cpu": 0.0,
            "rss": int(hidden["rss"] * self.random.uniform(0.8, 1.25)),
            "vms": int(hidden["rss"] * 3.2),
            "threads": self.random.choice([1, 4, 8]),
            "fds": self.random.randrange(12, 90),
            "read_rate": 0,
            "write_rate": 0,
            "age": 0,
            "started": started,
            "restarts": 0,
            "dropped": 0,
            "children_count": 0,
        }
        self.workers[name][str(pid)] = worker
        if not quiet:
            self.publish(name, "spawn", started, process_pid=pid, wid=wid, cause=cause)
        return worker

    # -- moving ------------------------------------------------------------------------------------------

    def publish(self, watcher: str, event: str, now: float, **more: Any) -> None:
        """Something happened."""
        self.seq += 1
        told = {
            "seq": self.seq,
            "watcher": watcher,
            "event": event,
            "time": now,
            "endpoint": self.eid,
            "cause": "configuration",
            **more,
        }
        self.events.append(told)
        self.fresh_events.append(told)

    def tick(self, now: float) -> None:
        """A second has passed."""
        for name, watcher in self.watchers.items():
            hidden = self.hidden[name]
            for worker in self.workers[name].values():
                worker["cpu"] = round(max(0.0, self.random.gauss(hidden["cpu"], hidden["cpu"] / 3)), 1)
                worker["rss"] = int(worker["rss"] * self.random.uniform(0.998, 1.0022))
                worker["age"] = round(now - worker["started"], 1)
                worker["read_rate"] = int(abs(self.random.gauss(0, 40000)))
                worker["write_rate"] = int(abs(self.random.gauss(0, 90000)))
            if hidden["crashing"] and watcher["wanted"] == "running":
                self._crash(name, watcher, now)
            self._sum(name, now)
        self._series(now)
        self.write_lines(now)

    def _crash(self, name: str, watcher: dict[str, Any], now: float) -> None:
        hidden = self.hidden[name]
        if now < hidden["due"]:
            return
        hidden["due"] = now + 2
        for pid, worker in list(self.workers[name].items()):
            if worker["wid"] != 1:
                del self.workers[name][pid]
                text = "exited with 1"
                uptime = self._reap(name, worker, now, 1, text, cause=text, expected=False)
                watcher["restarts"] += 1
                watcher["_exits"] = [
                    *watcher["_exits"][-9:],
                    {
                        "wid": worker["wid"],
                        "pid": int(pid),
                        "time": now,
                        "exit": text,
                        "exit_code": 1,
                        "uptime": uptime,
                        "expected": False,
                        "cause": text,
                        "lines": _LINES[name],
                    },
                ]
        worker = self._spawn(name, 2, now, cause="back-off over")
        for line in _LINES[name]:
            self._line(
                name,
                worker,
                line,
                now,
                "stderr" if "Error" in line or "Trace" in line or line.startswith(" ") else "stdout",
            )
        watcher["next_try"] = now + 3.2

    def _reap(
        self, name: str, worker: dict[str, Any], now: float, code: int, text: str, *, cause: str, expected: bool
    ) -> float:
        """A worker has ended; tell how long it lived."""
        uptime = round(now - worker["started"], 1)
        self.publish(
            name,
            "reap",
            now,
            process_pid=worker["pid"],
            exit_code=code,
            expected=expected,
            wid=worker["wid"],
            uptime=uptime,
            cause=cause,
        )
        self.watchers[name]["last_exit"] = {"time": now, "text": text, "code": code, "expected": expected}
        return uptime

    def _sum(self, name: str, now: float) -> None:
        watcher, workers = self.watchers[name], list(self.workers[name].values())
        watcher["count"] = len(workers)
        watcher["cpu"] = round(sum(worker["cpu"] for worker in workers), 1)
        watcher["rss"] = sum(worker["rss"] for worker in workers)
        recent = [
            event
            for event in takewhile(lambda event: event["time"] > now - 60, reversed(self.events))
            if event["watcher"] == name and event["event"] == "reap" and not event.get("expected")
        ]
        watcher["rate"] = len(recent)
        if self.hidden[name]["crashing"] and watcher["wanted"] == "running":
            watcher["problem"] = (
                f"{len(workers)} of {watcher['numprocesses']} workers; "
                f"{max(3, len(recent))} workers died within a minute (exited with 1)"
            )
        else:
            watcher["problem"] = None
            watcher["next_try"] = None
        if watcher["queue"] is not None:
            watcher["queue"] = self.random.choice([0, 0, 0, 1, 3])
        watcher["uptime"] = round(now - watcher["_since"]) if watcher["status"] != "stopped" else None

    def _series(self, at: float) -> None:
        for name, watcher in self.watchers.items():
            series = watcher["_series"]
            workers = self.workers[name]
            usual = self.hidden[name]["cpu"] * len(workers)
            cpu = max(0.0, self.random.gauss(usual, usual / 12))
            values = {
                "time": at,
                "cpu": round(cpu, 1),
                "rss": watcher["rss"],
                "read_rate": len(workers) * abs(self.random.gauss(30000, 9000)),
                "write_rate": len(workers) * abs(self.random.gauss(60000, 20000)),
                "count": watcher["count"],
                "restarts": watcher["restarts"],
                "queue": watcher["queue"],
            }
            for key, value in values.items():
                series[key].append(value)
                del series[key][:-900]
            for key in ("cpu", "rss"):
                watcher["spark"][key].append(values[key])
                del watcher["spark"][key][:-60]

    def write_lines(self, now: float) -> None:
        """Workers write something."""
        for name, texts in _LINES.items():
            workers = list(self.workers[name].values())
            if name == CRASHING or not workers:
                continue
            for _ in range(self.random.randrange(1, 4)):
                text = self.random.choice(texts).format(n=self.random.randrange(10, 99))
                self._line(name, self.random.choice(workers), text, now, "stderr" if "WARN" in text else "stdout")

    def _line(self, name: str, worker: dict[str, Any], text: str, now: float, stream: str) -> None:
        line = {
            "watcher": name,
            "wid": worker["wid"],
            "pid": worker["pid"],
            "stream": stream,
            "time": now,
            "offset": 0,
            "text": text,
        }
        self.lines.append(line)
        self.fresh_lines.append(line)

    # -- being told to -----------------------------------------------------------------------------------

    def act(self, name: str, action: str, body: dict[str, Any], now: float, cause: str) -> str:
        """Carry an action out at once; what came of it in words."""
        watcher = self.watchers[name]
        workers = self.workers[name]
        if action in ("stop", "restart"):
            for pid in list(workers):
                self._end(name, pid, now, cause)
            watcher.update(status="stopped", wanted="stopped", _cause=cause, _since=now)
            self.publish(name, "stop", now, cause=cause)
        if action in ("start", "restart"):
            watcher.update(status="active", wanted="running", _cause=cause, _since=now)
            for wid in range(1, watcher["numprocesses"] + 1):
                self._spawn(name, wid, now, cause=cause)
            self.publish(name, "start", now, cause=cause)
        if action == "reload":
            for pid, worker in list(workers.items()):
                self._spawn(name, worker["wid"], now, cause=cause)
                self._end(name, pid, now, cause)
            self.publish(name, "reload", now, cause=cause)
        if action in ("incr", "decr"):
            self._resize(name, watcher, int(body.get("nb", 1)) * (1 if action == "incr" else -1), now, cause)
        if (
            action in ("kill", "signal")
            and body.get("pid")
            and (action == "kill" or body.get("signum") in ("KILL", "TERM"))
        ):
            wid = workers[str(body["pid"])]["wid"]
            self._end(name, str(body["pid"]), now, cause)
            self._spawn(name, wid, now, cause="a worker ended")
        watcher["_story"] = [*watcher["_story"][-40:], {"time": now, "text": f"{action} asked for: {cause}"}]
        self._sum(name, now)
        return f"{len(self.workers[name])} of {watcher['numprocesses']} workers run"

    def _resize(self, name: str, watcher: dict[str, Any], by: int, now: float, cause: str) -> None:
        watcher["numprocesses"] = max(0, watcher["numprocesses"] + by)
        watcher["_options"]["numprocesses"] = watcher["numprocesses"]
        workers = self.workers[name]
        while len(workers) < watcher["numprocesses"]:
            self._spawn(name, len(workers) + 1, now, cause=cause)
        while len(workers) > watcher["numprocesses"]:
            self._end(name, next(iter(workers)), now, cause)

    def _end(self, name: str, pid: str, now: float, cause: str) -> None:
        worker = self.workers[name].pop(pid)
        self.publish(name, "kill", now, process_pid=int(pid), cause=cause)
        self._reap(name, worker, now, 0, "exited with 0, as asked", cause=cause, expected=True)

    def set_options(self, name: str, options: dict[str, Any], now: float, cause: str) -> None:
        """Options change; a crashing watcher whose command is repaired crashes no more."""
        watcher = self.watchers[name]
        for key, value in options.items():
            if key == "env":
                value = {
                    each: watcher["_options"]["env"].get(each, text) if text == MASK else text
                    for each, text in value.items()
                }
            watcher["_options"][key] = value
            self.publish(name, "updated", now, option=key, cause=cause)
        watcher["_cmd"] = watcher["_options"]["cmd"]
        if "numprocesses" in options:
            self._resize(name, watcher, int(options["numprocesses"]) - watcher["numprocesses"], now, cause)
        if "cmd" in options and self.hidden[name]["crashing"]:
            self.hidden[name]["crashing"] = False
            for pid in list(self.workers[name]):
                self._end(name, pid, now, cause)
            for wid in range(1, watcher["numprocesses"] + 1):
                self._spawn(name, wid, now, cause=cause)
        self._sum(name, now)

    def add(self, name: str, cmd: str, options: dict[str, Any], start: bool, now: float, cause: str) -> None:
        """A new watcher."""
        self._make(name, int(options.get("numprocesses", 1)), 4.0, 60, cmd, [], scale=1.0, now=now)
        self.watchers[name]["_options"].update(options)
        self.watchers[name].update(_cause=cause, _since=now)
        self.publish(name, "add", now, cause=cause)
        if not start:
            self.workers[name].clear()
            self.watchers[name].update(status="stopped", wanted="stopped")
        self._sum(name, now)

    def remove(self, name: str, now: float, cause: str) -> None:
        """A watcher goes."""
        for pid in list(self.workers[name]):
            self._end(name, pid, now, cause)
        del self.watchers[name], self.workers[name], self.hidden[name]
        self.publish(name, "remove", now, cause=cause)

    def reload_config(self, now: float, cause: str) -> None:
        """The plan comes true."""
        if self.plan:
            self.add("thumbnails", "python -m thumbnails", {}, True, now, cause)
            if "reports" in self.watchers:
                self.remove("reports", now, cause)
        self.plan = []

    # -- in words ----------------------------------------------------------------------------------------

    def line_of(self, action: str, name: str = "", *more: Any) -> str:
        """The command line that does the same."""
        waits = ["--waiting"] if action in ("start", "stop", "restart", "reload", "reloadconfig") else []
        return shlex.join(["circusctl", action, *([name] if name else []), *map(str, more), *waits])
