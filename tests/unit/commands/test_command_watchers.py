"""Commands about watchers as a whole: start, stop, restart, reload, reloadconfig, quit, add, rm."""

from __future__ import annotations

from typing import Any

import pytest

from circus.commands import find_command
from circus.commands.restart import find_watchers, match_options
from circus.exc import ArgumentError, MessageError


def names(watchers: list[Any]) -> list[str]:
    return [watcher.name for watcher in watchers]


# -- which watchers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "pattern", "expected"),
    [
        ("simple", "WEB", ["web"]),
        ("simple", "one two", ["One Two"]),
        ("simple", "one_two", ["One Two"]),
        ("glob", "WEB", ["web"]),
        ("glob", "*", ["web", "Api", "One Two"]),
        ("glob", "a*", ["Api"]),
        ("glob", "[!w]*", ["Api", "One Two"]),
        ("glob", "w?b", ["web"]),
        ("glob", "one_two", ["One Two"]),
        ("glob", "one_*", ["One Two"]),
        ("regex", "w", ["web"]),
        ("regex", "z*", ["web", "Api", "One Two"]),
        ("regex", "API$", ["Api"]),
        ("regex", r"\w+\s\w+", ["One Two"]),
        ("regex", r"\D+$", ["web", "Api", "One Two"]),
        ("regex", r"one_\w+", ["One Two"]),
    ],
)
def test_matches(arbiter: Any, method: str, pattern: str, expected: list[str]) -> None:
    assert names(find_watchers(arbiter, pattern, method)) == expected


def test_regex_keeps_its_capital_classes(arbiter: Any, make_watcher: Any) -> None:
    arbiter.watchers.append(make_watcher("web2"))
    assert names(find_watchers(arbiter, r"web\D*$", "regex")) == ["web"]


def test_a_name_may_contain_characters_of_a_pattern(arbiter: Any, make_watcher: Any) -> None:
    arbiter.watchers.append(make_watcher("web[1]"))
    assert names(find_watchers(arbiter, "web[1]", "glob")) == ["web[1]"]


@pytest.mark.parametrize("method", ["simple", "glob", "regex"])
def test_no_match_names_the_pattern_as_it_was_sent(arbiter: Any, method: str) -> None:
    with pytest.raises(MessageError, match=r"^program Qq not found$"):
        find_watchers(arbiter, "Qq", method)
    with pytest.raises(ArgumentError, match=r"a string"):
        find_watchers(arbiter, 5, method)


def test_bad_regex_and_unknown_method(arbiter: Any) -> None:
    with pytest.raises(ArgumentError, match=r"unterminated"):
        find_watchers(arbiter, "(", "regex")
    with pytest.raises(MessageError, match=r"^unknown match method foo$"):
        find_watchers(arbiter, "web", "foo")
    with pytest.raises(MessageError, match=r"^unknown match method \['glob'\]$"):
        find_watchers(arbiter, "web", ["glob"])


# -- start, stop, restart -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["start", "stop", "restart"])
def test_messages(props: Any, shown: Any, name: str) -> None:
    assert props(name, waiting=False, match=r"glob") == {"waiting": False, "match": "glob"}
    assert props(name, "web", waiting=True, match=r"regex") == {
        "name": "web",
        "waiting": True,
        "match": "regex",
    }
    assert match_options[0] in find_command(name).options
    assert shown(name) == "ok"
    assert shown(name, info={"started": [1]}) == "ok"
    assert shown(name, status="error", reason="q") == "error: q"
    if name == "stop":
        assert props(name, "a", "b") == {"name": "a"}
    else:
        with pytest.raises(ArgumentError, match=r"^Invalid number of arguments$"):
            props(name, "a", "b")


def test_exactly_one_match(run: Any, arbiter: Any) -> None:
    assert run(arbiter, "start", name="w*") == {"info": {"started": [1], "kept": []}}
    assert run(arbiter, "stop", name="web") == {"info": None}
    assert run(arbiter, "restart", name="WEB", match=None) == {
        "info": {"stopped": [1], "started": [2], "kept": []}
    }
    assert arbiter.watchers[0].calls == [("start",), ("stop",), ("restart",)]
    assert arbiter.calls == []


def test_all(run: Any, arbiter: Any) -> None:
    assert run(arbiter, "start") is None
    assert run(arbiter, "stop") is None
    assert run(arbiter, "restart") is None
    assert arbiter.calls == [("start_watchers", None), ("stop_watchers", None), ("restart", True)]


