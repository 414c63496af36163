"""What an operation of the API is: one record says all that serving, checking and documenting it takes.

The modules beside this one declare operations; :mod:`circus.web.api.route` serves them and
:mod:`circus.web.api.openapi` documents them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from circus.web.ctlline import circusctl_line

if TYPE_CHECKING:
    from circus.web.console import Console
    from circus.web.door import Door
    from circus.web.endpoints import Daemon
    from circus.web.sessions import Identity

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
PID: Schema = {"type": "integer", "minimum": 1, "maximum": 4_194_304}
INSTANT: Schema = {"type": "number", "minimum": 0, "maximum": 1e11}
ANYTHING: Schema = {"type": "object"}

#: Seconds that an operation is waited for, unless the request says otherwise: less than proxies usually wait.
WAIT = 45.0


def record(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    """The schema of an object with these properties and no others."""
    properties = {**required, **optional}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def reply(**properties: Schema) -> Schema:
    """The schema of an answer: it has these properties, and may have more."""
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


@dataclass(frozen=True)
class Parameter:
    """A parameter in the query.

    :param schema: what it may be.
    :param doc: what it means.
    """

    name: str
    schema: Schema
    doc: str


ENDPOINT = Parameter("endpoint", TEXT, "id of the daemon (see /endpoints); the first one by default")


@dataclass
class Call:
    """One request for an operation, checked.

    :param path: the parameters in the path.
    :param query: those in the query, with their values.
    :param body: what was sent, ``{}`` for nothing.
    :param identity: who asks; None where nobody needs to be logged in.
    """

    console: Console
    door: Door
    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    identity: Identity | None
    #: All operations there are.
    catalogue: tuple[Operation, ...] = ()
    #: The status of the answer, where it is not that of the operation.
    status: int | None = None

    @property
    def daemon(self) -> Daemon:
        """The daemon that is meant. :raises Problem: there is no such one."""
        return self.console.daemons.find(self.query.get("endpoint"))

    @property
    def name(self) -> str:
        """The watcher in the path."""
        return self.path["name"]

    @property
    def sender(self) -> str:
        """Who asks, for the daemon."""
        assert self.identity is not None
        return self.console.sender_of(self.identity, self.door.origin)

    def note(self, action: str, target: str = "", outcome: str = "ok", **more: Any) -> None:
        """Put it into the audit log."""
        who = self.identity
        self.console.audit.note(
            action, user=who.user if who else "", role=who.role if who else "", address=self.door.origin.address,
            target=target, outcome=outcome, **more,
        )  # fmt: skip

    def line(self, daemon: Daemon, message: Mapping[str, Any]) -> str:
        """The same request for ``circusctl``."""
        return circusctl_line(daemon.endpoint, daemon.ssh, message)


@dataclass(frozen=True)
class Operation:
    """One operation.

    :param method: ``GET``, ``POST``, ``PUT`` or ``DELETE``.
    :param path: below ``/api/v1``, with ``{name}``.
    :param id: its name in the OpenAPI document.
    :param role: who may; empty: everybody, without login.
    :param summary: what it does, in a line.
    :param run: does it; what it returns is the body of the answer.
    :param query: the parameters it knows.
    :param body: what may be sent; None for nothing.
    :param answer: what is answered.
    :param status: the HTTP status when it went well.
    :param errors: further statuses it may end with, beside those of all.
    :param doc: more about it.
    """

    method: str
    path: str
    id: str
    role: str
    summary: str
    run: Callable[[Call], Awaitable[dict[str, Any]]]
    query: tuple[Parameter, ...] = ()
    body: Schema | None = None
    answer: Schema = field(default_factory=lambda: ANYTHING)
    status: int = 200
    errors: tuple[int, ...] = ()
    doc: str = ""

    @property
    def may_go_on(self) -> bool:
        """Whether it may still be under way when it is answered (status 202)."""
        is_removal = self.method == "DELETE" and self.path.startswith("/watchers/")
        return is_removal or "waiting" in ((self.body or {}).get("properties") or ())

    @property
    def changes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"
