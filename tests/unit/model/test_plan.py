"""What a reloadconfig would do, from two configurations alone."""

from __future__ import annotations

from typing import Any

import pytest

from circus.model.plan import Act, Plan, make_plan


def watcher(name: str = "web", **options: Any) -> dict[str, Any]:
    return {"name": name, "cmd": "run", "numprocesses": 1, "env": {}, **options}


def sock(name: str = "http", **options: Any) -> dict[str, Any]:
    return {"name": name, "host": "127.0.0.1", "port": 80, **options}


def config(*watchers: dict[str, Any], sockets: Any = (), plugins: Any = (), **circus: Any) -> dict[str, Any]:
    fixed = {"check_delay": 5.0, "endpoint": "tcp://127.0.0.1:5555"}
    return {**fixed, **circus, "watchers": list(watchers), "sockets": list(sockets), "plugins": list(plugins)}


def plan(old: dict[str, Any], new: dict[str, Any], sizes: dict[str, int] | None = None) -> Plan:
    return make_plan(old, new, sizes)


def steps(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[Act, str]]:
    return [(step.act, step.name) for step in plan(old, new).steps]


# -- watchers ---------------------------------------------------------------------------------------------------------


def test_nothing_changed_is_nothing_to_do() -> None:
    same = config(watcher(), sockets=[sock()], plugins=[{"name": "plugin:p", "use": "a.B"}])
    assert steps(same, same) == []
    assert plan(same, same).lines() == ["nothing to do"]


def test_watchers_come_and_go_by_name() -> None:
    found = steps(config(watcher("a"), watcher("b")), config(watcher("b"), watcher("c")))
    assert found == [(Act.REMOVE_WATCHER, "a"), (Act.ADD_WATCHER, "c")]


def test_a_changed_number_alone_is_a_resize() -> None:
    assert steps(config(watcher()), config(watcher(numprocesses=4))) == [(Act.RESIZE_WATCHER, "web")]


def test_a_changed_number_and_something_else_is_a_replacement() -> None:
    found = steps(config(watcher()), config(watcher(numprocesses=4, cmd="walk")))
    assert found == [(Act.REPLACE_WATCHER, "web")]


