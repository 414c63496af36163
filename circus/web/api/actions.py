"""What can be done to a watcher, or to all: start, stop, restart, reload, incr, decr, signal, kill."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from circus.model.dashboard.endpoint import HOUSE
from circus.web.api.operation import ENDPOINT, FLAG, PID, WAIT, Call, Operation, Schema, record, reply
from circus.web.endpoints import PATIENCE, Daemon
from circus.web.outcome import act, ends_us, look_at_all
from circus.web.problems import Problem

SIGNAL: Schema = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 64},
                            {"type": "string", "pattern": r"^(?i:SIG)?[A-Za-z0-9+]{1,12}$", "maxLength": 16}]}
SPAN: Schema = {"type": "number", "minimum": 0, "maximum": 3600}
COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": 1000}
#: Beside what each takes: whether to wait for the outcome, and for how long.
WAITING: Mapping[str, Schema] = {"waiting": FLAG, "timeout": {"type": "number", "minimum": 0.1, "maximum": 600}}
OUTCOME = reply(
    outcome={"type": "string", "enum": ["ok", "partial", "failed", "pending"]}, text={"type": "string"},
    circusctl={"type": "string"},
)  # fmt: skip
_REGEX_OF_OTHERS = "(?!(circusd-stats|circushttpd)$)"
_AT_ONCE = 8
#: errno of a daemon's reply: it was tried and did not work.
_NOT_DONE = 6

#: What each takes in its body, beside waiting and timeout.
_BODIES: dict[str, Mapping[str, Schema]] = {
    "start": {}, "stop": {}, "restart": {},
    "reload": {"graceful": FLAG, "sequential": FLAG},
    "incr": {"nb": COUNT}, "decr": {"nb": COUNT},
    "signal": {"signum": SIGNAL, "pid": PID, "childpid": PID, "children": FLAG, "recursive": FLAG},
    "kill": {"signum": SIGNAL, "pid": PID, "graceful_timeout": SPAN},
}  # fmt: skip
_SUMMARIES = {
    "start": "Start a watcher", "stop": "Stop a watcher", "restart": "Stop and start a watcher",
    "reload": "Replace the processes of a watcher gracefully", "incr": "More processes", "decr": "Less processes",
    "signal": "Send a signal to processes", "kill": "End processes, which are replaced",
}  # fmt: skip


def patience_of(call: Call, *, waiting: bool) -> float:
    """How long to wait for an answer."""
    return float(call.body.get("timeout", WAIT)) if waiting else PATIENCE


def one_operation(command: str) -> Operation:
    """The operation for one watcher."""

    async def run(call: Call) -> dict[str, Any]:
        daemon = call.daemon
        properties = {k: _plain(v) for k, v in call.body.items() if k not in WAITING}
        properties["name"] = call.name
        if command in ("start", "stop", "restart"):
            properties["match"] = "simple"
        if command == "signal":
            return await act(call, daemon, command, properties, patience=PATIENCE, target=call.name)
        waiting = call.body.get("waiting", True) and not ends_us(call, daemon, {call.name})
        if waiting:
            properties["waiting"] = True
        return await act(
            call, daemon, command, properties, patience=patience_of(call, waiting=waiting), target=call.name
        )

    own = _BODIES[command]
    required = {"signum": own["signum"]} if command == "signal" else {}
    more = {} if command == "signal" else WAITING
    body = record(required, **{**{k: v for k, v in own.items() if k not in required}, **more})
    return Operation(
        "POST", f"/watchers/{{name}}/{command}", f"{command}Watcher", "operator", _SUMMARIES[command], run,
        (ENDPOINT,), body, OUTCOME, errors=(409,),
        doc="" if command == "signal" else "By default the answer comes when it is done, and tells what came of it.",
    )  # fmt: skip


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def all_operation(command: str) -> Operation:
    """The operation for all watchers."""

    async def run(call: Call) -> dict[str, Any]:
        daemon = call.daemon
        if command == "restart" and call.body.get("daemon"):
            return await _restart_daemon(call, daemon)
        waiting = bool(call.body.get("waiting", True))
        patience = patience_of(call, waiting=waiting)
        statuses = (await daemon.call("status")).get("statuses") or {}
        names = list(statuses)
        house = {name for name in names if name in HOUSE}
        since = daemon.news.seq
        concerned = [
            name for name, status in statuses.items()
            if name not in house and (status == "stopped") is (command == "start")
        ]  # fmt: skip
        if command == "reload" and house:
            answer = await _reload_each(call, daemon, concerned, patience)
        else:
            properties: dict[str, Any] = {"waiting": True} if waiting else {}
            if command == "restart" or (command == "stop" and house):
                if not set(names) - house:
                    raise Problem(409, "there are no watchers")
                properties.update(name=_REGEX_OF_OTHERS, match="regex")
            answer = await _act_on_all(call, daemon, command, properties, patience, concerned)
        if waiting and "waiting_for" not in answer:
            seen = await look_at_all(daemon, command, since)
            if answer["outcome"] != "ok":
                seen.update(outcome=answer["outcome"], text=f"{answer['text']}; {seen['text']}")
            answer.update(seen)
        return answer

    more: dict[str, Schema] = {"daemon": FLAG} if command == "restart" else {}
    doc = "circusd-stats and the console itself are left alone." if command != "start" else ""
    if command == "restart":
        doc += " With `daemon` circusd itself starts over, and reads its configuration again (role admin)."
    return Operation(
        "POST", f"/{command}", f"{command}All", "operator", f"{command.capitalize()} all watchers", run, (ENDPOINT,),
        record({}, **{**more, **WAITING}), OUTCOME, errors=(409,), doc=doc,
    )  # fmt: skip


async def _restart_daemon(call: Call, daemon: Daemon) -> dict[str, Any]:
    call.door.require("admin")
    return await act(call, daemon, "restart", {}, patience=PATIENCE)


async def _act_on_all(
    call: Call, daemon: Daemon, command: str, properties: dict[str, Any], patience: float, names: list[str]
) -> dict[str, Any]:
    try:
        return await act(call, daemon, command, properties, patience=patience, names=names)
    except Problem as problem:
        if problem.more.get("errno") != _NOT_DONE:
            raise
        # With one it did not work; somebody looks what became of the others.
        return {"outcome": "partial", "text": problem.detail, "circusctl": str(problem.more["circusctl"])}


async def _reload_each(call: Call, daemon: Daemon, names: list[str], patience: float) -> dict[str, Any]:
    """A reload of everything would end us before it is done, so the others are reloaded one by one."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> dict[str, Any]:
        async with room:
            properties = {"name": name, "waiting": True}
            try:
                return await act(call, daemon, "reload", properties, patience=patience, target=name)
            except Problem as problem:
                line = str(problem.more["circusctl"])
                return {"outcome": "failed", "text": f"{name}: {problem.detail}", "circusctl": line}

    done = dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))
    bad = [each["text"] for each in done.values() if each["outcome"] != "ok"]
    outcome = "ok" if not bad else "partial" if len(bad) < len(done) else "failed"
    return {
        "outcome": "pending" if any(each["outcome"] == "pending" for each in done.values()) else outcome,
        "text": "; ".join(bad) or "done",
        "circusctl": "\n".join(each["circusctl"] for each in done.values()),
        "each": {name: each["text"] for name, each in done.items()},
    }


OPERATIONS = (
    *map(one_operation, _BODIES),
    *map(all_operation, ("start", "stop", "restart", "reload")),
)
