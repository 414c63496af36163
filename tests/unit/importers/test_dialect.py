"""What is written is read back as the same strings, by the reader that circusd uses."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.base.environ import parse_env_dict
from circus.configload import Loader
from circus.importers.conversion import Conversion, Draft, clean_name
from circus.importers.dialect import Ref, Unwritable, plain, variable, words
from circus.importers.writer import render
from circus.ini import Document
from circus.process import Process

#: Text in which everything is frequent that means something to one of the readers.
NASTY = st.lists(
    st.one_of(
        st.sampled_from([
            " ;", ";", "#", "\n", "\n\n", "\n ", " ", "  ", "\t", "'", '"', '""', "\\", "$", "$HOME", "$WID", "$(",
            "$(circus.wid)", "((circus.env.HOME))", "${socket:web}", "((", "))", "%(x)s", "[a]", "=", ":", "a", "rem ",
            "\xa0", "\x85", "\x1c", "é", "\U0001f600", "$(circus.env.", "PATH", ")", "-", "\\n", "{", "}",
        ]),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=4),
    ),
    max_size=6,
).map("".join)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True).filter(lambda name: name != "__name__")


def loaded(conversion):
    document = Document()
    document.feed(render(conversion), "imported.ini")
    found = Loader(document).load()
    assert [problem for problem in found.problems if problem.is_error] == []
    return found.config["watchers"]


def worker(config):
    """The command line and the variables that a process of a watcher would get, ``env`` at the front carried out."""
    env = parse_env_dict(config["env"], {"HOME": "/root", "PATH": "/bin"})
    process = Process(config["name"], 1, config["cmd"], env=env, spawn=False)
    argv = process.format_args({"web": 7})
    if argv[:1] == ["/usr/bin/env"]:
        del argv[0]
        while argv and "=" in argv[0]:
            name, _, value = argv.pop(0).partition("=")
            env[name] = value
        if argv[:4] == ["/bin/sh", "-c", 'exec "$@"', "sh"]:
            del argv[:4]
    return argv, env


@given(st.lists(NASTY, min_size=1, max_size=4), st.dictionaries(NAMES, NASTY, max_size=3))
def test_command_lines_and_variables_arrive_as_they_are(command, env):
    conversion = Conversion("test", "x")
    draft = Draft(conversion, "app", ("x", 1))
    draft.env = dict(env)
    draft.put("copy_env", False)
    assert draft.finish([["run"], *[[word] for word in command]])
    (config,) = loaded(conversion)
    argv, got = worker(config)
    assert argv == ["run", *command]
    assert got == env


@given(NASTY)
def test_plain_values_arrive_or_are_refused(text):
    conversion = Conversion("test", "x")
    if conversion.put("watcher:app", "working_dir", text, ("x", 1), "cwd"):
        conversion.section("watcher:app").options["cmd"] = "run"
        (config,) = loaded(conversion)
        assert config["working_dir"] == text
    else:
        assert [(remark.kind, remark.option) for remark in conversion.remarks] == [("missing", "cwd")]


@given(NASTY, st.sampled_from(["HOME", "NOBODY_HAS_THIS"]), NASTY, st.booleans())
def test_variables_of_circus_stay_variables(before, name, after, splits):
    ref = Ref(f"$(circus.env.{name})", splits)
    conversion = Conversion("test", "x")
    draft = Draft(conversion, "app", ("x", 1))
    draft.put("copy_env", False)
    draft.env = {"HOME": "home"}
    draft.finish([["run"], [before, ref, after]])
    (config,) = loaded(conversion)
    value = "home" if name == "HOME" else ref.text
    assert worker(config)[0] == ["run", before + value + after]


@given(st.text(max_size=12))
def test_any_text_is_written_or_refused(text):
    for write in (plain, lambda value: variable("A", value), lambda value: words([[value]])):
        with contextlib.suppress(Unwritable):
            write(text)


@given(st.text(max_size=12))
def test_names_can_be_headers_and_patterns(text):
    name = clean_name(text)
    conversion = Conversion("test", "x")
    name = conversion.watcher_name(text, ("x", 1))
    draft = Draft(conversion, name, ("x", 1))
    draft.env = {"A": "b"}
    assert draft.finish([["run"]])
    (config,) = loaded(conversion)
    assert config["name"] == name
    assert config["env"]["A"] == "b"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["run", "a b", "c"], "run 'a b' c"),
        (["run", ""], "run ''"),
        (["echo", "it's"], 'echo "it\'s"'),
        (["sh", "-c", "a ;b"], "sh -c 'a '';b'"),
        (["a", "x\n y"], "a 'x''\n'' y'"),
        (["a", "$(circus.wid)"], "a '$''(circus.wid)'"),
    ],
)
def test_command_lines_look_like_those_of_people(command, text):
    assert words([[word] for word in command]) == text


@pytest.mark.parametrize("text", ["a\0b", "a\rb", "\ud800"])
def test_what_no_file_can_hold(text):
    with pytest.raises(Unwritable, match="it has"):
        words([["run"], [text]])
    conversion = Conversion("test", "x")
    draft = Draft(conversion, "app", ("x", 3))
    assert not draft.finish([[text]], "command")
    assert conversion.sections == {}
    (remark,) = conversion.remarks
    assert str(remark).startswith(
        "x:3: command: no equivalent: the command of 'app' cannot be written in an ini file: it has"
    )


def test_two_of_one_name():
    conversion = Conversion("test", "x")
    assert [conversion.watcher_name(name, ("x", 1)) for name in ("Web", "web", "circushttpd", "plugin:a")] == [
        "Web", "web-2", "circushttpd-2", "plugin-a",
    ]
    assert len(conversion.remarks) == 3
