"""What schemathesis may not do in test_httpd_schema.py: run made-up commands, or end what it talks to."""

from __future__ import annotations

from typing import Any

import schemathesis

#: Operations of which only the dry run is tried.
DRY = ("addWatcher", "setOptions")


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Ask for the dry run, unless the very thing that is tried is a wrong value of it."""
    operation = context.operation
    name = operation.definition.raw.get("operationId") if operation is not None else None
    if name in DRY and isinstance(body, dict) and body.get("dry_run", False) is False:
        return {**body, "dry_run": True}
    return body
