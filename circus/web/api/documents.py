"""What the API says of itself: the OpenAPI document, and the options for a form."""

from __future__ import annotations

from typing import Any

from circus.web.api.openapi import document
from circus.web.api.operation import ANYTHING, Call, Operation, Parameter, reply
from circus.web.optionforms import hook_names, option_forms, signal_names, stream_forms


async def show_openapi(call: Call) -> dict[str, Any]:
    """The document."""
    return document(call.catalogue, call.console.settings.url_prefix)


async def show_options_schema(call: Call) -> dict[str, Any]:
    """The options of watchers, for the form."""
    return {"options": option_forms(), "streams": stream_forms(), "hooks": hook_names(), "signals": signal_names()}


async def show_audit(call: Call) -> dict[str, Any]:
    """Who did what since the console was started."""
    limit = int(call.query.get("limit", 100))
    return {"entries": list(call.console.audit.recent)[-limit:]}


OPERATIONS = (
    Operation("GET", "/audit", "listAudit", "admin", "Who did what through this console, lately", show_audit,
              (Parameter("limit", {"type": "integer", "minimum": 1, "maximum": 500}, "how many, the newest"),),
              answer=reply(entries={"type": "array", "items": ANYTHING})),
    Operation("GET", "/schema/options", "optionSchema", "viewer", "The options of a watcher, for forms",
              show_options_schema, answer=reply(options={"type": "array", "items": ANYTHING})),
    Operation("GET", "/openapi.json", "openapi", "viewer", "This document", show_openapi,
              answer=reply(openapi={"type": "string"}, paths=ANYTHING)),
)  # fmt: skip
