"""Serves the operations: finds the one that is meant, checks who asks and what was sent, answers.

One request class for all; what differs stands in the tables.
"""

from __future__ import annotations

import json
import re
from typing import Any

from circus.web.api.operation import Call, Operation
from circus.web.api.operations import OPERATIONS
from circus.web.api.schema import complaint, from_text
from circus.web.console import Console
from circus.web.door import Door
from circus.web.problems import Problem

ROOT = "/api/v1"


def api_routes() -> list[tuple[str, Any, dict[str, Any]]]:
    """Path, class and arguments for each path of the API."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    # Fixed paths before those with a name in them.
    ordered = sorted(by_path.items(), key=lambda item: (item[0].count("{"), item[0]))
    return [(f"{ROOT}{_pattern(path)}", Route, {"operations": found}) for path, found in ordered]


def _pattern(path: str) -> str:
    return re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)


class Route(Door):
    """A path of the API."""

    problems_as_json = True
    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")  # type: ignore[assignment]

    def initialize(self, console: Console, **more: Any) -> None:
        super().initialize(console)
        self.operations: dict[str, Operation] = more["operations"]

    async def _answer(self, **path: str) -> None:
        operation = self.operations.get("GET" if self.request.method == "HEAD" else self.request.method or "")
        if operation is None:
            raise Problem(405, f"{self.request.method} is not possible here")
        identity = self.require(operation.role) if operation.role else None
        if identity is not None and operation.changes:
            self.require_csrf(identity)
        body = self._body(operation)
        query = self._query(operation)
        for name, text in path.items():
            found = complaint({"type": "string", "minLength": 1, "maxLength": 200}, text, name)
            if found or "\0" in text:
                raise Problem(400, found or f"{name} is no name")
        call = Call(self.console, self, path, query, body, identity, OPERATIONS)
        with self.console.answering():
            answer = await operation.run(call)
        if not self._finished:
            self.send_json(answer, call.status or operation.status)

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Called by Tornado for what stands in an address."""
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Problem(400, f"{name or 'the address'} is not UTF-8") from None

    def _query(self, operation: Operation) -> dict[str, Any]:
        known = {parameter.name: parameter for parameter in operation.query}
        found: dict[str, Any] = {}
        for name, values in self.request.query_arguments.items():
            parameter = known.get(name)
            if parameter is None:
                raise Problem(400, f"there is no parameter {name[:100]!r} here")
            if len(values) > 1:
                raise Problem(400, f"the parameter {name!r} was given more than once")
            value = from_text(parameter.schema, self.decode_argument(values[0], name))
            wrong = complaint(parameter.schema, value, name)
            if wrong:
                raise Problem(400, wrong)
            found[name] = value
        return found

    def _body(self, operation: Operation) -> dict[str, Any]:
        raw = self.request.body
        if operation.body is None:
            return {}
        if not raw:
            wrong = complaint(operation.body, {})
            if wrong:
                raise Problem(400, wrong)
            return {}
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem(415, "the body has to be application/json")
        try:
            body = json.loads(raw, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise Problem(400, "the body is no JSON") from None
        wrong = complaint(operation.body, body)
        if wrong:
            raise Problem(422, wrong)
        return dict(body)

    def allowed(self) -> list[str]:
        return list(self.operations)

    async def get(self, **path: str) -> None:
        """Tornado calls one method for each of HTTP."""
        await self._answer(**path)

    head = post = put = delete = patch = options = get


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
