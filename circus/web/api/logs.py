"""The last output of workers, as JSON or as text to save."""

from __future__ import annotations

import time
from typing import Any

from circus.web.api.operation import ENDPOINT, FLAG, INSTANT, PID, Call, Parameter
from circus.web.endpoints import Daemon

LOG_PARAMETERS = (
    ENDPOINT,
    Parameter("lines", {"type": "integer", "minimum": 0, "maximum": 100_000}, "how many, the newest; 200 by default"),
    Parameter("since", INSTANT, "nothing older than this, in seconds since 1970"),
    Parameter("pid", PID, "only this process"),
    Parameter("stream", {"type": "string", "enum": ["stdout", "stderr"]}, "only this stream"),
    Parameter("format", {"type": "string", "enum": ["json", "text"]}, "text: lines to save in a file"),
    Parameter("download", FLAG, "the same as format=text"),
)


async def show_logs(call: Call) -> dict[str, Any]:
    """The lines the daemon has in memory."""
    properties: dict[str, Any] = {key: call.query[key] for key in ("since", "pid", "stream") if key in call.query}
    properties["lines"] = int(call.query.get("lines", 200))
    if "pid" in properties:
        properties["pid"] = int(properties["pid"])
    name = call.path.get("name")
    names = [each for each in call.query.get("watchers", "").split(",") if each]
    if name is not None or names:
        properties["name"] = name if name is not None else names
        properties["match"] = "simple"
    daemons = [call.daemon] if name is not None or "endpoint" in call.query else online(call)
    told: dict[str, Any] = {"lines": [], "captured": {}}
    for daemon in daemons:
        reply = await daemon.call("tail", properties, patience=15.0)
        told["lines"] += [{**line, "endpoint": daemon.id} for line in reply.get("lines") or ()]
        told["captured"].update(reply.get("captured") or {})
    told["lines"].sort(key=lambda line: line["time"])
    told["lines"] = told["lines"][max(0, len(told["lines"]) - properties["lines"]):]
    if call.query.get("format") == "text" or call.query.get("download"):
        _send_text(call, told["lines"])
    return told


def online(call: Call) -> list[Daemon]:
    """All daemons that are there; the first one, to say so, if none is."""
    return [daemon for daemon in call.console.daemons if daemon.is_online] or [call.daemon]


def _send_text(call: Call, lines: list[dict[str, Any]]) -> None:
    door, name = call.door, call.path.get("name", "output")
    safe = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name if letter.isascii())
    door.set_header("Content-Type", "text/plain; charset=utf-8")
    door.set_header("Content-Disposition", f'attachment; filename="{safe or "output"}.log"')
    door.set_header("Cache-Control", "no-store")
    door.finish("".join(map(_text, lines)))


def _text(line: dict[str, Any]) -> str:
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(line["time"]))
    return f"{at} {line['watcher']}.{line['wid']} {line['pid']} {line['stream']} {line['text']}\n"
