"""ResourceWatcher: what is over or under, what is counted, who is ended."""

from __future__ import annotations

from unittest import mock

import pytest

from circus.exc import OptionError
from circus.plugins.resource_watcher import ResourceWatcher

COUNTER = "_resource_watcher.test."


def info(cpu=0, mem=0, size="0B", children=()):
    return {"cpu": cpu, "mem": mem, "mem_info1": size, "children": list(children)}


def child(pid, **usage):
    return {"pid": pid, **info(**usage)}


@pytest.fixture
def watch(make):
    """Makes a plugin for the watcher ``test`` that finds the given processes at each look."""

    def build(processes, **options):
        plugin = make(ResourceWatcher, watcher="test", **options)
        plugin.call.return_value = {"status": "ok", "name": "test", "info": processes}
        return plugin

    return build


def look(plugin, times=1):
    for _ in range(times):
        plugin.look_after()
    return {name.removeprefix(COUNTER): number for name, number in plugin.statsd.increments.items()}


def test_the_watcher_must_be_named(make):
    with pytest.raises(NotImplementedError, match=r"^watcher is mandatory for now\.$"):
        make(ResourceWatcher)


def test_the_older_name_of_the_option_still_works(make):
    with pytest.warns(DeprecationWarning, match=r"^ResourceWatcher.service is deprecated"):
        assert make(ResourceWatcher, service="whatever").watcher == "whatever"
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        assert make(ResourceWatcher, service="old", watcher="new").watcher == "new"


def test_defaults(make):
    plugin = make(ResourceWatcher, watcher="test")
    assert (plugin.name, plugin.max_cpu, plugin.max_mem) == ("statsd", 90, (90, False))
    assert (plugin.min_cpu, plugin.min_mem, plugin.health_threshold, plugin.max_count) == (None, None, 75, 3)
    assert (plugin.process_children, plugin.child_signal, plugin.loop_rate) == (False, 15, 60)


def test_options_may_be_text_or_not(make):
    options = {"watcher": "test", "max_cpu": 0.1, "max_mem": "100M", "min_mem": 100000.1, "min_cpu": "none",
               "process_children": "1", "child_signal": "SIGUSR1", "loop_rate": 0.1}  # fmt: skip
    plugin = make(ResourceWatcher, **options)
    assert (plugin.max_cpu, plugin.max_mem, plugin.min_mem) == (0.1, (100 * 2**20, True), (100000.1, False))
    assert (plugin.min_cpu, plugin.process_children, plugin.child_signal) == (None, True, 10)


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("max_mem", "12Q", "can't interpret '12Q' \\(expected: percent \\| size such as 100M; default 90\\)"),
        ("max_cpu", "-1", "-1 must not be less than 0"),
        ("child_signal", "FOO", "signal invalid: FOO"),
        ("loop_rate", "0", "0 must not be less than 0.001"),
        ("min_mem", "nan", "nan is no percentage"),
    ],
)
def test_bad_options(make, option, value, text):
    with pytest.raises(OptionError, match=f"^circus.plugins.resource_watcher.ResourceWatcher {option}: {text}"):
        make(ResourceWatcher, watcher="test", **{option: value})


