"""The life cycle as a dialogue: facts in, instructions out; no process, no clock."""

from __future__ import annotations

import builtins
import errno
import os
from dataclasses import dataclass, field
from typing import Any

import pytest

from circus.exc import SpawnError, Superseded
from circus.model import steps
from circus.model.lifecycle import Lifecycle
from circus.model.pacing import Backoff
from circus.model.steps import Wish


@dataclass
class Rules:
    name: str = "web"
    numprocesses: int = 1
    warmup_delay: float = 0.0
    graceful_timeout: float = 30.0
    stop_signal: int = 15
    max_retry: int = 5
    max_age: int = 0
    max_age_variance: int = 0
    respawn: bool = True
    singleton: bool = False
    on_demand: bool = False
    send_hup: bool = False
    reload_overlap: float = 1.0
    stop_exit_codes: tuple[int, ...] = ()
    backoff: Backoff = field(default_factory=lambda: Backoff(jitter=0.0))
    hooks: dict[str, Any] = field(default_factory=dict)


class Play:
    """A watcher's world: carries out instructions in memory, and remembers what was done."""

    def __init__(self, **rules: Any) -> None:
        self.rules = Rules(**rules)
        self.machine = Lifecycle(self.rules, rand=lambda: 0.0)
        self.now = 100.0
        self.events: list[str] = []
        self.payloads: list[tuple[str, dict[str, Any]]] = []
        self.settled: dict[Any, Any] = {}
        self.timers: list[tuple[float, int]] = []
        self.asked: list[steps.AskHook] = []
        self.living: dict[int, int] = {}
        self.signals: list[tuple[int, int]] = []
        self.streams: list[bool] = []
        self.next_pid = 1000
        self.broken, self.passing = "", False
        self.dies_of = {15, 9}
        self.logged: list[str] = []
        self.said: list[steps.Say] = []
        self.pending: list[steps.Spawn] = []
        self.lazy = False
        #: Workers that have ended and left others behind.
        self.trees: set[int] = set()

    def feed(self, fact: steps.Fact) -> None:
        todo = [fact]
        while todo:
            out = self.machine.handle(todo.pop(0), self.now)
            self.machine.check()
            for step in out:
                todo += self._carry(step)

    def _carry(self, step: Any) -> list[steps.Fact]:
        match step:
            case steps.Spawn():
                if self.lazy:
                    self.pending.append(step)
                    return []
                return [self._spawn(step)]
            case steps.CancelSpawn(sid):
                self.pending = [spawn for spawn in self.pending if spawn.sid != sid]
            case steps.Emit(event, payload):
                self.events.append(event)
                self.payloads.append((event, dict(payload)))
            case steps.Announce():
                self.events.append("kill")
            case steps.Signal(sid, signum):
                self.signals.append((sid, signum))
                if signum == 9 and step.tree and sid in self.trees:
                    self.trees.discard(sid)
                    return [steps.TreeGone(sid)]
                if signum in self.dies_of and sid in self.living:
                    del self.living[sid]
                    return [steps.Exited(sid, -signum)]
            case steps.WakeAt(token, when):
                self.timers.append((when, token))
            case steps.AskHook():
                self.asked.append(step)
            case steps.Settle(ticket, result, error):
                assert ticket not in self.settled, f"{ticket} was answered twice"
                self.settled[ticket] = error or result
            case steps.Streams(is_open):
                self.streams.append(is_open)
            case steps.Say(_, text):
                self.logged.append(text)
                self.said.append(step)
        return []

    def _spawn(self, step: steps.Spawn) -> steps.Fact:
        if self.broken:
            return steps.SpawnFailed(step.sid, self.broken, self.passing)
        self.next_pid += 1
        self.living[step.sid] = self.next_pid
        return steps.Started(step.sid, self.next_pid, self.now)

    def want(self, wish: Wish, ticket: Any = None, **params: Any) -> None:
        self.feed(steps.Wanted(wish, ticket or wish.value, "test", params))

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            due = sorted(timer for timer in self.timers if timer[0] <= end)
            if not due:
                break
            self.timers.remove(due[0])
            self.now = max(self.now, due[0][0])
            self.feed(steps.Woke(due[0][1]))
        self.now = end

    def die(self, sid: int | None = None, code: int | None = 1, leftovers: bool = False) -> None:
        sid = min(self.living) if sid is None else sid
        del self.living[sid]
        if leftovers:
            self.trees.add(sid)
        self.feed(steps.Exited(sid, code, leftovers))

    def end_tree(self, sid: int) -> None:
        """What that worker left behind ends by itself."""
        self.trees.discard(sid)
        self.feed(steps.TreeGone(sid))

    def answer(self, go: bool = True) -> str:
        call = self.asked.pop(0)
        self.feed(steps.Answered(call.token, go))
        return call.hook

    def wids(self) -> list[int]:
        return sorted(self.machine.slots[sid].wid for sid in self.living)