def test_several_matches_in_the_order_the_arbiter_wants(run: Any, arbiter: Any) -> None:
    for priority, watcher in enumerate(arbiter.watchers):
        watcher.priority = priority
    arbiter.watchers[1].autostart = False
    assert run(arbiter, "start", name="[aw]*") is None
    assert run(arbiter, "stop", name="[aw]*") is None
    assert run(arbiter, "restart", name="[aw]*") is None
    arbiter.watchers[1].stopped = True
    assert run(arbiter, "restart", name="[aw]*") is None
    assert arbiter.calls == [
        ("start_watchers", ["Api", "web"]),
        ("stop_watchers", ["web", "Api"]),
        ("restart", ["Api", "web"]),
        ("restart", ["web"]),
    ]


def test_null_is_not_everything(run: Any, arbiter: Any) -> None:
    with pytest.raises(ArgumentError):
        run(arbiter, "stop", name=None)
    assert arbiter.calls == []


def test_what_ends_the_daemon() -> None:
    assert find_command("quit").ends_daemon({})
    assert find_command("restart").ends_daemon({})
    assert not find_command("restart").ends_daemon({"name": "web"})
    assert find_command("reloadconfig").ends_daemon({})
    assert not find_command("stop").ends_daemon({})


# -- reload, reloadconfig, quit -----------------------------------------------------------------------


