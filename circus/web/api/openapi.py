"""The OpenAPI document, written from the operations and the option table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from circus import __version__
from circus.model.options import WATCHER
from circus.web.api.operation import Operation
from circus.web.optionforms import schema_of
from circus.web.problems import CONTENT_TYPE, title_of

_PROBLEM = {
    "type": "object",
    "description": "Problem details, RFC 9457. `circusctl` is the line that makes the same request.",
    "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
        "detail": {"type": "string"}, "errno": {"type": ["integer", "null"]}, "circusctl": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}  # fmt: skip
_ALL = (400, 403)
_DAEMON = (404, 422, 500, 501, 503, 504)


def document(operations: Iterable[Operation], prefix: str) -> dict[str, Any]:
    """The document for a console below a URL prefix."""
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Circus", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "What the web console can do. Log in for a session (a cookie, and `csrf` for the header "
            "X-CSRF-Token of every request that is no GET), or send a token of circus-httpd --add-token.",
        },
        "servers": [{"url": f"{prefix}/api/v1"}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM, "WatcherOptions": _watcher_options()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
            },
        },
    }  # fmt: skip


def _watcher_options() -> dict[str, Any]:
    exact = {option.name: schema_of(option) for option in WATCHER if option.addable and not option.is_family}
    families = {f"^{re.escape(option.family)}": schema_of(option) for option in WATCHER if option.is_family}
    return {"type": "object", "properties": exact, "patternProperties": families, "maxProperties": 200}


def _operation(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"{operation.doc} Role: {operation.role or 'none, no login'}.".strip(),
        "tags": [operation.path.split("/")[1]],
        "responses": {str(status): answer for status, answer in _answers(operation)},
    }
    parameters = [*_path_parameters(operation), *_query_parameters(operation)]
    if parameters:
        told["parameters"] = parameters
    if operation.body is not None:
        told["requestBody"] = {
            "required": bool(operation.body.get("required")) or "anyOf" in operation.body,
            "content": {"application/json": {"schema": operation.body}},
        }
    told["security"] = [{"token": []}] if operation.role else []
    return told


def _path_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", operation.path):
        yield {
            "name": name, "in": "path", "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": "name of a watcher, in any case" if name == "name" else "id of a daemon",
        }  # fmt: skip


def _query_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for parameter in operation.query:
        yield {"name": parameter.name, "in": "query", "schema": parameter.schema, "description": parameter.doc}


def _answers(operation: Operation) -> Iterator[tuple[int, dict[str, Any]]]:
    content: dict[str, Any] = {"application/json": {"schema": operation.answer}}
    if any(parameter.name == "format" for parameter in operation.query):
        content["text/plain"] = {"schema": {"type": "string"}}
    statuses = {operation.status}
    if operation.body is not None and "dry_run" in operation.body.get("properties", {}):
        statuses.add(200)
    if operation.may_go_on:
        statuses.add(202)
    for status in sorted(statuses):
        yield status, {"description": title_of(status), "content": content}
    refused = {*_ALL, *operation.errors, *(_DAEMON if operation.role else (422,))}
    if operation.role:
        refused.add(401)
    if operation.body is not None:
        refused |= {413, 415}
    problem = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in sorted(refused):
        yield status, {"description": title_of(status), "content": problem}
