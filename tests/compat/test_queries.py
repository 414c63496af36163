"""Questions: every command that only asks, over the wire and by circusctl, answered and refused."""

from __future__ import annotations

import re

import pytest

INI = """
nonsense = 1

[watcher:One Two]
cmd = sleep 98765433
priority = 2

[watcher:single]
cmd = sleep
args = 98765434
singleton = True
autostart = False

[watcher:web]
cmd = sleep 98765432
numprocesses = 2
graceful_timeout = 2
working_dir = {dir}
myfree = hello world
flapping.max_retry = 2
env = ignored

[env:w*]
FOO = bar

[env]
GLOB = gval

[socket:http]
host = 127.0.0.1
port = 0

[socket:ux]
path = {dir}/ux.sock
"""


@pytest.fixture
def asked(duo):
    duo.start(INI)
    return duo


def hide_port(text):
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:<port>", text)


def test_lists_and_numbers(asked):
    asked.call("list")
    asked.call("LIST")
    asked.call("list", name="web")
    asked.call("list", name="WEB")
    asked.call("list", name="One Two")
    asked.call("list", name="single")
    asked.call("list", name="zz")
    asked.call("numwatchers")
    asked.call("numprocesses")
    asked.call("numprocesses", name="WEB")
    asked.call("numprocesses", name="zz")
    asked.call("status")
    asked.call("status", name="one two")
    asked.call("status", name="single")
    asked.call("status", name="zz")
    asked.call("listen")
    asked.call("ipython")


def test_options(asked):
    asked.call("options", name="web")
    asked.call("options", name="single")
    asked.call("options")
    asked.call("options", name="zz")
    asked.call("get", name="web", keys=["cmd", "numprocesses", "env"])
    asked.call("get", name="web", keys=["zz"])
    asked.call("get", name="web", keys=["cmd", "zz"])
    asked.call("get", name="web", keys=["myfree"])
    asked.call("get", name="web", keys=[])
    asked.call("get", name="web", keys="cmd")
    asked.call("get", name="web")
    asked.call("get", keys=["cmd"])
    asked.call("get", name="zz", keys=["cmd"])
    asked.call("globaloptions")
    asked.call("globaloptions", option="check_delay")
    asked.call("globaloptions", option="zz")


def test_infos(asked):
    asked.call("stats")
    asked.call("stats", extended=True)
    asked.call("stats", name="web")
    asked.call("stats", name="WEB", extended=True)
    asked.call("stats", name="web", process="{pid:web:0}")
    asked.call("stats", name="web", process=1)
    asked.call("stats", name="web", process="xx")
    asked.call("stats", name="zz")
    asked.call("dstats")
    asked.observe("sockets", listed_sockets)


def listed_sockets(side):
    reply = side.daemon.call("listsockets")
    sockets = reply["sockets"]
    assert [each["fd"] for each in sockets] == sorted(each["fd"] for each in sockets)
    shown = []
    for each in sorted(sockets, key=lambda each: each["name"]):
        assert isinstance(each.pop("fd"), int)
        if each.get("port"):
            each["port"] = "<port>"
        shown.append(each)
    return side.names.value({**reply, "sockets": shown, "id": None})


def test_messages(asked):
    asked.send({"command": "list", "id": 7})
    asked.send({"command": "list", "id": {"a": [1, None]}})
    asked.send({"command": "list", "id": None})
    asked.send({"command": "list", "msg_type": "dealer", "other": 1})
    asked.send({"command": "Nope", "id": "x"})
    asked.send({"command": "list", "properties": None})
    asked.send({"command": "status", "properties": {"name": 5}})
    asked.send({"command": "numwatchers", "properties": {"waiting": True}, "waiting": True})
    asked.send({"command": "list", "msg_type": "cast", "id": "c"}, deadline=0.3)
    asked.send({"command": "nope", "msg_type": "cast", "id": "c"}, deadline=0.3)
    asked.raw(b'  {"command": "numwatchers", "id": 1}\n ')
    asked.raw(b"{nonsense")
    asked.raw(b"\xff\xfe")


def test_command_lines(asked):
    asked.ctl("list")
    asked.ctl("list", "web")
    asked.ctl("list", "zz")
    asked.ctl("list", "a", "b")
    asked.ctl("status")
    asked.ctl("status", "web")
    asked.ctl("status", "zz")
    asked.ctl("numprocesses")
    asked.ctl("numprocesses", "web")
    asked.ctl("numprocesses", "a", "b")
    asked.ctl("numwatchers")
    asked.ctl("numwatchers", "a")
    asked.ctl("options", "web")
    asked.ctl("options", "single")
    asked.ctl("options")
    asked.ctl("get", "web", "cmd", "numprocesses", "env")
    asked.ctl("get", "web", "zz")
    asked.ctl("get", "web")
    asked.ctl("globaloptions")
    asked.ctl("globaloptions", "endpoint")
    asked.ctl("globaloptions", "zz")
    asked.ctl("listsockets", mask=lambda text: re.sub(r"^\d+:", "<fd>:", hide_port(text), flags=re.MULTILINE))
    asked.ctl("ipython")
    asked.ctl("ipython", "x")


def test_command_lines_about_processes(asked):
    asked.ctl("stats")
    asked.ctl("stats", "web")
    asked.ctl("stats", "--extended", "web")
    asked.ctl("stats", "web", "{pid:web:0}")
    asked.ctl("stats", "web", "1")
    asked.ctl("stats", "a", "b", "c")
    asked.ctl("dstats")
    asked.ctl("dstats", "x")


def test_json(asked):
    asked.ctl("--json", "list")
    asked.ctl("--json", "list", "zz")
    asked.ctl("--json", "--prettify", "list")
    asked.ctl("--json", "status", "web")
    asked.ctl("--json", "stop", "zz")
    asked.ctl("--json", "list", "a", "b")
