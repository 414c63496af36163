"""reloadconfig: what an edit of the ini file does to running watchers, and full restarts."""

from __future__ import annotations

import pytest

BASE = """
[watcher:a]
cmd = sleep 98765431
numprocesses = 2
graceful_timeout = 2

[watcher:b]
cmd = sleep 98765432
graceful_timeout = 2
myfree = 1

[watcher:c]
cmd = sleep 98765433
autostart = False
graceful_timeout = 2

[env:b]
X = 1

[socket:door]
path = {dir}/door
"""


@pytest.fixture
def running(duo):
    duo.start(BASE)
    for watcher in "ab":
        duo.call("list", name=watcher)
    return duo


def edit(duo, old, new):
    assert old in BASE
    duo.on_both(lambda side: side.daemon.write(BASE.replace(old, new)))


EDITS = {
    "nothing": ("", ""),
    "a comment": ("[watcher:a]", "# a comment\n[watcher:a]"),
    "another command": ("sleep 98765431", "sleep 98765430"),
    "a new timeout": ("98765432\ngraceful_timeout = 2", "98765432\ngraceful_timeout = 3"),
    "another free option": ("myfree = 1", "myfree = 2"),
    "another environment": ("X = 1", "X = 2"),
    "a stopped watcher": ("sleep 98765433", "sleep 98765434"),
    "a new watcher": ("[watcher:a]", "[watcher:n]\ncmd = sleep 98765435\n\n[watcher:a]"),
    "a new watcher that does not start": (
        "[watcher:a]",
        "[watcher:n]\ncmd = sleep\nautostart = no\n\n[watcher:a]",
    ),
    "one watcher less": ("[watcher:b]", "[ignored:b]"),
    "a new name": ("[watcher:b]", "[watcher:bb]"),
    "a new socket": ("[socket:door]", "[socket:gate]\npath = {dir}/gate\n\n[socket:door]"),
    "another socket": ("path = {dir}/door", "path = {dir}/gate"),
    "one socket less": ("[socket:door]", "[ignored:door]"),
}


def test_edits(running):
    for change, (old, new) in EDITS.items():
        edit(running, old, new)
        running.call("reloadconfig", waiting=True)
        running.events(apart=True, label=change)
        running.observe(f"state after {change}", state)
        running.on_both(restore)


def state(side):
    """Which watchers, processes, sockets and socket files there are."""
    directory = side.daemon.directory
    statuses = side.daemon.call("status")["statuses"]
    return {
        "statuses": statuses,
        "pids": {name: side.names.value({"pids": side.daemon.pids(name)})["pids"] for name in sorted(statuses)},
        "sockets": sorted(each["name"] for each in side.daemon.call("listsockets")["sockets"]),
        "files": sorted(name for name in ("door", "gate") if (directory / name).is_socket()),
    }


def restore(side):
    """Back to the file as it was, whatever that takes."""
    side.daemon.write(BASE)
    side.daemon.call("reloadconfig", waiting=True)
    side.daemon.call("stop", name="c", waiting=True)
    side.take_events((), apart=True)
    side.names.forget()
    for name in "ab":
        for pid in side.daemon.pids(name):
            side.names.pid(pid)


@pytest.mark.parametrize("number", [1, 3])
def test_edit_of_the_number_of_processes(running, number):
    edit(running, "numprocesses = 2", f"numprocesses = {number}")
    running.call("reloadconfig", waiting=True)
    running.events(apart=True, label="first")
    running.call("list", name="a")
    running.call("reloadconfig", waiting=True)
    running.events(apart=True, label="again")
    running.on_both(lambda side: side.daemon.write(BASE))
    running.call("reloadconfig", waiting=True)
    running.events(apart=True, label="back")
    running.call("numprocesses", name="a")


IN_USE = """
[watcher:server]
cmd = sleep 9876543$(circus.sockets.door)
use_sockets = True
graceful_timeout = 2

[socket:door]
path = {dir}/door
"""


@pytest.mark.parametrize("change", ["another", "removed"])
def test_edit_of_a_socket_in_use(duo, change):
    duo.start(IN_USE)
    duo.call("list", name="server")
    new = IN_USE.replace("{dir}/door", "{dir}/gate") if change == "another" else IN_USE.replace("[socket", "[ignored")
    duo.on_both(lambda side: side.daemon.write(new))
    duo.call("reloadconfig", waiting=True)
    duo.events(label="all")
    duo.observe("state", state)


@pytest.mark.parametrize("change", ["a key added", "a key removed"])
def test_edit_that_adds_or_removes_a_key(running, change):
    old, new = {"a key added": ("myfree = 1", "myfree = 1\nextra = 2"), "a key removed": ("myfree = 1", "")}[change]
    edit(running, old, new)
    running.call("reloadconfig", waiting=True)
    running.events(apart=True, label="all")
    running.call("list", name="b")


def test_runtime_changes_survive(running):
    running.call("incr", name="a", waiting=True)
    running.call("add", name="added", cmd="sleep 98765439", start=True, waiting=True)
    running.call("set", name="b", options={"warmup_delay": 0.5}, waiting=True)
    running.events("a.spawn", apart=True, label="before")
    running.call("reloadconfig", waiting=True)
    running.events(apart=True, label="after")
    running.call("list")
    running.call("get", name="a", keys=["numprocesses"])
    running.call("get", name="b", keys=["warmup_delay"])


@pytest.mark.parametrize("waiting", [True, False])
def test_file_that_cannot_be_read(running, waiting):
    running.on_both(lambda side: side.daemon.write(BASE.replace("numprocesses = 2", "numprocesses = two")))
    running.call("reloadconfig", waiting=waiting)
    running.events(label="all")
    running.call("list", name="a")


def test_missing_file(running):
    running.on_both(lambda side: side.daemon.config.rename(side.daemon.directory / "elsewhere"))
    running.call("reloadconfig", waiting=True)
    running.call("list", name="a")
    running.on_both(lambda side: (side.daemon.directory / "elsewhere").rename(side.daemon.config))


def test_full_restart(running):
    edit(running, "sleep 98765431", "sleep 98765430")
    running.observe("pid", lambda side: side.daemon.pid == side.daemon.call("dstats")["info"]["pid"])
    running.call("restart", waiting=True)
    running.wait_status("a", "active")
    running.wait_status("b", "active")
    running.observe("same pid", lambda side: side.daemon.pid == side.daemon.call("dstats")["info"]["pid"])
    running.call("get", name="a", keys=["cmd"])
    running.call("status")
    running.call("numprocesses")