@pytest.mark.parametrize(
    ("options", "usage", "conditions"),
    [
        ({}, {"cpu": 90}, []),
        ({}, {"cpu": 90.1}, ["over_cpu"]),
        ({"max_cpu": "0"}, {"cpu": 100}, []),
        ({"min_cpu": "5"}, {"cpu": 5}, ["under_cpu"]),
        ({"min_cpu": "5"}, {"cpu": 5.1}, []),
        ({"min_cpu": "0"}, {"cpu": 0}, ["under_cpu"]),
        ({}, {"mem": 90.1}, ["over_memory"]),
        ({"max_mem": "0"}, {"mem": 90.1}, []),
        ({"max_mem": "1M"}, {"mem": 99, "size": "1024K"}, []),
        ({"max_mem": "1M"}, {"mem": 1, "size": "1025K"}, ["over_memory"]),
        ({"min_mem": "1"}, {"mem": 0.9, "size": "5G"}, ["under_memory"]),
        ({"min_mem": "100M"}, {"mem": 1, "size": "101M"}, []),
        ({"min_mem": "100M"}, {"mem": 89, "size": "99.9M"}, ["under_memory"]),
        ({"health_threshold": "50", "max_cpu": 0, "max_mem": 0}, {"cpu": 60, "mem": 41}, ["over_health"]),
        ({"health_threshold": "0", "max_cpu": 0, "max_mem": 0}, {"cpu": 100, "mem": 100}, []),
        ({"max_cpu": "0", "max_mem": "0"}, {"cpu": "N/A", "mem": "N/A"}, ["over_health"]),
        ({"max_mem": "1M", "health_threshold": "0"}, {"size": "N/A"}, []),
    ],
)
def test_conditions(watch, options, usage, conditions):
    assert look(watch({"7": info(**usage)}, **options)) == dict.fromkeys(conditions, 1)


def test_the_process_over_its_limit_is_ended_and_its_siblings_are_not(watch, caplog):
    caplog.set_level("INFO")
    plugin = watch({"7": info(cpu=10), "8": info(cpu=95, size="1M")})
    assert look(plugin, 3) == {"over_cpu": 3}
    assert not plugin.cast.called
    assert look(plugin) == {"over_cpu": 4, "restarting": 1}
    plugin.cast.assert_called_once_with("kill", name="test", pid=8)
    assert caplog.messages == [
        "test: process 8 is ended: over cpu in 4 looks in a row (95 % CPU, 0 % memory, 1.0 MiB)"
    ]
    look(plugin, 3)  # it is counted from the beginning
    assert plugin.cast.call_count == 1


def test_only_looks_in_a_row_count(watch):
    plugin = watch({"7": info(cpu=95)}, max_count="1")
    look(plugin)
    plugin.call.return_value["info"] = {"7": info(cpu=1)}
    look(plugin)
    plugin.call.return_value["info"] = {"7": info(cpu=95)}
    look(plugin)
    assert not plugin.cast.called
    look(plugin)
    plugin.cast.assert_called_once_with("kill", name="test", pid=7)


def test_conditions_are_counted_apart(watch):
    plugin = watch({"7": info(cpu=95)}, max_count="1")
    look(plugin)
    plugin.call.return_value["info"] = {"7": info(mem=95)}
    look(plugin)
    assert not plugin.cast.called


def test_children_are_looked_at_only_when_wanted(watch):
    processes = {"7": info(children=[child(70, cpu=99)])}
    assert look(watch(processes)) == {}
    assert look(watch(processes, process_children="yes")) == {"over_cpu": 1}


def test_a_child_over_its_limit_gets_the_signal_and_its_parent_does_not(watch):
    processes = {"7": info(children=[child(70, cpu=99), child(71, cpu=1), "No such process (stopped?)"])}
    plugin = watch(processes, process_children="1", max_count="0", child_signal="USR2")
    look(plugin)
    assert plugin.cast.mock_calls == [mock.call("signal", name="test", pid=7, childpid=70, signum=12)]


def test_processes_that_are_gone_are_forgotten(watch):
    plugin = watch({"7": info(children=[child(70, cpu=99)])}, process_children="1")
    look(plugin)
    assert set(plugin._counts) == {"7", "70"}
    plugin.call.return_value["info"] = {"8": info(), "9": "No such process (stopped?)"}
    look(plugin)
    assert set(plugin._counts) == {"8"}


def test_a_watcher_without_processes_is_left_alone(watch):
    plugin = watch({}, min_cpu="5", min_mem="5", max_count="0")
    assert look(plugin, 5) == {}
    assert not plugin.cast.called


def test_an_error_is_counted(watch):
    plugin = watch({})
    plugin.call.return_value = {"status": "error", "reason": "program test not found"}
    assert look(plugin) == {"error": 1}
