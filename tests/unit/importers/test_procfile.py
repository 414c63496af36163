"""``Procfile`` and the ``.env`` beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.importers import convert
from circus.importers.surroundings import Surroundings
from circus.importers.writer import render
from tests.unit.importers.test_dialect import loaded, worker


class Beside(Surroundings):
    """A machine with a ``.env``."""

    def __init__(self, env: str | None) -> None:
        super().__init__("/srv/app")
        self.env = env

    def read(self, path: str) -> str | None:
        return self.env if path == ".env" else None


def imported(text, env=None):
    conversion = convert(text, "app/Procfile", "procfile", Beside(env))
    render(conversion)
    return conversion


def test_processes():
    conversion = imported("# all of it\nweb: bin/web -p $PORT\n\nworker_2:   bin/work 'a b'\n")
    common = {"working_dir": "/srv/app", "copy_env": "True", "graceful_timeout": "5", "capture": "True"}
    assert {name: section.options for name, section in conversion.sections.items()} == {
        "watcher:web": {"cmd": "bin/web -p $(circus.env.PORT)", **common},
        "env:web": {"PORT": "5000"},
        "watcher:worker_2": {"cmd": "bin/work 'a b'", **common},
        "env:worker_2": {"PORT": "5100"},
    }
    assert conversion.remarks == []
    argv = {config["name"]: worker(config)[0] for config in loaded(conversion)}
    assert argv == {"web": ["bin/web", "-p", "5000"], "worker_2": ["bin/work", "a b"]}


def test_the_environment_beside_it():
    conversion = imported("web: run $DB ${PORT}\n", "PORT=7000\nDB=x\nODD='$HOME '\n")
    assert conversion.sections["env"].options == {"DB": "x"}
    assert conversion.sections["watcher:web"].options["cmd"] == (
        "/usr/bin/env 'ODD=$HOME ' run $(circus.env.DB) $(circus.env.PORT)"
    )
    argv, env = worker(loaded(conversion)[0])
    assert argv == ["run", "x", "7000"]
    assert (env["ODD"], env["PORT"]) == ("$HOME ", "7000")
    assert conversion.secrets
    assert any("ODD: set by env" in line for line in conversion.sections["watcher:web"].comments)


def test_what_stands_in_front_wins():
    conversion = imported("web: DB=y ODD=1 run\n", "DB=x\nODD='$HOME '\n")
    _, env = worker(loaded(conversion)[0])
    assert (env["DB"], env["ODD"]) == ("y", "1")


def test_shells():
    conversion = imported("a: cd sub && x\nb: x | y\nc: x > z\n")
    options = {name: section.options for name, section in conversion.sections.items()}
    assert (options["watcher:a"]["cmd"], options["watcher:a"]["working_dir"]) == ("x", "/srv/app/sub")
    assert options["watcher:b"]["cmd"] == "/bin/sh -c 'x | y'"
    assert options["watcher:b"]["stop_children"] == "True"
    assert options["watcher:c"]["cmd"] == "/bin/sh -c 'exec x > z'"
    assert "stop_children" not in options["watcher:c"]


@pytest.mark.parametrize(
    ("text", "env", "expected"),
    [
        ("web: a\nwhat", None, "app/Procfile:2: 'what' is not of the form NAME: COMMAND, and left out"),
        ("web: a\nrelease: x", None, "app/Procfile:2: release: no equivalent: a command that Heroku runs once for each "
                                     "release; run it before the deployment"),
        ("web: a\nWEB: b", None, "app/Procfile:2: 'WEB' is called 'WEB-2'"),
        ("# none", None, "app/Procfile: there is no process in it"),
        ("web: a", "A=1\nsecret stuff=x", "app/.env:2: the line that begins with 'secret stuff' is no variable"),
        ("web: a", "PORT=x", "app/.env:1: PORT: no equivalent: it is no port; 5000 is taken"),
        ("web: a\0", None, "app/Procfile:1: web: no equivalent: the command of 'web' cannot be written in an ini file: "
                           "it has a null character in it; put it into a script"),
    ],
)
def test_remarks(text, env, expected):
    assert [str(remark) for remark in imported(text, env).remarks] == [expected]


PIECES = ["web: ", "w2:", "$PORT", "${A", "&&", "cd ", "exec ", "A="]


@given(
    st.lists(st.sampled_from([*PIECES, *"x}'\"\\;><()#~* |&\né\t\r`"]), max_size=20).map("".join) | st.text(),
    st.none() | st.text(),
)
def test_any_text_is_converted(text, env):
    conversion = imported(text, env)
    assert [each for each in loaded(conversion) if not each["cmd"]] == []
