"""All daemons somebody looks at, and the one door through which news of them comes in."""

from __future__ import annotations

from circus.model.dashboard.alerts import Alert, find_alerts
from circus.model.dashboard.endpoint import Endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circus.model.dashboard.node import Node, Path


class Dashboard:
    """The endpoints by name.

    :param timeout: seconds after which a process that is no longer heard of is dropped.
    """

    def __init__(self, timeout: float = 3.0) -> None:
        self.timeout = timeout
        self.endpoints: dict[str, Endpoint] = {}
        #: What there is to say of all of them together; for people.
        self.note = ""

    def add(self, name: str) -> Endpoint:
        """The endpoint of that name, made when it is new."""
        if name not in self.endpoints:
            self.endpoints[name] = Endpoint(name, self.timeout)
        return self.endpoints[name]

    def take(self, name: str, kind: str, data: Any, now: float) -> None:
        """One input about one endpoint; see :meth:`Endpoint.take`."""
        self.add(name).take(kind, data, now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        for endpoint in self.endpoints.values():
            endpoint.tick(now)

    def alerts(self, now: float) -> list[Alert]:
        """What somebody should look at."""
        return [alert for endpoint in self.endpoints.values() for alert in find_alerts(endpoint, now)]

    def find(self, path: Path) -> Node | None:
        """The node at a path, None if it is gone."""
        endpoint = self.endpoints.get(path[0]) if path else None
        node: Node | None = endpoint.root if endpoint else None
        for key in path[1:]:
            node = node.children.get(key) if node is not None else None
        return node

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON data: what ``circus-top --json`` prints."""
        return {
            "endpoints": [
                {**endpoint.root.as_dict(), "source": endpoint.source, "note": endpoint.note}
                for endpoint in self.endpoints.values()
            ]
        }
