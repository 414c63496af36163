"""What somebody should look at: judged from the tree and the events, each time anew.

An alert has no memory; it is there as long as its reason is.
"""

from __future__ import annotations

from typing import NamedTuple

from circus.model.dashboard.columns import size_text, time_text
from circus.model.dashboard.node import SOCKETS, WATCHER, WORKER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circus.model.dashboard.endpoint import Endpoint
    from circus.model.dashboard.node import Node, Path

#: Unexpected ends of one watcher's workers within a minute that count as flapping.
FLAPPING = 3
_WINDOW = 60.0
#: A worker whose memory grew steadily by this share within the time it was watched is suspected to leak.
_GROWTH = 0.5
_WATCHED = 60.0


class Alert(NamedTuple):
    """One reason to look. ``gravity`` is ``bad`` or ``warning``; ``path`` is the row concerned."""

    gravity: str
    text: str
    path: Path


def find_alerts(endpoint: Endpoint, now: float) -> list[Alert]:
    """All alerts of one daemon, the grave ones first."""
    if endpoint.state == "lost":
        return [Alert("bad", f"no connection: {endpoint.note}", endpoint.root.path)]
    found = _flapping(endpoint, now)
    for node in endpoint.root.children.values():
        if node.kind == WATCHER:
            found += _watcher_alerts(node, now)
        elif node.kind == SOCKETS:
            found += [alert for sock in node.children.values() for alert in _socket_alerts(sock)]
    age = now - endpoint.sampled_at
    if endpoint.state == "live" and endpoint.sampled_at and age > max(5.0, 2 * endpoint.timeout):
        found.append(Alert("warning", f"values are {time_text(age)} old", endpoint.root.path))
    return sorted(found, key=lambda alert: alert.gravity)


def _flapping(endpoint: Endpoint, now: float) -> list[Alert]:
    counts: dict[str, int] = {}
    for event in reversed(endpoint.events):
        if event.time < now - _WINDOW:
            break
        if event.event == "reap" and event.gravity == "bad":
            counts[event.watcher] = counts.get(event.watcher, 0) + 1
    found = []
    for name, count in counts.items():
        node = endpoint.root.children.get(name)
        if node is not None and count >= FLAPPING:
            found.append(Alert("bad", f"{node.name}: {count} workers died within a minute", node.path))
    return found


def _watcher_alerts(node: Node, now: float) -> list[Alert]:
    found = []
    values = node.values
    wanted, running = values.get("procs_of"), values.get("procs")
    retry = values.get("retry_in")
    if retry is not None:
        found.append(Alert("bad", f"{node.name}: held back, next try in {time_text(retry)}", node.path))
    elif values.get("state") == "active" and wanted is not None and running is not None and running < wanted:
        found.append(Alert("warning", f"{node.name}: {running} of {wanted} workers", node.path))
    if values.get("dropping"):
        text = f"{node.name}: {size_text(values['dropping'])} of output a second get lost"
        found.append(Alert("warning", text, node.path))
    for worker in node.children.values():
        if worker.kind == WORKER and _is_leaking(worker, now):
            text = f"{worker.name}: memory keeps growing, {size_text(worker.values['rss'])} now"
            found.append(Alert("warning", text, worker.path))
    return found


def _is_leaking(worker: Node, now: float) -> bool:
    rss = worker.values.get("rss")
    times = worker.history.times
    if not rss or not times or now - times[0] < _WATCHED or rss < 20 << 20:
        return False
    first = worker.history.first("rss", now - 300)
    if first is None or rss - first < _GROWTH * rss:
        return False  # the quick answer for nearly all
    slope = worker.history.slope("rss", now - 300)
    return slope is not None and slope * min(300.0, now - times[0]) > _GROWTH * rss


def _socket_alerts(sock: Node) -> list[Alert]:
    values = sock.values
    found = []
    queue, limit = values.get("queue"), values.get("queue_of")
    if queue and limit and queue >= 0.8 * limit:
        found.append(Alert("bad", f"{sock.name}: {queue:.0f} of {limit:.0f} connections wait", sock.path))
    if values.get("overflows"):
        found.append(Alert("bad", "listen queues overflow on this host", sock.path))
    return found
