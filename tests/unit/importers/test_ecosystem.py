"""``ecosystem.config.json``: what becomes of each option of an app, and what is said where there is nothing."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.importers import ImportFailure, convert
from circus.importers.surroundings import Surroundings
from circus.importers.timeformat import strftime_of
from circus.importers.writer import render
from tests.unit.importers.test_dialect import loaded, worker
from tests.unit.importers.test_loosejson import VALUES


class Four(Surroundings):
    """A machine with four processors and a program called ``serve``."""

    def __init__(self) -> None:
        super().__init__("/srv", processors=4)

    def is_file(self, path: str) -> bool:
        return path == "/srv/serve"


def imported(value, file="ecosystem.config.json"):
    conversion = convert(value if isinstance(value, str) else json.dumps(value), file, "pm2", Four())
    render(conversion)
    return conversion


def app(**options):
    return imported({"apps": [{"script": "app.js", **options}]})


#: What every app has, besides what it says.
ALWAYS = {
    "cmd": "node app.js", "working_dir": "/srv", "copy_env": "True", "stop_signal": "INT", "graceful_timeout": "1.6",
    "stop_children": "True", "capture": "True",
}


def test_the_least():
    conversion = app()
    assert {name: section.options for name, section in conversion.sections.items()} == {"watcher:app": ALWAYS}
    assert conversion.remarks == []
    assert not conversion.secrets


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"name": "app", "instances": 1, "exec_mode": "cluster"}, {}),
        ({"exec_mode": "fork", "vizion": False, "pmx": False, "watch": False, "autorestart": True}, {}),
        ({"args": "-a 'b c'"}, {"cmd": "node app.js -a 'b c'"}),
        ({"args": ["-a", "b c", 3, True]}, {"cmd": "node app.js -a 'b c' 3 true"}),
        ({"node_args": "--harmony --x"}, {"cmd": "node --harmony --x app.js"}),
        ({"interpreter_args": ["--y"], "exec_interpreter": "/opt/node"}, {"cmd": "/opt/node --y app.js"}),
        ({"interpreter": "none"}, {"cmd": "app.js"}),
        ({"script": "app.py"}, {"cmd": "python3 app.py"}),
        ({"script": "./app.sh"}, {"cmd": "bash ./app.sh"}),
        ({"name": "app", "script": "npm", "args": "start"}, {"cmd": "npm start"}),
        ({"name": "app", "script": "serve"}, {"cmd": "./serve"}),
        ({"name": "app", "script": "npm run x -- 'a b'"}, {"cmd": "npm run x -- 'a b'"}),
        ({"name": "app", "script": "npm run x | tee y"}, {"cmd": "/bin/sh -c 'npm run x | tee y'"}),
        ({"name": "app", "script": "cd sub && npm start"}, {"cmd": "npm start", "working_dir": "/srv/sub"}),
        ({"cwd": "sub/../x"}, {"working_dir": "/srv/x"}),
        ({"cwd": "/var/www/"}, {"working_dir": "/var/www"}),
        ({"uid": "www", "gid": 33}, {"uid": "www", "gid": "33"}),
        ({"user": "www"}, {"uid": "www"}),
        ({"autorestart": False}, {"respawn": "False"}),
        ({"autostart": False}, {"autostart": "False"}),
        ({"stop_exit_codes": [0, 3]}, {"stop_exit_codes": "0, 3"}),
        ({"stop_exit_codes": 0}, {"stop_exit_codes": "0"}),
        ({"kill_timeout": 3000}, {"graceful_timeout": "3"}),
        ({"kill_timeout": "500"}, {"graceful_timeout": "0.5"}),
        ({"treekill": False}, {"stop_children": None}),
        ({"min_uptime": 5000}, {"respawn_backoff.stable": "5"}),
        ({"min_uptime": "2m"}, {"respawn_backoff.stable": "120"}),
        ({"exp_backoff_restart_delay": 100},
         {"respawn_backoff.base": "0.1", "respawn_backoff.factor": "1.5", "respawn_backoff.cap": "15",
          "respawn_backoff.stable": "30"}),
        ({"restart_delay": 0}, {}),
        ({"out_file": "o.log", "error_file": "/l/e.log"},
         {"capture": None, "stdout_stream.filename": "/srv/o.log", "stderr_stream.filename": "/l/e.log"}),
        ({"log_file": "all.log", "time": True},
         {"capture": None, "stdout_stream.filename": "/srv/all.log", "stderr_stream.filename": "/srv/all.log",
          "stdout_stream.time_format": "%Y-%m-%dT%H:%M:%S", "stderr_stream.time_format": "%Y-%m-%dT%H:%M:%S"}),
        ({"output": "/dev/null", "error": "NULL"},
         {"capture": None, "close_child_stdout": "True", "close_child_stderr": "True"}),
        ({"disable_logs": True, "out_file": "x"},
         {"capture": None, "close_child_stdout": "True", "close_child_stderr": "True"}),
    ],
)
def test_options_with_an_equivalent(options, expected):
    conversion = app(**options)
    wanted = {name: value for name, value in {**ALWAYS, **expected}.items() if value is not None}
    assert conversion.sections["watcher:app"].options == wanted
    assert conversion.remarks == []


@pytest.mark.parametrize(
    ("options", "kind", "option", "part"),
    [
        ({"watch": ["src"]}, "missing", "watch", "files are not watched"),
        ({"cron_restart": "0 3 * * *"}, "missing", "cron_restart", "0 3 * * * circusctl restart app"),
        ({"cron": "@daily"}, "missing", "cron", "@daily circusctl restart app"),
        ({"max_restarts": 3}, "differs", "max_restarts", "flapping plugin"),
        ({"restart_delay": 4000}, "differs", "restart_delay", "respawn_backoff.stable"),
        ({"listen_timeout": 8000}, "differs", "listen_timeout", "always waits that long"),
        ({"shutdown_with_message": True}, "missing", "shutdown_with_message", "no channel"),
        ({"filter_env": ["X"]}, "missing", "filter_env", "copy_env = False"),
        ({"pid_file": "x.pid"}, "missing", "pid_file", "circusctl list NAME"),
        ({"log_type": "json"}, "missing", "log_type", "write JSON"),
        ({"nonsense": 1}, "missing", "nonsense", "not known"),
        ({"instances": "many"}, "missing", "instances", '"many" is no number'),
        ({"env": "x"}, "missing", "env", "no object"),
        ({"env": {"": "x"}}, "missing", "script", "'' cannot be the name"),
        ({"kill_timeout": "soon"}, "missing", "kill_timeout", "no number"),
        ({"cwd": []}, "missing", "cwd", "no text"),
        ({"args": "a 'b"}, "differs", "args", "no closing quotation"),
        ({"interpreter": "none", "node_args": "-x"}, "missing", "node_args", "no interpreter"),
        ({"min_uptime": "long"}, "missing", "min_uptime", "is no time"),
        ({"max_memory_restart": "lots"}, "missing", "max_memory_restart", "no amount of memory"),
        ({"stop_exit_codes": ["x"]}, "missing", "stop_exit_codes", "no list of exit codes"),
        ({"out_file": "a", "err_file": "b", "log": "c"}, "missing", "log", "the others are written"),
        ({"log_file": "~/x"}, "missing", "log_file", "~ is not replaced"),
        ({"log_file": "x", "log_date_format": "HH:mm:ss.SSS"}, "differs", "log_date_format", "SSS"),
        ({"log_date_format": "HH:mm"}, "differs", "log_date_format", "circusctl tail --timestamps"),
        ({"env_production": {"A": 1}}, "differs", "env_production", "move those wanted to [env:app]"),
    ],
)
def test_remarks(options, kind, option, part):
    text = json.dumps({"apps": [{"script": "app.js", **options}]}, indent=1)
    conversion = imported(text)
    found = {str(remark): remark for remark in conversion.remarks}
    (remark,) = found.values()
    assert (remark.kind, remark.option) == (kind, option)
    assert f'"{option}": ' in text.split("\n")[remark.line - 1]
    assert part in remark.sentence()


def test_clusters():
    conversion = app(instances="max", exec_mode="cluster_mode", wait_ready=True)
    options = conversion.sections["watcher:app"].options
    assert (options["numprocesses"], options["reload_overlap"]) == ("4", "3")
    assert [(each.kind, each.option) for each in conversion.remarks] == [
        ("differs", "instances"), ("missing", "wait_ready"), ("differs", "listen_timeout"), ("missing", "exec_mode"),
        ("differs", "instances"),
    ]


@pytest.mark.parametrize(("instances", "count"), [(3, "3"), ("3", "3"), (0, "4"), ("max", "4"), (-1, "3"), (-9, None)])
def test_instances(instances, count):
    assert app(instances=instances).sections["watcher:app"].options.get("numprocesses") == count


def test_environments():
    conversion = app(port=80, env={"A": "x y", "N": 3, "F": 2.0, "B": True, "O": {"a": 1}, "S": "$HOME", "Z": None},
                     env_test={"A": "se\ncret"})
    assert conversion.secrets
    argv, env = worker(loaded(conversion)[0])
    assert argv == ["node", "app.js"]
    assert {name: env[name] for name in ("PORT", "A", "N", "F", "B", "O", "S")} == {
        "PORT": "80", "A": "x y", "N": "3", "F": "2", "B": "true", "O": '{"a": 1}', "S": "$HOME",
    }
    assert "Z" not in env
    assert "#   A = se cret" in render(conversion)


def test_counted_variables():
    conversion = app(instances=2, increment_var="PORT", env={"PORT": 3000})
    ports = {config["name"]: config["env"]["PORT"] for config in loaded(conversion)}
    assert ports == {"app-0": "3000", "app-1": "3001"}
    conversion = app(instances=2, increment_var="PORT")
    assert [each.option for each in conversion.remarks] == ["increment_var", "instances"]


@pytest.mark.parametrize(("amount", "written"), [("300M", "300M"), ("1g", "1G"), (1000000, "1000000B"), ("2GB", "2G")])
def test_memory(amount, written):
    conversion = app(namespace="shop", max_memory_restart=amount)
    assert conversion.sections["plugin:memory-shop-app"].options == {
        "use": "circus.plugins.resource_watcher.ResourceWatcher", "watcher": "shop:app", "max_mem": written,
        "max_cpu": "0", "health_threshold": "0", "max_count": "0", "loop_rate": "30",
    }


@pytest.mark.parametrize(
    "value",
    [{"apps": [{"script": "a.js"}]}, {"apps": {"script": "a.js"}}, [{"script": "a.js"}], {"script": "a.js"},
     {"apps": [{"exec": "a.js", "name": ""}]}],
)
def test_forms_of_the_file(value):
    assert list(imported(value).sections) == ["watcher:a"]


def test_the_file_around_the_apps():
    conversion = imported('{"apps": [3, {"name": "x"}],\n "deploy": {}, "more": 1}')
    assert [str(each) for each in conversion.remarks] == [
        "ecosystem.config.json:2: deploy: no equivalent: circus does not deploy; keep a script for it, which ends with "
        "circusctl reload --waiting",
        "ecosystem.config.json:2: more: it means nothing here and is left out",
        "ecosystem.config.json: apps: an app is an object; what is none is left out",
        "ecosystem.config.json:1: script: no equivalent: the app has no script; it is left out",
    ]


@pytest.mark.parametrize(
    ("text", "file", "told"),
    [
        ("module.exports = {apps: []}", "x/ecosystem.config.js",
         "x/ecosystem.config.js: this is a program, not data; let node write the data down and import that: node -p "
         "'JSON.stringify(require(\"./ecosystem.config.js\"), null, 1)' > ecosystem.config.json"),
        ("export default {}", "e.json", "e.json: this is a program"),
        ("apps:\n- script: x", "e.yml", "e.yml: YAML is not read"),
        ('{"apps": [\n{]}', "e.json", "e.json:2: not JSON: the name of a property is expected"),
        ('{"a": 1}', "e.json", "e.json: there are no apps in it"),
        ("3", "e.json", "e.json: there are no apps in it"),
    ],
)
def test_files_that_cannot_be_imported(text, file, told):
    with pytest.raises(ImportFailure) as error:
        imported(text, file)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("YYYY-MM-DD HH:mm:ss Z", ("%Y-%m-%d %H:%M:%S %z", [])),
        ("DD/MMM/YY hh:mm A", ("%d/%b/%y %I:%M %p", [])),
        ("YYYY-MM-DDTHH:mm:ss.SSS", ("%Y-%m-%dT%H:%M:%S", ["SSS"])),
        ("[at] HH% Q", ("at %H%% ", ["Q"])),
    ],
)
def test_forms_of_dates(form, expected):
    assert strftime_of(form) == expected


KEYS = st.sampled_from([
    "name", "script", "args", "interpreter", "node_args", "cwd", "instances", "exec_mode", "watch", "env", "env_x",
    "max_memory_restart", "out_file", "error_file", "log_file", "log_date_format", "kill_timeout", "min_uptime", "uid",
    "max_restarts", "restart_delay", "exp_backoff_restart_delay", "cron_restart", "stop_exit_codes", "increment_var",
    "namespace", "port", "time", "wait_ready", "autorestart", "treekill",
])
ODD = st.sampled_from([
    "max", -1, "4", "10M", "a b", "x;y", "cd a && b", "$PORT", {"PORT": 1}, [0], True, 1e300, 10**400,
])


@given(st.lists(st.dictionaries(KEYS, ODD | VALUES, max_size=8), max_size=3))
def test_any_apps_are_converted(apps):
    conversion = imported({"apps": apps})
    assert [each for each in loaded(conversion) if not each["cmd"]] == []


@given(st.text())
def test_any_text_is_converted_or_refused(text):
    with contextlib.suppress(ImportFailure):
        assert imported(text).format == "pm2"
