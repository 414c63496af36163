"""What was measured, as text that Prometheus and its relatives read: OpenMetrics 1.0, or the older text format.

Pure: from the groups of :mod:`circus.stats.sampler` to text. Names, units and suffixes follow the conventions of
Prometheus; the manual lists them from :data:`FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from circus.base.record import Record
from circus.stats.sampler import Group

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


class Family(Record):
    """One metric.

    :param name: without the ``_total`` of counters.
    :param type: ``counter``, ``gauge`` or ``info``.
    :param unit: last part of the name, or empty.
    :param help: what it says.
    """

    name: str
    type: str
    unit: str
    help: str


def _family(name: str, type: str, help: str, unit: str = "") -> Family:
    return Family(name, type, unit, help)


#: Of each process: family, key of its message, factor.
_WORKER = (
    (_family("circus_worker_cpu_seconds", "counter", "CPU time used by the process.", "seconds"), "cpu_time"),
    (_family("circus_worker_resident_memory_bytes", "gauge", "Resident memory.", "bytes"), "rss"),
    (_family("circus_worker_virtual_memory_bytes", "gauge", "Virtual memory.", "bytes"), "vms"),
    (_family("circus_worker_threads", "gauge", "Threads."), "threads"),
    (_family("circus_worker_open_fds", "gauge", "Open file descriptors."), "fds"),
    (_family("circus_worker_read_bytes", "counter", "Bytes read from storage.", "bytes"), "read_bytes"),
    (_family("circus_worker_written_bytes", "counter", "Bytes written to storage.", "bytes"), "write_bytes"),
    (_family("circus_worker_context_switches", "counter", "Context switches."), "ctx_switches"),
    (_family("circus_worker_start_time_seconds", "gauge", "When it started, since the epoch.", "seconds"),
     "create_time"),
    (_family("circus_worker_restarts", "counter", "How often this worker id was given a new process."), "restarts"),
    (_family("circus_worker_children", "gauge", "Direct children."), "children_count"),
    (_family("circus_worker_children_resident_memory_bytes", "gauge", "Resident memory of direct children.", "bytes"),
     "children_rss"),
)
_WORKER_INFO = _family("circus_worker", "info", "Which process a worker id is, and what it runs.")
#: Of the daemon and its own programs.
_DAEMON = (
    (_family("circus_daemon_cpu_seconds", "counter", "CPU time used by circusd and its programs.", "seconds"),
     "cpu_time"),
    (_family("circus_daemon_resident_memory_bytes", "gauge", "Resident memory of circusd and its programs.", "bytes"),
     "rss"),
    (_family("circus_daemon_open_fds", "gauge", "Open file descriptors of circusd and its programs."), "fds"),
    (_family("circus_daemon_start_time_seconds", "gauge", "When it started, since the epoch.", "seconds"),
     "create_time"),
)
#: Of each watcher.
_WATCHER = (
    (_family("circus_watcher_processes", "gauge", "Processes that run."), "count"),
    (_family("circus_watcher_processes_wanted", "gauge", "Processes that are wanted while it is active."),
     "numprocesses"),
    (_family("circus_watcher_restarts", "counter", "How often a process took the place of another."), "restarts"),
    (_family("circus_watcher_output_dropped_bytes", "counter", "Bytes of captured output that were lost.", "bytes"),
     "dropped"),
)
_WATCHER_ACTIVE = _family("circus_watcher_active", "gauge", "1 when the watcher is active, else 0.")
#: Of each managed socket.
_SOCKET = (
    (_family("circus_socket_accept_queue", "gauge", "Connections that wait to be accepted."), "queue"),
    (_family("circus_socket_accept_queue_limit", "gauge", "How many may wait."), "backlog"),
    (_family("circus_socket_connections", "counter", "Connections seen to arrive; fewer than did, on a busy socket."),
     "reads_total"),
    (_family("circus_socket_drops", "counter", "Connections refused because the queue was full."), "drops_total"),
)
_OVERFLOWS = _family("circus_host_listen_overflows", "counter", "Refusals at full accept queues, of the whole host.")
_UP = _family("circus_up", "gauge", "1 when circusd answers, else 0.")
_STALL = _family("circus_event_loop_stall_seconds", "gauge", "Longest time that circusd's loop was held up.", "seconds")
_SAMPLE = _family("circus_stats_sample_duration_seconds", "gauge", "How long the last look at everything took.",
                  "seconds")

#: Every metric there is, in the order in which they are told.
FAMILIES: tuple[Family, ...] = (
    _UP, _STALL, _SAMPLE,
    *(family for family, _ in _DAEMON), *(family for family, _ in _WATCHER), _WATCHER_ACTIVE,
    *(family for family, _ in _WORKER), _WORKER_INFO, *(family for family, _ in _SOCKET), _OVERFLOWS,
)

_Sample = tuple[Mapping[str, str], float]


class Snapshot(Record):
    """What there is to tell.

    :param groups: as the sampler gave them.
    :param sockets: the message of each managed socket, with the totals ``reads_total`` and ``drops_total``.
    :param up: whether circusd answers.
    :param stall: seconds that its loop was held up at most; None when unknown.
    :param took: seconds that the last look took.
    :param overflows: refusals of the whole host since we run; None when unknown.
    """

    groups: Sequence[Group]
    sockets: Sequence[Mapping[str, Any]]
    up: bool
    stall: float | None
    took: float
    overflows: int | None


def render(snapshot: Snapshot, openmetrics: bool) -> str:
    """The whole page."""
    lines: list[str] = []

    def tell(family: Family, samples: Iterable[_Sample]) -> None:
        found = list(samples)
        if found:
            lines.extend(_head(family, openmetrics))
            suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
            lines.extend(f"{family.name}{suffix}{_labels(labels)} {_value(value)}" for labels, value in found)

    watchers, daemons = snapshot.groups[:-1], snapshot.groups[-1:]
    tell(_UP, [({}, float(snapshot.up))])
    tell(_STALL, [({}, snapshot.stall)] if snapshot.stall is not None else [])
    tell(_SAMPLE, [({}, snapshot.took)])
    for family, key in _DAEMON:
        tell(family, _of_daemons(daemons, key))
    for family, key in _WATCHER:
        tell(family, ((_name(group), group.whole[key]) for group in watchers if _is_number(group.whole.get(key))))
    tell(_WATCHER_ACTIVE, ((_name(group), float(group.whole.get("status") == "active")) for group in watchers))
    workers = list(_workers(watchers))
    for family, key in _WORKER:
        tell(family, ((labels, info[key]) for labels, info in workers if _is_number(info.get(key))))
    tell(_WORKER_INFO, (
        ({**labels, "pid": str(info["pid"]), "cmdline": str(info["cmdline"]), "user": str(info["username"])}, 1)
        for labels, info in workers
    ))
    for family, key in _SOCKET:
        tell(family, (
            ({"socket": str(told.get("name") or told["fd"]), "address": str(told["address"])}, told[key])
            for told in snapshot.sockets if _is_number(told.get(key))
        ))
    tell(_OVERFLOWS, [({}, snapshot.overflows)] if snapshot.overflows is not None else [])
    if openmetrics:
        lines.append("# EOF")
    return "\n".join(lines) + "\n"


def _of_daemons(groups: Sequence[Group], key: str) -> Iterable[_Sample]:
    told = set()
    for group in groups:
        for info in group.infos.values():
            role = str(info["name"])
            if role not in told and _is_number(info.get(key)):  # of several with one role the first
                told.add(role)
                yield {"program": role}, info[key]


def _workers(groups: Sequence[Group]) -> Iterable[tuple[Mapping[str, str], Mapping[str, Any]]]:
    """Each worker with its labels; a worker id is told once, by its newest process, however briefly it has two."""
    for group in groups:
        newest: dict[Any, Mapping[str, Any]] = {}
        for info in group.infos.values():
            wid = info.get("wid") if info.get("wid") is not None else f"pid{info['pid']}"
            if wid not in newest or info["create_time"] >= newest[wid]["create_time"]:
                newest[wid] = info
        for wid, newest_info in newest.items():
            yield {**_name(group), "wid": str(wid)}, newest_info


def _name(group: Group) -> Mapping[str, str]:
    return {"watcher": str(group.whole.get("watcher") or group.name)}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and value == value


def _head(family: Family, openmetrics: bool) -> list[str]:
    if openmetrics:
        lines = [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.type}"]
        return [*lines, f"# UNIT {family.name} {family.unit}"] if family.unit else lines
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    kind = "gauge" if family.type == "info" else family.type
    return [f"# HELP {family.name}{suffix} {family.help}", f"# TYPE {family.name}{suffix} {kind}"]


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _value(value: float) -> str:
    return repr(float(value)) if isinstance(value, float) else str(int(value))