@pytest.mark.parametrize(
    ("old", "new"),
    [({"cmd": "run"}, {"cmd": "walk"}), ({}, {"flapping.attempts": "3"}), ({"max_age": 5}, {})],
    ids=["changed", "added", "removed"],
)
def test_any_difference_is_noticed(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Row 24: options that are in one of the two only were not compared."""
    assert steps(config(watcher(**old)), config(watcher(**new))) == [(Act.REPLACE_WATCHER, "web")]


def test_what_terminals_put_into_the_environment_is_no_difference() -> None:
    old = watcher(env={"A": "1", "PS1": "$ ", "COMP_WORDBREAKS": "x"})
    new = watcher(env={"A": "1", "PS1": "# ", "PROMPT_COMMAND": "date"})
    assert steps(config(old), config(new)) == []
    assert steps(config(old), config(watcher(env={"A": "2"}))) == [(Act.REPLACE_WATCHER, "web")]


def test_values_of_the_environment_are_not_told() -> None:
    found = plan(config(watcher(env={"KEY": "secret"})), config(watcher(env={"KEY": "secret2"})))
    assert "secret" not in " ".join(found.lines())


def test_the_section_header_is_no_option() -> None:
    assert steps(config(watcher(__name__="watcher:web")), config(watcher(__name__="watcher: web"))) == []


def test_watchers_that_circusd_makes_for_itself_are_left_alone() -> None:
    own = [watcher("circushttpd"), watcher("circusd-stats")]
    assert steps(config(*own), config()) == []


def test_plugins_are_watchers() -> None:
    old = config(plugins=[{"name": "plugin:p", "use": "a.B"}])
    new = config(plugins=[{"name": "plugin:p", "use": "a.B", "loglevel": "debug"}])
    assert steps(old, new) == [(Act.REPLACE_WATCHER, "plugin:p")]
    assert steps(old, config()) == [(Act.REMOVE_WATCHER, "plugin:p")]


def test_watchers_that_came_by_command_go_and_those_that_went_come_again() -> None:
    same = config(watcher("a"), watcher("b"))
    found = make_plan(same, same, {"a": 1, "added": 3, "circusd-stats": 1})
    assert [(step.act, step.name) for step in found.steps] == [(Act.REMOVE_WATCHER, "added"), (Act.ADD_WATCHER, "b")]


def test_a_resize_tells_from_what_the_file_said_last() -> None:
    found = plan(config(watcher()), config(watcher(numprocesses=4)), {"web": 2})
    assert found.lines() == ["resize watcher web (2 -> 4)"]


# -- sockets ----------------------------------------------------------------------------------------------------------


def test_sockets_come_and_go_by_name_whatever_the_case() -> None:
    found = steps(config(sockets=[sock("a"), sock("B")]), config(sockets=[sock("b"), sock("c")]))
    assert [step for step in found if step[1] != "b"] == [(Act.REMOVE_SOCKET, "a"), (Act.ADD_SOCKET, "c")]


@pytest.mark.parametrize(
    "user",
    [
        {"cmd": "run --fd $(circus.sockets.http)"},
        {"args": "--fd $(circus.sockets.http)"},
        {"args": ["--fd", "((circus.sockets.HTTP))"]},
        {"env": {"FD": "${circus.sockets.http}"}},
        {"cmd": "run ${socket:http}"},
        {"stdin_socket": "http"},
        {"use_sockets": True},
    ],
    ids=["cmd", "args", "list of args", "env", "short", "stdin_socket", "all sockets"],
)
def test_users_of_a_changed_socket_are_replaced(user: dict[str, Any]) -> None:
    """Rows 8 and 9: only cmd was looked at, and then it failed half-way."""
    others = [watcher("other"), watcher("elsewhere", cmd="run $(circus.sockets.ftp)", use_sockets=True)]
    sockets = [sock(), sock("ftp", port=21)]
    old = config(watcher(**user), *others, sockets=sockets)
    new = config(watcher(**user), *others, sockets=[sock(port=81), sockets[1]])
    assert steps(old, new) == [(Act.REPLACE_SOCKET, "http"), (Act.REPLACE_WATCHER, "web")]


def test_a_resize_together_with_a_changed_socket_is_a_replacement() -> None:
    user = {"stdin_socket": "http"}
    old = config(watcher(**user), sockets=[sock()])
    new = config(watcher(**user, numprocesses=3), sockets=[sock(port=81)])
    assert (Act.REPLACE_WATCHER, "web") in steps(old, new)


def test_a_socket_that_is_still_used_cannot_go() -> None:
    user = watcher(stdin_socket="http")
    found = plan(config(user, sockets=[sock()]), config(user))
    assert found.problems == ("Watchers {'web'} uses a socket which is deleted",)


def test_a_socket_may_go_together_with_its_user() -> None:
    found = plan(config(watcher(stdin_socket="http"), sockets=[sock()]), config())
    assert found.problems == ()
    assert [step.act for step in found.steps] == [Act.REMOVE_WATCHER, Act.REMOVE_SOCKET]


def test_the_socket_of_the_web_console_is_always_there() -> None:
    assert plan(config(), config(watcher(cmd="run $(circus.sockets.circushttpd)"))).problems == ()


# -- the daemon -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["check_delay", "warmup_delay", "loglevel", "logoutput", "fqdn_prefix"])
def test_what_can_change_live_does(option: str) -> None:
    """Row 25: any change of [circus] restarted everything."""
    found = plan(config(watcher()), config(watcher(), **{option: 7}))
    assert [(step.act, step.name, step.new) for step in found.steps] == [(Act.SET_GLOBAL, option, 7)]
    assert not found.restarts_daemon


@pytest.mark.parametrize("option", ["endpoint", "pubsub_endpoint", "statsd", "httpd", "umask", "unknown"])
def test_what_cannot_restarts_the_daemon_and_nothing_else_is_planned(option: str) -> None:
    found = plan(config(watcher()), config(watcher("new"), **{option: "x"}))
    assert [step.act for step in found.steps] == [Act.RESTART_DAEMON]
    assert found.restarts_daemon
    assert option in found.lines()[0]


def test_a_full_restart_is_refused_for_the_same_problems() -> None:
    found = plan(config(), config(watcher(stdin_socket="http"), umask=7))
    assert found.problems


# -- order and text ---------------------------------------------------------------------------------------------------


def test_steps_come_in_the_order_of_application() -> None:
    old = config(watcher("gone"), watcher("more"), watcher("web"), sockets=[sock("old"), sock("moved", port=1)])
    new = config(
        watcher("more", numprocesses=2),
        watcher("web", cmd="walk"),
        watcher("new"),
        sockets=[sock("moved", port=2), sock("fresh")],
        check_delay=1.0,
    )
    acts = [step.act for step in plan(old, new).steps]
    assert acts == sorted(acts)
    assert set(acts) == set(Act) - {Act.RESTART_DAEMON}


def test_lines_say_what_and_why() -> None:
    found = plan(config(watcher(), watcher("b")), config(watcher(cmd="walk"), watcher("c"), check_delay=1.0))
    assert found.lines() == [
        "set global check_delay (5.0 -> 1.0)",
        "remove watcher b (no longer in the file)",
        "replace watcher web (cmd: 'run' -> 'walk')",
        "add watcher c",
    ]


def test_programs_are_told_every_change() -> None:
    old = config(watcher(cmd="run", env={"A": "1"}, uid="www"), watcher("gone"))
    new = config(watcher(cmd="walk", env={"A": "2"}, gid="www"), watcher("two", numprocesses=2))
    told = plan(old, new, {"web": 1, "gone": 1}).told()
    assert told["steps"] == [
        {"act": "remove watcher", "name": "gone", "changes": [{"note": "no longer in the file"}]},
        {
            "act": "replace watcher",
            "name": "web",
            "changes": [
                {"option": "cmd", "old": "'run'", "new": "'walk'"},
                {"option": "env"},
                {"option": "gid", "new": "'www'"},
                {"option": "uid", "old": "'www'"},
            ],
        },
        {"act": "add watcher", "name": "two", "changes": []},
    ]
    assert told["plan"][1] == "replace watcher web (cmd: 'run' -> 'walk', env changes, gid = 'www', uid removed)"
    assert told["problems"] == []


def test_programs_are_told_what_speaks_against_a_plan() -> None:
    told = plan(config(), config(watcher(cmd="run --fd $(circus.sockets.none)"))).told()
    assert told["problems"] == ["Watchers {'web'} uses a socket which is deleted"]
    assert told["plan"] == ["problem: Watchers {'web'} uses a socket which is deleted", "add watcher web"]
