"""The daemons the console is connected to."""

from __future__ import annotations

from typing import Any

from circus.web.api.operation import TEXT, Call, Operation, record, reply
from circus.web.endpoints import Daemon
from circus.web.problems import Problem

#: ``user@host:port``; nothing that ssh could take for an option.
_SSH = {"type": "string", "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.@:\[\]-]*$", "maxLength": 200}
_ENDPOINT = reply(id={"type": "string"}, endpoint={"type": "string"}, online={"type": "boolean"})


def told(daemon: Daemon) -> dict[str, Any]:
    """A daemon in a few words."""
    return {
        "id": daemon.id, "endpoint": daemon.endpoint, "name": daemon.label, "ssh": daemon.ssh,
        "online": daemon.is_online, "since": daemon.since,
        "source": daemon.source, "stats": daemon.model.source, "note": daemon.model.note,
    }  # fmt: skip


async def list_endpoints(call: Call) -> dict[str, Any]:
    """Those connected, and those discovered."""
    daemons = list(call.console.daemons)
    connected = {daemon.endpoint for daemon in daemons}
    discovered = [endpoint for endpoint in call.console.daemons.discovered if endpoint not in connected]
    return {"endpoints": [told(daemon) for daemon in daemons], "discovered": discovered}


async def connect(call: Call) -> dict[str, Any]:
    """Connect to one more; whether it answers shows later."""
    daemon = call.console.daemons.add(call.body["endpoint"], call.body.get("ssh"), source="added")
    call.note("connect", daemon.endpoint)
    return told(daemon)


async def disconnect(call: Call) -> dict[str, Any]:
    """Disconnect from one."""
    if all(daemon.id != call.path["id"] for daemon in call.console.daemons):
        raise Problem(404, f"no daemon {call.path['id']!r} is connected")
    daemon = call.console.daemons.find(call.path["id"])
    call.console.hub.forget(daemon)
    await call.console.daemons.remove(daemon)
    call.note("disconnect", daemon.endpoint)
    return {"outcome": "ok", "text": f"disconnected from {daemon.endpoint}"}


OPERATIONS = (
    Operation("GET", "/endpoints", "listEndpoints", "viewer", "The daemons this console shows", list_endpoints,
              answer=reply(endpoints={"type": "array", "items": _ENDPOINT},
                           discovered={"type": "array", "items": {"type": "string"}})),
    Operation("POST", "/endpoints", "connect", "admin", "Connect to a daemon", connect, status=201,
              body=record({"endpoint": TEXT}, ssh=_SSH), answer=_ENDPOINT, errors=(409,)),
    Operation("DELETE", "/endpoints/{id}", "disconnect", "admin", "Disconnect from a daemon", disconnect),
)  # fmt: skip
