"""Doing something for a user: sends the request, looks what became of it, says so, and writes it down.

Used by the actions of the API and by the old routes. What is answered tells what is, not what was wished.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from circus.base.spans import span
from circus.model.dashboard.endpoint import HOUSE
from circus.web.pictures import OVER
from circus.web.problems import Problem, refusal
from circus.web.progress import SETTLED, Progress, Standing

if TYPE_CHECKING:
    from circus.web.api.operation import Call
    from circus.web.endpoints import Daemon

#: Commands that are done when they are answered.
_AT_ONCE = frozenset({"signal"})
#: How many watchers are told of one by one.
_FEW = 5
_TRYING = "circusd goes on trying"
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
    names: Iterable[str] = (),
    shown: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Send a request that changes something.

    :param properties: with ``waiting``, if the outcome is to be waited for.
    :param patience: seconds to wait.
    :param target: the watcher it is about, for the outcome.
    :param names: the watchers it is about, where there are more.
    :param shown: the properties as they may be shown, where they hold secrets.
    :returns: the body of the answer: ``outcome`` is ok, partial, failed or pending, ``text`` says it in words.
    :raises Problem: it was refused, or there is no answer.
    """
    message = {"command": command, "properties": shown or properties}
    line, where = call.line(daemon, message), f"{daemon.endpoint} {target}".strip()
    began = time.monotonic()
    progress = Progress(daemon, command, [target] if target else names) if properties.get("waiting") else None
    try:
        if progress is not None:
            standing = await progress.wait(properties, patience, call.sender)
        else:
            standing = Standing(await daemon.ask(command, properties, patience=patience, sender=call.sender))
        reply = standing.reply
        if reply is not None and reply.get("status") == "error":
            raise refusal(reply, circusctl=line)
    except Problem as problem:
        problem.more.setdefault("circusctl", line)
        call.note(command, where, f"failed: {problem.detail}")
        raise
    if reply is None:
        answer = unfinished(standing, target)
        call.note(command, where, answer["outcome"])
        if answer["outcome"] == "pending":
            call.status = 202
        return {**answer, "circusctl": line, "took": round(standing.took, 3)}
    call.note(command, where)
    told = {key: value for key, value in reply.items() if key not in ("id", "status", "time")}
    answer = {"outcome": "pending", "text": "accepted; it goes on by itself", "circusctl": line,
              "took": round(time.monotonic() - began, 3), "reply": told}  # fmt: skip
    if properties.get("waiting") and target and command != "rm":
        answer.update(await look(daemon, command, target, told))
    elif properties.get("waiting") or command in _AT_ONCE:
        answer.update(outcome="ok", text="done")
        if progress is not None and command in _RISING:
            standing = await progress.look_back()
            answer.update(unfinished(standing) if standing.stuck else {})
    return answer


def unfinished(standing: Standing, target: str = "") -> dict[str, Any]:
    """The outcome of a request that nobody waits for any longer: it goes on, and it is told how far it is."""
    stuck, left, done = standing.stuck, standing.left, standing.done
    told: dict[str, Any] = {"done": done, "waiting_for": {**stuck, **left}}
    texts = [] if target else [f"done with {len(done)} of {len(done) + len(stuck) + len(left)} watchers"] * bool(done)
    texts += [f"{name} does not come up: {text}" for name, text in _some(stuck)]
    if stuck and not left:
        return {**told, "outcome": "partial" if done else "failed", "text": "; ".join([*texts, _TRYING])}
    texts += [f"{name}: {text}" if text else name for name, text in _some(left)]
    texts.insert(0, f"after {span(round(standing.took))} it still goes on")
    return {**told, "outcome": "pending", "text": "; ".join(texts)}


def _some(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """The first few, and how many more there are."""
    more = len(texts) - _FEW
    return [*list(texts.items())[:_FEW], *([(f"{more} more", "")] if more > 0 else [])]


async def look(daemon: Daemon, command: str, name: str, told: dict[str, Any]) -> dict[str, Any]:
    """What a watcher is like now, after a command; and a moment later, when something was started."""
    info = told.get("info") if isinstance(told.get("info"), dict) else told
    if info and info.get("started"):
        await asyncio.sleep(SETTLED)
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
    elif command in ("start", "restart", "reload") and status != "active":
        why = await daemon.ask("why", {"name": name})
        text += f": {why['cause']}" if why.get("cause") else ""
        answer["outcome"] = "ok" if _has_run(why) else "failed"
    answer["text"] = f"{text} ({'; '.join(moves)})" if moves else text
    return answer


def _has_run(why: Mapping[str, Any]) -> bool:
    """Whether a watcher that runs once has run, and well."""
    exits = why.get("exits") or ()
    return bool(why.get("cause") == OVER and exits and exits[-1].get("exit_code") == 0)


async def look_at_all(daemon: Daemon, command: str, since: int) -> dict[str, Any]:
    """What all watchers are like now, after a command for all.

    :param since: the number of the last event before the command.
    """
    if command != "stop":
        await asyncio.sleep(SETTLED)
    statuses = (await daemon.ask("status")).get("statuses") or {}
    shown = {name: status for name, status in statuses.items() if name.lower() not in HOUSE}
    goal = "stopped" if command == "stop" else "active"
    others = sorted(name for name, status in shown.items() if status != goal)
    text = f"{len(shown) - len(others)} of {len(shown)} watchers are {goal}"
    if others:
        text += f"; not so: {', '.join(others[:10])}{' ...' if len(others) > 10 else ''}"
    ended = daemon.news.ends_since(since) if command != "stop" else {}
    if ended:
        text += "; what was started ended: " + ", ".join(f"{name} {how}" for name, how in list(ended.items())[:_FEW])
    # A watcher may be stopped on purpose (autostart); only stopping promises something about each.
    bad = ended or (command == "stop" and others)
    return {"outcome": "partial" if bad else "ok", "text": text, "watchers": shown}
