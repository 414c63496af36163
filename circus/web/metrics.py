"""``/metrics``: what the console sees of all its daemons, for Prometheus and its relatives. Needs a login or a token.

The names are those of circusd-stats (:mod:`circus.stats.metrics`), with the label ``endpoint`` in front. Whoever wants
every figure of every worker asks circusd-stats itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from circus.model.dashboard import Node
from circus.web.door import Door
from circus.web.endpoints import Daemon
from circus.web.pictures import circusd_node, sockets_of, watchers_of

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"

#: Name, type, unit, help, and key among the values of a watcher's row.
_WATCHER = (
    ("circus_watcher_processes", "gauge", "", "Processes that run.", "procs"),
    ("circus_watcher_processes_wanted", "gauge", "", "Processes that are wanted while it is active.", "procs_of"),
    ("circus_watcher_restarts", "counter", "", "How often a process took the place of another.", "restarts"),
    ("circus_watcher_cpu_percent", "gauge", "", "Percent of one CPU that its processes use together.", "cpu"),
    ("circus_watcher_resident_memory_bytes", "gauge", "bytes", "Resident memory of its processes.", "rss"),
    ("circus_watcher_output_dropped_bytes", "counter", "bytes", "Bytes of captured output that were lost.", "dropped"),
)
_DAEMON = (
    ("circus_daemon_cpu_percent", "gauge", "", "Percent of one CPU that circusd uses.", "cpu"),
    ("circus_daemon_resident_memory_bytes", "gauge", "bytes", "Resident memory of circusd.", "rss"),
    ("circus_daemon_open_fds", "gauge", "", "Open file descriptors of circusd.", "fds"),
)
_SOCKET = (
    ("circus_socket_accept_queue", "gauge", "", "Connections that wait to be accepted.", "queue"),
    ("circus_socket_accept_queue_limit", "gauge", "", "How many may wait.", "backlog"),
)

_Samples = Iterable[tuple[Mapping[str, str], Any]]


def render(daemons: Iterable[Daemon], pages: int, *, openmetrics: bool) -> str:
    """The whole page."""
    daemons = list(daemons)
    lines: list[str] = []

    def tell(name: str, kind: str, unit: str, text: str, samples: _Samples) -> None:
        told = [(labels, value) for labels, value in samples if isinstance(value, int | float)]
        if not told:
            return
        suffix = "_total" if kind == "counter" else ""
        head = name if openmetrics else f"{name}{suffix}"
        lines.extend([f"# HELP {head} {text}", f"# TYPE {head} {kind}"])
        if unit and openmetrics:
            lines.append(f"# UNIT {head} {unit}")
        lines.extend(f"{name}{suffix}{_labels(labels)} {float(value)!r}" for labels, value in told)

    tell("circus_up", "gauge", "", "1 when circusd answers, else 0.",
         (({"endpoint": daemon.endpoint}, int(daemon.is_online)) for daemon in daemons))
    tell("circus_httpd_pages", "gauge", "", "Pages of the web console that are open.", [({}, pages)])
    there = [daemon for daemon in daemons if daemon.is_online]
    for name, kind, unit, text, key in _DAEMON:
        tell(name, kind, unit, text, _of_circusd(there, key))
    watchers = [(daemon, node) for daemon in there for node in watchers_of(daemon.model)]
    for name, kind, unit, text, key in _WATCHER:
        tell(name, kind, unit, text, ((_of_watcher(*each), each[1].values.get(key)) for each in watchers))
    tell("circus_watcher_active", "gauge", "", "1 when the watcher is active, else 0.",
         ((_of_watcher(*each), int(each[1].values.get("state") == "active")) for each in watchers))
    sockets = [(daemon, sock) for daemon in there for sock in sockets_of(daemon.model, daemon.sockets, {}).values()]
    for name, kind, unit, text, key in _SOCKET:
        tell(name, kind, unit, text, (
            ({"endpoint": daemon.endpoint, "socket": sock["name"], "address": sock["address"]}, sock.get(key))
            for daemon, sock in sockets
        ))  # fmt: skip
    return "\n".join([*lines, *(["# EOF"] if openmetrics else [])]) + "\n"


def _of_circusd(daemons: Iterable[Daemon], key: str) -> _Samples:
    for daemon in daemons:
        node = circusd_node(daemon.model)
        if node is not None:
            yield {"endpoint": daemon.endpoint}, node.values.get(key)


def _of_watcher(daemon: Daemon, node: Node) -> dict[str, str]:
    return {"endpoint": daemon.endpoint, "watcher": node.name}


def _labels(labels: Mapping[str, str]) -> str:
    told = ",".join(
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"'))
        for name, value in labels.items()
    )
    return f"{{{told}}}" if told else ""


class Metrics(Door):
    """The page."""

    def get(self) -> None:
        """Answer."""
        self.require("viewer")
        openmetrics = "application/openmetrics-text" in self.request.headers.get("Accept", "")
        self.set_header("Content-Type", OPENMETRICS if openmetrics else PLAIN)
        self.set_header("Cache-Control", "no-store")
        self.finish(render(self.console.daemons, len(self.console.hub.viewers), openmetrics=openmetrics))