def started(**rules: Any) -> Play:
    play = Play(**rules)
    play.want(Wish.START)
    play.events.clear()
    play.settled.clear()
    return play


# -- start and stop -----------------------------------------------------------------------------------------------


def test_start_publishes_spawns_then_start() -> None:
    play = Play(numprocesses=2)
    play.want(Wish.START)
    assert play.events == ["spawn", "spawn", "start"]
    assert play.settled == {"start": {"started": [1001, 1002], "kept": []}}
    assert play.machine.status == "active"
    assert play.streams == [True]


def test_stop_publishes_kills_reaps_stop() -> None:
    play = started(numprocesses=2)
    play.want(Wish.STOP)
    assert play.events == ["kill", "kill", "reap", "reap", "stop"]
    assert play.settled == {"stop": None}
    assert play.machine.status == "stopped"
    assert play.streams == [True, False]


def test_stop_of_a_stopped_watcher_is_silent() -> None:
    play = Play()
    play.want(Wish.STOP)
    assert (play.events, play.settled) == ([], {"stop": None})


def test_start_of_an_active_watcher_keeps_its_processes() -> None:
    play = started(numprocesses=2)
    play.want(Wish.START)
    assert play.settled == {"start": {"started": [], "kept": [1001, 1002]}}
    assert play.events == []


def test_start_with_no_process_wanted_ends_stopped() -> None:
    play = Play(numprocesses=0)
    play.want(Wish.START)
    assert play.machine.status == "stopped"
    assert play.events == ["stop"]


def test_restart_is_stop_then_start_and_keeps_the_streams_open() -> None:
    play = started(numprocesses=2)
    play.want(Wish.RESTART)
    assert play.events == ["kill", "kill", "reap", "reap", "stop", "spawn", "spawn", "start"]
    assert play.settled == {"restart": {"stopped": [1001, 1002], "started": [1003, 1004], "kept": []}}
    assert False not in play.streams


def test_a_stubborn_process_is_killed_when_grace_is_over() -> None:
    play = started(graceful_timeout=2.0)
    play.dies_of = {9}
    play.want(Wish.STOP)
    assert play.machine.status == "stopping"
    play.advance(1.9)
    assert play.events == ["kill"]
    play.advance(0.2)
    assert play.events == ["kill", "kill", "reap", "stop"]
    assert play.payloads[-2][1]["exit_code"] == -9


def test_a_process_that_survives_sigkill_is_given_up_at_last() -> None:
    play = started(graceful_timeout=1.0)
    play.dies_of = set()
    play.want(Wish.STOP)
    play.advance(12.0)
    assert play.settled == {"stop": None}
    assert "does not die of SIGKILL" in " ".join(play.logged)


def test_workers_that_are_stopped_together_have_one_timer() -> None:
    play = started(numprocesses=3, graceful_timeout=2.0)
    play.dies_of = {9}
    play.want(Wish.STOP)
    assert [when for when, _ in play.timers] == [play.now + 2.0]
    play.advance(2.0)
    assert [signum for _, signum in play.signals] == [15, 15, 15, 9, 9, 9]
    assert play.settled == {"stop": None}


def test_each_of_those_with_one_timer_is_looked_at_by_itself() -> None:
    play = started(numprocesses=3, graceful_timeout=2.0)
    play.dies_of = {9}
    play.want(Wish.STOP)
    first, second, third = sorted(play.living)
    play.die(second, -15)
    play.advance(2.0)
    assert [sid for sid, signum in play.signals if signum == 9] == [first, third]


def test_grace_of_zero_kills_at_once() -> None:
    play = started(graceful_timeout=0)
    play.dies_of = {9}
    play.want(Wish.STOP)
    assert play.events == ["kill", "kill", "reap", "stop"]


def test_hurry_cuts_the_grace_short() -> None:
    play = started(numprocesses=3, graceful_timeout=600)
    play.dies_of = {9}
    play.want(Wish.STOP)
    play.feed(steps.Hurried())
    assert play.settled == {"stop": None}


def test_hurry_does_not_wait_for_hooks() -> None:
    play = started(hooks={"before_stop": None, "before_reap": None, "after_stop": None})
    play.dies_of = {9}
    play.want(Wish.STOP)
    assert play.signals == []
    play.feed(steps.Hurried())
    assert play.events == ["kill", "kill", "reap", "stop"]
    assert play.settled == {"stop": None}


