"""Flapping: which deaths count, what it does then, what it forgets."""

from __future__ import annotations

import json
from unittest import mock

import pytest

from circus.exc import CallError, OptionError
from circus.plugins import flapping
from circus.plugins.flapping import Flapping


@pytest.fixture
def timers(monkeypatch):
    monkeypatch.setattr(flapping, "Timer", mock.Mock(side_effect=lambda *args: mock.Mock()))
    return flapping.Timer


@pytest.fixture
def plugin(make, timers):
    """One that knows the watcher ``test``, of which two processes died within a second."""
    found = make(Flapping)
    found.configs["test"] = {}
    found.timelines["test"] = [1, 2]
    return found


def tell(plugin, event, watcher="test", **payload):
    plugin.handle_recv([f"watcher.{watcher}.{event}".encode(), json.dumps(payload).encode()])


def die(plugin, when, pid=7, **payload):
    tell(plugin, "reap", process_pid=pid, time=when, **payload)


def test_defaults(make):
    plugin = make(Flapping)
    assert (plugin.attempts, plugin.window, plugin.retry_in, plugin.max_retry) == (2, 1.0, 7.0, 5)
    assert plugin.name == "flapping"


def test_options_are_text(make):
    plugin = make(Flapping, attempts="3", window="1.5", retry_in="0", max_retry="-1", uid="nobody")
    assert (plugin.attempts, plugin.window, plugin.retry_in, plugin.max_retry) == (3, 1.5, 0.0, -1)


def test_a_bad_option_is_refused(make):
    with pytest.raises(OptionError, match=r"^\[plugin:f\] attempts: 0 is less than 1 \(expected: integer; default 2"):
        make(Flapping, attempts="0", name="plugin:f")


# -- the decision, as the tests of 0.19 ask for it ---------------------------------------------------------------------


def test_a_reap_without_payload_is_checked(plugin):
    plugin.check = mock.Mock()
    plugin.handle_recv(["watcher.test.reap", None])
    plugin.check.assert_called_once_with("test")


@pytest.mark.parametrize(("max_retry", "tries"), [(5, 0), (5, 4), (-1, 5), (-1, 1000)])
def test_below_max_retry_it_is_stopped_and_will_be_started(plugin, timers, caplog, max_retry, tries):
    caplog.set_level("INFO")
    plugin.max_retry, plugin.tries["test"] = max_retry, tries
    plugin.check("test")
    plugin.cast.assert_called_once_with("stop", name="test")
    assert plugin.timelines["test"] == []
    assert plugin.tries["test"] == tries + 1
    interval, start, loop = timers.call_args.args
    assert (interval, loop) == (7.0, plugin.loop)
    plugin.timers["test"].start.assert_called_once_with()
    assert caplog.messages == [f"test: flapping detected: retry in  7s (attempt number {tries + 1})"]
    start()
    plugin.cast.assert_called_with("start", name="test")
    assert plugin.timers == {}


def test_at_max_retry_it_is_stopped_for_good(plugin, timers, caplog):
    caplog.set_level("INFO")
    plugin.tries["test"] = 5
    plugin.check("test")
    plugin.cast.assert_called_once_with("stop", name="test")
    assert not timers.called
    assert (plugin.timelines["test"], plugin.tries["test"]) == ([], 0)
    assert caplog.messages == ["test: flapping detected: reached max retry limit"]


@pytest.mark.parametrize(("apart", "flaps"), [(0, True), (2.0, True), (2.01, False)])
def test_the_check_delay_is_added_to_the_window(plugin, apart, flaps):
    plugin.tries["test"] = 1
    plugin.timelines["test"] = [10, 10 + apart]
    plugin.check("test")
    assert plugin.cast.called is flaps
    assert plugin.tries["test"] == (2 if flaps else 0)
    assert plugin.timelines["test"] == []


def test_without_a_periodic_check_the_window_is_what_it_says(plugin):
    plugin.check_delay = -1
    plugin.timelines["test"] = [10, 11]
    plugin.check("test")
    assert plugin.cast.called


def test_fewer_deaths_than_attempts_are_nothing(plugin):
    plugin.attempts = 3
    plugin.check("test")
    assert not plugin.cast.called
    assert plugin.timelines["test"] == [1, 2]


def test_lowering_attempts_below_the_number_of_deaths_does_not_turn_it_off(plugin):
    plugin.timelines["test"] = [1, 2, 3, 4]
    plugin.check("test")
    plugin.cast.assert_called_once_with("stop", name="test")


@pytest.mark.parametrize("active", [False, "no"])
def test_an_inactive_watcher_is_left_alone_and_its_deaths_are_not_collected(plugin, active):
    plugin.configs["test"] = {"active": active}
    plugin.check("test")
    assert not plugin.cast.called
    assert plugin.timelines["test"] == []


# -- which deaths count ------------------------------------------------------------------------------------------------


def test_unexpected_deaths_count_at_the_time_the_daemon_gives(plugin):
    plugin.timelines.clear()
    die(plugin, 100.0, expected=False)
    assert plugin.timelines["test"] == [100.0]
    die(plugin, 100.5, expected=False)
    plugin.cast.assert_called_once_with("stop", name="test")


