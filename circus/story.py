"""Why a watcher is as it is: the facts that were remembered, put together for somebody who was not there.

Called by the ``why`` command, and for reports of internal errors. It reads what the supervision, the life cycle, the
arbiter and the journal know, and changes nothing; all of it comes from memory, so the answer never waits.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from circus.base.spans import span
from circus.model.slots import describe_exit
from circus.model.steps import Phase, Stage, Wish

if TYPE_CHECKING:
    from circus.supervision import Supervision
    from circus.watcher import Watcher

Lines = list[tuple[float, str]]

#: Ends of one cause that are told one by one in a story; of more it is told how many there were.
_FEW = 3
#: Seconds between two ends that belong together.
_TOGETHER = 5.0
#: Lines of a story.
_STORY = 60
_REFUSED = re.compile(r"(before_start|before_spawn|after_spawn|after_start) refused")
_FAILED_START = "could not be started: "
_CRASHES = frozenset({"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS"})


def explain(watcher: Watcher, lines: int = 10) -> dict[str, Any]:
    """Everything that is known about why ``watcher`` is in its present state.

    :param lines: how many of the last lines of output come with each end of a process, where output is captured.
    :return: the fields of the reply to ``why``; see there.
    """
    supervision, now = watcher.supervision, time.time()
    intent = supervision.intent
    wait = _next_try(watcher)
    told: dict[str, Any] = {
        "name": watcher.name,
        "status": watcher.status(),
        "stage": supervision.machine.stage.name.lower(),
        "wanted": "running" if intent is not None and intent[1] else "stopped",
        "numprocesses": watcher.numprocesses,
        "cause": _cause(watcher),
        "since": supervision.since if intent is not None else None,
        "reason": _reason(watcher, wait),
        "next": _next(watcher, wait),
        "next_try": None if wait is None else now + wait[1],
        "backoff": None if wait is None else wait[2],
        "workers": _workers(watcher, now),
        "exits": exits(supervision, lines),
        "story": [{"time": at, "text": text} for at, text in story(supervision)[-_STORY:]],
    }
    if watcher.by_hand:
        told["reason"] = f"{_processes(len(watcher))}, managed by a program"
        told["next"] = "what that program decides"
    if supervision.spawn_error is not None:
        told["spawn_error"] = {"time": supervision.spawn_error[0], "text": supervision.spawn_error[1]}
    hooks = [dict(answer) for answer in supervision.answers.values() if "error" in answer or not answer["go"]]
    if hooks:
        told["hooks"] = hooks
    troubles = getattr(watcher.stream_redirector, "troubles", None)  # a program's own class may know of none
    streams = troubles() if callable(troubles) else {}
    if streams:
        told["streams"] = streams
    return told


# -- what was --------------------------------------------------------------------------------------------


def story(supervision: Supervision) -> Lines:
    """What happened to the watcher lately: wall-clock times and lines, oldest first."""
    lines = supervision.story()
    said = {text for _, text in lines}
    lines += [(at, f"{_signal(signum)} sent to pid {pid}: {cause}") for at, pid, signum, cause in supervision.signals]
    for end in supervision.deaths:
        what = f"(pid {end['process_pid']}) {_exit(end)}"
        if not any(what in text for text in said):  # a young death was told with its back-off
            lines.append((end["time"], f"worker {end['wid']} {what} after {span(end['uptime'])}"))
    lines += _endings(supervision.endings)
    lines += [(s.started, f"worker {s.wid} started as pid {s.pid}: {s.why}")
              for s in supervision.machine.slots.values() if s.pid and s.why.startswith("replaces")]
    return sorted(lines, key=lambda line: line[0])


def _endings(ends: Iterable[dict[str, Any]]) -> Lines:
    """Ends that were asked for: one by one if they are few of one cause, else how many they were."""
    groups: list[list[dict[str, Any]]] = []
    for end in ends:
        last = groups[-1][-1] if groups else None
        if last is not None and last["cause"] == end["cause"] and end["time"] - last["time"] < _TOGETHER:
            groups[-1].append(end)
        else:
            groups.append([end])
    lines: Lines = []
    for group in groups:
        cause = group[-1]["cause"]
        if len(group) > _FEW:
            lines.append((group[-1]["time"], f"{len(group)} workers ended, or more: {cause}"))
            continue
        for end in group:
            text = f"worker {end['wid']} (pid {end['process_pid']}) ended ({_exit(end)}): {cause}"
            lines.append((end["time"], text))
    return lines


def exits(supervision: Supervision, lines: int = 10) -> list[dict[str, Any]]:
    """The last ends of workers, oldest first: up to ten that nobody asked for, and up to ten that somebody did."""
    ends = sorted([*supervision.deaths, *supervision.endings], key=lambda end: end["time"])
    return [_told_exit(supervision, end, lines) for end in ends]


def _told_exit(supervision: Supervision, end: dict[str, Any], lines: int) -> dict[str, Any]:
    pid, code = end["process_pid"], end["exit_code"]
    told = {
        "wid": end["wid"], "pid": pid, "time": end["time"], "exit": _exit(end), "exit_code": code,
        "uptime": end["uptime"], "expected": end["expected"], "cause": end["cause"],
        "lines": _last_lines(supervision.watcher, pid, lines),
    }
    if not end["expected"]:
        sender = next((cause for at, whom, signum, cause in reversed(supervision.signals)
                       if (whom, -signum) == (pid, code) and at <= end["time"]), None)
        if sender is not None:
            told["cause"] = sender
        else:
            hint = _hint(supervision.watcher, told["exit"], code)
            if hint:
                told["hint"] = hint
    return told


def _exit(end: dict[str, Any]) -> str:
    return "vanished" if end["cause"] == "vanished" else describe_exit(end["exit_code"])


def _signal(signum: int) -> str:
    return describe_exit(-signum).removeprefix("killed by ")


def _hint(watcher: Any, how: str, code: int) -> str:
    if how == "killed by SIGKILL":
        return "not by Circus: the kernel when memory ran out (see dmesg), or another program"
    if how.removeprefix("killed by ") in _CRASHES:
        return "it crashed"
    if getattr(watcher, "shell", False) and code in (126, 127):
        return "the shell found no such command" if code == 127 else "the shell could not execute the command"
    return ""


def _last_lines(watcher: Any, pid: int, lines: int) -> list[str]:
    last_output = getattr(watcher, "last_output", None)
    return [] if last_output is None or lines <= 0 else list(last_output(pid, lines))


# -- what is ---------------------------------------------------------------------------------------------


def _workers(watcher: Watcher, now: float) -> list[dict[str, Any]]:
    found = []
    for slot in sorted(watcher.supervision.machine.slots.values(), key=lambda slot: slot.wid):
        started = slot.started or None
        found.append({
            "wid": slot.wid, "pid": slot.pid or None, "state": slot.phase.value, "started": started,
            "age": None if started is None else round(max(0.0, now - started), 3), "why": slot.ending or slot.why,
        })
    return found


def _cause(watcher: Watcher) -> str:
    """Who or what asked for the present state."""
    supervision = watcher.supervision
    if supervision.machine.because:
        return _hook_words(supervision, supervision.machine.because)
    if supervision.intent is not None:  # stopped before its turn to be started came
        return supervision.intent[2]
    added = None
    if watcher.journal is not None:
        past, _ = watcher.journal.since(name=watcher.name, events=("add",))
        added = past[-1]["cause"] if past else None
    if watcher in _queued(watcher):
        return "daemon start"
    if watcher.on_demand:
        return "on_demand: it is started by a connection"
    if added is not None:
        return f"{added}; nobody has started it since"
    return "nobody has started it" if watcher.autostart else "autostart is off, and nobody has started it"


def _hook_words(supervision: Supervision, because: str) -> str:
    """``before_start refused``, with what is known of that answer."""
    found = _REFUSED.fullmatch(because)
    answer = supervision.answers.get(found[1]) if found else None
    if answer is None:
        return because
    hook = supervision.watcher.hooks.get(answer["name"])
    where = ".".join(filter(None, (getattr(hook, "__module__", ""), getattr(hook, "__qualname__", ""))))
    named = f"hook {answer['name']}" + (f" ({where})" if where else "")
    if "error" in answer:
        return f"{named} failed: {answer['error']}"
    return f"{named} refused: it returned a false value, or none"


def _reason(watcher: Watcher, wait: tuple[int, float, float] | None) -> str:
    """How things are, in a sentence."""
    supervision = watcher.supervision
    machine = supervision.machine
    hook = supervision.asking()
    if hook is not None:
        return f"hook {hook[0]} has been thinking for {span(hook[1])} of its {span(watcher.hook_timeout)}"
    if machine.stage in (Stage.STOPPING, Stage.CLOSING):
        left = sum(slot.phase is not Phase.ASKING for slot in machine.slots.values())
        return f"{_processes(left)} not gone yet"
    if machine.stage is Stage.IDLE:
        return _idle_reason(watcher)
    there = [slot for slot in machine.slots.values() if slot.phase is Phase.RUNNING and not slot.leaving]
    old = sum(slot.old for slot in there)
    text = f"{len(there) - old} of {_processes(watcher.numprocesses)} running"
    if old:
        text += f", {old} more until its successor has proved itself"
    if machine.failed_starts and supervision.spawn_error is not None:
        tries = "" if watcher.max_retry == -1 else f" of {max(1, watcher.max_retry)}"
        return f"{text}; try {machine.failed_starts}{tries} failed: {supervision.spawn_error[1]}"
    times = 0 if wait is None else machine.pace.failures(wait[0])
    if wait is not None and times:
        return f"{text}; worker {wait[0]} ended too soon {times} time{'s' * (times != 1)} in a row"
    return text


def _idle_reason(watcher: Watcher) -> str:
    supervision = watcher.supervision
    because = supervision.machine.because
    if because.startswith(_FAILED_START):
        tries = supervision.machine.failed_starts
        starts = f"{tries} failed start{'s' * (tries != 1)}"
        return f"Circus gave up after {starts} in a row (max_retry is {watcher.max_retry})"
    if because == "respawn is off":
        return "its processes have ended, and with respawn off they are not replaced"
    if because == "it has no process to run":
        return "numprocesses is 0"
    if _sockets_awaited(watcher):
        return "no process is running; its sockets are watched"
    return "no process is running"


def _processes(number: int) -> str:
    return f"{number} process{'es' * (number != 1)}"


# -- what comes ------------------------------------------------------------------------------------------


def _next_try(watcher: Watcher) -> tuple[int, float, float] | None:
    """The next worker that is held back: its id, seconds until it is tried, and the back-off it is in; or None."""
    machine = watcher.supervision.machine
    if machine.stage not in (Stage.STARTING, Stage.UP):
        return None
    served = machine.served()
    taken = {slot.wid for slot in machine.slots.values()} | served
    missing = watcher.numprocesses - sum(not slot.leaving for slot in machine.slots.values()) - len(served)
    free = [wid for wid in range(1, watcher.numprocesses + 1) if wid not in taken][: max(0, missing)]
    if not free:
        return None
    wid = min(free, key=machine.pace.not_before)
    left = max(machine.next_spawn_at, machine.pace.not_before(wid)) - time.monotonic()
    if left <= 0:
        return None
    failures = max(machine.failed_starts, machine.pace.failures(wid))
    return wid, round(left, 3), round(watcher.backoff.delay(failures, lambda: 0.0), 3)


def _next(watcher: Watcher, wait: tuple[int, float, float] | None) -> str:
    """What happens next if nobody does anything."""
    machine = watcher.supervision.machine
    if getattr(watcher.arbiter, "_stopping", False) is True:
        return "circusd is about to end"
    if machine.stage is Stage.IDLE:
        return _idle_next(watcher)
    if machine.stage in (Stage.STOPPING, Stage.CLOSING):
        return _stopping_next(watcher)
    if watcher.supervision.asking() is not None:
        return "it goes on when the hook has answered, or its time is over"
    if wait is not None and wait[2]:
        return f"next try in {span(wait[1])}: worker {wait[0]}, back-off {span(wait[2])}"
    if wait is not None:
        return f"worker {wait[0]} is started in {span(wait[1])}: warmup_delay"
    if machine.stage is Stage.STARTING:
        return "it is active when all its processes are running"
    if watcher.max_age > 0:
        ages = [watcher.max_age, watcher.max_age + max(0, watcher.max_age_variance)]
        return f"a worker is replaced when it is {' to '.join(dict.fromkeys(map(span, ages)))} old (max_age)"
    return "nothing: it runs"


def _stopping_next(watcher: Watcher) -> str:
    machine = watcher.supervision.machine
    following = machine.next_op
    if following is None and machine.op is not None and machine.op.wish is Wish.RESTART:
        following = machine.op
    then = f"; then it is started: {following.cause}" if following is not None else ""
    grace = [slot.deadline for slot in machine.slots.values() if slot.phase in (Phase.STOPPING, Phase.LINGERING)]
    finite = [deadline for deadline in grace if deadline != float("inf")]
    if finite:
        return f"SIGKILL in {span(max(0.0, min(finite) - time.monotonic()))} to what has not ended by then{then}"
    return f"it is stopped when they are gone{then}"


def _idle_next(watcher: Watcher) -> str:
    because = watcher.supervision.machine.because
    start = f"circusctl start {shlex.quote(watcher.name)}"
    if watcher in _queued(watcher):
        return "it is started when its turn comes"
    sockets = _sockets_awaited(watcher)
    if sockets:
        return f"the next connection on socket {' or '.join(sockets)} starts it"
    if because.startswith(_FAILED_START) or "stop_exit_codes" in because or _REFUSED.fullmatch(because):
        return f"nothing, until the cause is mended and somebody starts it: {start}"
    return f"nothing, until somebody starts it: {start}"


def _queued(watcher: Watcher) -> list[Any]:
    """Watchers whose turn to be started has not come yet."""
    return [each for queue in getattr(watcher.arbiter, "_queues", None) or () for each in queue]


def _sockets_awaited(watcher: Watcher) -> list[str]:
    awaits = getattr(getattr(watcher.arbiter, "alarm", None), "awaits", None)
    return list(awaits(watcher)) if watcher.on_demand and awaits is not None else []