def test_hurry_of_a_running_watcher_leaves_its_hooks_alone() -> None:
    play = started(hooks={"before_stop": None})
    play.feed(steps.Hurried())
    play.want(Wish.STOP)
    assert play.answer() == "before_stop"


def test_a_tree_that_lingers_is_waited_for_and_killed_at_last() -> None:
    play = started(graceful_timeout=5)
    play.dies_of = set()
    play.want(Wish.STOP)
    sid = next(iter(play.living))
    play.die(code=-15, leftovers=True)
    assert play.events == ["kill", "reap"]
    assert play.machine.status == "stopping"
    play.advance(5.1)
    assert play.signals[-1] == (sid, 9)
    assert play.events == ["kill", "reap", "kill", "stop"]


def test_a_tree_that_ends_while_reap_hooks_think_is_not_waited_for_again() -> None:
    play = started(hooks={"after_reap": None})
    play.dies_of = set()
    play.want(Wish.STOP)
    sid = next(iter(play.living))
    play.die(code=-15, leftovers=True)
    play.end_tree(sid)
    play.answer()
    assert play.machine.status == "stopped"


def test_grace_that_ends_while_reap_hooks_think_still_ends_what_was_left_behind() -> None:
    play = started(hooks={"after_reap": None}, graceful_timeout=5)
    play.dies_of = set()
    play.want(Wish.STOP)
    sid = next(iter(play.living))
    play.die(code=-15, leftovers=True)
    play.advance(6)
    play.answer()
    assert play.signals[-1] == (sid, 9)
    assert play.machine.status == "stopped"


# -- warm-up, numbers -----------------------------------------------------------------------------------------------


def test_warmup_spaces_the_spawns_and_follows_the_last() -> None:
    play = Play(numprocesses=2, warmup_delay=1.0)
    play.want(Wish.START)
    assert play.events == ["spawn"]
    play.advance(1.0)
    assert play.events == ["spawn", "spawn"]
    assert play.machine.status == "starting"
    play.advance(1.0)
    assert play.events == ["spawn", "spawn", "start"]


def test_incr_spawns_and_decr_retires_the_oldest() -> None:
    play = started(numprocesses=1)
    play.advance(1)
    play.rules.numprocesses = 2
    play.want(Wish.RESIZE, "up")
    assert play.settled == {"up": 2}
    play.rules.numprocesses = 1
    play.want(Wish.RESIZE, "down")
    assert play.settled == {"up": 2, "down": 1}
    assert play.events == ["spawn", "kill", "reap"]
    assert list(play.living.values()) == [1002]


def test_resize_of_a_stopped_watcher_spawns_nothing() -> None:
    play = Play()
    play.rules.numprocesses = 5
    play.want(Wish.RESIZE)
    assert play.settled == {"resize": 5}
    assert play.events == []


def test_worker_ids_are_the_lowest_free() -> None:
    play = started(numprocesses=3)
    play.advance(10)
    _, second, _ = sorted(play.living)
    play.die(second)
    assert play.wids() == [1, 2, 3]
    play.rules.numprocesses = 1
    play.want(Wish.RESIZE)
    play.rules.numprocesses = 3
    play.want(Wish.RESIZE, "again")
    assert play.wids() == [1, 2, 3]


# -- deaths ---------------------------------------------------------------------------------------------------------


def test_a_worker_that_lived_is_replaced_at_once() -> None:
    play = started()
    play.advance(5)
    play.die(code=-11)
    assert play.events == ["reap", "spawn"]
    reap = dict(play.payloads)["reap"]
    assert (reap["exit_code"], reap["expected"], reap["wid"]) == (-11, False, 1)
    assert reap["cause"] == "killed by SIGSEGV"
    assert "SIGSEGV" in play.payloads[-1][1]["cause"]


def test_a_worker_that_dies_young_is_held_back_longer_each_time() -> None:
    play = started()
    waits = []
    for _ in range(12):
        play.die()
        before = play.now
        while not play.living:
            play.advance(0.05)
        waits.append(round(play.now - before, 1))
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-1] == pytest.approx(30.0, abs=0.1)
    play.advance(1.0)
    play.die()
    assert play.living, "a stable run resets the back-off"


def test_a_worker_that_is_held_back_does_not_hold_up_others() -> None:
    play = started(numprocesses=3)
    play.die(min(play.living))  # young
    play.advance(0.05)
    assert play.wids() == [2, 3]
    play.machine.slots[max(play.living)].born -= 10
    play.die(max(play.living))  # stable
    assert play.wids() == [2, 3]
    play.advance(0.06)
    assert play.wids() == [1, 2, 3]


