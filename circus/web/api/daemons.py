"""A daemon as a whole: sockets, events, statistics, plugins, settings, output; reloading its configuration; its end."""

from __future__ import annotations

import time
from typing import Any

from circus.web import pictures
from circus.web.api.actions import OUTCOME, WAITING, patience_of
from circus.web.api.logs import LOG_PARAMETERS, show_logs
from circus.web.api.operation import ANYTHING, ENDPOINT, FLAG, NUMBER, TEXT, Call, Operation, Parameter, record, reply
from circus.web.endpoints import PATIENCE
from circus.web.outcome import act, ends_us, look_at_all

_NUMBER_OR_INSTANT = {"type": "number", "minimum": 0, "maximum": 1e11}
_MOST_EVENTS = 2000
_LIMIT = {"type": "integer", "minimum": 1, "maximum": 2000}


async def show_sockets(call: Call) -> dict[str, Any]:
    """The managed sockets."""
    daemon = call.daemon
    listed = (await daemon.call("listsockets")).get("sockets") or []
    facts = call.console.hub.facts_of(daemon)
    await facts.complete()
    return {"sockets": list(pictures.sockets_of(daemon.model, listed, facts.known).values()), "endpoint": daemon.id}


async def show_events(call: Call) -> dict[str, Any]:
    """What happened, from the daemon's journal."""
    limit, before, since = int(call.query.get("limit", 100)), call.query.get("before"), call.query.get("since")
    properties: dict[str, Any] = {"limit": limit if before is None else _MOST_EVENTS}
    if since is not None:  # a small number is that of an event, which is a whole one
        properties["since"] = float(since) if since > 1e9 else int(since)
    if "name" in call.query:
        properties["name"] = call.query["name"]
    if "events" in call.query:
        properties["events"] = [word for word in call.query["events"].split(",") if word]
    daemon = call.daemon
    told = await daemon.call("events", properties)
    events = [{**event, "endpoint": daemon.id} for event in told.get("events") or ()]
    more = bool(told.get("more"))
    if before is not None:
        earlier = [event for event in events if event["seq"] < before]
        events, more = earlier[-limit:], len(earlier) > limit
    return {"events": events, "more": more, **{key: told.get(key) for key in ("first", "last", "daemon")}}


async def show_stats(call: Call) -> dict[str, Any]:
    """The latest measures of everything."""
    daemon, now = call.daemon, time.time()
    await daemon.look()
    picture = call.console.hub.overview(daemon, now)
    workers = {node.name: pictures.workers_of(node) for node in pictures.watchers_of(daemon.model)}
    return {"time": now, "source": picture["source"], "note": picture["note"], "totals": picture["totals"],
            "workers": workers, "circus": pictures.daemon_processes(daemon.model)}  # fmt: skip


async def show_plugins(call: Call) -> dict[str, Any]:
    """The plugins with their options."""
    daemon = call.daemon
    names = [name for name in (await daemon.call("list")).get("watchers") or [] if name.startswith("plugin:")]
    found = []
    for name in names:
        options = (await daemon.call("options", {"name": name})).get("options") or {}
        status = (await daemon.call("status", {"name": name})).get("status")
        found.append({"name": name, "status": status, **pictures.plugin_picture(options)})
    return {"plugins": found}


async def show_globals(call: Call) -> dict[str, Any]:
    """The settings of circusd, and what it uses itself."""
    daemon = call.daemon
    options = (await daemon.call("globaloptions")).get("options") or {}
    info = await daemon.ask_self()
    return {"endpoint": daemon.id, "options": options, "circusd": {**info, **daemon.build},
            "source": daemon.model.source, "note": daemon.model.note, "online": daemon.is_online,
            "since": daemon.since}  # fmt: skip


async def reload_config(call: Call) -> dict[str, Any]:
    """Make the daemon what its configuration file says; only tell the steps with ``dry_run``."""
    daemon = call.daemon
    if call.body.get("dry_run"):
        told = await daemon.ask_plan()
        line = call.line(daemon, {"command": "reloadconfig", "properties": {"dry_run": True}})
        plan = [str(step) for step in told.get("plan") or [] if step != "nothing to do"]
        return {"plan": plan, "steps": told.get("steps", []), "problems": told.get("problems", []),
                "circusctl": line, "outcome": "ok",
                "text": f"{len(plan)} step{'s' * (len(plan) > 1)}" if plan else "nothing to do"}  # fmt: skip
    waiting, since = bool(call.body.get("waiting", True)), daemon.news.seq
    properties = {"waiting": True} if waiting else {}
    done = await act(call, daemon, "reloadconfig", properties, patience=patience_of(call, waiting=waiting))
    if not waiting or done["outcome"] == "pending":
        return done
    return {**done, **(await look_at_all(daemon, "reloadconfig", since))}


async def end(call: Call) -> dict[str, Any]:
    """Stop everything, and the daemon itself."""
    daemon = call.daemon
    own = call.console.settings.own_watcher
    waiting = bool(call.body.get("waiting")) and not ends_us(call, daemon, {own})
    properties = {"waiting": True} if waiting else {}
    done = await act(call, daemon, "quit", properties, patience=patience_of(call, waiting=waiting) or PATIENCE)
    return {**done, "text": "circusd has ended" if waiting else "circusd is ending"}


_LOGS = (*LOG_PARAMETERS, Parameter("watchers", {"type": "string", "maxLength": 5000}, "names, with commas; else all"))
_LIST = {"type": "array", "items": ANYTHING}

OPERATIONS = (
    Operation("GET", "/sockets", "listSockets", "viewer", "The managed sockets", show_sockets, (ENDPOINT,),
              answer=reply(sockets=_LIST)),
    Operation("GET", "/events", "listEvents", "viewer", "What happened", show_events, (
        ENDPOINT,
        Parameter("since", _NUMBER_OR_INSTANT, "an event's number, or seconds since 1970: only what came after"),
        Parameter("before", NUMBER, "an event's number: only those before it, the newest"),
        Parameter("name", TEXT, "only of this watcher"),
        Parameter("events", {"type": "string", "minLength": 1, "maxLength": 500}, "only these, with commas"),
        Parameter("limit", _LIMIT, "how many at most; 100 by default"),
    ), answer=reply(events=_LIST)),
    Operation("GET", "/stats", "showStats", "viewer", "The latest measures of all processes", show_stats, (ENDPOINT,),
              answer=reply(totals=ANYTHING, workers=ANYTHING)),
    Operation("GET", "/plugins", "listPlugins", "viewer", "The plugins", show_plugins, (ENDPOINT,),
              answer=reply(plugins=_LIST)),
    Operation("GET", "/globals", "showGlobals", "viewer", "The settings of circusd", show_globals, (ENDPOINT,),
              answer=reply(options=ANYTHING, circusd=ANYTHING)),
    Operation("GET", "/logs", "showLogs", "viewer", "The last output of watchers", show_logs, _LOGS,
              answer=reply(lines=_LIST)),
    Operation("POST", "/reloadconfig", "reloadConfig", "admin", "Reload the configuration file", reload_config,
              (ENDPOINT,), record({}, dry_run=FLAG, **WAITING), OUTCOME, errors=(409,),
              doc="With `dry_run` nothing is done; `plan` has the steps that would be, `steps` the same for programs."),
    Operation("POST", "/quit", "quitDaemon", "admin", "Stop all watchers and end circusd", end, (ENDPOINT,),
              record({}, **WAITING), OUTCOME, errors=(409,)),
)  # fmt: skip
