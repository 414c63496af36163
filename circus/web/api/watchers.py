"""Watchers: what there are, what each is like, its options, its output; adding and removing."""

from __future__ import annotations

import time
from typing import Any

from circus.model.dashboard.endpoint import topic_name
from circus.web import pictures
from circus.web.api.actions import OUTCOME, WAITING, patience_of
from circus.web.api.logs import LOG_PARAMETERS, show_logs
from circus.web.api.operation import (
    ANYTHING,
    ENDPOINT,
    FLAG,
    INSTANT,
    NUMBER,
    TEXT,
    WAIT,
    Call,
    Operation,
    Parameter,
    record,
    reply,
)
from circus.web.endpoints import Daemon
from circus.web.optionplan import OptionPlan, plan_add, plan_set
from circus.web.outcome import act, ends_us
from circus.web.problems import Problem
from circus.web.records import past_series
from circus.web.secrecy import masked, secrets_in, unmasked

_OPTIONS = {"$ref": "#/components/schemas/WatcherOptions", "type": "object"}
_RESOLUTION = {"type": "string", "enum": ["second", "minute"]}
_CMD = {"type": "string", "minLength": 1, "maxLength": 100_000}
_PLAN = reply(changes={"type": "array", "items": ANYTHING}, problems={"type": "array", "items": ANYTHING})


async def list_watchers(call: Call) -> dict[str, Any]:
    """All of a daemon."""
    daemon = call.daemon
    await daemon.look()  # nothing stale is told of a daemon that is not there
    picture = call.console.hub.overview(daemon, time.time())
    return {"endpoint": daemon.id, "totals": picture["totals"], "watchers": list(picture["watchers"].values())}


async def show_watcher(call: Call) -> dict[str, Any]:
    """One with its workers and options."""
    daemon = call.daemon
    options = masked(await options_of(daemon, call.name))
    await daemon.look()
    status = await daemon.call("status", {"name": call.name})
    node = daemon.model.root.children.get(topic_name(call.name))
    told: dict[str, Any] = {"name": call.name, "workers": {}}
    if node is not None:
        now = time.time()
        problem = pictures.problems_of(daemon.model, daemon.news, now).get(node.key)
        picture = pictures.watcher_picture(node, daemon.news, now, problem, {})
        told = {**picture, "workers": pictures.workers_of(node)}
    return {**told, "status": status["status"], "options": options, "endpoint": daemon.id}


async def options_of(daemon: Daemon, name: str) -> dict[str, Any]:
    """The options of a watcher as they are. :raises Problem: there is no such watcher."""
    options: dict[str, Any] = (await daemon.call("options", {"name": name})).get("options") or {}
    return options


async def show_options(call: Call) -> dict[str, Any]:
    """Its options, without secrets unless an admin asks for them."""
    options = await options_of(call.daemon, call.name)
    if call.query.get("reveal"):
        call.door.require("admin")
        call.note("reveal", f"{call.daemon.endpoint} {call.name}")
        return {"options": options, "secrets": []}
    return {"options": masked(options), "secrets": secrets_in(options)}


async def explain(call: Call) -> dict[str, Any]:
    """Why it is as it is."""
    told = await call.daemon.call("why", {"name": call.name, "lines": int(call.query.get("lines", 10))})
    return {key: value for key, value in told.items() if key != "id"}


async def show_series(call: Call) -> dict[str, Any]:
    """Its measures over time."""
    daemon = call.daemon
    await daemon.call("status", {"name": call.name})
    await daemon.look()
    key = topic_name(call.name)
    resolution, since = call.query.get("resolution", "second"), float(call.query.get("since", 0))
    node = daemon.model.root.children.get(key)
    if node is None:
        raise Problem(404, f"nothing was measured of {call.name} yet")
    if resolution == "minute":
        await daemon.ask_past(key, since)
        series = past_series(node.past, since=since) if node.past is not None else {"time": []}
        return {"name": node.name, "resolution": resolution, "series": series, "workers": {}}
    own = ("cpu", "rss", "io")
    workers = {str(child.key): past_series(child.history, own, since) for child in node.children.values()}
    series = daemon.records.series(node, since)
    return {"name": node.name, "resolution": resolution, "series": series, "workers": workers}


async def add(call: Call) -> dict[str, Any]:
    """Add a watcher; only look at it with ``dry_run``."""
    daemon, body = call.daemon, call.body
    plan = plan_add(body["name"], body["cmd"], body.get("args"), body.get("options") or {})
    known = (await daemon.call("list")).get("watchers") or []
    if body["name"].lower() in known:
        plan.problems.append({"option": "name", "detail": f"there is a watcher {body['name']} already"})
    start = bool(body.get("start", True))
    properties: dict[str, Any] = {"name": body["name"], "cmd": body["cmd"], "options": plan.values, "start": start}
    if body.get("args") is not None:
        properties["args"] = body["args"]
    line = call.line(daemon, {"command": "add", "properties": properties})
    if body.get("dry_run"):
        call.status = 200
        return {**plan.as_dict(), **_dry(plan), "circusctl": line}
    plan.raise_problems(line)
    waiting = bool(body.get("waiting", True))
    if waiting and start:
        properties["waiting"] = True
    target = body["name"] if start else ""
    try:
        return await act(call, daemon, "add", properties, patience=patience_of(call, waiting=waiting), target=target)
    except Problem as problem:
        if not start or body["name"].lower() not in ((await daemon.call("list")).get("watchers") or ()):
            raise
        text = f"{body['name']} was added, but could not be started: {problem.detail}"
        return {"outcome": "failed", "text": text, "circusctl": line}