def test_it_cannot_spin_however_often_it_dies() -> None:
    play = started()
    spawned = 0
    for _ in range(600):  # one minute in steps of 0.1 s
        if play.living:
            play.die()
            spawned += 1
        play.advance(0.1)
    assert spawned < 15


def test_without_respawn_the_last_death_stops_the_watcher() -> None:
    play = started(numprocesses=2, respawn=False)
    play.die(code=0)
    assert play.machine.status == "active"
    play.die(code=0)
    assert play.events == ["reap", "reap", "stop"]
    assert play.machine.status == "stopped"


def test_a_final_exit_code_stops_the_watcher() -> None:
    play = started(numprocesses=2, stop_exit_codes=(78,))
    play.die(code=1)
    play.advance(1)
    assert len(play.living) == 2
    play.events.clear()
    play.die(code=78)
    assert play.events == ["reap", "kill", "reap", "stop"]
    assert play.machine.status == "stopped"
    assert "exited with 78, which is final" in play.payloads[-1][1]["cause"]
    play.advance(3600)
    assert not play.living
    play.want(Wish.START)
    assert len(play.living) == 2


def test_a_final_exit_code_counts_only_when_nobody_asked_for_the_end() -> None:
    play = started(stop_exit_codes=(15,))
    play.want(Wish.RESTART)
    assert play.machine.status == "active"


def test_a_start_that_meets_a_final_exit_code_fails() -> None:
    play = Play(numprocesses=2, warmup_delay=1.0, stop_exit_codes=(78,))
    play.want(Wish.START)
    assert "start" not in play.settled
    play.die(code=78)
    play.advance(5)
    assert isinstance(play.settled["start"], SpawnError)
    assert play.machine.status == "stopped"


def test_a_reload_whose_newcomer_ends_finally_is_called_off_and_the_old_worker_stays() -> None:
    play = started(stop_exit_codes=(78,))
    play.want(Wish.RELOAD)
    assert len(play.living) == 2
    play.die(max(play.living), code=78)
    assert isinstance(play.settled["reload"], SpawnError)
    assert play.machine.status == "active"
    assert len(play.living) == 1


def test_start_fills_up_a_watcher_without_respawn() -> None:
    play = started(numprocesses=2, respawn=False)
    play.die()
    play.want(Wish.START)
    assert play.settled == {"start": {"started": [1003], "kept": [1002]}}


def test_without_respawn_each_worker_has_one_life_even_while_others_are_still_to_start() -> None:
    play = Play(numprocesses=3, warmup_delay=1.0, respawn=False)
    play.want(Wish.START)
    for wid in (1, 2, 3):
        assert [slot.wid for slot in play.machine.slots.values()] == [wid]
        assert not play.machine.retry_in()
        play.die(code=0)
        assert "start" not in play.settled
        play.advance(1)
    assert play.next_pid == 1003
    assert play.settled["start"] == {"started": [], "kept": []}
    assert [event for event in play.events if event != "spawn"] == ["reap", "reap", "reap", "start", "stop"]
    assert play.machine.because == "respawn is off"
    play.advance(3600)
    assert play.next_pid == 1003


def test_without_respawn_an_early_end_leaves_the_others_to_be_started() -> None:
    play = Play(numprocesses=3, warmup_delay=1.0, respawn=False)
    play.want(Wish.START)
    play.die()
    play.advance(5)
    assert [slot.wid for slot in play.machine.slots.values()] == [2, 3]
    assert play.settled["start"] == {"started": [1002, 1003], "kept": []}
    assert play.machine.status == "active"
    play.want(Wish.RESTART)
    play.advance(5)
    assert sorted(slot.wid for slot in play.machine.slots.values()) == [1, 2, 3]


def test_respawn_that_is_put_on_while_workers_are_started_replaces_those_that_ended() -> None:
    play = Play(numprocesses=2, warmup_delay=1.0, respawn=False)
    play.want(Wish.START)
    play.die()
    play.rules.respawn = True
    play.advance(5)
    assert sorted(slot.wid for slot in play.machine.slots.values()) == [1, 2]
    assert play.machine.status == "active"


def test_an_on_demand_watcher_goes_idle_without_a_stop_event() -> None:
    play = started(on_demand=True)
    play.advance(5)
    play.die(code=0)
    assert play.events == ["reap"]
    assert play.machine.status == "stopped"
    assert play.streams == [True, False]


def test_kill_ends_and_replaces() -> None:
    play = started(numprocesses=2)
    play.want(Wish.KILL, pids={1001})
    assert play.events == ["kill", "reap", "spawn"]
    assert play.settled == {"kill": None}
    assert dict(play.payloads)["reap"]["expected"] is True


