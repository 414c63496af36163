"""Doing something for a user: sends the request, looks what became of it, says so, and writes it down.

Used by the actions of the API and by the old routes. What is answered tells what is, not what was wished.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from circus.model.dashboard.endpoint import HOUSE
from circus.web.problems import Problem, refusal

if TYPE_CHECKING:
    from circus.web.api.operation import Call
    from circus.web.endpoints import Daemon

#: Commands that are done when they are answered.
_AT_ONCE = frozenset({"signal"})
#: Seconds in which what cannot run usually ends.
_SETTLED = 0.4
#: Commands after which a watcher should run.
_RISING = frozenset({"start", "restart", "reload", "incr", "set", "add"})


def ends_us(call: Call, daemon: Daemon, names: set[str]) -> bool:
    """Whether what is done to these watchers ends this very program, so that it cannot wait for it."""
    own = call.console.settings.own_watcher.lower()
    first = call.console.settings.endpoints[:1]
    return bool(own) and daemon.endpoint in first and own in {name.lower() for name in names}


async def act(
    call: Call,
    daemon: Daemon,
    command: str,
    properties: dict[str, Any],
    *,
    patience: float,
    target: str = "",
    shown: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Send a request that changes something.

    :param properties: with ``waiting``, if the outcome is to be waited for.
    :param patience: seconds to wait.
    :param target: the watcher it is about, for the outcome.
    :param shown: the properties as they may be shown, where they hold secrets.
    :returns: the body of the answer: ``outcome`` is ok, partial, failed or pending, ``text`` says it in words.
    :raises Problem: it was refused, or there is no answer.
    """
    message = {"command": command, "properties": shown or properties}
    line, where = call.line(daemon, message), f"{daemon.endpoint} {target}".strip()
    began = time.monotonic()
    try:
        reply = await daemon.ask(command, properties, patience=patience, sender=call.sender)
        if reply.get("status") == "error":
            raise refusal(reply, circusctl=line)
    except Problem as problem:
        problem.more.setdefault("circusctl", line)
        call.note(command, where, f"failed: {problem.detail}")
        raise
    call.note(command, where)
    told = {key: value for key, value in reply.items() if key not in ("id", "status", "time")}
    answer = {"outcome": "pending", "text": "accepted; it goes on by itself", "circusctl": line,
              "took": round(time.monotonic() - began, 3), "reply": told}  # fmt: skip
    if properties.get("waiting") and target and command != "rm":
        answer.update(await look(daemon, command, target, told))
    elif properties.get("waiting") or command in _AT_ONCE:
        answer.update(outcome="ok", text="done")
    return answer


async def look(daemon: Daemon, command: str, name: str, told: dict[str, Any]) -> dict[str, Any]:
    """What a watcher is like now, after a command; and a moment later, when something was started."""
    info = told.get("info") if isinstance(told.get("info"), dict) else told
    if info and info.get("started"):
        await asyncio.sleep(_SETTLED)
    status = (await daemon.ask("status", {"name": name})).get("status")
    pids = (await daemon.ask("list", {"name": name})).get("pids") or []
    options = (await daemon.ask("get", {"name": name, "keys": ["numprocesses"]})).get("options") or {}
    wanted = options.get("numprocesses")
    moves = [f"{verb} {', '.join(map(str, info[verb]))}" for verb in ("stopped", "started") if info and info.get(verb)]
    text = f"{name} is {status}"
    if status == "active" and isinstance(wanted, int):
        text += f" with {len(pids)} of {wanted} processes"
    if told.get("singleton"):
        text += "; it is a singleton"
    ended = [pid for pid in (info or {}).get("started") or () if pid not in pids]
    answer = {"outcome": "ok", "status": status, "pids": pids, "numprocesses": wanted}
    if command in _RISING and status == "active" and (ended or (isinstance(wanted, int) and len(pids) < wanted)):
        why = await daemon.ask("why", {"name": name})
        text += f": {why['reason']}" if why.get("reason") else ""
        answer["outcome"] = "partial" if pids else "failed"
    elif command in ("start", "restart") and status != "active":
        why = await daemon.ask("why", {"name": name})
        text += f": {why['cause']}" if why.get("cause") else ""
        answer["outcome"] = "failed"
    answer["text"] = f"{text} ({'; '.join(moves)})" if moves else text
    return answer


async def look_at_all(daemon: Daemon, command: str) -> dict[str, Any]:
    """What all watchers are like now, after a command for all."""
    statuses = (await daemon.ask("status")).get("statuses") or {}
    shown = {name: status for name, status in statuses.items() if name.lower() not in HOUSE}
    goal = "stopped" if command == "stop" else "active"
    others = sorted(name for name, status in shown.items() if status != goal)
    text = f"{len(shown) - len(others)} of {len(shown)} watchers are {goal}"
    if others:
        text += f"; not so: {', '.join(others[:10])}{' ...' if len(others) > 10 else ''}"
    # A watcher may be stopped on purpose (autostart); only stopping promises something about each.
    return {"outcome": "partial" if command == "stop" and others else "ok", "text": text, "watchers": shown}
