"""One row of the tree: an endpoint, a watcher, a worker, a child, or a socket.

All kinds share one shape, so that columns, filters, sorting and recording need no cases. Made and changed by
:mod:`circus.model.dashboard.endpoint` only.
"""

from __future__ import annotations

from circus.model.dashboard.series import History

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    #: Where a node is in the tree: the keys from the root to it.
    Path = tuple[Any, ...]

#: Kinds of nodes. ``daemon`` groups circusd's own processes, ``sockets`` the managed sockets.
ENDPOINT, WATCHER, WORKER, CHILD = "endpoint", "watcher", "worker", "child"
DAEMON, SOCKETS, SOCKET = "daemon", "sockets", "socket"

_UNNAMED = object()


class Node:
    """A row and what is below it.

    :param kind: one of the kinds above.
    :param key: what tells it from its siblings: the endpoint's name, a watcher's res_name, a pid, a descriptor.
    :param name: how it is shown.
    :param parent: the node it is below, None for an endpoint.
    """

    __slots__ = ("children", "history", "key", "kind", "name", "named", "parent", "past", "path", "seen", "values")

    def __init__(self, kind: str, key: Any, name: str, parent: Node | None = None) -> None:
        self.kind, self.key, self.name, self.parent = kind, key, name, parent
        self.path: Path = (key,) if parent is None else (*parent.path, key)
        self.children: dict[Any, Node] = {}
        #: Raw values by column key: numbers, texts, None for what is not known.
        self.values: dict[str, Any] = {"name": name}
        self.history = History()
        #: For a worker, the wid its name was made with.
        self.named: Any = _UNNAMED
        #: Older samples, one a minute, once somebody asked for them.
        self.past: History | None = None
        #: When it was last heard of, epoch seconds.
        self.seen = 0.0
        if parent is not None:
            parent.children[key] = self

    def __repr__(self) -> str:
        return f"Node({self.kind} {'/'.join(map(str, self.path))})"

    def drop(self) -> None:
        """Take it out of the tree."""
        if self.parent is not None:
            self.parent.children.pop(self.key, None)

    def above(self, kind: str) -> Node | None:
        """This node or the nearest one above it of a kind."""
        node: Node | None = self
        while node is not None and node.kind != kind:
            node = node.parent
        return node

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for child in list(self.children.values()):
            yield from child.walk()

    def as_dict(self) -> dict[str, Any]:
        """The node as JSON data, with what is below it under ``children``."""
        told = {"kind": self.kind, **{key: value for key, value in self.values.items() if value is not None}}
        if self.children:
            told["children"] = [child.as_dict() for child in self.children.values()]
        return told
