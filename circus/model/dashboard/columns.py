"""The table of columns: what can be shown of a row, sorted by, and asked for in a filter.

Read by the table and its chooser, by filters, by ``--csv`` and by the manual's page. One entry, one meaning.
"""

from __future__ import annotations

import signal
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


class Column(NamedTuple):
    """One column.

    :param key: its name in filters, ``--csv`` and the saved settings, and of the value in a node.
    :param title: its head.
    :param width: cells it needs.
    :param unit: what filters may write behind a number: ``size``, ``time``, or nothing.
    :param text: turns a known value into what is shown.
    :param doc: what it means.
    :param is_text: left-aligned and sorted as text, ascending first.
    :param measure: for a sparkline, the measure it draws.
    :param asked: costs something to know: told only while it is shown. ``-`` is what was asked and not told.
    """

    key: str
    title: str
    width: int
    unit: str
    text: Callable[[Any], str]
    doc: str
    is_text: bool = False
    measure: str = ""
    asked: bool = False


def size_text(value: float) -> str:
    """Bytes in at most five cells: ``999B``, ``1.5K``, ``12.3M``, ``512M``, ``3.21G``."""
    if value < 1000:
        return f"{value:.0f}B"
    for unit in "KMGT":
        value /= 1024
        if value < 9.995 and unit in "GT":
            return f"{value:.2f}{unit}"
        if value < 99.95:
            return f"{value:.1f}{unit}"
        if value < 1000 or unit == "T":
            break
    return f"{value:.0f}{unit}"


def time_text(seconds: float) -> str:
    """A span of time in at most six cells: ``9s``, ``4m05s``, ``3h12m``, ``2d07h``, ``412d``."""
    if seconds < 0:
        return "0s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, secs = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{secs:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h" if days < 100 else f"{days}d"


def percent_text(value: float) -> str:
    """``0.0`` to ``99.9``, then without decimals."""
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def rate_text(value: float) -> str:
    """Bytes a second; nothing at all is a point, so that what moves stands out."""
    return "·" if value < 1 else size_text(value)


def count_text(value: float) -> str:
    """A count in at most five cells: ``99999``, ``123k``, ``4.5M``."""
    if value < 100_000:
        return f"{value:.0f}"
    return f"{value / 1000:.0f}k" if value < 10_000_000 else f"{value / 1e6:.0f}M"


def quiet_count(value: float) -> str:
    """A count whose zero is of no interest."""
    return "·" if not value else count_text(value)


def exit_text(code: int) -> str:
    """How a process ended: ``exit 3``, or the signal's name.

    :param code: an exit status, or a signal's number, negated.
    """
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


COLUMNS: dict[str, Column] = {
    column.key: column
    for column in (
        Column("name", "NAME", 24, "", str, "endpoint, watcher, worker or child", True),
        Column("pid", "PID", 7, "", str, "process id"),
        Column("wid", "WID", 4, "", str, "number of the worker within its watcher"),
        Column("state", "STATE", 9, "", str, "status of a watcher, state of a worker", True),
        Column("procs", "PROCS", 7, "", count_text, "running processes of a watcher, and how many are wanted"),
        Column("cpu", "CPU%", 6, "", percent_text, "percent of one CPU; above a worker, the sum"),
        Column("cpu_graph", "CPU·60s", 10, "", str, "CPU over the last minute", measure="cpu"),
        Column("mem", "MEM%", 5, "", percent_text, "percent of the memory"),
        Column("rss", "RSS", 6, "size", size_text, "resident memory; above a worker, the sum"),
        Column("rss_graph", "RSS·60s", 10, "", str, "resident memory over the last minute", measure="rss"),
        Column("pss", "PSS", 6, "size", size_text, "memory; what is shared is divided among the sharers", asked=True),
        Column("uss", "USS", 6, "size", size_text, "memory that is its own: what ending it gives back", asked=True),
        Column("vms", "VMS", 6, "size", size_text, "virtual memory"),
        Column("read", "READ/s", 6, "size", rate_text, "bytes a second read from storage"),
        Column("write", "WRITE/s", 7, "size", rate_text, "bytes a second written to storage"),
        Column("fds", "FDS", 5, "", count_text, "open descriptors"),
        Column("threads", "THR", 4, "", count_text, "threads"),
        Column("ctx", "CTX/s", 6, "", quiet_count, "context switches a second"),
        Column("kids", "KIDS", 4, "", quiet_count, "children of a worker"),
        Column("kids_rss", "KIDSRSS", 7, "size", size_text, "resident memory of the children of a worker"),
        Column("age", "AGE", 6, "time", time_text, "how long it has been running"),
        Column("restarts", "RESTART", 7, "", quiet_count, "replaced so often since the daemon started"),
        Column("died_hour", "DIED/h", 6, "", quiet_count, "ended unasked within the last hour, as far as events tell"),
        Column("exit", "LAST EXIT", 10, "", exit_text, "how the last one ended unasked"),
        Column("dropped", "DROPPED", 7, "size", rate_text, "bytes of output lost"),
        Column("queue", "QUEUE", 9, "", count_text, "connections waiting to be accepted, and how many may"),
        Column("reads", "CONN/s", 6, "", quiet_count, "connections that arrived in the last second"),
        Column("nice", "NICE", 4, "", str, "scheduling priority"),
        Column("user", "USER", 9, "", str, "who it runs as", True),
        Column("cmd", "COMMAND", 14, "", str, "name of the program", True),
    )
}

#: What is shown unless somebody chose. What does not fit is left out from the end.
DEFAULT_COLUMNS = (
    *("name", "pid", "state", "procs", "cpu", "cpu_graph", "rss", "rss_graph", "restarts", "age", "exit"),
    *("fds", "threads", "read", "write", "queue", "cmd"),
)
#: Columns that are told only while somebody looks at them.
ASKED = frozenset(column.key for column in COLUMNS.values() if column.asked)
#: In a narrow terminal, what fits is filled in this order; the order on the screen stays.
IMPORTANCE = (
    *("name", "state", "cpu", "rss", "pid", "restarts", "age", "procs", "cpu_graph", "rss_graph", "exit", "fds"),
    *("read", "write", "threads", "queue", "cmd"),
)


def cell_text(values: Mapping[str, Any], column: Column) -> str:
    """What a cell shows; empty when nothing is known, ``-`` when it was asked in vain. ``4/5``: with a bound."""
    value = values.get(column.key)
    if value is None:
        return "-" if column.asked and column.key in values else ""
    bound = values.get(f"{column.key}_of")
    return column.text(value) if bound is None else f"{column.text(value)}/{column.text(bound)}"
