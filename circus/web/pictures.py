"""What the pages show, as JSON documents made of the model. Pure: the same model and time give the same picture.

The keys are a contract with the browser half and with the REST API, which tells the same documents. What is not known
is left out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from circus.model.dashboard import Endpoint, Node, find_alerts
from circus.model.dashboard.endpoint import HOUSE
from circus.model.dashboard.node import DAEMON, SOCKETS, WATCHER, WORKER
from circus.model.dashboard.series import fill_gaps
from circus.model.plugincmd import decode_config
from circus.web.mergepatch import prune
from circus.web.news import News
from circus.web.secrecy import masked

SPARK_SECONDS = 60
#: Causes of a stop that somebody wanted; any other one is a reason to look.
_WANTED = re.compile(r"\b(command|SIG[A-Z0-9]+|configuration|daemon|circusd|quit|restart|in a program)\b")
#: A plugin's name is what it says of itself with each command.
_PLUGIN = re.compile(r"command \((plugin:[^)]+)\)")
#: A watcher that came to its end as it was meant to, if its last process did.
OVER = "respawn is off"

Facts = Mapping[str, Mapping[str, Any]]


def rounded(value: Any, digits: int = 1) -> Any:
    """A number without the digits nobody reads; they would make every value a changed one."""
    return round(value, digits) if isinstance(value, float) else value


def whole(value: Any) -> int | None:
    """A number of bytes or the like."""
    return int(value) if isinstance(value, int | float) else None


def coarse_span(seconds: Any) -> int | None:
    """A time span as coarse as it is shown, so that it seldom changes."""
    if not isinstance(seconds, int | float):
        return None
    step = 1 if seconds < 60 else 10 if seconds < 3600 else 60
    return int(seconds // step * step)


# -- watchers -----------------------------------------------------------------------------------------------


def watchers_of(model: Endpoint) -> list[Node]:
    """The watchers of a daemon, those of Circus itself left out."""
    return [node for node in model.root.children.values() if node.kind == WATCHER]


def problems_of(model: Endpoint, news: News, now: float) -> dict[str, tuple[str, str]]:
    """Why somebody should look at a watcher: by its key the gravity and the text."""
    found: dict[str, tuple[str, str]] = {}
    for alert in find_alerts(model, now):  # the grave ones first
        if len(alert.path) > 1:
            node = model.root.children.get(alert.path[1])
            name = node.name if node is not None else ""
            found.setdefault(alert.path[1], (alert.gravity, alert.text.removeprefix(f"{name}: ")))
    for node in watchers_of(model):
        if node.values.get("state") == "stopped":
            found.pop(node.key, None)  # how often it had failed before matters no more
            text = stop_text(news.last_stop(node.key), news.last_exit(node.key))
            if text:
                found[node.key] = ("bad", text)
    return found


def stop_text(cause: str, last: Mapping[str, Any] | None) -> str:
    """Why somebody should look at a watcher that stopped; empty when its stop was wanted.

    :param cause: what the daemon says of the stop; empty if it is not known.
    :param last: how a worker ended unasked last.
    """
    code = last.get("code") if last else None
    plugin = _PLUGIN.search(cause)
    if plugin:
        return f"stopped by {plugin[1]}" + (f"; its last process {last['text']}" if last else "")
    if not cause or _WANTED.search(cause) or (cause == OVER and not code):
        return ""
    return f"stopped by itself: {cause}" + (f"; its last process {last['text']}" if last and cause == OVER else "")


def watcher_picture(
    node: Node, news: News, now: float, problem: tuple[str, str] | None, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """One watcher in a few numbers.

    :param facts: options that the model does not know.
    """
    values = node.values
    return prune({
        **facts,
        "name": node.name,
        "status": values.get("state"),
        "numprocesses": values.get("procs_of", facts.get("numprocesses")),
        "count": values.get("procs", 0),
        "cpu": rounded(values.get("cpu")),
        "rss": whole(values.get("rss")),
        "restarts": values.get("restarts") or 0,
        "rate": news.rate(node.key, now) or None,
        "uptime": coarse_span(values.get("age")),
        "last_exit": news.last_exit(node.key),
        "problem": problem[1] if problem else None,
        "gravity": problem[0] if problem else None,
        "plugin": node.name.startswith("plugin:"),
    })  # fmt: skip


def overview(model: Endpoint, news: News, now: float, facts: Facts) -> dict[str, Any]:
    """A whole daemon in numbers.

    :param facts: by key of the watcher.
    """
    problems = problems_of(model, news, now)
    watchers = {}
    totals = {"watchers": 0, "active": 0, "stopped": 0, "failing": 0, "processes": 0, "restarts": 0}
    for node in watchers_of(model):
        picture = watcher_picture(node, news, now, problems.get(node.key), facts.get(node.key, {}))
        watchers[node.name] = picture
        totals["watchers"] += 1
        totals["active"] += picture.get("status") == "active"
        totals["stopped"] += picture.get("status") == "stopped"
        totals["failing"] += "problem" in picture
        totals["processes"] += picture["count"]
        totals["restarts"] += picture["restarts"]
    root = model.root.values
    return {
        "totals": prune({**totals, "cpu": rounded(root.get("cpu")), "rss": whole(root.get("rss"))}),
        "watchers": watchers,
        "note": model.note,
        "source": model.source,
    }


def spark(node: Node, now: float, measures: Iterable[str] = ("cpu", "rss")) -> dict[str, list[Any]]:
    """The last minute of a row, a value for each second."""
    until = int(now) + 1.0
    told: dict[str, list[Any]] = {}
    for measure in measures:
        values = fill_gaps(node.history.window(measure, until - SPARK_SECONDS, until, SPARK_SECONDS))
        told[measure] = [None if value is None else _spark_value(measure, value) for value in values]
    return told


def spark_point(node: Node) -> dict[str, list[Any]]:
    """What the last minute grows by."""
    values = {measure: node.values.get(measure) for measure in ("cpu", "rss")}
    return {measure: [None if v is None else _spark_value(measure, v)] for measure, v in values.items()}


def _spark_value(measure: str, value: float) -> float:
    return round(value, 1) if measure == "cpu" else int(value)


# -- workers ------------------------------------------------------------------------------------------------


def worker_picture(node: Node) -> dict[str, Any]:
    """One process."""
    values = node.values
    return prune({
        "pid": values.get("pid"),
        "wid": values.get("wid"),
        "name": node.name,
        "state": values.get("state"),
        "cpu": rounded(values.get("cpu")),
        "mem": rounded(values.get("mem"), 2),
        "rss": whole(values.get("rss")),
        "vms": whole(values.get("vms")),
        "threads": whole(values.get("threads")),
        "fds": whole(values.get("fds")),
        "read_rate": whole(values.get("read")),
        "write_rate": whole(values.get("write")),
        "ctx_rate": whole(values.get("ctx")),
        "children": whole(values.get("kids")),
        "children_rss": whole(values.get("kids_rss")),
        "age": coarse_span(values.get("age")),
        "restarts": values.get("restarts"),
        "dropped": whole(values.get("dropped")),
        "user": values.get("user"),
        "nice": values.get("nice"),
        "cmd": values.get("cmd"),
    })  # fmt: skip


def workers_of(watcher: Node) -> dict[str, Any]:
    """The processes of a watcher, by pid."""
    return {str(node.key): worker_picture(node) for node in watcher.children.values() if node.kind == WORKER}


# -- the rest -----------------------------------------------------------------------------------------------


def sockets_of(model: Endpoint, listed: Iterable[Mapping[str, Any]], facts: Facts) -> dict[str, Any]:
    """The managed sockets, by name: what the daemon lists, how busy they are, whose they are."""
    nodes = socket_nodes(model)
    users = {node.name: facts.get(node.key, {}) for node in watchers_of(model)}
    found = {}
    for sock in listed:
        node = nodes.get(sock.get("fd"))
        values = node.values if node is not None else {}
        name = str(sock.get("name"))
        found[name] = prune({
            "name": name,
            "fd": sock.get("fd"),
            "address": sock.get("path") or f"{sock.get('host')}:{sock.get('port')}",
            "family": "unix" if sock.get("path") else "ipv6" if ":" in str(sock.get("host")) else "ipv4",
            "backlog": sock.get("backlog"),
            "queue": whole(values.get("queue")),
            "reads": whole(values.get("reads")),
            "overflows": whole(values.get("overflows")),
            "consumers": [*[name] * (name in HOUSE), *consumers(name, users)],
        })  # fmt: skip
    return found


def consumers(sock: str, users: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The watchers that get a socket: those with use_sockets that name it, or that name none (decision 7)."""
    found = []
    for name, facts in users.items():
        if not facts.get("use_sockets"):
            continue
        words = f"{facts.get('cmd', '')} {facts.get('args', '')}".lower()
        if "circus.sockets." not in words or f"circus.sockets.{sock.lower()}" in words:
            found.append(name)
    return sorted(found)


