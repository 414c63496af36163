"""``Watcher`` without an arbiter, as programs and the test-suites of programs use it (spec library.md 3 and 16)."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import sys
from typing import Any
from unittest import mock

import psutil
import pytest

from circus.process import DEAD_OR_ZOMBIE, RUNNING, UNEXISTING, Process
from circus.sockets import CircusSocket, CircusSockets
from circus.stream import QueueStream, Redirector
from circus.watcher import Watcher
from harness import child_command
from harness.stage import SLEEP

PARAMETERS = (
    "name cmd args numprocesses warmup_delay working_dir shell shell_args uid max_retry gid send_hup stop_signal "
    "stop_children env graceful_timeout prereload_fn rlimits executable stdout_stream stderr_stream priority loop "
    "singleton use_sockets copy_env copy_path max_age max_age_variance hooks respawn autostart on_demand virtualenv "
    "stdin_socket close_child_stdin close_child_stdout close_child_stderr virtualenv_py_ver options"
)
OPTNAMES = (
    "numprocesses warmup_delay working_dir uid gid send_hup stop_signal stop_children shell shell_args env max_retry "
    "cmd args respawn graceful_timeout executable use_sockets priority copy_env singleton stdout_stream_conf on_demand "
    "stderr_stream_conf max_age max_age_variance close_child_stdin close_child_stdout close_child_stderr"
)


class Recorder:
    """An event socket that remembers."""

    closed = False

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send_multipart(self, frames: list[bytes]) -> None:
        self.sent.append((frames[0].decode(), json.loads(frames[1])))

    @property
    def events(self) -> list[str]:
        return [topic.rpartition(".")[2] for topic, _ in self.sent]


def play(scenario: Any, *watchers: Watcher) -> Any:
    """Run a scenario on a fresh loop, and stop the watchers."""

    async def run() -> Any:
        try:
            return await asyncio.wait_for(scenario, 20)
        finally:
            for watcher in watchers:
                await watcher._stop()
                watcher.engine.close()

    return asyncio.run(run())


def sleeper(**options: Any) -> Watcher:
    return Watcher("Some One", SLEEP, **{"reload_overlap": 0, "graceful_timeout": 5, **options})


# -- construction -----------------------------------------------------------------------------------------


def test_parameters_have_the_historical_names_and_order():
    assert list(inspect.signature(Watcher).parameters) == PARAMETERS.split()


def test_parameters_become_attributes():
    given = {
        "args": "x y", "numprocesses": 3, "warmup_delay": 1.5, "working_dir": "/", "shell": True, "shell_args": "z",
        "uid": os.getuid(), "max_retry": 7, "gid": os.getgid(), "send_hup": True, "stop_signal": signal.SIGINT,
        "stop_children": True, "graceful_timeout": 2.5, "prereload_fn": print, "rlimits": {"nofile": 10},
        "executable": "/bin/sh", "priority": 4, "use_sockets": True, "copy_env": True, "max_age": 8,
        "max_age_variance": 9, "respawn": False, "autostart": False, "on_demand": True, "stdin_socket": "s",
        "close_child_stdin": False, "close_child_stdout": True, "close_child_stderr": True,
    }  # fmt: skip
    watcher = Watcher("My App", "cmd", **given)
    assert {name: getattr(watcher, name) for name in given} == given
    assert (watcher.name, watcher.res_name, watcher.cmd) == ("My App", "my_app", "cmd")
    assert watcher.processes == {}
    assert (watcher.sockets, watcher.evpub_socket, watcher.arbiter) == (None, None, None)
    assert (watcher.stdout_stream, watcher.stderr_stream, watcher.stream_redirector) == (None, None, None)
    assert watcher._status == watcher.status() == "stopped"
    assert watcher._found_wids == {}
    assert watcher.pids == []
    assert len(watcher) == 0
    assert repr(watcher) == "<circus.Watcher name=My App numprocesses=3>"


def test_numbers_are_converted():
    given = {"numprocesses": "2", "max_retry": "3", "max_age": "4", "max_age_variance": "5", "graceful_timeout": "6"}
    watcher = Watcher("w", "c", **given)
    assert (watcher.numprocesses, watcher.max_retry, watcher.max_age, watcher.max_age_variance) == (2, 3, 4, 5)
    assert watcher.graceful_timeout == 6.0


def test_defaults():
    watcher = Watcher("w", "c")
    assert watcher.env is None
    assert watcher.working_dir == os.getcwd()
    assert watcher.ignore_hook_failure == [
        "before_stop", "after_stop", "before_signal", "after_signal", "extended_stats"
    ]  # fmt: skip
    assert (watcher.numprocesses, watcher.max_retry, watcher.graceful_timeout) == (1, 5, 30.0)
    assert (watcher.stop_signal, watcher.max_age_variance) == (signal.SIGTERM, 30)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"singleton": True, "numprocesses": 3}, ValueError, "Cannot have 3 processes with a singleton  watcher"),
        ({"copy_path": True}, ValueError, "copy_env and copy_path must have the same value"),
        ({"virtualenv": "/nowhere"}, ValueError, "copy_env must be True to to use virtualenv"),
        ({"virtualenv": "/nowhere", "copy_env": True}, ValueError, "does not exist"),
        ({"hooks": {"before_start": ("no.such.thing", False)}}, ImportError, "no.such.thing"),
        ({"numprocesses": "many"}, ValueError, "many"),
        ({"stdout_stream": {"color": "red"}}, ValueError, "stream configuration invalid"),
    ],
)
def test_what_contradicts_itself_is_refused(options, error, text):
    with pytest.raises(error, match=text):
        Watcher("w", "c", **options)


def test_no_process_at_all_is_warned_about(caplog):
    Watcher("lazy", "c", numprocesses=0)
    assert "Non-singleton watcher lazy with numprocesses=0 won't start any process" in caplog.text
    caplog.clear()
    Watcher("lazy", "c", numprocesses=0, singleton=True)
    assert caplog.text == ""


def test_environment(monkeypatch):
    monkeypatch.setattr("os.environ", {"A": "1", "B": "2"})
    assert Watcher("w", "c", copy_env=True, env={"B": "3"}).env == {"A": "1", "B": "3"}
    assert Watcher("w", "c", env={"B": "3"}).env == {"B": "3"}
    assert Watcher("w", "c", copy_env=True, copy_path=True).env["PYTHONPATH"] == os.pathsep.join(
        entry or os.getcwd() for entry in sys.path
    )


def test_pythonpath_is_searched_for_hooks_and_streams(tmp_path):
    source = "def go(**kw): return True\nclass Sink:\n    def __call__(self, data): pass\n"
    (tmp_path / "hooks_of_mine.py").write_text(source)
    before = list(sys.path)
    try:
        watcher = Watcher(
            "w",
            "c",
            env={"PYTHONPATH": str(tmp_path)},
            hooks={"before_start": ("hooks_of_mine.go", True)},
            stdout_stream={"class": "hooks_of_mine.Sink"},
        )
        assert type(watcher.stdout_stream).__name__ == "Sink"
        assert str(tmp_path) in sys.path
        assert watcher.hooks["before_start"].__name__ == "go"
        assert "before_start" in watcher.ignore_hook_failure
    finally:
        sys.path[:] = before
        sys.modules.pop("hooks_of_mine", None)


def test_unknown_hooks_are_kept():
    assert Watcher("w", "c", hooks={"sometime": (print, False)}).hooks == {"sometime": print}


def test_load_from_config_leaves_the_dict_as_it_is():
    config = {"name": "w", "cmd": "c", "env": {" A ": " b "}, "numprocesses": 2, "mine": "x"}
    before = dict(config)
    for _ in range(2):
        watcher = Watcher.load_from_config(config)
        assert watcher.env == {"A": "b"}
        assert watcher._cfg == before == config
        assert watcher._options == {"mine": "x"}


def test_initialize_may_be_called_again():
    watcher = sleeper()
    for _ in range(2):
        things = object(), object(), mock.Mock(spec=[])
        watcher.initialize(*things)
        assert (watcher.evpub_socket, watcher.sockets, watcher.arbiter) == things


# -- options ----------------------------------------------------------------------------------------------


def test_option_names():
    watcher = Watcher("w", "c", **{"flapping.attempts": "3"})
    assert watcher.optnames == (*OPTNAMES.split(), "flapping.attempts")
    options = watcher.options()
    assert [name for name, _ in options] == sorted(watcher.optnames)
    assert dict(options)["flapping.attempts"] == "3"
    assert dict(options)["cmd"] == "c"


@pytest.mark.parametrize(
    ("key", "value", "action", "kept"),
    [
        ("numprocesses", 4, 0, 4),
        ("numprocesses", -4, 0, 0),
        ("warmup_delay", "1", 0, 1.0),
        ("graceful_timeout", 3, -1, 3.0),
        ("send_hup", True, 0, True),
        ("stop_signal", "KILL", 0, signal.SIGKILL),
        ("stop_children", True, 0, True),
        ("working_dir", "/", 1, "/"),
        ("shell", True, 1, True),
        ("env", {"A": "b"}, 1, {"A": "b"}),
        ("cmd", "other", 1, "other"),
        ("args", "x", 1, "x"),
        ("uid", 0, 1, 0),
        ("gid", 0, 1, 0),
        ("max_age", 3, 1, 3),
        ("max_age_variance", 3, 1, 3),
        ("max_retry", 3, 0, 3),
        ("respawn", False, 0, False),
        ("close_child_stdout", True, 1, True),
        ("copy_env", True, 1, True),
    ],
)
def test_set_opt(key, value, action, kept):
    watcher, recorder = sleeper(), Recorder()
    watcher.evpub_socket = recorder
    assert watcher.set_opt(key, value) == action
    assert getattr(watcher, key) == kept
    assert recorder.events == ["updated"]


def test_set_opt_of_free_form_options_limits_and_hooks():
    watcher = sleeper(mine="x")
    assert watcher.set_opt("mine", "y") == -1
    assert dict(watcher.options())["mine"] == "y"
    assert watcher.set_opt("rlimit_nofile", 77) == 1
    assert watcher.rlimits == {"nofile": 77}
    assert watcher.set_opt("hooks.before_start", "os.path.join,true") == 0
    assert watcher.hooks["before_start"] is os.path.join
    assert "before_start" in watcher.ignore_hook_failure
    watcher.set_opt("hooks.before_start", "os.path.join,false")
    assert "before_start" not in watcher.ignore_hook_failure


def test_set_opt_of_streams(tmp_path):
    watcher = sleeper()
    assert watcher.set_opt("stdout_stream.filename", str(tmp_path / "log")) == 1
    first = watcher.stdout_stream
    assert watcher.set_opt("stdout_stream.max_bytes", "1000") == 0
    assert watcher.stdout_stream is not first
    assert watcher.stdout_stream._max_bytes == 1000
    assert watcher.set_opt("stdout_stream.backup_count", "2") == 0
    assert watcher.stdout_stream_conf["filename"] == str(tmp_path / "log")
    assert watcher.set_opt("stderr_stream", {"class": "QueueStream"}) == 1
    assert isinstance(watcher.stderr_stream, QueueStream)
    watcher.close_streams()


def test_a_singleton_stays_one():
    watcher = sleeper(singleton=True)
    with pytest.raises(ValueError, match="Singleton watcher has a single process"):
        watcher.set_opt("numprocesses", 2)
    with pytest.raises(ValueError, match="Singleton watcher has a single process"):
        watcher.set_numprocesses(2)


# -- alone on a loop --------------------------------------------------------------------------------------


def test_a_life_alone():
    watcher, recorder = sleeper(numprocesses=2), Recorder()
    watcher.initialize(recorder, None, None)

    async def scenario():
        started = await watcher.start()
        assert started == {"started": sorted(watcher.pids), "kept": []}
        assert watcher.status() == "active"
        assert (watcher.is_active(), watcher.is_stopped(), watcher.is_stopping()) == (True, False, False)
        assert len(watcher) == 2
        assert all(isinstance(process, Process) for process in watcher.processes.values())
        assert sorted(process.wid for process in watcher.processes.values()) == [1, 2]
        assert watcher._nextwid == 3
        assert await watcher.start() == {"started": [], "kept": sorted(watcher.pids)}

        assert await watcher.incr(2) == 4
        assert await watcher.decr() == 3
        assert await watcher.decr(17) == 0
        assert watcher.is_active()
        assert await watcher.set_numprocesses(-3) == 0
        assert await watcher.set_numprocesses(2) == 2

        before = set(watcher.pids)
        result = await watcher.restart()
        assert result == {"stopped": sorted(before), "started": sorted(watcher.pids), "kept": []}
        before = set(watcher.pids)
        result = await watcher.reload()
        assert (result["stopped"], result["kept"]) == (sorted(before), [])
        before = set(watcher.pids)
        result = await watcher.reload(sequential=True)
        assert result["stopped"] == sorted(before)
        await watcher.reload(graceful=False)

        assert await watcher.stop() is None
        assert watcher.status() == "stopped"
        assert watcher.processes == {}
        assert await watcher.stop() is None

    play(scenario(), watcher)
    ends = [name for name in recorder.events if name not in ("spawn", "kill", "reap")]
    assert ends == ["start", "stop", "start", "reload", "reload", "stop", "start", "stop"]
    assert recorder.events.count("spawn") == recorder.events.count("reap") == 14
    assert {topic.rpartition(".")[0] for topic, _ in recorder.sent} == {"watcher.some_one"}


def test_wids_alternate_when_reloaded():
    watcher = sleeper(numprocesses=2)

    async def scenario():
        seen = []
        await watcher.start()
        for _ in range(3):
            seen.append(sorted(process.wid for process in watcher.processes.values()))
            await watcher.reload()
        assert seen == [[1, 2], [3, 4], [1, 2]]

    play(scenario(), watcher)


def test_hup_instead_of_new_processes(tmp_path, caplog):
    ready = tmp_path / "ready"
    watcher = Watcher("w", child_command("catches_hup", tmp_path / "hups", ready), send_hup=True)

    async def scenario():
        await watcher.start()
        while not ready.exists():
            await asyncio.sleep(0.01)
        [pid] = watcher.pids
        with caplog.at_level("INFO", logger="circus"):
            assert await watcher.reload() == {"stopped": [], "started": [], "kept": [pid]}
        assert f"SENDING HUP to {pid}" in caplog.text
        while not (tmp_path / "hups").exists():
            await asyncio.sleep(0.01)

    play(scenario(), watcher)


def test_facts():
    watcher = sleeper()

    async def scenario():
        await watcher.start()
        [pid] = watcher.pids
        info = watcher.process_info(pid)
        assert (info["pid"], info["wid"], info["children"]) == (pid, 1, [])
        assert watcher.process_info(str(pid))["pid"] == pid
        assert list(watcher.info()) == [pid]
        assert watcher.info()[pid]["cmdline"] == "sleep"
        with pytest.raises(KeyError):
            watcher.process_info(1)
        assert [process.pid for process in watcher.get_active_processes()] == watcher.get_active_pids() == [pid]

    play(scenario(), watcher)


def test_extended_facts():
    def extend(watcher, arbiter, hook_name, pid, stats, **kw):
        stats["more"] = [hook_name, pid, arbiter]

    watcher = sleeper(hooks={"extended_stats": (extend, False)})

    async def scenario():
        await watcher.start()
        [pid] = watcher.pids
        assert watcher.process_info(pid, True)["more"] == ["extended_stats", pid, None]
        assert watcher.info(True)[pid]["more"] == ["extended_stats", pid, None]
        assert "more" not in watcher.info()[pid]

    play(scenario(), watcher)


def test_signals():
    watcher = sleeper(**{"respawn_backoff.stable": 0})

    async def scenario():
        await watcher.start()
        [pid] = watcher.pids
        watcher.send_signal(1, signal.SIGTERM)  # an unknown one is only logged
        with pytest.raises(KeyError):
            watcher.send_signal_child(1, 2, signal.SIGTERM)
        with pytest.raises(psutil.NoSuchProcess):
            watcher.send_signal_child(pid, os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyError):
            watcher.send_signal_children(1, signal.SIGTERM)
        watcher.send_signal_children(pid, signal.SIGTERM)
        watcher.send_signal_process(watcher.processes[pid], signal.SIGTERM)
        while pid in watcher.processes:
            await asyncio.sleep(0.005)

    play(scenario(), watcher)


def test_killing():
    watcher, recorder = sleeper(numprocesses=2, respawn=False), Recorder()
    watcher.initialize(recorder, None, None)

    async def scenario():
        await watcher.start()
        first, second = watcher.processes.values()
        one = watcher.kill_process(first)
        again = watcher.kill_process(first)
        assert await one is True
        assert await again is False
        assert await watcher.kill_process(first) is False
        assert watcher.pids == [second.pid]
        await watcher.kill_processes(stop_signal=signal.SIGKILL)
        while not watcher.is_stopped():
            await asyncio.sleep(0.005)

    play(scenario(), watcher)
    assert [payload["exit_code"] for topic, payload in recorder.sent if topic.endswith(".reap")] == [-15, -9]


def test_the_grace_of_one_kill(tmp_path):
    ready = tmp_path / "ready"
    watcher = Watcher("w", child_command("ignores_term", ready), respawn=False)

    async def scenario():
        await watcher.start()
        while not ready.exists():
            await asyncio.sleep(0.01)
        [process] = watcher.processes.values()
        assert await watcher.kill_process(process, graceful_timeout=0.05) is True
        assert process.returncode() == -9

    play(scenario(), watcher)


def test_an_old_process_is_replaced_when_max_age_is_set():
    watcher = sleeper()

    async def scenario():
        await watcher.start()
        [pid] = watcher.pids
        watcher.processes[pid].born -= 100
        watcher.supervision.machine.slots[next(iter(watcher.supervision.workers))].born -= 100
        watcher.set_opt("max_age", 1)
        watcher.set_opt("max_age_variance", 0)
        await watcher.do_action(1)
        assert len(watcher.pids) == 1
        assert watcher.pids != [pid]

    play(scenario(), watcher)


def test_actions():
    watcher = sleeper()

    async def scenario():
        await watcher.start()
        [pid] = watcher.pids
        await watcher.do_action(-1)
        await watcher.do_action(0)
        assert watcher.pids == [pid]
        await watcher.do_action(1)
        assert watcher.pids != [pid]
        watcher.numprocesses = 3
        await watcher.manage_processes()
        assert len(watcher) == 3
        await watcher.stop()
        await watcher.do_action(1)
        assert watcher.is_stopped()

    play(scenario(), watcher)


def test_a_program_that_cannot_be_started_stops_the_watcher(caplog):
    watcher = Watcher("bad", "/no/such/program", max_retry=1)

    async def scenario():
        await watcher.start()

    with pytest.raises(Exception, match=r"bad|no/such"):
        play(scenario(), watcher)
    assert "error in 'bad'" in caplog.text
    assert watcher.is_stopped()


def test_output():
    queue = QueueStream()
    watcher = Watcher(
        "talks", "sh -c 'echo out; echo err >&2; exec sleep 98765'",
        stdout_stream={"stream": queue}, stderr_stream={"stream": queue},
    )  # fmt: skip

    async def scenario():
        await watcher.start()
        heard = {}
        while len(heard) < 2:
            while queue.qsize():
                data = queue.get_nowait()
                heard[data["name"]] = (data["data"], data["pid"])
            await asyncio.sleep(0.005)
        assert heard == {"stdout": (b"out\n", watcher.pids[0]), "stderr": (b"err\n", watcher.pids[0])}
        assert isinstance(watcher.stream_redirector, Redirector)
        await watcher.stop()
        assert watcher.stream_redirector is None

    play(scenario(), watcher)


def test_streams_are_closed_by_stop_and_opened_by_start(tmp_path):
    watcher = sleeper(stdout_stream={"filename": str(tmp_path / "log")})

    async def scenario():
        await watcher.start()
        await watcher.restart()
        await watcher.reload()
        assert not watcher.stdout_stream._file.closed
        await watcher.stop()
        assert watcher.stdout_stream._file.closed
        await watcher.start()
        assert not watcher.stdout_stream._file.closed

    play(scenario(), watcher)


def test_classes_can_be_replaced():
    made = []

    class MyProcess(Process):
        def spawn(self):
            made.append(self.wid)
            super().spawn()

    class MyRedirector(Redirector):
        pass

    class Mine(Watcher):
        _process_class = MyProcess
        _redirector_class = MyRedirector

    watcher = Mine("w", SLEEP, numprocesses=2, stdout_stream={"class": "QueueStream"})

    async def scenario():
        await watcher.start()
        assert made == [1, 2]
        assert isinstance(watcher.stream_redirector, MyRedirector)

    play(scenario(), watcher)


def test_sockets():
    watcher = sleeper()
    assert watcher._get_sockets_fds() == {}
    assert watcher._get_stdin_socket_fd() is None
    sockets = CircusSockets([CircusSocket("one", "127.0.0.1", 0)])
    watcher = sleeper(stdin_socket="one")
    watcher.initialize(None, sockets, None)
    assert watcher._get_sockets_fds() == {"one": sockets["one"].fileno()}
    assert watcher._get_stdin_socket_fd() == sockets["one"].fileno()
    sockets.close_all()


def test_a_missing_stdin_socket_fails_the_start():
    watcher = sleeper(stdin_socket="nowhere", max_retry=1)

    async def scenario():
        await watcher.start()

    with pytest.raises(Exception, match="stdin_socket 'nowhere' does not exist"):
        play(scenario(), watcher)


def test_events_without_an_event_socket():
    watcher = sleeper()
    watcher.notify_event("x", {})
    closed = mock.Mock(closed=True)
    watcher.evpub_socket = closed
    watcher.notify_event("x", {})
    closed.send_multipart.assert_not_called()


# -- hooks ------------------------------------------------------------------------------------------------


def test_hooks_are_called_with_keywords():
    called = []

    def hook(watcher, arbiter, hook_name, **kw):
        called.append((hook_name, watcher, arbiter, sorted(kw)))
        return True

    names = (
        "before_start after_start before_spawn after_spawn before_stop after_stop before_signal after_signal "
        "before_reap after_reap"
    )
    watcher, recorder = sleeper(hooks={name: (hook, False) for name in names.split()}), Recorder()
    watcher.initialize(recorder, None, None)

    async def scenario():
        await watcher.start()
        await watcher.stop()

    play(scenario(), watcher)
    assert [name for name, *_ in called] == [
        "before_start", "before_spawn", "after_spawn", "after_start", "before_stop", "before_signal", "after_signal",
        "before_reap", "after_reap", "after_stop",
    ]  # fmt: skip
    assert all(it is watcher and arbiter is None for _, it, arbiter, _ in called)
    assert recorder.events.count("hook_success") == 10
    keywords = {name: kw for name, _, _, kw in called}
    assert keywords["after_spawn"] == ["pid"]
    assert keywords["before_signal"] == ["pid", "signum"]
    assert keywords["after_reap"] == ["exit_code", "process_pid", "process_status", "time"]


@pytest.mark.parametrize(("answer", "status"), [(True, "active"), (False, "stopped"), (None, "stopped")])
@pytest.mark.parametrize("name", ["before_start", "after_start", "before_spawn", "after_spawn"])
def test_hooks_may_refuse(name, answer, status):
    watcher = sleeper(hooks={name: (lambda **kw: answer, False)})

    async def scenario():
        await watcher.start()
        return watcher.status()

    assert play(scenario(), watcher) == status
    assert watcher.processes == {}


@pytest.mark.parametrize(("ignore", "status"), [(True, "active"), (False, "stopped")])
def test_hooks_may_fail(ignore, status, caplog):
    def hook(**kw):
        raise RuntimeError("broken hook")

    watcher, recorder = sleeper(hooks={"before_start": (hook, ignore)}), Recorder()
    watcher.initialize(recorder, None, None)

    async def scenario():
        await watcher.start()
        return watcher.status()

    assert play(scenario(), watcher) == status
    assert "Hook 'before_start' failed" in caplog.text
    [failure] = [payload for topic, payload in recorder.sent if topic.endswith("hook_failure")]
    assert (failure["name"], failure["error"]) == ("before_start", "broken hook")


def test_call_hook():
    watcher = sleeper(hooks={"before_signal": (lambda **kw: kw["signum"] == 15, False)})
    assert watcher.call_hook("before_start") is True
    assert watcher.call_hook("before_signal", pid=1, signum=15) is True
    assert watcher.call_hook("before_signal", pid=1, signum=9) is False


def test_a_hook_may_use_the_watcher():
    """Hooks run in a thread of their own; what they want of a watcher reaches its loop."""
    told = []

    def hook(watcher, arbiter, hook_name, **kw):
        watcher.notify_event("hello", {"time": 0})
        told.append((watcher.status(), watcher.numprocesses, len(watcher.processes), dict(watcher.options())["cmd"]))
        if len(told) == 1:
            watcher.incr(2)
            watcher.spawn_process()
        return True

    watcher, recorder = sleeper(hooks={"after_start": (hook, False)}), Recorder()
    watcher.initialize(recorder, None, None)

    async def scenario():
        await watcher.start()
        while len(watcher.pids) != 3:
            await asyncio.sleep(0.005)

    play(scenario(), watcher)
    assert told == [("starting", 1, 1, SLEEP)]
    assert "hello" in recorder.events


# -- processes brought in by hand -------------------------------------------------------------------------


class FakeProcess:
    """All that a process of an old test-suite has."""

    def __init__(self, pid: int, status: int = RUNNING, started: float = 1, age: float = 1) -> None:
        self.pid, self.status, self.started, self.stopping = pid, status, started, False
        self._age = age
        self.alive = status == RUNNING
        self.stopped = False

    def age(self) -> float:
        return self._age

    def returncode(self) -> int | None:
        return None if self.alive else 0

    def children(self, **kw: Any) -> list[int]:
        return []

    def is_alive(self) -> bool:
        return self.alive

    def stop(self) -> None:
        self.stopped = True

    def wait(self, *args: Any) -> None:
        pass


def with_fakes(*fakes: FakeProcess, **options: Any) -> tuple[Watcher, Recorder]:
    watcher, recorder = sleeper(numprocesses=len(fakes), **options), Recorder()
    watcher.initialize(recorder, None, None)
    watcher.processes = {fake.pid: fake for fake in fakes}
    watcher._status = "started"

    def end(pid: int, signum: int) -> None:
        watcher.processes[pid].alive = False

    watcher.send_signal = mock.Mock(side_effect=end)
    return watcher, recorder


def test_the_status_may_be_assigned():
    watcher = sleeper()
    watcher._status = "started"
    assert watcher.status() == "started"
    assert not watcher.is_stopped()


def test_dead_fakes_are_dropped():
    fakes = [FakeProcess(1, RUNNING), FakeProcess(2, DEAD_OR_ZOMBIE), FakeProcess(3, UNEXISTING)]
    watcher, recorder = with_fakes(*fakes, respawn=False)

    async def scenario():
        assert watcher.get_active_pids() == [1]
        await watcher.manage_processes()
        assert list(watcher.processes) == [1]
        assert [fake.stopped for fake in fakes] == [False, True, True]
        assert recorder.events == ["reap", "reap"]
        await watcher.reap_and_manage_processes()
        assert list(watcher.processes) == [1]

    asyncio.run(scenario())


def test_nothing_waits_when_nothing_has_to():
    watcher, _ = with_fakes(FakeProcess(1, UNEXISTING), FakeProcess(2), respawn=False)

    async def scenario():
        watcher.manage_processes()  # as a coroutine of Tornado: under way, or over, when it returns
        assert list(watcher.processes) == [2]

    asyncio.run(scenario())


def test_the_oldest_surplus_goes():
    watcher, recorder = with_fakes(*(FakeProcess(pid, started=100 - pid) for pid in (1, 2, 3)))

    async def scenario():
        watcher.numprocesses = 1
        await watcher.manage_processes()
        assert list(watcher.processes) == [1]
        assert sorted(call.args for call in watcher.send_signal.call_args_list) == [
            (2, signal.SIGTERM), (3, signal.SIGTERM)
        ]  # fmt: skip
        assert recorder.events == ["kill", "kill"]

    asyncio.run(scenario())


def test_aged_fakes_go():
    watcher, _ = with_fakes(FakeProcess(1, age=10), FakeProcess(2, age=1), max_age=5, max_age_variance=0, respawn=False)

    async def scenario():
        await watcher.remove_expired_processes()
        assert list(watcher.processes) == [2]

    asyncio.run(scenario())


def test_a_fake_that_does_not_end_is_killed():
    watcher, _ = with_fakes(FakeProcess(1))
    watcher.send_signal = mock.Mock()
    watcher.graceful_timeout = 0.3

    async def scenario():
        process = watcher.processes[1]
        first, second = watcher.kill_process(process), watcher.kill_process(process)
        assert await second is False
        assert process.stopping
        assert await first is True
        assert not process.stopping
        assert process.stopped

    asyncio.run(scenario())
    assert [call.args for call in watcher.send_signal.call_args_list] == [(1, signal.SIGTERM), (1, signal.SIGKILL)]


def test_without_respawn_the_last_death_stops_the_watcher():
    watcher, recorder = with_fakes(FakeProcess(1, DEAD_OR_ZOMBIE), respawn=False)

    async def scenario():
        await watcher.reap_and_manage_processes()
        assert watcher.status() == "stopped"

    asyncio.run(scenario())
    assert recorder.events == ["reap", "stop"]


def test_reaping_one():
    watcher, recorder = with_fakes(FakeProcess(1, UNEXISTING), FakeProcess(2))
    watcher.reap_process(1)
    watcher.reap_process(2)
    watcher.reap_process(3)
    assert list(watcher.processes) == [2]
    watcher.reap_process(2, status=7)
    assert [payload["exit_code"] for _, payload in recorder.sent] == [0, 7]


class Mocked(Watcher):
    """Brings in fakes instead of processes."""

    def spawn_process(self):
        pid = max(self.processes, default=0) + 1
        self.processes[pid] = FakeProcess(pid, started=pid)


def test_spawn_process_may_be_overridden():
    watcher = Mocked("mocked", "nothing", numprocesses=2)
    watcher.send_signal = mock.Mock(side_effect=lambda pid, _: setattr(watcher.processes[pid], "alive", False))

    async def scenario():
        await watcher.start()
        assert watcher.is_active()
        assert list(watcher.processes) == [1, 2]
        watcher.processes[1].status = DEAD_OR_ZOMBIE
        await watcher.reap_and_manage_processes()
        assert list(watcher.processes) == [2, 3]
        watcher.respawn = False
        watcher.processes[2].status = watcher.processes[3].status = UNEXISTING
        await watcher.reap_and_manage_processes()
        assert watcher.is_stopped()
        await watcher.start()
        assert await watcher.incr() == 3
        await watcher.spawn_processes()
        assert len(watcher) == 3
        await watcher.restart()
        await watcher.stop()
        assert (watcher.processes, watcher.status()) == ({}, "stopped")

    asyncio.run(scenario())


def test_spawn_process_may_refuse():
    watcher = sleeper()
    watcher.spawn_process = lambda: False

    async def scenario():
        await watcher.start()
        assert watcher.is_stopped()

    asyncio.run(scenario())


def test_an_arbiter_starts_and_stops_overridden_watchers(stage):
    async def scenario():
        from circus.arbiter import Arbiter

        arbiter = stage.own(Arbiter([], None, None, loop=asyncio.get_running_loop(), check_delay=-1))
        watcher = Mocked("mocked", "nothing", graceful_timeout=0)
        watcher.send_signal = mock.Mock()
        shy = Mocked("shy", "nothing", autostart=False)
        arbiter.watchers += [watcher, shy]
        await arbiter.start_watcher(watcher)
        await arbiter.start_watcher(shy)
        assert arbiter.statuses() == {"mocked": "active", "shy": "stopped"}
        await arbiter.stop()
        assert arbiter.statuses() == {"mocked": "stopped", "shy": "stopped"}

    stage.run(scenario())


def test_spawn_processes_may_be_mocked_and_on_demand_waits_for_a_socket():
    watcher = sleeper(on_demand=True)
    watcher.spawn_processes = mock.Mock()
    watcher.arbiter = mock.Mock(socket_event=False, _restarting=False, _exclusive_running_command=None, engine=None)

    async def scenario():
        assert watcher.pending_socket_event
        await watcher._start()
        watcher.spawn_processes.assert_not_called()
        watcher.arbiter.socket_event = True
        assert not watcher.pending_socket_event
        await watcher._start()
        watcher.spawn_processes.assert_called_once_with()

    asyncio.run(scenario())


def test_real_processes_by_hand():
    watcher, recorder = sleeper(numprocesses=2), Recorder()
    watcher.initialize(recorder, None, None)
    assert watcher.spawn_process() is True  # stopped
    watcher._status = "started"

    async def scenario():
        assert isinstance(watcher.spawn_process(), float)
        await watcher.spawn_processes()
        one, two = watcher.processes.values()
        assert (one.wid, two.wid, watcher._nextwid) == (1, 2, 3)
        os.kill(one.pid, signal.SIGKILL)
        while one.is_alive():
            await asyncio.sleep(0.005)
        await watcher.reap_and_manage_processes()
        assert one.pid not in watcher.processes
        assert len(watcher) == 2
        await watcher._stop()
        assert not two.is_alive()
        watcher.cmd = "/no/such/program"
        watcher._status = "started"
        assert watcher.spawn_process() is False

    asyncio.run(scenario())
    assert [name for name in recorder.events if name != "kill"][:4] == ["spawn", "spawn", "reap", "spawn"]


def test_replaced_pause():
    """Old suites put a function of theirs there; it has to be there, and to be awaitable."""
    import circus.watcher

    async def scenario():
        await circus.watcher.tornado_sleep(0.001)

    asyncio.run(scenario())


def test_the_other_verbs_by_hand():
    watcher = Mocked("mocked", "nothing", numprocesses=2, graceful_timeout=0.5)
    watcher.send_signal = mock.Mock(side_effect=lambda pid, _: setattr(watcher.processes[pid], "alive", False))

    async def scenario():
        assert await watcher.reload() == {"stopped": [], "started": [1, 2], "kept": []}
        assert await watcher.reload() == {"stopped": [1, 2], "started": [3, 4], "kept": []}
        watcher.send_hup = True
        for process in watcher.processes.values():
            process.send_signal = mock.Mock()
        assert await watcher.reload() == {"stopped": [], "started": [], "kept": [3, 4]}
        for process in watcher.processes.values():
            process.send_signal.assert_called_once_with(signal.SIGHUP)
        await watcher.kill_processes(stop_signal=signal.SIGINT)
        assert {call.args for call in watcher.send_signal.call_args_list[-2:]} == {
            (3, signal.SIGINT), (4, signal.SIGINT)
        }  # fmt: skip
        await watcher.do_action(0)
        assert list(watcher.processes) == [1, 2]
        await watcher.stop()

    asyncio.run(scenario())


def test_an_override_that_calls_the_original_is_looked_after_by_the_check(stage):
    calls = []

    class Noted(Watcher):
        def spawn_process(self, *args):
            calls.append(args)
            return super().spawn_process(*args)

    async def scenario():
        from circus.arbiter import Arbiter

        queue = QueueStream()
        watcher = Noted("noted", "sh -c 'echo hello; exec sleep 98765'", stdout_stream={"stream": queue})
        arbiter = stage.own(
            Arbiter([watcher], stage.endpoint, stage.pubsub_endpoint, loop=asyncio.get_running_loop(), check_delay=0.02)
        )
        await arbiter.start()
        assert arbiter.statuses() == {"noted": "active"}
        [pid] = watcher.pids
        while not queue.qsize():
            await asyncio.sleep(0.005)
        assert queue.get()["data"] == b"hello\n"
        os.kill(pid, signal.SIGKILL)
        while watcher.pids in ([pid], []):
            await asyncio.sleep(0.005)
        assert len(calls) == 2
        assert await watcher.incr() == 2
        await arbiter.stop()
        assert watcher.processes == {}

    stage.run(scenario())