def test_kill_of_an_unknown_pid_is_done_at_once() -> None:
    play = started()
    play.want(Wish.KILL, pids={4711})
    assert (play.settled, play.events) == ({"kill": None}, [])


def test_a_second_kill_of_a_stopping_worker_returns_at_once() -> None:
    play = started()
    play.dies_of = {9}
    play.want(Wish.STOP)
    play.want(Wish.KILL)
    assert play.settled == {"kill": None}
    assert len(play.signals) == 1


def test_sigkill_by_a_kill_command_ends_a_stop_that_is_under_way() -> None:
    play = started(graceful_timeout=600)
    play.dies_of = {9}
    play.want(Wish.STOP)
    play.want(Wish.KILL, signum=9)
    play.advance(0)
    assert play.settled == {"kill": None, "stop": None}
    assert play.events == ["kill", "kill", "reap", "stop"]


def test_a_kill_command_may_shorten_the_grace_of_a_stop_but_not_stretch_it() -> None:
    play = started(graceful_timeout=600)
    play.dies_of = {9}
    play.want(Wish.STOP)
    play.want(Wish.KILL, "shorter", graceful_timeout=1.0)
    play.want(Wish.KILL, "longer", graceful_timeout=5.0)
    assert play.settled == {"longer": None}
    play.advance(1.0)
    assert play.settled == {"longer": None, "shorter": None, "stop": None}


def test_kill_of_a_worker_whose_after_spawn_thinks_comes_after_the_answer() -> None:
    play = Play(hooks={"after_spawn": None})
    play.want(Wish.START)
    play.want(Wish.KILL)
    assert play.signals == []
    play.answer()
    assert play.events[:3] == ["spawn", "kill", "reap"]
    assert "kill" in play.settled


# -- deaths in the log ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "rules", "line"),
    [
        (-9, {}, ("warning", "web.1 (pid 1001) killed by SIGKILL after 5 min; it is replaced")),
        (3, {"on_demand": True}, ("warning", "web.1 (pid 1001) exited with 3 after 5 min")),
        (3, {"respawn": False}, ("warning", "web.1 (pid 1001) exited with 3 after 5 min")),
        (0, {}, ("info", "web.1 (pid 1001) exited with 0 after 5 min; it is replaced")),
    ],
)
def test_a_death_after_a_good_life_is_told(code: int, rules: dict[str, Any], line: tuple[str, str]) -> None:
    play = started(**rules)
    play.advance(300)
    play.die(code=code)
    assert [(said.level, said.text) for said in play.said if said.has_event] == [line]


def test_a_death_is_told_without_a_descriptor_for_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    play = started()
    play.advance(300)

    def refuse(name: str, *args: Any) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), name)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", refuse)
        play.die()
    assert play.events == ["reap", "spawn"]


def test_of_many_deaths_at_once_the_others_are_told_in_one_line() -> None:
    play = started(numprocesses=175)
    play.advance(5)
    play.logged.clear()
    *most, last = sorted(play.living)
    for sid in most:
        play.die(sid, -9)
    play.die(last, 7)
    assert play.logged == ["web.1 (pid 1001) killed by SIGKILL after 5 s; it is replaced"]
    play.advance(1)
    others = "web: 174 more ended by themselves within 1 s: killed by SIGKILL (173), exited with 7 (1)"
    assert play.logged[1:] == [others]
    play.advance(100)
    play.die()
    assert play.logged[2:] == ["web.1 (pid 1176) exited with 1 after 101 s; it is replaced"]


def test_deaths_that_were_counted_only_are_told_before_a_stop() -> None:
    play = started(numprocesses=3)
    play.advance(5)
    play.logged.clear()
    play.die(code=0)
    play.die(code=0)
    play.want(Wish.STOP)
    assert play.logged[1:] == ["web: 1 more ended by itself within 1 s: exited with 0 (1)", "web stopped"]
    assert [said.level for said in play.said][-2:] == ["info", "info"]
    play.advance(5)
    assert play.logged[-1] == "web stopped"


def test_an_end_that_was_asked_for_is_no_death() -> None:
    play = started(numprocesses=2)
    play.advance(5)
    play.logged.clear()
    play.want(Wish.RESTART)
    assert not any(said.has_event for said in play.said)


# -- failing to start -------------------------------------------------------------------------------------------------


def test_after_max_retry_failures_the_watcher_gives_up() -> None:
    play = Play(max_retry=3)
    play.broken = "[Errno 2] No such file or directory: 'nope'"
    play.want(Wish.START)
    play.advance(60)
    assert play.events == ["stop"]
    assert isinstance(play.settled["start"], SpawnError)
    assert sum("error in 'web'" in line for line in play.logged) == 3
    assert play.machine.status == "stopped"


