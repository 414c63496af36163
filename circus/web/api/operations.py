"""All operations of the API, in the order of the document."""

from __future__ import annotations

from circus.web.api import actions, connections, daemons, documents, login, watchers
from circus.web.api.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *login.OPERATIONS, *connections.OPERATIONS, *watchers.OPERATIONS, *actions.OPERATIONS, *daemons.OPERATIONS,
    *documents.OPERATIONS,
)  # fmt: skip
