"""What is run without a shell gets the words that a shell would have given."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from circus.importers.conversion import Conversion, Draft, shell_command
from circus.importers.dialect import Ref
from circus.importers.shellwords import understand
from tests.unit.importers.test_dialect import loaded, worker

KNOWN = {"PORT": "5000", "EMPTY": "", "SPACED": "a b"}
SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], os.getcwd(), os.environ.get('A')]))"


def words_of(line):
    command = understand(line, KNOWN.get)
    assert command.words is not None, command.script
    return ["".join(each if isinstance(each, str) else each.text for each in word) for word in command.words]


def script_of(line):
    command = understand(line, KNOWN.get)
    assert command.words is None
    return command.script, command.stays


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a b  c", ["a", "b", "c"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        (r"a b\ c \'", ["a", "b c", "'"]),
        (r'a "b\"c\$d\x"', ["a", 'b"c$d\\x']),
        ("a --port=$PORT", ["a", "--port=$(circus.env.PORT)"]),
        ('a "${PORT}x"', ["a", "$(circus.env.PORT)x"]),
        ("exec a b", ["a", "b"]),
        ("a ''", ["a", ""]),
        ("a b#c", ["a", "b#c"]),
        ("a {} x=y", ["a", "{}", "x=y"]),
        ("a $ b", ["a", "$", "b"]),
    ],
)
def test_no_shell_is_needed(line, expected):
    assert words_of(line) == expected
    assert not understand(line, KNOWN.get).stays


@pytest.mark.parametrize(
    ("line", "script", "stays"),
    [
        ("a $OTHER", "exec a $OTHER", False),
        ("a $SPACED", "exec a $SPACED", False),
        ("a $EMPTY b", "exec a $EMPTY b", False),
        ("a ${PORT:-1}", "exec a ${PORT:-1}", False),
        ("a *.log", "exec a *.log", False),
        ("a ~/x", "exec a ~/x", False),
        ("a `b`", "exec a `b`", False),
        ("a > x 2>&1", "exec a > x 2>&1", False),
        ("$HOME/bin/a", "exec $HOME/bin/a", False),
        ("A=$OTHER a b", "A=$OTHER; export A; exec a b", False),
        ("a && b c", "a && exec b c", True),
        ("a; b", "a; exec b", True),
        ("a; b;", "a; exec b;", True),
        ("a || b", "a || b", True),
        ("a | b", "a | b", True),
        ("a & b", "a & b", True),
        ("(a)", "(a)", True),
        ("a $(b)", "a $(b)", True),
        ("if a; then b; fi", "if a; then b; fi", True),
        ("while true; do a; done", "while true; do a; done", True),
        ("a && cd b", "a && cd b", True),
        ("a && $CMD", "a && $CMD", True),
        ("$CMD x", "$CMD x", True),
        (". x", ". x", True),
        ("cd x", "cd x", True),
        ("A=1 B=$A a $A", "A=1 B=$A a $A", True),
        ("a 'b", "a 'b", True),
        ("a # b", "a # b", True),
        ("a <<E", "a <<E", True),
        ("> x a", "> x a", True),
        ("A=1", "A=1", True),
        ("", "", True),
    ],
)
def test_a_shell_is_needed(line, script, stays):
    assert script_of(line) == (script, stays)


def test_what_stands_before_the_program():
    command = understand("cd 'my app' && cd sub && A=1 B='x y' run", KNOWN.get)
    assert command.words == [["run"]]
    assert (command.directory, command.env) == ("my app/sub", {"A": "1", "B": "x y"})
    assert understand("cd a && cd /b && run", KNOWN.get).directory == "/b"
    command = understand("cd $X && run", KNOWN.get)
    assert (command.directory, command.script) == ("", "cd $X && exec run")
    assert understand("cd - && run", KNOWN.get).directory == ""


def test_variables_are_those_of_circus():
    assert understand("a $PORT", KNOWN.get).words == [["a"], [Ref("$(circus.env.PORT)", splits=True)]]


@pytest.mark.parametrize(
    "rest",
    [
        "a b  c", "'a b' \"c d\" e\\ f",
        "a\\\\b \"c\\\\d\\$e\\`f\"", "--x=$PORT ${PORT}y '$PORT' \"$PORT\"", "$OTHER",
        "${PORT:-1} ${NO:-2}", "*.nothing ?x", "a;exit 3", "a && true", "x > /dev/stderr y", "a | cat",
        "$EMPTY '' \"\"",
        "a{b,c} [x] !", "'a'\"b\"c",
        "$SPACED \"$SPACED\"", "\"a  b\" 'it'\"'\"'s'", "$((1+2)) $(echo q)", "a\\;b \\| \\&",
    ],
)
def test_a_shell_and_circus_come_to_the_same(rest, tmp_path):
    line = f"A=1 {sys.executable} -I -c \"{SHOW.replace('$', '')}\" {rest}"
    env = {**KNOWN, "PATH": "/usr/bin:/bin", "HOME": "/root"}
    theirs = subprocess.run(["/bin/sh", "-c", line], env=env, cwd=tmp_path, capture_output=True, check=False)
    command = understand(line, KNOWN.get)
    conversion = Conversion("test", "x")
    draft = Draft(conversion, "app", ("x", 1))
    draft.put("copy_env", False)
    draft.env = {**env, **command.env}
    assert draft.finish(command.words if command.words is not None else shell_command(command.script))
    (config,) = loaded(conversion)
    argv, variables = worker(config)
    ours = subprocess.run(argv, env=variables, cwd=tmp_path, capture_output=True, check=False)
    assert (ours.stdout, ours.returncode) == (theirs.stdout, theirs.returncode)
    assert not theirs.stdout or json.loads(theirs.stdout)[2] == "1"