def test_a_shortage_of_the_machine_is_no_reason_to_give_up() -> None:
    play = Play(max_retry=2)
    play.broken, play.passing = "[Errno 24] Too many open files", True
    play.want(Wish.START)
    play.advance(120)
    assert play.machine.status == "starting"
    assert len(play.logged) < 20, "it must not be tried too often either"
    play.broken = ""
    play.advance(31)
    assert play.machine.status == "active"
    assert play.settled["start"]["started"]


def test_with_max_retry_minus_one_it_tries_for_ever_but_slowly() -> None:
    play = Play(max_retry=-1)
    play.broken = "no"
    play.want(Wish.START)
    play.advance(300)
    assert play.machine.status == "starting"
    assert len(play.logged) < 25
    play.broken = ""
    play.advance(31)
    assert play.machine.status == "active"


def test_what_runs_is_not_stopped_because_others_cannot_be_started() -> None:
    play = started(numprocesses=2, max_retry=2)
    play.advance(5)
    play.broken = "no"
    play.die()
    play.want(Wish.START)
    play.advance(300)
    assert play.machine.status == "active"
    assert list(play.living.values()) == [1002]
    assert isinstance(play.settled["start"], SpawnError)
    assert sum("[" not in line and "has 1 of 2 workers" in line for line in play.logged) == 1
    play.broken = ""
    play.advance(31)
    assert len(play.living) == 2


def test_an_increase_that_cannot_be_had_is_answered() -> None:
    play = started(max_retry=2)
    play.broken = "no"
    play.rules.numprocesses = 2
    play.want(Wish.RESIZE)
    play.advance(10)
    assert isinstance(play.settled["resize"], SpawnError)
    assert play.machine.status == "active"


def test_stop_overtakes_a_start_that_cannot_succeed() -> None:
    play = Play(max_retry=-1)
    play.broken = "no"
    play.want(Wish.START)
    play.want(Wish.STOP)
    assert isinstance(play.settled["start"], Superseded)
    assert "stop" in str(play.settled["start"])
    assert play.settled["stop"] is None


# -- wishes meet ------------------------------------------------------------------------------------------------------


def test_a_stop_cancels_spawns_that_did_not_happen_yet() -> None:
    play = Play(numprocesses=50)
    play.lazy = True
    play.want(Wish.START)
    play.want(Wish.STOP)
    assert play.pending == []
    assert play.machine.status == "stopped"


def test_two_equal_restarts_join() -> None:
    play = started()
    play.dies_of = set()
    play.want(Wish.RESTART, "one")
    play.want(Wish.RESTART, "two")
    play.die()
    assert play.settled["one"] == play.settled["two"]
    assert play.events.count("start") == 1


def test_start_during_stop_starts_again_afterwards() -> None:
    play = started()
    play.dies_of = set()
    play.want(Wish.STOP)
    play.want(Wish.START)
    assert isinstance(play.settled["stop"], Superseded)
    play.die()
    assert play.events == ["kill", "reap", "stop", "spawn", "start"]
    assert play.settled["start"]["started"] == [1002]


def test_stop_during_restart_drops_the_second_half() -> None:
    play = started()
    play.dies_of = set()
    play.want(Wish.RESTART)
    play.want(Wish.STOP)
    play.die()
    assert play.machine.status == "stopped"
    assert isinstance(play.settled["restart"], Superseded)
    assert play.settled["stop"] is None


def test_a_reload_replaces_the_second_half_of_a_restart() -> None:
    play = started()
    play.dies_of = set()
    play.want(Wish.RESTART)
    play.want(Wish.RELOAD)
    play.die()
    assert isinstance(play.settled["restart"], Superseded)
    assert play.events == ["kill", "reap", "stop", "spawn", "start", "reload"]


def test_a_stop_drops_what_was_to_follow_the_stop_under_way() -> None:
    play = started()
    play.dies_of = set()
    play.want(Wish.RESTART)
    play.want(Wish.RELOAD)
    play.want(Wish.STOP)
    play.die()
    assert play.machine.status == "stopped"
    assert isinstance(play.settled["reload"], Superseded)
    assert play.settled["stop"] is None


def test_a_stop_while_after_stop_of_a_restart_thinks_closes_the_streams() -> None:
    play = started(hooks={"after_stop": None})
    play.want(Wish.RESTART)
    play.want(Wish.STOP)
    play.answer()
    assert play.machine.status == "stopped"
    assert play.streams == [True, False]


# -- reload -----------------------------------------------------------------------------------------------------------


