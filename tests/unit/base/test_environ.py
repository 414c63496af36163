"""Environments: spec config.md 7.1, library.md 11, decision 6 and rows 33 and 34 of the asks of users."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.base.environ import (
    child_environment,
    env_to_str,
    extend_module_path,
    get_working_dir,
    identity_variables,
    load_virtualenv,
    parse_env_dict,
    parse_env_str,
    virtualenv_environment,
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("FOO", "foo")
    monkeypatch.setenv("lower", "small")
    monkeypatch.delenv("NOPE", raising=False)


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ("a=1,b=2", {"a": "1", "b": "2"}),
        (" a = 1 , b = 2 ", {"a": "1", "b": "2"}),
        ("a=$FOO", {"a": "foo"}),
        ("a=$FOO/x$NOPE.y", {"a": "foo/x.y"}),
        ("a=$lower ${FOO}", {"a": "$lower ${FOO}"}),
        ("a=", {"a": ""}),
    ],
)
def test_environment_in_one_line(text, env):
    assert parse_env_str(text) == env


@pytest.mark.parametrize("text", ["", "a=1,", "a", "a=1=2"])
def test_each_item_has_one_equals_sign(text):
    with pytest.raises(ValueError, match="not of the form NAME=VALUE"):
        parse_env_str(text)


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("$FOO", "foo"),
        ("$FOObar", "foobar"),
        ("$FOO_BAR", ""),
        ("$FOO1", ""),
        (" b ", "b"),
        ("$$FOO", "$foo"),
        ("$_U", "$_U"),
    ],
)
def test_written_values(value, parsed):
    assert parse_env_dict({" a ": value}) == {"a": parsed}


def test_names_are_not_expanded():
    assert parse_env_dict({"$FOO": "x"}) == {"$FOO": "x"}


@pytest.mark.parametrize("env", [{"a": 1}, {"a": None}, {1: "a"}])
def test_written_variables_are_text(env):
    with pytest.raises(TypeError):
        parse_env_dict(env)


def test_values_that_came_from_the_process_are_not_altered(monkeypatch):
    monkeypatch.setenv("ODD", " foo$BAR ")
    assert parse_env_dict({"ODD": os.environ["ODD"], "MINE": "$ODD"})["ODD"] == " foo$BAR "


def test_environment_as_text():
    assert env_to_str({"b": "2", "a": 1}) == "a=1,b=2"
    assert env_to_str(None) == env_to_str({}) == ""


_text = st.text(
    alphabet=st.characters(exclude_characters=",=$", exclude_categories=["Cs", "Cc", "Z"]), min_size=1
)


@given(st.dictionaries(_text, _text, min_size=1))
def test_an_environment_survives_being_written(env):
    assert parse_env_str(env_to_str(env)) == env


def test_without_copy_env_a_worker_gets_what_was_written():
    assert child_environment({"A": "1"}) == {"A": "1"}
    assert child_environment(None) == {}


def test_written_values_lie_over_inherited_ones():
    daemon = {"A": "daemon", "B": " $A ", "__name__": "env:x"}
    result = child_environment({"A": "mine", "__name__": "env:y"}, copy_env=True, environ=daemon)
    assert result == {"A": "mine", "B": " $A "}
    assert daemon["A"] == "daemon"


@given(st.dictionaries(_text, st.text(max_size=8)))
def test_inherited_values_are_never_altered(environ):
    assert child_environment({}, copy_env=True, environ=environ) == environ


def test_copy_path_hands_on_the_module_path():
    result = child_environment({}, copy_env=True, copy_path=True, environ={}, module_path=["/a", "", "/b"])
    assert result == {"PYTHONPATH": os.pathsep.join(["/a", os.getcwd(), "/b"])}
    assert (
        child_environment({}, copy_env=True, copy_path=True)["PYTHONPATH"].split(os.pathsep)[-1]
        == sys.path[-1]
    )


def test_a_written_module_path_wins_over_copy_path():
    assert child_environment({"PYTHONPATH": "/mine"}, copy_env=True, copy_path=True, environ={}) == {
        "PYTHONPATH": "/mine"
    }


def test_copy_path_needs_copy_env():
    with pytest.raises(ValueError, match=r"^copy_env and copy_path must have the same value$"):
        child_environment({}, copy_path=True)


def test_values_from_code_may_be_numbers_and_paths(tmp_path):
    assert child_environment({"A": 1, "B": tmp_path}) == {"A": "1", "B": str(tmp_path)}
    with pytest.raises(TypeError, match="'C' must be text"):
        child_environment({"C": None})


def test_a_worker_is_told_who_it_is():
    assert identity_variables("web", 3) == {"CIRCUS_WATCHER": "web", "CIRCUS_WID": "3"}
    assert identity_variables("web", 3, {"CIRCUS_WID": "mine"}) == {"CIRCUS_WATCHER": "web"}


_VERSION = "{}.{}".format(*sys.version_info[:2])


def _virtualenv(path, *, kind="python", version=_VERSION):
    packages = path / "lib" / f"{kind}{version}" / "site-packages"
    packages.mkdir(parents=True)
    return packages


def test_virtualenv_needs_copy_env():
    with pytest.raises(ValueError, match=r"^copy_env must be True to to use virtualenv$"):
        load_virtualenv(SimpleNamespace(copy_env=False))


def test_virtualenv_without_packages():
    watcher = SimpleNamespace(copy_env=True, virtualenv="/nope", env={})
    with pytest.raises(ValueError) as caught:
        load_virtualenv(watcher, py_ver="9.9")
    assert (
        str(caught.value)
        == "/nope/lib/python9.9/site-packages,/nope/lib/pypy9.9/site-packages does not exist"
    )


def test_virtualenv_packages_are_put_on_the_path(tmp_path):
    packages = _virtualenv(tmp_path)
    watcher = mock.Mock(copy_env=True, virtualenv=str(tmp_path), env={})
    load_virtualenv(watcher)
    assert watcher.env == {"PYTHONPATH": str(packages)}


def test_virtualenv_programs_come_first(tmp_path):
    packages = _virtualenv(tmp_path, kind="pypy", version="my.version")
    (tmp_path / "bin").mkdir()
    env = {"PATH": "/usr/bin", "PYTHONPATH": "/a:/b"}
    result = virtualenv_environment(str(tmp_path), env, "my.version")
    assert result == {"PATH": f"{tmp_path}/bin:/usr/bin", "PYTHONPATH": f"/a:/b:{packages}"}
    assert env == {"PATH": "/usr/bin", "PYTHONPATH": "/a:/b"}


def test_an_empty_search_path_does_not_mean_the_current_directory(tmp_path):
    packages = _virtualenv(tmp_path)
    (tmp_path / "bin").mkdir()
    assert virtualenv_environment(str(tmp_path), {"PYTHONPATH": ""}) == {
        "PATH": f"{tmp_path}/bin",
        "PYTHONPATH": str(packages),
    }


def test_virtualenv_links_come_before_all_else(tmp_path):
    packages = _virtualenv(tmp_path)
    (packages / "near").mkdir()
    (tmp_path / "far").mkdir()
    (packages / "b.pth").write_text(f"# comment\nimport sys; sys.exit(1)\n\n{tmp_path}/far\n/not/there\n")
    (packages / "a.pth").write_text("near\nimport\tsys\n")
    (packages / "unreadable.pth").mkdir()
    result = virtualenv_environment(str(tmp_path), {"PYTHONPATH": "/a"})
    assert result["PYTHONPATH"].split(os.pathsep) == [
        f"{packages}/near",
        f"{tmp_path}/far",
        "/a",
        str(packages),
    ]


def test_hooks_are_found_on_the_path_of_their_watcher(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", ["/known"])
    extend_module_path({"PYTHONPATH": f"/known::{tmp_path}"})
    extend_module_path({"PYTHONPATH": str(tmp_path)})
    extend_module_path({})
    assert sys.path == ["/known", str(tmp_path)]


def test_the_working_directory_keeps_the_name_it_was_reached_by(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path / "real")
    monkeypatch.setenv("PWD", str(tmp_path / "link"))
    assert get_working_dir() == str(tmp_path / "link")
    for other in (str(tmp_path), "/no/such/place", ""):
        monkeypatch.setenv("PWD", other)
        assert get_working_dir() == str(tmp_path / "real")
    monkeypatch.delenv("PWD")
    assert get_working_dir() == str(tmp_path / "real")


@pytest.mark.parametrize("make", [SimpleNamespace, mock.MagicMock])
def test_the_working_directory_by_stand_ins_of_stat_results(make, monkeypatch):
    monkeypatch.setattr(os, "environ", {"PWD": "/path/to/pwd"})
    monkeypatch.setattr(os, "getcwd", lambda: "/path/to/cwd")
    monkeypatch.setattr(os, "stat", lambda path: make(ino="path", dev="dev"))
    assert get_working_dir() == "/path/to/pwd"
    monkeypatch.setattr(os, "stat", lambda path: make(ino=path, dev="dev"))
    assert get_working_dir() == "/path/to/cwd"