async def change(call: Call) -> dict[str, Any]:
    """Set options; only tell what that would do with ``dry_run``."""
    daemon, body = call.daemon, call.body
    present = await options_of(daemon, call.name)
    try:
        wanted = unmasked(body["options"], present)
    except ValueError as error:
        raise Problem(422, f"{error}: the mask of a secret stands where none was") from error
    plan: OptionPlan = plan_set(wanted, present)
    properties: dict[str, Any] = {"name": call.name, "options": plan.values}
    shown = {"name": call.name, "options": masked(plan.values)}
    line = call.line(daemon, {"command": "set", "properties": shown})
    if body.get("dry_run"):
        return {**plan.as_dict(), **_dry(plan), "circusctl": line}
    plan.raise_problems(line)
    if not plan.values:
        return {**plan.as_dict(), "outcome": "ok", "text": "nothing to change", "circusctl": line}
    waiting = bool(body.get("waiting", True)) and not ends_us(call, daemon, {call.name})
    if waiting:
        properties["waiting"] = True
    done = await act(
        call, daemon, "set", properties, patience=patience_of(call, waiting=waiting), target=call.name, shown=shown
    )
    return {**plan.as_dict(), **done, "circusctl": line}


async def remove(call: Call) -> dict[str, Any]:
    """Remove a watcher with its processes."""
    daemon = call.daemon
    waiting = not ends_us(call, daemon, {call.name})
    properties: dict[str, Any] = {"name": call.name, "waiting": waiting}
    if call.query.get("nostop"):
        properties["nostop"] = True
    done = await act(call, daemon, "rm", properties, patience=WAIT if waiting else 5.0, target=call.name)
    if done["outcome"] == "pending":
        return done
    left = " (its processes were left running)" if call.query.get("nostop") else ""
    return {**done, "text": f"{call.name} was removed{left}"}


def _dry(plan: OptionPlan) -> dict[str, Any]:
    return {"outcome": "failed" if plan.problems else "ok", "text": "nothing was done: this was a dry run"}


_ADD = record(
    {"name": TEXT, "cmd": _CMD}, args={"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    options=_OPTIONS, start=FLAG, dry_run=FLAG, **WAITING,
)  # fmt: skip
_SINCE = Parameter("since", INSTANT, "nothing older than this, in seconds since 1970")

OPERATIONS = (
    Operation("GET", "/watchers", "listWatchers", "viewer", "All watchers in numbers", list_watchers, (ENDPOINT,),
              answer=reply(watchers={"type": "array", "items": ANYTHING}, totals=ANYTHING)),
    Operation("POST", "/watchers", "addWatcher", "admin", "Add a watcher", add, (ENDPOINT,), _ADD, OUTCOME, 201, (409,),
              "With `dry_run` it is only looked at, and the status is 200. It is started unless `start` is false."),
    Operation("GET", "/watchers/{name}", "showWatcher", "viewer", "A watcher with its processes and options",
              show_watcher, (ENDPOINT,), answer=reply(name=TEXT, status={"type": "string"}, options=ANYTHING)),
    Operation("PUT", "/watchers/{name}", "setOptions", "admin", "Change options of a watcher", change, (ENDPOINT,),
              record({"options": _OPTIONS}, dry_run=FLAG, **WAITING), reply(**_PLAN["properties"]),
              errors=(409,),
              doc="With `dry_run` the answer tells what each change would do. A secret that was shown masked and is "
              "sent back masked stays as it is."),
    Operation("DELETE", "/watchers/{name}", "removeWatcher", "admin", "Remove a watcher", remove,
              (ENDPOINT, Parameter("nostop", FLAG, "leave its processes running, unmanaged")), answer=OUTCOME,
              errors=(409,)),
    Operation("GET", "/watchers/{name}/options", "showOptions", "viewer", "The options of a watcher", show_options,
              (ENDPOINT, Parameter("reveal", FLAG, "show secrets, too (role admin; it is written down)")),
              answer=reply(options=ANYTHING), doc="Values that look like secrets are masked; `secrets` names them."),
    Operation("GET", "/watchers/{name}/why", "explainWatcher", "viewer", "Why a watcher is as it is", explain,
              (ENDPOINT, Parameter("lines", NUMBER, "lines of output with each end of a process"))),
    Operation("GET", "/watchers/{name}/stats", "showSeries", "viewer", "The measures of a watcher over time",
              show_series, (ENDPOINT, _SINCE, Parameter("resolution", _RESOLUTION, "of the samples")),
              answer=reply(series=ANYTHING)),
    Operation("GET", "/watchers/{name}/logs", "showWatcherLogs", "viewer", "The last output of a watcher", show_logs,
              LOG_PARAMETERS, answer=reply(lines={"type": "array", "items": ANYTHING})),
)  # fmt: skip