def test_graceful_reload_brings_up_the_new_before_the_old_go() -> None:
    play = started(numprocesses=2)
    play.want(Wish.RELOAD)
    assert play.events == ["spawn", "spawn"]
    assert play.wids() == [1, 2, 3, 4]
    play.advance(1.0)
    assert play.events == ["spawn", "spawn", "kill", "kill", "reap", "reap", "reload"]
    assert play.settled == {"reload": {"stopped": [1001, 1002], "started": [1003, 1004], "kept": []}}
    assert play.wids() == [3, 4]
    play.want(Wish.RELOAD, "again")
    play.advance(1.0)
    assert play.wids() == [1, 2]


def test_a_reload_tries_a_repaired_program_at_once() -> None:
    play = started(numprocesses=1)
    for _ in range(5):
        play.die()
        play.advance(0.0)
        if not play.living:
            break
    assert not play.living, "it is held back"
    play.want(Wish.RELOAD)
    assert len(play.living) == 1


def test_a_successor_knows_whom_it_replaces_whatever_its_id() -> None:
    play = started(numprocesses=2)
    play.want(Wish.RELOAD)
    play.advance(1.0)
    assert play.wids() == [3, 4]
    play.advance(5.0)
    play.die(code=-9)
    assert play.wids() == [1, 4]
    assert play.payloads[-1][1]["cause"] == "replaces pid 1003, which was killed by SIGKILL"


def test_who_was_not_replaced_is_nobodys_predecessor() -> None:
    play = started(numprocesses=2, respawn=False)
    play.advance(10)
    play.die()
    play.rules.numprocesses = 1
    play.want(Wish.RESIZE, "down")
    play.rules.numprocesses = 2
    play.want(Wish.RESIZE, "up")
    assert play.payloads[-1][1]["cause"] == "test"


def test_reload_is_called_off_when_a_new_worker_dies_on_trial() -> None:
    play = started(numprocesses=2)
    play.want(Wish.RELOAD)
    play.die(max(play.living))
    assert sorted(play.living.values()) == [1001, 1002]
    assert isinstance(play.settled["reload"], SpawnError)
    assert "reload" not in play.events
    play.advance(10)
    assert sorted(play.living.values()) == [1001, 1002]


def test_reload_with_a_program_that_is_gone_keeps_the_old_workers() -> None:
    play = started(numprocesses=2, max_retry=2)
    play.broken = "gone"
    play.want(Wish.RELOAD)
    play.advance(10)
    assert sorted(play.living.values()) == [1001, 1002]
    assert isinstance(play.settled["reload"], SpawnError)
    assert play.machine.status == "active"


def test_a_reload_is_called_off_at_last_even_where_a_start_is_tried_for_ever() -> None:
    play = started(numprocesses=2, max_retry=-1)
    play.broken = "gone"
    play.want(Wish.RELOAD)
    play.advance(60)
    assert isinstance(play.settled["reload"], SpawnError)
    assert sorted(play.living.values()) == [1001, 1002]


def test_sequential_reload_goes_one_by_one() -> None:
    play = started(numprocesses=2)
    play.want(Wish.RELOAD, sequential=True)
    assert play.events == ["kill", "reap", "spawn", "kill", "reap", "spawn", "reload"]


def test_sequential_reload_with_a_program_that_is_gone_keeps_the_workers_that_are_left() -> None:
    play = started(numprocesses=3, max_retry=2)
    play.broken = "gone"
    play.want(Wish.RELOAD, sequential=True)
    play.advance(100)
    assert sorted(play.living.values()) == [1002, 1003]
    assert isinstance(play.settled["reload"], SpawnError)
    play.broken = ""
    play.advance(31)
    assert len(play.living) == 3


def test_sequential_reload_stops_when_a_new_worker_dies() -> None:
    play = started(numprocesses=2, warmup_delay=0.0)
    play.dies_of = set()
    play.want(Wish.RELOAD, sequential=True)
    first = min(play.living)
    play.dies_of = {15}
    play.rules.warmup_delay = 1.0
    play.die(first, code=-15)
    play.die(max(play.living))
    assert isinstance(play.settled["reload"], SpawnError)
    assert 1002 in play.living.values()


def test_reload_with_send_hup_signals_and_keeps() -> None:
    play = started(numprocesses=2, send_hup=True)
    play.want(Wish.RELOAD)
    assert [signum for _, signum in play.signals] == [1, 1]
    assert play.events == ["reload"]
    assert play.settled["reload"]["kept"] == [1001, 1002]


def test_a_singleton_never_runs_twice_during_a_reload() -> None:
    play = started(singleton=True)
    play.want(Wish.RELOAD)
    assert play.events == ["kill", "reap", "spawn", "reload"]