def socket_nodes(model: Endpoint) -> dict[Any, Node]:
    """The rows of the managed sockets, by descriptor."""
    group = model.root.children.get(f" {SOCKETS}")
    return group.children if group is not None else {}


def daemon_processes(model: Endpoint) -> dict[str, Any]:
    """The processes of Circus itself, by what they are."""
    group = model.root.children.get(f" {DAEMON}")
    return {told["name"]: told for told in workers_of(group).values()} if group is not None else {}


def circusd_node(model: Endpoint) -> Node | None:
    """The row of circusd's own process."""
    group = model.root.children.get(f" {DAEMON}")
    nodes = group.children.values() if group is not None else ()
    return next((node for node in nodes if node.name == "circusd"), None)


def plugin_picture(options: Mapping[str, Any]) -> dict[str, Any]:
    """What is special about a plugin's watcher: its class, and the options it was given on its command line.

    :param options: those of the watcher, with its secrets.
    """
    try:
        words = shlex.split(str(options.get("cmd", "")))
    except ValueError:
        words = []
    given = ""
    for word, following in pairwise(words):
        if word == "--config":
            given = following
        elif word.startswith("--config="):
            given = word.partition("=")[2]
    own = {name: value for name, value in decode_config(given).items() if name != "name"}
    return prune({"use": words[-1] if words else None, "options": masked(own)})
