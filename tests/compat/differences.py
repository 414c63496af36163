"""Every difference between Circus 0.19.0 and this one that the comparison meets, and what permits it.

The key is the name of the test and of the step. An entry whose step does not exist, whose reference does not
behave as noted, or which this Circus does not follow, fails. ``...`` stands for anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    """One permitted difference.

    :param because: the decision, or the paragraph of the contract that says IMPROVE.
    :param reference: what 0.19.0 does.
    :param ours: what we do.
    """

    because: str
    reference: Any
    ours: Any


#: Processes whose ``kill`` was seen in this session (names of processes are unique within a test only, which makes
#: this lenient, never strict).
_KILLED: set[str] = set()


def without_extra_reaps(reference: list[str], ours: list[str]) -> list[str]:
    """Our events without the reaps that 0.19.0 does not publish: decisions.md 3, one ``reap`` for every
    process.

    Such a reap is of a process of which the reference reports no reap at this step, and comes after its
    ``kill``: in the same step, or in an earlier one whose command was not waited for.
    """
    reaped = {_subject_of(line) for line in reference if ".reap " in line}
    killed = _KILLED
    kept = []
    for line in ours:
        process = _subject_of(line)
        if ".kill " in line:
            killed.add(process)
        if ".reap " not in line or process in reaped or process not in killed:
            kept.append(line)
    return kept


def _subject_of(line: str) -> str:
    """Watcher and pid of a line about a process."""
    found = re.match(r"(.*)\.\w+ (<\w+>)", line)
    return " ".join(found.groups()) if found else ""


def ok(**fields: Any) -> dict[str, Any]:
    """A reply that reports success."""
    return {"status": "ok", "time": "<time>", **fields}


#: 0.19.0 leaves after a quit with its answer still in the queue (its control socket has linger 0): if its I/O thread
#: gets no CPU in that moment, nobody gets the answer. Delaying that thread by 0.4 s loses every one of them; ours
#: lingers. By step, what a loss looks like, and what 0.19.0 says otherwise.
_LOSABLE: dict[str, tuple[Any, Any]] = {
    "call quit waiting=True": (None, ok()),
    "ctl quit --waiting": ({"rc": 1, "out": "", "err": "Timed out."}, {"rc": 0, "out": "ok\n", "err": ""}),
}


def as_answered(step: str, result: Any) -> Any:
    """What 0.19.0 said to a step, also where that answer was lost on the way.

    :param result: what was seen of 0.19.0, never of ours: an answer of ours that is lost is a defect.
    """
    step = step.partition(" #")[0]  # a step that is there more than once is numbered
    if step not in _LOSABLE:
        return result
    loss, answer = _LOSABLE[step]
    if isinstance(result, dict) and "err" in result:
        seen: Any = {**result, "err": result["err"].partition("\n")[0]}
    else:
        seen = result
    return answer if seen == loss else result


def error(errno: int, reason: str) -> dict[str, Any]:
    """A reply that reports an error."""
    traceback = "<traceback>" if reason.startswith("command ...") else None
    return {"status": "error", "errno": errno, "reason": reason, "tb": traceback, "time": "<time>"}


def failed(reason: str) -> dict[str, Any]:
    """A reply of errno 5 with a traceback."""
    return error(5, f"command ...: {reason}")


def printed(rc: int, out: Any = "", err: Any = "") -> dict[str, Any]:
    """What a program printed and its exit code."""
    return {"rc": rc, "out": out, "err": err}


def busy(operation: str) -> dict[str, Any]:
    """The refusal of a command because another one is under way."""
    return error(5, f"arbiter is already running {operation} command")


DIFFERENCES: dict[tuple[str, str], Difference] = {}


def _differ(because: str, test: str, step: str, reference: Any, ours: Any) -> None:
    key = (test, step)
    assert key not in DIFFERENCES, f"{key} is there already"
    DIFFERENCES[key] = Difference(because, reference, ours)


def _define() -> None:
    _queries()
    _signals_and_kills()
    _changes()
    _lives()
    _conflicts()
    _configuration()
    _programs()


def _queries() -> None:
    test = "test_options"
    because = "wire.md 5, table, get: a free-form option's value is returned"
    reference = failed("'Watcher' object has no attribute 'myfree'")
    _differ(because, test, "call get name='web' keys=['myfree']", reference, ok(options={"myfree": "hello world"}))
    because = "wire.md 5.2, table: keys as a string is one key"
    reference = error(3, "'c' option not found")
    _differ(because, test, "call get name='web' keys='cmd'", reference, ok(options={"cmd": "sleep 98765432"}))
    because = "wire.md 5.2, table: a process that is no number is errno 3"
    ours = error(3, "'process' isn't an integer: invalid literal for int() with base 10: 'xx'")
    _differ(because, "test_infos", "call stats name='web' process='xx'", failed(INT % "xx"), ours)
    test = "test_messages"
    reference = failed("argument of type 'NoneType' is not iterable")
    ours = ok(watchers=["one two", "probe", "single", "web"])
    _differ("wire.md 2: properties null is {}", test, "call list properties:None", reference, ours)
    because = "wire.md 4: a name that is no string is errno 5, in whatever words"
    _differ(
        because,
        test,
        "call status name=5",
        failed("'int' object has no attribute 'lower'"),
        failed("...") | {"reason": ...},
    )
    because = "decisions.md 11: with --json an error reply is exit code 3, too"
    for command in ("list", "stop"):
        reply = error(3, "program zz not found")
        _differ(because, "test_json", f"ctl --json {command} zz", printed(0, reply), printed(3, "", reply))


INT = "invalid literal for int() with base 10: '%s'"
NO_SIGNAL = "module 'signal' has no attribute 'SIGNOSIG'"


def _signals_and_kills() -> None:
    because = "wire.md 5.2, table"
    not_found = error(3, "program zz not found")
    _differ(because, "test_kill", "call kill name='zz'", ok(), not_found)
    _differ(because, "test_kill", "call kill name='zz' waiting=True", error(6, "server error"), not_found)
    ours = error(3, "'pid' isn't an integer: " + INT % "xx")
    _differ(because, "test_kill", "call kill name='web' pid='xx'", failed(INT % "xx"), ours)
    for command in ("kill", "signal"):
        step = f"call {command} name='web' signum='NOSIG'"
        _differ(because, f"test_{command}", step, failed(NO_SIGNAL), error(3, "signal invalid"))
    test = "test_kill_and_signal"
    refused = printed(3, err=f"error: command ...: {NO_SIGNAL}\n")
    for step in ("ctl signal web NOSIG", "ctl kill web --signum NOSIG"):
        _differ(because, test, step, refused, printed(3, err="error: signal invalid\n"))
    ours = printed(3, err="error: program zz not found\n")
    _differ(because, test, "ctl kill zz --waiting", printed(0, "ok\n"), ours)
    because = "cli.md 2.1, row signal: a pid and switches in any order"
    unknown = "usage: circusctl [options] command [args]\ncircusctl: error: unrecognized arguments: %s\n"
    for step, word in (("web {pid:web:0} --children SIGCHLD", "SIGCHLD"), ("web --recursive chld", "chld")):
        _differ(because, test, f"ctl signal {step}", printed(2, err=unknown % word), printed(0, "ok\n"))
    because = "cli.md 2.1: one line instead of a traceback"
    ours = printed(1, err="pid isn't an integer: 'x'\n")
    _differ(because, test, "ctl signal web x 9", printed(1, err=f"Traceback\nValueError: {INT % 'x'}\n"), ours)


def _changes() -> None:
    because = "wire.md 5.1: an empty name is errno 3"
    step = "call add name='' cmd='sleep 1'"
    _differ(because, "test_add_refused", step, ok(), error(3, "command name shouldn't be empty"))
    step = "call add name='x' cmd='sleep 1' options={'hooks': {'before_start': 'no.such.hook'}}"
    because = "wire.md 5.3, row hooks: the flag after the callable is optional"
    ours = failed("import_string() failed for 'no.such.hook'...")
    _differ(because, "test_add_refused", step, failed("too many values to unpack (expected 2)"), ours)
    step = "call add name='x' cmd='sleep 1' options={'hooks.x': 'y'}"
    because = "user-asks.md 26: an accepted option takes effect or is refused"
    _differ(because, "test_add_refused", step, ok(), failed("import_string() failed for 'y'..."))
    because = "library.md 8, IMPROVE: add accepts the options that only a file could set"
    step = "call add name='x' cmd='sleep 1' options={'priority': 1}"
    _differ(because, "test_add_refused", step, error(3, "unknown key 'priority'"), ok())
    because = (
        "user-asks.md 17: a singleton never has two processes; lifecycle.md 8: a reload of everything starts nothing"
    )
    test = "test_all_at_once"
    reference = [
        "solo.spawn <g>", "solo.kill <d>", "solo.reload", "web.spawn <h>", "web.spawn <i>", "web.kill <e>",
        "web.kill <f>", "web.reload", "idle.spawn <j>", "idle.start", "idle.reload",
    ]  # fmt: skip
    ours = [
        "solo.kill <d>", "solo.reap <d> exit_code=-15", "solo.spawn <g>", "solo.reload", "web.spawn <h>",
        "web.spawn <i>", "web.kill <e>", "web.kill <f>", "web.reap <e> exit_code=-15",
        "web.reap <f> exit_code=-15", "web.reload",
    ]  # fmt: skip
    _differ(because, test, "events of call reload waiting=True", reference, ours)
    running = {"solo": "active", "web": "active"}
    reference = ok(statuses={**running, "idle": "active", "probe": "active"})
    ours = ok(statuses={**running, "idle": "stopped", "probe": "stopped"})
    _differ(because, test, "call status #3", reference, ours)


def _lives() -> None:
    because = "user-asks.md 19: the real outcome when it was waited for"
    for test in ("test_nothing_to_run", "test_no_directory_to_run_in"):
        reference = ok(info={"started": [], "kept": []})
        _differ(because, test, "call start name='web' waiting=True", reference, error(6, "server error"))
    because = "lifecycle.md 7: spawn first when possible"
    reference = ["web.kill <a>", "web.spawn <b>"]
    ours = ["web.spawn <b>", "web.kill <a>", "web.reap <a> exit_code=-15"]
    _differ(because, "test_age_limit", "events of call list name='web'", reference, ours)
    because = "lifecycle.md 11: an explicit start starts an on_demand watcher"
    reference = ok(info={"started": [], "kept": []})
    ours = ok(info={"started": ["<b>"], "kept": []})
    _differ(because, "test_on_demand", "call start name='web' waiting=True", reference, ours)


def _conflicts() -> None:
    because = "decisions.md 1: commands on different watchers never meet"
    test = "test_commands_on_another_watcher"
    stopping = busy("watcher_stop")
    ours = ok(info={"stopped": [...], "started": [...], "kept": []})
    _differ(because, test, "call restart name='other' waiting=True", stopping, ours)
    for step in (
        "incr name='other'",
        "set name='other' options={'warmup_delay': 0}",
        "add name='new' cmd='sleep 98765439'",
    ):
        _differ(because, test, f"call {step}", stopping, ok())
    because = "decisions.md 1: on one watcher the newer wish supersedes the older one"
    test = "test_commands_on_the_same_watcher"
    _differ(because, test, "call start name='slow'", stopping, ok())
    _differ(because, test, "call status name='slow'", {"status": "stopped"}, {"status": "active"})
    because = "decisions.md 1: no global lock"
    test = "test_commands_that_concern_everything"
    _differ(because, test, "call reload", stopping, ok())
    _differ(because, test, "call restart name='*'", stopping, ok())
    because = "decisions.md 12: stop signals always win"
    _differ(because, "test_a_stop_signal_during_a_slow_stop_is_not_lost", "ends", "still runs", 0)


def _configuration() -> None:
    because = "wire.md 6, 4: after a live resize the new value is remembered"
    for number, event in ((1, "a.spawn <d>"), (3, "a.kill <a>")):
        test = f"test_edit_of_the_number_of_processes[{number}]"
        more = ["a.reap <a> exit_code=-15"] if number == 3 else []
        _differ(because, test, "events back", [], [event, *more])
        _differ(because, test, "call numprocesses name='a'", ok(numprocesses=number), ok(numprocesses=2))
    because = "wire.md 6, 4: added and removed keys are noticed"
    restarted = ["b.kill <c>", "b.reap <c> exit_code=-15", "b.stop", "b.spawn <d>", "b.start"]
    for change in ("a key added", "a key removed"):
        test = f"test_edit_that_adds_or_removes_a_key[{change}]"
        _differ(because, test, "events all", [], restarted)
        _differ(because, test, "call list name='b' #2", ok(pids=["<c>"]), ok(pids=["<d>"]))
    because = "wire.md 6, 3: a changed socket replaces its watchers, a removed one that is used is refused beforehand"
    test = "test_edit_of_a_socket_in_use[another]"
    _differ(because, test, "call reloadconfig waiting=True", error(6, "server error"), ok())
    restarted = [
        "server.kill <a>",
        "server.reap <a> exit_code=-15",
        "server.stop",
        "server.spawn <b>",
        "server.start",
    ]
    _differ(because, test, "events all", [], restarted)
    _differ(
        because,
        test,
        "state",
        {"pids": {"server": ["<a>"]}},
        {"pids": {"server": ["<b>"]}, "files": ["gate"]},
    )
    test = "test_edit_of_a_socket_in_use[removed]"
    kept = {"sockets": ["door"], "files": ["door"], "pids": {"server": ["<a>"]}}
    _differ(because, test, "state", {"sockets": [], "files": []}, kept)
    because = "user-asks.md 34: variables are expanded in the sections of environments, too"
    reference, ours = ({"D": "${VALUE}x" + value} for value in ("$(circus.env.a)", "2"))
    _differ(because, "test_what_workers_see", "special", {"env": reference}, {"env": ours})
    step = "call get name='special' keys=['env', 'working_dir', 'args']"
    _differ(because, "test_what_workers_see", step, ok(options={"env": reference}), ok(options={"env": ours}))
    variables = ["A", "CIRCUS_WATCHER", "CIRCUS_WID", "LC_CTYPE"]
    because = "decisions.md 6"
    _differ(because, "test_names_of_all_variables", "variables", ["A", "LC_CTYPE", "__name__"], variables)
    value_error = {"ValueError": "is a base"}
    because = "config.md 4: a fraction is accepted"
    _differ(because, "test_config[bad warmup]", "config", [value_error, INT % "0.5"], {"warmup_delay": 0.5})
    because = "config.md 5, row stop_signal: always 'signal invalid'"
    _differ(because, "test_config[bad signal]", "config", [{}, NO_SIGNAL], [value_error, "signal invalid: NOSIG"])
    because = "config.md 5, row stdout_stream: a clear message"
    reference = [value_error, "not enough values to unpack (expected 2, got 1)"]
    _differ(because, "test_config[bad stream]", "config", reference, [value_error, ...])


#: Commands of 0.19.0, and those that are new, as lists of words show them.
OLD_WORDS = [
    *("add", "decr", "dstats", "get", "globaloptions", "incr", "ipython", "kill", "list", "listen", "listsockets"),
    *("numprocesses", "numwatchers", "options", "quit", "reload", "reloadconfig", "restart", "rm", "set", "signal"),
    *("start", "stats", "status", "stop"),
]
NEW_WORDS = ["events", "import", "tail", "why"]


def _new_commands() -> None:
    """Lists of all commands have more words."""
    because = "new commands: events, import, tail, why"

    def completed(words: list[str]) -> list[Any]:
        return [1, " ".join(sorted(words)) + "\n", ""]

    _differ(because, "test_completion", "circusctl  1", completed(OLD_WORDS), completed([*OLD_WORDS, *NEW_WORDS]))
    others = ["circusctl", "commands", "commands:", "help", "probe:", "solo:", "stopped", "web:"]

    def helped(words: list[str]) -> dict[str, Any]:
        listed = " ".join(sorted({*words, *others}))
        rule = "====================== ========================================"
        return printed(0, f"(circusctl) (type <version> <topic>): {rule} Documented EOF Undocumented {listed}")

    _differ(because, "test_shell", "ctl #8", helped(OLD_WORDS), helped([*OLD_WORDS, *NEW_WORDS]))


def _programs() -> None:
    _new_commands()
    because = "architecture.md 2: the plan of a reloadconfig can be printed"
    reference, ours = printed(0, "--help --waiting"), printed(0, "--dry-run --help --waiting")
    _differ(because, "test_general", "ctl reloadconfig --help", reference, ours)
    because = "cli.md 2.1: one line instead of a traceback"
    reference = printed(1, err=f"Traceback\nValueError: {INT % 'x'}\n")
    _differ(because, "test_changes", "ctl incr web x", reference, printed(1, err="nb isn't an integer: 'x'\n"))
    test = "test_add_set_rm"
    ours = printed(1, err=f"numprocesses: {INT % 'x'}\n")
    _differ(because, test, "ctl set y numprocesses x", reference, ours)
    reference = printed(1, err=f"Traceback\nAttributeError: {NO_SIGNAL}\n")
    ours = printed(1, err="stop_signal: signal invalid: NOSIG\n")
    _differ(because, test, "ctl set y stop_signal NOSIG", reference, ours)
    because = "user-asks.md 44"
    reference = printed(1, err="Traceback\nAttributeError: 'str' object has no attribute 'items'\n")
    _differ(because, test, "ctl set y env A=1", reference, printed(0, "ok\n"))
    because = "user-asks.md 68: a daemon that cannot be reached is told from one that is slow"
    ours = printed(
        1,
        err="error: cannot reach circusd at <endpoint>: no such file or directory\n"
        "Is circusd running? Start it, or name its endpoint with --endpoint or CIRCUSCTL_ENDPOINT.\n",
    )
    _differ(because, "test_nobody_there", "ctl --timeout 1 list", printed(1, err=...), ours)
    because = "plugins-hooks-streams.md 1.3: SIGTERM stops a plugin cleanly"
    events = [f"plugin:demo.{event}" for event in ("remove", "kill <b>", "reap <b> exit_code=%d", "stop")]
    reference, ours = ([event % code if "%" in event else event for event in events] for code in (-15, 0))
    _differ(because, "test_plugin", "events of call rm name='plugin:demo' waiting=True", reference, ours)
    because = "cli.md 2.3: the error is printed and the shell goes on"
    test = "test_shell_and_bad_lines"
    start = "circusctl <version>\nprobe: stopped\nsolo: stopped\nweb: active\n"
    goes_on = printed(0, f"{start}(circusctl) (circusctl) probe,solo,web\n(circusctl) \n", ...)
    _differ(because, test, "ctl", printed(2, f"{start}(circusctl) ", ...), goes_on)
    _differ(because, test, "ctl #2", printed(1, f"{start}(circusctl) ", ...), goes_on)
    because = "decisions.md 10"
    old = "--daemon --help --log-level --log-output --logger-config --pidfile --version"
    _differ(because, "test_command_line", "help", printed(0, old), printed(0, f"--check {old}"))
    because = "decisions.md 11: one clear line"
    missing = "the configuration file %r does not exist"
    reference = printed(1, err="OSError: " + missing % "nowhere.ini")
    ours = printed(1, err="circusd: " + missing % "<dir>/nowhere.ini")
    _differ(because, "test_command_line", "missing file", reference, ours)
    because = "decisions.md 11: a failure to bind is exit code 1"
    for name in ("endpoint", "pubsub_endpoint"):
        told = "[ERROR] exception Address already in use (addr='<taken>') caught"
        _differ(because, "test_endpoint_in_use", f"{name} in use", printed(0, err=told), printed(1, err=told))
    because = "decisions.md 11: one clear line"
    stale = "pid file 'alive.pid' is stale, current pid <daemon>"
    _differ(because, "test_pidfile", "alive", printed(1, f"{stale}\n"), printed(1, ...))


_define()
