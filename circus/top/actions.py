"""What can be done to a row, what that means, and how much asking it takes before it is done.

Pure: from an action and the nodes it is for to the requests and the words on the screen. The more there is to lose,
the more somebody must do to agree: nothing, one key, or typing the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from circus.exc import ArgumentError
from circus.model.dashboard.node import CHILD, DAEMON, ENDPOINT, WATCHER, WORKER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from circus.model.dashboard import Dashboard, Node

#: How much asking: none; yes or no; the name must be typed. What is only shown cannot be agreed to.
FREE, ASK, TYPE, SHOW = "free", "ask", "type", "show"
#: Seconds to wait for the outcome of what takes time: graceful timeouts are 30 s by default, and queue up.
LONG, SHORT = 120.0, 10.0


class Request(NamedTuple):
    """One request for one daemon. ``label`` names it in progress and outcome; ``node`` is the row it is for."""

    endpoint: str
    message: dict[str, Any]
    label: str
    node: Node | None = None


class Plan(NamedTuple):
    """What somebody is about to do.

    :param risk: how much asking it takes.
    :param question: what will happen, for people.
    :param word: what must be typed for the highest risk.
    :param patience: seconds to wait for the outcome.
    :param details: more lines to show, each with its gravity.
    """

    requests: list[Request]
    risk: str
    question: str
    word: str
    patience: float
    details: Sequence[tuple[str, str]] = ()


class Action(NamedTuple):
    """One action. ``kinds`` are the kinds of rows it is for; ``on_all`` whether it may be done to a whole daemon."""

    name: str
    title: str
    kinds: frozenset[str]
    doc: str
    on_all: bool = False


_BOTH = frozenset({WATCHER, WORKER})
ACTIONS: dict[str, Action] = {
    action.name: action
    for action in (
        Action("start", "Start", frozenset({WATCHER}), "start the watcher", True),
        Action("stop", "Stop", frozenset({WATCHER}), "stop all workers, and keep them stopped", True),
        Action("restart", "Restart", _BOTH, "stop, then start; a worker is ended and replaced", True),
        Action("reload", "Reload", frozenset({WATCHER}), "replace the workers gracefully by new ones", True),
        Action("incr", "One more", frozenset({WATCHER}), "one more worker"),
        Action("decr", "One less", frozenset({WATCHER}), "one worker less"),
        Action("signal", "Signal…", frozenset({WATCHER, WORKER, CHILD}), "send a signal that is chosen from a list"),
        Action("kill", "Kill", _BOTH, "SIGKILL, without grace; what it ends is replaced"),
    )
}  # fmt: skip

#: Commands of circusctl that change nothing.
HARMLESS = frozenset({
    "dstats", "events", "get", "globaloptions", "list", "listen", "listsockets", "numprocesses", "numwatchers",
    "options", "stats", "status", "tail", "why", "help",
})  # fmt: skip
_EASY = frozenset({"start", "incr"})
_GRAVE = frozenset({"quit", "rm"})
_WHOLE = frozenset({"stop", "restart", "reload"})


def applicable(nodes: Sequence[Node]) -> list[Action]:
    """The actions that make sense for all these rows."""
    return [action for action in ACTIONS.values() if nodes and all(_applies(action, node) for node in nodes)]


def _applies(action: Action, node: Node) -> bool:
    if node.kind == ENDPOINT:
        return action.on_all
    under = node.above(DAEMON)
    return under is None and node.kind in action.kinds


def plan(name: str, nodes: Sequence[Node], signum: str = "") -> Plan:
    """What an action on these rows will do.

    :param signum: the signal, for ``signal``.
    :raises ArgumentError: it makes no sense for one of them.
    """
    action = ACTIONS[name]
    for node in nodes:
        if not _applies(action, node):
            hint = "; K kills it, r replaces it, - takes one away" if name == "stop" and node.kind == WORKER else ""
            raise ArgumentError(f"{action.title.rstrip('…').lower()}: not for {_called(node)}{hint}")
    if not nodes:
        raise ArgumentError("nothing is selected")
    verb = _verb(name, signum)
    requests = [Request(node.path[0], _message(name, node, signum), f"{verb} {node.name}", node) for node in nodes]
    whole = [node for node in nodes if node.kind == ENDPOINT]
    risk = _risk(name, nodes)
    word = "" if risk != TYPE else whole[0].name if whole else nodes[0].name if len(nodes) == 1 else "all"
    patience = SHORT if name == "signal" else LONG
    return Plan(requests, risk, _question(name, nodes, signum), word, patience)


def _verb(name: str, signum: str) -> str:
    return f"signal {signum} to" if name == "signal" else {"incr": "one more", "decr": "one less"}.get(name, name)


def _risk(name: str, nodes: Sequence[Node]) -> str:
    if any(node.kind == ENDPOINT for node in nodes) and name in ("stop", "restart"):
        return TYPE
    if name == "kill" and any(_workers(node) > 1 for node in nodes):
        return TYPE
    if name in ("stop", "restart") and len(nodes) > 3:
        return TYPE
    return FREE if name in _EASY and len(nodes) == 1 and nodes[0].kind != ENDPOINT else ASK


def _message(name: str, node: Node, signum: str) -> dict[str, Any]:
    watcher = node.above(WATCHER)
    if node.kind == ENDPOINT or watcher is None:
        return _request(name, waiting=True)
    target = watcher.name
    if name in ("start", "stop", "restart") and node.kind == WATCHER:
        return _request(name, name=target, match="simple", waiting=True)
    if name == "reload":
        return _request(name, name=target, graceful=True, waiting=True)
    if name in ("incr", "decr"):
        return _request(name, name=target, nb=1, waiting=True)
    if name == "restart":
        return _request("kill", name=target, pid=node.key, waiting=True)
    if name == "kill":
        one = {"pid": node.key} if node.kind == WORKER else {}
        return _request("kill", name=target, **one, signum=9, graceful_timeout=0, waiting=True)
    if node.kind == CHILD:
        above = node.above(WORKER)
        assert above is not None
        return _request("signal", name=target, pid=above.key, childpid=node.key, signum=signum)
    one = {"pid": node.key} if node.kind == WORKER else {}
    return _request("signal", name=target, **one, signum=signum)


def _request(command: str, **properties: Any) -> dict[str, Any]:
    return {"command": command, "properties": properties}


def _called(node: Node) -> str:
    if node.kind == WORKER:
        return f"worker {node.name} (pid {node.key})"
    return f"{node.kind} {node.name}"


def _workers(node: Node) -> int:
    if node.kind in (WORKER, CHILD):
        return 1
    count = node.values.get("procs")
    return count if isinstance(count, int) else len(node.children)


def _question(name: str, nodes: Sequence[Node], signum: str) -> str:
    """What will happen, in one or two sentences."""
    if len(nodes) > 1:
        total = sum(map(_workers, nodes))
        named = ", ".join(node.name for node in nodes[:6]) + (" …" if len(nodes) > 6 else "")
        processes = _counted(total, "process", "processes")
        return f"{_verb(name, signum).capitalize()} {len(nodes)} rows ({named}), {processes} in all?"
    node = nodes[0]
    count = _counted(_workers(node), "worker")
    where = _called(node)
    if node.kind == ENDPOINT:
        what = {
            "start": "Start all watchers of", "stop": "Stop every watcher of", "reload": "Reload every watcher of",
            "restart": "Restart the whole daemon, with its configuration read again:",
        }[name]  # fmt: skip
        return f"{what} {node.name}? It has {count}."
    texts: dict[str, Callable[[], str]] = {
        "start": lambda: f"Start {where}?",
        "stop": lambda: f"Stop {where}? Its {count} get the stop signal, and nothing is started in their place.",
        "restart": lambda: (
            f"Restart {where}? It gets the stop signal, and is replaced when it has ended."
            if node.kind == WORKER
            else f"Restart {where}? Its {count} are stopped before new ones are started."
        ),
        "reload": lambda: f"Reload {where}? New workers are started, then the {count} of now are stopped.",
        "incr": lambda: f"One more worker for {where}? It has {count}.",
        "decr": lambda: f"One worker less for {where}? It has {count}; the oldest is stopped.",
        "signal": lambda: f"Send {signum} to {where}{'' if node.kind != WATCHER else f' ({count})'}?",
        "kill": lambda: (
            f"Kill {where} at once? It gets no chance to finish what it does."
            if node.kind == WORKER
            else f"Kill all {count} of {where} at once? They get no chance to finish what they do."
        ),
    }
    return texts[name]()


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def is_harmless(message: Mapping[str, Any]) -> bool:
    """Whether a request changes nothing."""
    command, properties = str(message.get("command")), message.get("properties") or {}
    return command in HARMLESS or (command == "reloadconfig" and bool(properties.get("dry_run")))


def plan_command(endpoint: str, message: Mapping[str, Any], line: str) -> Plan:
    """What a typed command will do.

    :param message: the request it was parsed to.
    :param line: as it was typed.
    """
    command = str(message.get("command"))
    properties = message.get("properties") or {}
    risk = FREE if is_harmless(message) or command in _EASY else ASK
    if command in _GRAVE or (command in _WHOLE and not properties.get("name")):
        risk = TYPE
    word = str(properties.get("name") or command) if risk == TYPE else ""
    what = {"quit": "This ends the daemon and all its workers.", "rm": "The watcher is stopped and forgotten."}
    question = f"{line}\n{what.get(command, '')}".strip()
    return Plan([Request(endpoint, dict(message), line)], risk, question, word, LONG)


def is_told(request: Request, board: Dashboard) -> bool:
    """Whether the tree shows what a request that was carried out leads to, unless something is wrong.

    Replies and events come by different ways: on a machine with much to do the events may be later.
    """
    node, command = request.node, request.message.get("command")
    watcher = board.find(node.path[:2]) if node is not None and node.parent is not None else None
    if node is None or watcher is None or command == "signal":
        return True
    if node.kind == WORKER:
        wid = node.values.get("wid")
        return wid is None or any(w.values.get("wid") == wid and w.key != node.key for w in watcher.children.values())
    state, bound = watcher.values.get("state"), watcher.values.get("procs_of")
    if command == "stop":
        return bool(state == "stopped")
    return bool(state == "active" and (bound is None or watcher.values.get("procs") == bound))


def aftermath(request: Request, board: Dashboard) -> str:
    """How things are after it was done, as far as the tree tells: what somebody would look for next."""
    node = request.node
    if node is None or node.parent is None:
        return ""
    watcher = board.find(node.path[:2])
    if watcher is None:
        return "it is gone"
    wid = node.values.get("wid")
    if node.kind == WORKER and wid is not None:
        pids = [worker.key for worker in watcher.children.values() if worker.values.get("wid") == wid]
        if not pids:
            return f"no worker {wid} at the moment"
        return f"pid {pids[-1]} now" if pids[-1] != node.key else f"still pid {node.key}"  # the newest is the last
    bound = watcher.values.get("procs_of")
    wanted = f" of {bound}" if bound is not None else ""
    return f"{watcher.values.get('state', '')}, {watcher.values.get('procs', 0)}{wanted} workers"


def outcome(request: Request, reply: Mapping[str, Any], seconds: float) -> tuple[str, str]:
    """What came of a request: ``good`` or ``bad``, and a sentence."""
    took = f" ({seconds:.1f} s)" if seconds >= 0.1 else ""
    if reply.get("status") == "error":
        cause = f" ({reply['cause']})" if reply.get("cause") else ""
        return "bad", f"{request.label}: {reply.get('reason', 'refused')}{cause}"
    if "numprocesses" in reply:
        return "good", f"{request.label}: {_counted(reply['numprocesses'], 'process', 'processes')} now{took}"
    return "good", f"{request.label}: done{took}"