def test_reload(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    info = {"stopped": [1], "started": [2], "kept": []}
    assert run(arbiter, "reload", name="web") == {"info": info}
    assert run(arbiter, "reload", name="web", graceful=False, sequential=True) == {"info": info}
    assert arbiter.watchers[0].calls == [("reload", True, False), ("reload", False, True)]
    assert run(arbiter, "reload", sequential=1) is None
    assert arbiter.calls == [("reload", True, True)]
    assert props("reload") == {"graceful": True, "waiting": False, "sequential": False}
    assert props("reload", "web", terminate=True, waiting=True, sequential=True) == {
        "name": "web",
        "graceful": False,
        "waiting": True,
        "sequential": True,
    }
    assert shown("reload") == "ok"
    with pytest.raises(ArgumentError, match=r"^invalid number of arguments$"):
        props("reload", "a", "b")
    with pytest.raises(MessageError, match=r"^program w\* not found$"):
        run(arbiter, "reload", name="w*")


def test_reloadconfig(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    assert run(arbiter, "reloadconfig") is None
    assert arbiter.calls == [("reload_from_config",)]
    assert props("reloadconfig", "ignored") == {"waiting": False}
    assert props("reloadconfig", waiting=True) == {"waiting": True}
    assert shown("reloadconfig") == "ok"


def test_reloadconfig_dry_run(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    reply = run(arbiter, "reloadconfig", dry_run=True)
    assert reply == {"plan": ["add watcher web"], "steps": [], "problems": []}
    assert arbiter.calls == []
    assert props("reloadconfig", dry_run=True) == {"waiting": False, "dry_run": True}
    assert props("reloadconfig", **{"dry-run": True}) == {"waiting": False, "dry_run": True}
    assert shown("reloadconfig", plan=["a", "b"]) == "a\nb"
    assert shown("reloadconfig", plan=[]) == "nothing to do"
    with pytest.raises(MessageError, match=r"cannot plan"):
        run(object(), "reloadconfig", dry_run=True)


def test_quit(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    assert run(arbiter, "quit") is None
    assert arbiter.calls == [("stop",)]
    assert props("quit", "ignored", waiting=True) == {"waiting": True}
    assert props("quit") == {}
    assert shown("quit") == "ok"


# -- add, rm ------------------------------------------------------------------------------------------


def test_rm(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    assert run(arbiter, "rm", name="API") is None
    assert run(arbiter, "rm", name="one_two", nostop=True) is None
    assert arbiter.calls == [("rm", "Api", False), ("rm", "One Two", True)]
    assert props("rm", "web", waiting=False, nostop=False) == {"name": "web"}
    assert props("rm", "web", waiting=True, nostop=True) == {"name": "web", "waiting": True, "nostop": True}
    assert shown("rm") == "ok"
    for wrong in ((), ("a", "b")):
        with pytest.raises(ArgumentError, match=r"^Invalid number of arguments$"):
            props("rm", *wrong)
    with pytest.raises(MessageError, match=r"^program zz not found$"):
        run(arbiter, "rm", name="zz")


def test_add_message(props: Any, shown: Any) -> None:
    assert props("add", "web", "sleep", "10") == {"name": "web", "cmd": "sleep 10", "start": False}
    assert props("add", "web", "sleep", start=True) == {"name": "web", "cmd": "sleep", "start": True}
    assert shown("add") == "ok"
    with pytest.raises(ArgumentError, match=r"^Invalid number of arguments$"):
        props("add", "web")


def test_add(run: Any, arbiter: Any) -> None:
    assert run(arbiter, "add", name="new", cmd="serve") is None
    assert run(arbiter, "add", name="two", cmd="serve", options=None, args=None) is None
    assert run(arbiter, "add", name="three", cmd="serve", start=True) == {"started": [1], "kept": []}
    assert arbiter.calls == [("add", name, "serve", {"args": None}) for name in ("new", "two", "three")]
    assert arbiter.watchers[-1].calls == [("start",)]


def test_add_with_options(run: Any, arbiter: Any) -> None:
    options = {
        "numprocesses": 2,
        "rlimit_nofile": 100,
        "rlimit_core": None,
        "rlimit_as": "",
        "env": {"A": "1"},
        "hooks": {"before_start": "a.b,true"},
        "hooks.after_start": "c.d",
        "stdout_stream.filename": "x.log",
        "stdout_stream": {"class": "FileStream"},
        "use_sockets": True,
        "priority": 3,
        "autostart": False,
        "cmd": "other",
        "args": "x",
    }
    run(arbiter, "add", name="new", cmd="serve", args=["--port", 80], options=options)
    assert arbiter.calls == [
        (
            "add",
            "new",
            "serve",
            {
                "args": ["--port", "80"],
                "numprocesses": 2,
                "rlimits": {"nofile": 100, "core": -1, "as": -1},
                "env": {"A": "1"},
                "hooks": {"before_start": "a.b,true", "after_start": "c.d"},
                "stdout_stream": {"class": "FileStream", "filename": "x.log"},
                "use_sockets": True,
                "priority": 3,
                "autostart": False,
            },
        )
    ]


def test_add_takes_args_of_the_options_when_there_are_no_others(run: Any, arbiter: Any) -> None:
    run(arbiter, "add", name="new", cmd="serve", options={"args": "x y"})
    assert arbiter.calls[0][3] == {"args": "x y"}


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"cmd": "x"}, "message invalid 'name' is missing"),
        ({"name": "x"}, "message invalid 'cmd' is missing"),
        ({"name": "", "cmd": "x"}, "command name shouldn't be empty"),
        ({"name": " ", "cmd": "x"}, "command name shouldn't be empty"),
        ({"name": 5, "cmd": "x"}, "'name' isn't a string"),
        ({"name": "x", "cmd": ["x"]}, "'cmd' isn't a string"),
        ({"name": "x", "cmd": "x", "options": []}, "'options' property should be an object"),
        ({"name": "x", "cmd": "x", "options": "x"}, "'options' property should be an object"),
        ({"name": "x", "cmd": "x", "options": {"zz": 1}}, "unknown key 'zz'"),
        ({"name": "x", "cmd": "x", "options": {"numprocesses": "1"}}, "'numprocesses' isn't an integer"),
        ({"name": "x", "cmd": "x", "args": {}}, "'args' isn't a string"),
    ],
)
def test_add_refuses(run: Any, arbiter: Any, request_: dict[str, Any], text: str) -> None:
    with pytest.raises(MessageError) as caught:
        run(arbiter, "add", **request_)
    assert str(caught.value) == text
    assert arbiter.calls == []


def test_add_for_an_endpoint_owner(run: Any, arbiter: Any) -> None:
    arbiter.endpoint_owner_mode, arbiter.endpoint_owner = True, "www"
    for options in ({}, {"uid": "root"}, {"uid": 0}, {"uid": "WWW"}):
        with pytest.raises(MessageError, match=r"^uid does not match endpoint_owner$"):
            run(arbiter, "add", name="new", cmd="serve", options=options)
    run(arbiter, "add", name="new", cmd="serve", options={"uid": "www"})
    assert [call[0] for call in arbiter.calls] == ["add"]
