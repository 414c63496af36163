"""From what was measured of a process to the values of its row.

Samples come from the statistics stream and from replies to ``stats``; they differ in how much they tell. What is
unknown is ``"N/A"``, null or missing on the wire, and None in a row. Spec wire.md 5.6, stats-web.md 2.
"""

from __future__ import annotations

from circus.model.dashboard.columns import ASKED
from circus.model.dashboard.node import WATCHER, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

#: Column key, key on the wire: what is taken over as it is.
_COPIED = (
    ("cpu", "cpu"),
    ("mem", "mem"),
    ("rss", "rss"),
    ("vms", "vms"),
    ("threads", "threads"),
    ("fds", "fds"),
    ("kids", "children_count"),
    ("kids_rss", "children_rss"),
)
#: Column key, key on the wire: totals of which the growth a second is of interest.
_RATES = (("read", "read_bytes"), ("write", "write_bytes"), ("ctx", "ctx_switches"), ("dropping", "dropped"))
#: What a watcher, and an endpoint, shows as the sum of what is below it.
_SUMMED = (
    "cpu", "mem", "rss", "vms", "threads", "fds", "read", "write", "ctx", "dropped", "dropping", "kids",
    "kids_rss",
)  # fmt: skip
_NUMBERS = frozenset({int, float})
_UNITS = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}


def number(value: Any) -> float | None:
    """A number as it came, None for anything else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def parse_size(text: Any) -> float | None:
    """``1.45M`` in bytes: all that daemons without the newer keys tell of memory."""
    if not isinstance(text, str) or text[-1:] not in _UNITS:
        return None
    try:
        return float(text[:-1]) * _UNITS[text[-1]]
    except ValueError:
        return None


def take_sample(node: Node, info: Mapping[str, Any], now: float) -> None:
    """Bring a worker's or child's row up to date.

    :param now: when it was measured, unless the sample says so itself.
    """
    values = node.values
    get = info.get
    for key, wire in _COPIED:
        value = get(wire)
        # The way of nearly all, a call less: there are thousands of these a second.
        values[key] = value if type(value) in _NUMBERS else None
    if values["rss"] is None:
        values["rss"] = parse_size(info.get("mem_info1"))
        values["vms"] = parse_size(info.get("mem_info2"))
    if values["kids"] is None and isinstance(get("children"), list):
        _take_children_totals(values, info["children"])
    at = number(get("time")) or now
    _take_rates(values, info, at - node.seen if node.seen else 0.0)
    uptime = number(get("uptime"))
    values["age"] = number(get("age")) if uptime is None else uptime
    for key in ("wid", "restarts"):
        if type(get(key)) in _NUMBERS:
            values[key] = info[key]
    if get("state") is not None:
        values["state"] = str(info["state"])
    if "username" in info:
        values["user"], values["nice"], values["cmd"] = str(info["username"]), get("nice"), str(get("cmdline"))
    node.seen = at
    read, write = values["read"], values["write"]
    io = None if read is None and write is None else (read or 0.0) + (write or 0.0)
    node.history.append(at, {"cpu": values["cpu"], "rss": values["rss"], "io": io})


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _sum_known(values: Mapping[str, Any], keys: Iterable[str]) -> float | None:
    known = [values[key] for key in keys if values.get(key) is not None]
    return sum(known) if known else None


def _take_children_totals(values: dict[str, Any], children: list[Any]) -> None:
    told = [child for child in children if isinstance(child, dict)]
    if told:
        values["kids"] = len(told)
        values["kids_rss"] = sum(
            _first(number(child.get("rss")), parse_size(child.get("mem_info1"))) or 0 for child in told
        )


def _take_rates(values: dict[str, Any], info: Mapping[str, Any], span: float) -> None:
    for key, wire in _RATES:
        total = info.get(wire)
        before = values.get(wire)
        if type(total) not in _NUMBERS:
            total = None
        values[wire] = total
        if total is None or before is None:
            values[key] = None
        elif span > 0:
            values[key] = (total - before) / span if total > before else 0.0


def sum_up(node: Node, rows: Iterable[Node], now: float) -> None:
    """Bring the row of a watcher (or an endpoint) up to date from the rows below it."""
    rows = list(rows)
    values = node.values
    for key in _SUMMED:
        known = [value for row in rows if (value := row.values.get(key)) is not None]
        values[key] = sum(known) if known else None
    busy = [row for row in rows if row.kind != WATCHER or row.children]
    for key in ASKED:
        # Some are asked about and others are not yet: a sum is told when it is one.
        told = [row.values[key] for row in busy if key in row.values]
        if busy and len(told) == len(busy):
            values[key] = None if None in told else sum(told)
        else:
            values.pop(key, None)
    ages = [row.values["age"] for row in rows if row.values.get("age") is not None]
    values["age"] = max(ages) if ages else None
    node.history.append(
        now,
        {
            "cpu": values["cpu"] or 0.0,
            "rss": values["rss"] or 0.0,
            "io": _sum_known(values, ("read", "write")),
            "count": float(values.get("procs") or 0),
        },
    )
