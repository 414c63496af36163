"""Which rows are seen, in which order: the tree after folding, sorting and filtering.

Called whenever something changed; the result is all that a screen (or a table printed once) needs. Pure: the same
tree and the same view give the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from circus.model.dashboard.columns import COLUMNS
from circus.model.dashboard.node import DAEMON, ENDPOINT, SOCKETS, WORKER, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from circus.model.dashboard.board import Dashboard
    from circus.model.dashboard.filters import Filter
    from circus.model.dashboard.node import Path

#: Groups of rows that stay below the watchers whatever is sorted by.
_LAST = {DAEMON: 1, SOCKETS: 2}


@dataclass
class View:
    """How somebody looks at the tree.

    :param sort: key of the column.
    :param reverse: highest first.
    :param flat: no tree: all workers of all watchers in one list.
    :param filter: only rows that fulfil it, and what is above them.
    :param open: by path, what was folded (False) or unfolded (True) by hand.
    :param is_open: whether watchers that nobody touched are unfolded.
    :param show_endpoints: whether there is a row for each endpoint.
    """

    sort: str = "name"
    reverse: bool = False
    flat: bool = False
    filter: Filter | None = None
    open: dict[Path, bool] = field(default_factory=dict)
    is_open: bool = True
    show_endpoints: bool = False

    def sort_by(self, key: str) -> None:
        """Sort by a column; the one already sorted by is inverted."""
        if key == self.sort:
            self.reverse = not self.reverse
        else:
            self.sort, self.reverse = key, not COLUMNS[key].is_text


class Row(NamedTuple):
    """One line of the table. ``fold`` is ``open``, ``closed``, or empty when nothing is below."""

    node: Node
    depth: int
    fold: str


def visible_rows(board: Dashboard, view: View) -> list[Row]:
    """All rows, from top to bottom."""
    rows: list[Row] = []
    for endpoint in board.endpoints.values():
        if view.flat:
            continue
        if view.show_endpoints:
            rows += _subtree(endpoint.root, view, 0)
        else:
            for node in _sorted(endpoint.root.children.values(), view):
                rows += _subtree(node, view, 0)
    return _flat(board, view) if view.flat else rows


def _flat(board: Dashboard, view: View) -> list[Row]:
    matches = view.filter.matches if view.filter else None
    workers = [
        node
        for endpoint in board.endpoints.values()
        for above in endpoint.root.children.values()
        for node in above.children.values()
        if node.kind == WORKER and (matches is None or matches(node.values))
    ]
    found: list[Row] = []
    for node in _sorted(workers, view, flat=True):
        is_open = view.open.get(node.path, False)
        found.append(Row(node, 0, ("open" if is_open else "closed") if _has_more(node) else ""))
        if is_open:
            found += [Row(child, 1, "") for child in _sorted(node.children.values(), view)]
    return found


def _subtree(node: Node, view: View, depth: int) -> list[Row]:
    """A node and what is seen below it; nothing when the filter wants none of it."""
    below: list[Row] = []
    given = view.open.get(node.path)
    wants = view.filter is None or view.filter.matches(node.values)
    if _has_more(node):
        # With a filter, what is looked for must be seen, unless somebody folded it.
        is_open = given if given is not None else _default_open(node, view) or (view.filter is not None and not wants)
        if is_open or (view.filter is not None and not wants):
            for child in _sorted(node.children.values(), view):
                below += _subtree(child, view, depth + 1)
        if not wants and not below:
            return []
        return [Row(node, depth, "open" if is_open else "closed"), *(below if is_open else ())]
    return [Row(node, depth, "")] if wants else []


def _has_more(node: Node) -> bool:
    """Whether something is below; the children of a worker may be counted only, until somebody unfolds it."""
    return bool(node.children) or bool(node.values.get("kids") and node.kind == WORKER)


def _default_open(node: Node, view: View) -> bool:
    return node.kind == ENDPOINT or (node.kind != WORKER and view.is_open)


def _sorted(nodes: Iterable[Node], view: View, *, flat: bool = False) -> list[Node]:
    column = COLUMNS[view.sort]
    key = column.measure or view.sort
    # Two stable sorts: by name, so that equals keep still, then by value; the unknown is last either way.
    named = sorted(nodes, key=_name_key)
    if view.sort == "name":
        ordered = named[::-1] if view.reverse else named
    else:
        known = [node for node in named if node.values.get(key) is not None]
        unknown = [node for node in named if node.values.get(key) is None]
        ordered = sorted(known, key=lambda node: _value_key(node.values[key]), reverse=view.reverse) + unknown
    return ordered if flat else sorted(ordered, key=lambda node: _LAST.get(node.kind, 0))


def _name_key(node: Node) -> tuple[str, Any, str]:
    wid = node.values.get("wid")
    if isinstance(wid, int) and node.parent is not None:
        return (node.parent.name, wid, str(node.key))
    return (node.name, 0, str(node.key))


def _value_key(value: Any) -> tuple[int, Any]:
    """Numbers before texts: a column may hold both (``nice`` of a zombie)."""
    return (1, value.lower()) if isinstance(value, str) else (0, value)