def test_expected_deaths_do_not_count(plugin):
    plugin.timelines.clear()
    for when in range(5):
        die(plugin, when, expected=True)
    assert not plugin.cast.called
    assert plugin.timelines == {}


def test_deaths_after_a_kill_do_not_count_with_a_daemon_that_does_not_say(plugin):
    plugin.timelines.clear()
    for pid in (7, 8):
        tell(plugin, "kill", process_pid=pid, time=1)
        die(plugin, 1, pid=pid)
    assert plugin.timelines == {}
    die(plugin, 2, pid=7)  # the number belongs to another process now
    assert plugin.timelines == {"test": [2]}


def test_kills_are_not_remembered_for_ever(plugin):
    for pid in range(3000):
        tell(plugin, "kill", process_pid=pid)
    assert len(plugin._asked) == 1000
    die(plugin, 1, pid=2999)
    assert plugin.timelines["test"] == [1, 2]


def test_a_death_where_the_daemon_knows_better_counts_in_spite_of_a_kill(plugin):
    plugin.timelines.clear()
    tell(plugin, "kill", process_pid=7)
    die(plugin, 1, expected=False)
    assert plugin.timelines == {"test": [1]}


def test_watchers_do_not_share_deaths(plugin):
    plugin.timelines.clear()
    plugin.configs["other.one"] = {}
    die(plugin, 1)
    tell(plugin, "reap", "other.one", process_pid=8, time=1)
    assert not plugin.cast.called
    assert plugin.timelines == {"test": [1], "other.one": [1]}


# -- options of one watcher --------------------------------------------------------------------------------------------


def test_options_of_a_watcher_are_fetched_at_its_first_death_and_after_a_change(plugin):
    plugin.configs.clear()
    options = {"cmd": "x", "flapping.attempts": "3", "flapping.window": 2, "flapping.max_retry": "7",
               "flapping.retry_in": "0.5", "flapping.active": "yes", "flapping.colour": "red"}  # fmt: skip
    plugin.call.return_value = {"status": "ok", "options": options}
    die(plugin, 1)
    die(plugin, 1)
    plugin.call.assert_called_once_with("options", name="test")
    expected = {"attempts": 3, "window": 2.0, "max_retry": 7, "retry_in": 0.5, "active": True, "colour": "red"}
    assert plugin.configs["test"] == expected
    tell(plugin, "updated", option="numprocesses")
    assert plugin.call.call_count == 1
    tell(plugin, "updated", option="flapping.attempts")
    tell(plugin, "updated")
    assert plugin.call.call_count == 3


def test_a_bad_option_of_a_watcher_is_ignored_with_a_warning(plugin, caplog):
    plugin.call.return_value = {"options": {"flapping.attempts": "many", "flapping.window": "3"}}
    assert plugin.update_conf("test") == {"window": 3.0}
    assert "test: flapping.attempts = many is ignored" in caplog.text


def test_without_an_answer_the_options_are_asked_for_again(plugin, caplog):
    plugin.configs.clear()
    plugin.timelines.clear()
    plugin.call.side_effect = CallError("Timed out.")
    die(plugin, 1)
    die(plugin, 1)
    assert plugin.call.call_count == 2
    plugin.cast.assert_called_once_with("stop", name="test")  # by the options of the section
    assert "cannot be read" in caplog.text


# -- what others do meanwhile ------------------------------------------------------------------------------------------


def waiting(plugin):
    plugin.check("test")
    return plugin.timers["test"]


def test_one_that_somebody_starts_is_not_started_again(plugin):
    timer = waiting(plugin)
    tell(plugin, "stop")
    tell(plugin, "start")
    timer.cancel.assert_called_once_with()
    assert plugin.timers == {}


def test_a_start_that_was_on_its_way_changes_nothing(plugin):
    timer = waiting(plugin)
    tell(plugin, "start")
    tell(plugin, "stop")
    assert not timer.cancel.called
    assert plugin.timers == {"test": timer}


def test_one_that_is_removed_is_forgotten(plugin):
    timer = waiting(plugin)
    tell(plugin, "remove")
    timer.cancel.assert_called_once_with()
    assert (plugin.timers, plugin.configs, plugin.tries, plugin.timelines) == ({}, {}, {}, {})


def test_reset_and_stop_cancel_timers(plugin):
    timer = waiting(plugin)
    plugin.reset("test")
    timer.cancel.assert_called_once_with()
    assert (plugin.timers, plugin.tries["test"]) == ({}, 0)
    plugin.timelines["test"] = [1, 2]
    timer = waiting(plugin)
    plugin.handle_stop()
    timer.cancel.assert_called_once_with()


def test_the_timer_runs_on_the_loop_of_the_plugin(make):
    plugin = make(Flapping)
    went_off = []
    timer = flapping.Timer(0.001, lambda: (went_off.append(1), plugin.loop.stop()), plugin.loop)
    cancelled = flapping.Timer(0, lambda: went_off.append(2), plugin.loop)
    for each in (timer, cancelled):
        each.start()
    cancelled.cancel()
    plugin.loop.start()
    timer.cancel()
    assert went_off == [1]