def test_reload_of_a_stopped_watcher_starts_it() -> None:
    play = Play()
    play.want(Wish.RELOAD)
    assert play.events == ["spawn", "start", "reload"]


# -- max_age ----------------------------------------------------------------------------------------------------------


def test_max_age_replaces_before_it_kills() -> None:
    play = started(max_age=10)
    play.advance(10)
    assert play.events == ["spawn"]
    play.advance(1)
    assert play.events == ["spawn", "kill", "reap"]
    assert len(play.living) == 1


# -- hooks ------------------------------------------------------------------------------------------------------------


def test_hooks_are_asked_in_the_recorded_order() -> None:
    names = ("before_start", "before_spawn", "after_spawn", "after_start", "before_stop", "before_signal",
             "after_signal", "before_reap", "after_reap", "after_stop")
    play = Play(hooks=dict.fromkeys(names))
    play.want(Wish.START)
    assert [play.answer() for _ in range(4)] == ["before_start", "before_spawn", "after_spawn", "after_start"]
    assert play.events == ["spawn", "start"]
    play.want(Wish.STOP)
    seen = []
    while play.asked:
        seen.append(play.answer())
    assert seen == ["before_stop", "before_signal", "after_signal", "before_reap", "after_reap", "after_stop"]
    assert play.events == ["spawn", "start", "kill", "reap", "stop"]
    assert play.settled["stop"] is None


def test_before_start_refused_leaves_it_stopped_without_an_event() -> None:
    play = Play(hooks={"before_start": None})
    play.want(Wish.START)
    assert play.machine.status == "stopped"
    play.answer(go=False)
    assert (play.events, play.settled) == ([], {"start": {"started": [], "kept": []}})


def test_after_spawn_refused_kills_and_stops_without_a_spawn_event() -> None:
    play = Play(hooks={"after_spawn": None})
    play.want(Wish.START)
    play.answer(go=False)
    assert play.events == ["kill", "reap", "stop"]


def test_before_spawn_refused_stops_the_watcher() -> None:
    play = Play(hooks={"before_spawn": None})
    play.want(Wish.START)
    play.answer(go=False)
    assert play.events == ["stop"]


def test_after_start_refused_stops_the_watcher() -> None:
    play = Play(hooks={"after_start": None})
    play.want(Wish.START)
    play.answer(go=False)
    assert play.events == ["spawn", "kill", "reap", "stop"]


def test_before_signal_vetoes_the_stop_signal_but_not_sigkill() -> None:
    play = started(hooks={"before_signal": None}, graceful_timeout=2)
    play.want(Wish.STOP)
    play.answer(go=False)
    assert play.events == ["kill"]
    assert play.signals == []
    play.advance(2)
    assert [signum for _, signum in play.signals] == [9]
    assert play.answer(go=False) == "before_signal"
    assert play.events == ["kill", "kill", "reap", "stop"]
    assert play.machine.status == "stopped"


def test_a_stop_while_before_start_is_thinking_wins() -> None:
    play = Play(hooks={"before_start": None})
    play.want(Wish.START)
    play.want(Wish.STOP)
    play.answer(go=True)
    assert play.machine.status == "stopped"
    assert play.living == {}


def test_a_death_while_after_spawn_is_asked_is_told_after_the_spawn() -> None:
    play = Play(hooks={"after_spawn": None})
    play.want(Wish.START)
    play.die()
    assert play.events == []
    play.answer()
    assert play.events[:2] == ["spawn", "reap"]


def test_a_worker_that_died_and_is_refused_does_not_hold_up_the_stop() -> None:
    play = Play(hooks={"after_spawn": None})
    play.want(Wish.START)
    play.die()
    play.answer(go=False)
    assert play.events == ["reap", "stop"]


def test_a_killed_worker_is_replaced_when_it_is_gone() -> None:
    play = started(graceful_timeout=2)
    play.dies_of = {9}
    play.want(Wish.KILL)
    play.advance(1.9)
    assert play.events == ["kill"]
    play.advance(0.2)
    assert play.events == ["kill", "kill", "reap", "spawn"]
    assert play.wids() == [1]


def test_an_own_death_is_told_in_full_before_the_next_spawn() -> None:
    play = started(hooks=dict.fromkeys(("before_reap", "after_reap")))
    play.advance(5)
    play.die()
    assert play.answer() == "before_reap"
    assert play.events == ["reap"]
    assert play.answer() == "after_reap"
    assert play.events == ["reap", "spawn"]


def test_workers_too_old_are_replaced_one_at_a_time() -> None:
    play = started(numprocesses=3, max_age=1)
    most = 0
    for _ in range(200):
        play.advance(0.1)
        most = max(most, len(play.living))
        assert len(play.living) >= 3
    assert most <= 4
