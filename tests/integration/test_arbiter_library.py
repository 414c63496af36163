"""``Arbiter`` as programs and the test-suites of programs use it (spec library.md 2 and 16)."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

import circus.arbiter
from circus.arbiter import Arbiter
from circus.exc import AlreadyExist, ConflictError
from circus.sockets import CircusSocket
from circus.watcher import Watcher
from harness.stage import SLEEP

PARAMETERS = (
    "watchers endpoint pubsub_endpoint check_delay prereload_fn context loop statsd stats_endpoint "
    "statsd_close_outputs multicast_endpoint plugins sockets warmup_delay httpd httpd_host httpd_port "
    "httpd_close_outputs debug debug_gc ssh_server proc_name pidfile loglevel logoutput loggerconfig fqdn_prefix "
    "umask endpoint_owner"
)


class FakePublisher:
    """All that a fake event socket of an old test-suite has."""

    def __init__(self) -> None:
        self.closed = False
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send_multipart(self, frames: list[bytes]) -> None:
        self.sent.append((frames[0].decode(), json.loads(frames[1])))

    def close(self) -> None:
        self.closed = True


def sleeper(name: str, **options: Any) -> Watcher:
    return Watcher(name, SLEEP, **options)


async def until(condition: Any) -> None:
    """Wait for a condition; the stage has the time limit."""
    while not condition():
        await asyncio.sleep(0.005)


# -- construction -----------------------------------------------------------------------------------------


def test_parameters_have_the_historical_names_and_order():
    parameters = inspect.signature(Arbiter).parameters.values()
    # Ours are given by name only, so that none of them is ever where an old program expects another.
    assert [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY] == PARAMETERS.split()


def test_parameters_become_attributes():
    given = {
        "check_delay": 2.5,
        "stats_endpoint": "tcp://127.0.0.1:1",
        "multicast_endpoint": "udp://237.1.1.1:1",
        "warmup_delay": 1.5,
        "debug": False,
        "debug_gc": True,
        "ssh_server": "me@there",
        "proc_name": "mine",
        "pidfile": "/p",
        "loglevel": "debug",
        "logoutput": "/l",
        "loggerconfig": "/c.ini",
        "umask": 0o27,
        "endpoint_owner": "root",
        "prereload_fn": print,
    }
    watchers: list[Watcher] = []
    arbiter = Arbiter(watchers, "ipc:///e", "ipc:///p", **given)
    assert {name: getattr(arbiter, name) for name in given} == given
    assert (arbiter.endpoint, arbiter.pubsub_endpoint) == ("ipc:///e", "ipc:///p")
    assert arbiter.watchers is watchers
    assert arbiter.endpoint_owner_mode
    assert arbiter.pid == os.getpid()
    assert arbiter.evpub_socket is None
    assert (arbiter.running, arbiter._running, arbiter._stopping, arbiter._restarting) == (False,) * 4
    assert arbiter._exclusive_running_command is None
    assert arbiter.socket_event is False
    assert arbiter._watchers_names == {}
    assert arbiter.stdout_stream is None


@pytest.mark.parametrize(("endpoint", "owner", "mode"), [
    ("ipc:///e", None, False), ("tcp://127.0.0.1:1", "root", False), ("ipc:///e", "root", True)
])  # fmt: skip
def test_endpoint_owner_mode(endpoint, owner, mode):
    assert Arbiter([], endpoint, None, endpoint_owner=owner).endpoint_owner_mode is mode


def test_fqdn(monkeypatch):
    monkeypatch.setattr("socket.getfqdn", lambda *_: "host.example")
    assert Arbiter([], None, None).fqdn == "host.example"
    assert Arbiter([], None, None, fqdn_prefix="blue").fqdn == "blue@host.example"


def test_the_loop_can_report_callbacks(stage):
    async def scenario():
        loop = asyncio.get_running_loop()
        arbiter = stage.own(Arbiter([], None, None, loop=loop, check_delay=-1))
        assert hasattr(arbiter.loop, "handle_callback_exception")
        assert hasattr(loop, "handle_callback_exception")

    stage.run(scenario())


def test_names_of_the_module():
    assert {"PS1", "PROMPT_COMMAND", "COMP_WORDBREAKS", "__CF_USER_TEXT_ENCODING"} == set(
        circus.arbiter._ENV_EXCEPTIONS
    )


def test_context_is_made_when_it_is_asked_for():
    import zmq

    arbiter = Arbiter([], None, None)
    assert isinstance(arbiter.context, zmq.Context)
    arbiter.context.term()


def test_sockets_become_a_mapping():
    with CircusSocket("a", "127.0.0.1", 0) as one:
        arbiter = Arbiter([], None, None, sockets=[one])
        assert dict(arbiter.sockets) == {"a": one}
        assert len(arbiter.sockets) == 1
        arbiter.sockets.close_all()


def test_circusd_stats_httpd_and_plugins_are_watchers():
    arbiter = Arbiter(
        [],
        "tcp://127.0.0.1:1",
        "tcp://127.0.0.1:2",
        statsd=True,
        stats_endpoint="tcp://127.0.0.1:3",
        httpd=True,
        httpd_port=0,
        plugins=[{"use": "circus.plugins.CircusPlugin"}, {"use": "circus.plugins.CircusPlugin", "name": "mine"}],
    )
    names = ["circusd-stats", "circushttpd", "circus.plugins.CircusPlugin", "mine"]
    assert [watcher.name for watcher in arbiter.watchers] == names
    assert "--statspoint tcp://127.0.0.1:3" in arbiter.watchers[0].cmd
    assert "circushttpd" in arbiter.sockets
    assert [watcher.priority for watcher in arbiter.watchers] == [0, 0, 1, 1]
    assert all(watcher.singleton for watcher in arbiter.watchers)
    arbiter.sockets.close_all()


# -- finding ----------------------------------------------------------------------------------------------


def test_iter_watchers_goes_by_priority():
    watchers = [sleeper("a", priority=1), sleeper("b", priority=5), sleeper("c", priority=1)]
    arbiter = Arbiter(watchers, None, None)
    assert [w.name for w in arbiter.iter_watchers()] == ["b", "a", "c"]
    assert [w.name for w in arbiter.iter_watchers(reverse=False)] == ["a", "c", "b"]
    assert arbiter.watchers == watchers


def test_get_watcher_ignores_case():
    arbiter = Arbiter([], None, None)
    added = arbiter.add_watcher("MyApp", SLEEP)
    assert arbiter.get_watcher("myapp") is arbiter.get_watcher("MYAPP") is added
    with pytest.raises(KeyError):
        arbiter.get_watcher("other")


def test_names_may_be_written_into_the_index():
    arbiter = Arbiter([], None, None)
    one = sleeper("x")
    arbiter._watchers_names["x"] = one
    assert arbiter.get_watcher("X") is one


def test_statuses_and_numbers():
    arbiter = Arbiter([sleeper("A"), sleeper("b")], None, None)
    assert arbiter.statuses() == {"A": "stopped", "b": "stopped"}
    assert (arbiter.numwatchers(), arbiter.numprocesses()) == (2, 0)
    assert arbiter.get_socket("none") is None


def test_configuration_look_ups():
    config = {
        "endpoint": "e",
        "watchers": [{"name": "A", "cmd": "x"}, {"name": "b", "cmd": "y"}],
        "plugins": [{"name": "plugin:p", "use": "circus.plugins.CircusPlugin", "k": "v"}],
        "sockets": [{"name": "s"}],
    }
    arbiter = Arbiter([], "tcp://127.0.0.1:1", "tcp://127.0.0.1:2", loglevel="debug")
    assert arbiter.get_watcher_config(config, "b") == {"name": "b", "cmd": "y"}
    assert arbiter.get_watcher_config(config, "nobody") is None
    plugin = arbiter.get_plugin_config(config, "plugin:p")
    assert plugin["k"] == "v"
    assert "--log-level debug" in plugin["cmd"]
    assert arbiter.get_plugin_config(config, "nobody") is None
    assert Arbiter.get_arbiter_config(config) == {"endpoint": "e"}
    assert len(config) == 4


# -- adding and removing ----------------------------------------------------------------------------------


def test_add_before_start():
    arbiter = Arbiter([], None, None)
    added = arbiter.add_watcher("foo", SLEEP, numprocesses=2)
    assert isinstance(added, Watcher)
    assert arbiter.watchers == [added]
    assert added.numprocesses == 2
    assert added.status() == "stopped"


@pytest.mark.parametrize("name", ["foo", "FOO", "Foo"])
def test_a_name_is_given_once(name):
    arbiter = Arbiter([], None, None)
    arbiter.add_watcher("foo", SLEEP)
    with pytest.raises(AlreadyExist, match=f"'{name}' already exist"):
        arbiter.add_watcher(name, SLEEP)
    assert len(arbiter.watchers) == 1


def test_a_name_may_not_be_empty():
    with pytest.raises(ValueError, match="empty"):
        Arbiter([], None, None).add_watcher("", SLEEP)


def test_add_and_remove_while_running(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "first"})
        await arbiter.start()
        events = listen(arbiter)
        added = arbiter.add_watcher("second", SLEEP, numprocesses=2)
        assert added.arbiter is arbiter
        assert arbiter.statuses() == {"first": "active", "second": "stopped"}
        await added.start()
        pids = added.pids
        removed = arbiter.rm_watcher("SECOND")
        assert arbiter.numwatchers() == 1
        await removed
        assert not any(alive(pid) for pid in pids)
        told = [topic for topic, _ in events if topic.startswith("watcher.second.")]
        kept = [t.rpartition(".")[2] for t in told if t.rpartition(".")[2] not in ("spawn", "kill", "reap")]
        assert kept == ["add", "start", "remove", "stop"]

    stage.run(scenario())


def test_remove_without_stopping(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "one"})
        await arbiter.start()
        [pid] = arbiter.get_watcher("one").pids
        await arbiter.rm_watcher("one", nostop=True)
        assert arbiter.numwatchers() == 0
        assert alive(pid)
        os.kill(pid, 15)
        await until(lambda: not alive(pid))

    stage.run(scenario())


def test_an_unknown_watcher_cannot_be_removed(stage):
    async def scenario():
        arbiter = stage.arbiter()
        future = arbiter.rm_watcher("nobody")
        with pytest.raises(KeyError):
            await future

    stage.run(scenario())


def test_remove_before_start(stage):
    async def scenario():
        arbiter = stage.arbiter()
        arbiter.add_watcher("one", SLEEP)
        await arbiter.rm_watcher("one")
        assert arbiter.watchers == []

    stage.run(scenario())


def test_add_start_and_remove_on_an_arbiter_that_never_starts(stage):
    async def scenario():
        arbiter = stage.own(Arbiter([], None, None, loop=asyncio.get_running_loop(), check_delay=-1))
        one = arbiter.add_watcher("one", SLEEP)
        await one.start()
        assert one.is_active()
        await arbiter.rm_watcher("one")
        assert one.is_stopped()

    stage.run(scenario())


# -- starting and stopping ---------------------------------------------------------------------------------


def test_start_goes_by_priority_and_honours_autostart_and_warmup(stage):
    async def scenario():
        arbiter = stage.arbiter(
            {"cmd": SLEEP, "name": "low"},
            {"cmd": SLEEP, "name": "high", "priority": 3},
            {"cmd": SLEEP, "name": "never", "autostart": False, "priority": 9},
            warmup_delay=0.05,
        )
        before = time.monotonic()
        await arbiter.start()
        assert time.monotonic() - before >= 0.1
        assert arbiter.statuses() == {"low": "active", "high": "active", "never": "stopped"}
        [low], [high] = arbiter.get_watcher("low").processes.values(), arbiter.get_watcher("high").processes.values()
        assert low.started - high.started >= 0.045

    stage.run(scenario())


def test_start_watcher(stage):
    async def scenario():
        arbiter = stage.own(
            Arbiter([], None, None, loop=asyncio.get_running_loop(), check_delay=-1, warmup_delay=0.05)
        )
        watcher = sleeper("a")
        shy = sleeper("b", autostart=False)
        arbiter.watchers += [watcher, shy]
        before = time.monotonic()
        await arbiter.start_watcher(watcher)
        assert time.monotonic() - before >= 0.05
        await arbiter.start_watcher(shy)
        assert (watcher.status(), shy.status()) == ("active", "stopped")

    stage.run(scenario())


def test_start_and_stop_of_some(stage):
    async def scenario():
        arbiter = stage.arbiter(*({"cmd": SLEEP, "name": name} for name in "abc"))
        await arbiter.start()

        def some(reverse=True):
            return [w for w in arbiter.iter_watchers(reverse=reverse) if w.name in "ab"]

        await arbiter.stop_watchers(watcher_iter_func=some)
        assert arbiter.statuses() == {"a": "stopped", "b": "stopped", "c": "active"}
        await arbiter.start_watchers(watcher_iter_func=some)
        assert set(arbiter.statuses().values()) == {"active"}
        await arbiter.stop_watchers()
        assert set(arbiter.statuses().values()) == {"stopped"}
        assert arbiter.running
        await arbiter.start_watchers()
        assert set(arbiter.statuses().values()) == {"active"}

    stage.run(scenario())


def test_restart_and_reload(stage):
    async def scenario():
        called = []
        arbiter = stage.arbiter(
            {"cmd": SLEEP, "name": "a", "reload_overlap": 0},
            {"cmd": SLEEP, "name": "b", "reload_overlap": 0},
            {"cmd": SLEEP, "name": "off", "autostart": False},
            prereload_fn=called.append,
        )
        await arbiter.start()
        a, b = arbiter.get_watcher("a"), arbiter.get_watcher("b")
        pids = [*a.pids, *b.pids]
        await arbiter.restart()
        assert not set(pids) & {*a.pids, *b.pids}
        pids = [*a.pids, *b.pids]
        await arbiter.restart(watcher_iter_func=lambda reverse=True: [a])
        assert a.pids[0] not in pids
        assert b.pids[0] in pids
        pids = [*a.pids, *b.pids]
        assert called == []
        await arbiter.reload()
        assert called == [arbiter]
        assert not set(pids) & {*a.pids, *b.pids}
        assert arbiter.statuses() == {"a": "active", "b": "active", "off": "stopped"}
        await arbiter.reload(graceful=False)
        await arbiter.reload(sequential=True)
        assert arbiter.statuses() == {"a": "active", "b": "active", "off": "stopped"}

    stage.run(scenario())


def test_a_restart_inside_circusd_of_an_embedded_arbiter_restarts_the_watchers(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "a"})
        await arbiter.start()
        before = arbiter.get_watcher("a").pids
        await arbiter.restart(inside_circusd=True)
        assert arbiter.running
        assert arbiter.get_watcher("a").pids != before
        assert arbiter.get_watcher("a").is_active()

    stage.run(scenario())


def test_reload_does_nothing_while_it_stops(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP})
        await arbiter.start()
        stopping = arbiter.stop()
        await arbiter.reload()
        await stopping

    stage.run(scenario())


def test_emergency_stop(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": "sh -c 'trap : TERM; while true; do sleep 98; done'", "name": "stubborn"})
        await arbiter.start()
        [watcher] = arbiter.watchers
        await arbiter._emergency_stop()
        assert watcher.graceful_timeout == 0
        assert watcher.status() == "stopped"
        assert not arbiter.running

    stage.run(scenario())


def test_emergency_stop_of_one_that_never_started(stage):
    async def scenario():
        arbiter = Arbiter([sleeper("a")], None, None, loop=asyncio.get_running_loop(), check_delay=-1)
        await arbiter._emergency_stop()
        assert not arbiter.running

    stage.run(scenario())


def test_stop_controller_and_close_sockets(stage):
    async def scenario():
        sock = CircusSocket("s", path=str(stage.directory / "s"))
        arbiter = stage.arbiter(sockets=[sock])
        await arbiter.start()
        assert (stage.directory / "s").exists()
        arbiter.stop_controller_and_close_sockets()
        assert not arbiter.running
        assert arbiter.evpub_socket is None
        assert sock.fileno() == -1
        assert not (stage.directory / "s").exists()

    stage.run(scenario())


def test_umask_is_set(stage):
    before = os.umask(0o22)
    os.umask(before)

    async def scenario():
        arbiter = stage.arbiter(umask=0o137)
        await arbiter.start()
        assert os.umask(0o137) == 0o137

    try:
        stage.run(scenario())
    finally:
        os.umask(before)


def test_periodic_functions_may_be_called_by_hand(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "a", "respawn_backoff.stable": 0})
        await arbiter.start()
        a = arbiter.get_watcher("a")
        [pid] = a.pids
        os.kill(pid, 9)
        await until(lambda: a.pids not in ([pid], []))
        arbiter.reap_processes()
        result = arbiter.manage_watchers()
        if result is not None:
            await result
        assert len(a.pids) == 1

    stage.run(scenario())


# -- conflicts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda arbiter: arbiter.restart(),
        lambda arbiter: arbiter.reload(),
        lambda arbiter: arbiter.start_watchers(),
        lambda arbiter: arbiter.stop_watchers(),
        lambda arbiter: arbiter.rm_watcher("a"),
        lambda arbiter: arbiter.add_watcher("b", "x"),
        lambda arbiter: arbiter.reload_from_config(),
        lambda arbiter: arbiter.get_watcher("a").start(),
        lambda arbiter: arbiter.get_watcher("a").stop(),
        lambda arbiter: arbiter.get_watcher("a").incr(),
        lambda arbiter: arbiter.get_watcher("a").decr(),
        lambda arbiter: arbiter.get_watcher("a").reload(),
        lambda arbiter: arbiter.get_watcher("a").restart(),
        lambda arbiter: arbiter.get_watcher("a").set_opt("numprocesses", 3),
        lambda arbiter: arbiter.get_watcher("a").do_action(0),
    ],
)
@pytest.mark.parametrize("state", ["busy", "restarting"])
def test_exclusive_operations_are_refused_at_once_with_the_old_words(call, state, stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "a"})
        arbiter.initialize()
        if state == "busy":
            arbiter._exclusive_running_command = "foobar"
            words = "arbiter is already running foobar command"
        else:
            arbiter._restarting = True
            words = "arbiter is restarting..."
        with pytest.raises(ConflictError, match=f"^{words}$"):
            call(arbiter)
        arbiter._exclusive_running_command, arbiter._restarting = None, False

    stage.run(scenario())


def test_a_command_during_an_exclusive_one_is_refused_over_the_wire(stage):
    import zmq

    from circus.client import AsyncCircusClient

    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "a"})
        await arbiter.start()
        arbiter._exclusive_running_command = "foobar"
        with zmq.Context() as context:
            client = AsyncCircusClient(context, stage.endpoint)
            reply = await client.send_message("restart")
            assert (reply["status"], reply["errno"]) == ("error", 5)
            assert reply["reason"] == "arbiter is already running foobar command"
            assert (await client.send_message("list"))["watchers"] == ["a"]
            client.stop()
        arbiter._exclusive_running_command = None

    stage.run(scenario())


def test_stop_is_never_refused(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "a"})
        await arbiter.start()
        arbiter._exclusive_running_command = "foobar"
        await arbiter.stop()
        assert not arbiter.running

    stage.run(scenario())


# -- configuration files ----------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path):
    """Writes circus.ini and gives its path."""

    def write(*sections: str, head: str = "") -> str:
        path = tmp_path / "circus.ini"
        path.write_text("[circus]\ncheck_delay = -1\n" + head + "\n" + "\n".join(sections))
        return str(path)

    return write


def watcher_section(name: str, **options: Any) -> str:
    lines = [f"{key} = {value}" for key, value in {"cmd": SLEEP, **options}.items()]
    return f"[watcher:{name}]\n" + "\n".join(lines) + "\n"


def test_load_from_config(config):
    path = config(
        watcher_section("a", numprocesses=2),
        "[socket:s]\nhost = 127.0.0.1\nport = 0\n",
        head="warmup_delay = 3\nendpoint = tcp://127.0.0.1:7",
    )
    arbiter = Arbiter.load_from_config(path)
    assert arbiter.config_file == path
    assert arbiter._cfg["endpoint"] == arbiter.endpoint == "tcp://127.0.0.1:7"
    assert arbiter.warmup_delay == 3
    assert [w.name for w in arbiter.watchers] == ["a"]
    assert arbiter.watchers[0]._cfg["numprocesses"] == 2
    assert list(arbiter.sockets) == ["s"]
    arbiter.sockets.close_all()


def test_what_cannot_be_built_is_left_out_loudly(config, caplog):
    path = config(
        watcher_section("good"),
        watcher_section("bad", **{"hooks.before_start": "no.such.hook"}),
        "[socket:worse]\nhost = 127.0.0.1\nproto = nonsense\n",
    )
    arbiter = Arbiter.load_from_config(path)
    assert [w.name for w in arbiter.watchers] == ["good"]
    assert len(arbiter.sockets) == 0
    assert "Failed to create watcher" in caplog.text
    assert "Failed to create socket" in caplog.text
    assert "Traceback" in caplog.text


def test_a_missing_file(tmp_path):
    with pytest.raises(OSError, match="does not exist"):
        Arbiter.load_from_config(str(tmp_path / "none.ini"))


@pytest.fixture
def reloading(stage, config):
    """Runs ``scenario(arbiter, rewrite)`` on an arbiter that was never started, with a fake event socket."""

    def run(scenario: Any, *sections: str, started: bool = True, head: str = "") -> None:
        async def play():
            path = config(*sections, head=head)
            arbiter = Arbiter.load_from_config(path, loop=asyncio.get_running_loop())
            stage.own(arbiter)
            arbiter.evpub_socket = FakePublisher()
            for watcher in arbiter.iter_watchers():
                arbiter._watchers_names[watcher.name.lower()] = watcher
                watcher.initialize(arbiter.evpub_socket, arbiter.sockets, arbiter)
            arbiter.sockets.bind_and_listen_all()
            if started:
                await arbiter.start_watchers()
            await scenario(arbiter)

        stage.run(play())

    return run


def test_reload_from_config_keeps_what_did_not_change(reloading, config):
    async def scenario(arbiter):
        one, two = arbiter.get_watcher("one"), arbiter.get_watcher("two")
        pids = one.pids
        path = config(
            watcher_section("one"), watcher_section("two", numprocesses=2), watcher_section("four", numprocesses=1)
        )
        await arbiter.reload_from_config(path)
        assert arbiter.get_watcher("one") is one
        assert one.pids == pids
        assert arbiter.get_watcher("two") is two
        assert len(two.pids) == 2
        assert arbiter.statuses() == {"one": "active", "two": "active", "four": "active"}
        with pytest.raises(KeyError):
            arbiter.get_watcher("three")

    reloading(scenario, watcher_section("one"), watcher_section("two"), watcher_section("three"))


def test_reload_from_config_replaces_what_changed(reloading, config):
    async def scenario(arbiter):
        one = arbiter.get_watcher("one")
        pids = one.pids
        await arbiter.reload_from_config(config(watcher_section("one", graceful_timeout=5)))
        assert arbiter.get_watcher("one") is not one
        assert one.is_stopped()
        assert arbiter.get_watcher("one").pids not in (pids, [])
        assert len(arbiter.watchers) == 1

    reloading(scenario, watcher_section("one"))


def test_reload_from_config_takes_the_file_it_was_loaded_from(reloading, config):
    async def scenario(arbiter):
        config(watcher_section("one"), watcher_section("two", autostart=False))
        await arbiter.reload_from_config()
        assert arbiter.statuses() == {"one": "active", "two": "stopped"}

    reloading(scenario, watcher_section("one"))


def test_reload_from_config_of_sockets(reloading, config, tmp_path):
    def section(name):
        return f"[socket:{name}]\npath = {tmp_path}/{name}\n"

    async def scenario(arbiter):
        one = arbiter.get_socket("one")
        await arbiter.reload_from_config(config(section("one"), section("three"), watcher_section("w")))
        assert arbiter.get_socket("one") is one
        assert sorted(arbiter.sockets) == ["one", "three"]
        assert Path(tmp_path, "three").exists()
        assert not Path(tmp_path, "two").exists()

    reloading(scenario, section("one"), section("two"), watcher_section("w"))


def test_reload_from_config_of_plugins(reloading, config):
    def section(name, **options):
        return f"[plugin:{name}]\nuse = circus.plugins.CircusPlugin\nautostart = False\n" + "".join(
            f"{key} = {value}\n" for key, value in options.items()
        )

    async def scenario(arbiter):
        kept, changed = arbiter.get_watcher("plugin:kept"), arbiter.get_watcher("plugin:changed")
        await arbiter.reload_from_config(config(section("kept"), section("changed", k="w"), section("new")))
        assert arbiter.get_watcher("plugin:kept") is kept
        assert arbiter.get_watcher("plugin:changed") is not changed
        assert sorted(arbiter.statuses()) == ["plugin:changed", "plugin:kept", "plugin:new"]

    reloading(scenario, section("kept"), section("changed", k="v"), section("gone"))


def test_reload_from_config_without_a_difference(reloading, config):
    async def scenario(arbiter):
        watchers = list(arbiter.watchers)
        pids = [w.pids for w in watchers]
        await arbiter.reload_from_config()
        assert arbiter.watchers == watchers
        assert [w.pids for w in watchers] == pids

    reloading(scenario, watcher_section("one"), watcher_section("two"))


def test_reload_from_config_with_an_error_touches_nothing(reloading, config):
    async def scenario(arbiter):
        watchers = list(arbiter.watchers)
        path = config(watcher_section("one", numprocesses=2), watcher_section("two", **{"hooks.after_start": "no.no"}))
        with pytest.raises(ImportError):
            await arbiter.reload_from_config(path)
        assert arbiter.watchers == watchers
        assert watchers[0].numprocesses == 1
        assert arbiter._exclusive_running_command is None

    reloading(scenario, watcher_section("one"))


def test_events_of_a_reload_reach_the_fake_socket(reloading, config):
    async def scenario(arbiter):
        await arbiter.reload_from_config(config(watcher_section("two")))
        topics = {topic for topic, _ in arbiter.evpub_socket_given.sent}
        assert {"watcher.one.stop", "watcher.two.start"} <= topics

    async def with_given(arbiter):
        arbiter.evpub_socket_given = arbiter.evpub_socket
        await scenario(arbiter)

    reloading(with_given, watcher_section("one"))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def listen(arbiter: Arbiter) -> list[tuple[str, dict[str, Any]]]:
    """The events of an arbiter from now on, as they come."""
    heard: list[tuple[str, dict[str, Any]]] = []
    arbiter.bus.subscribe(lambda frames: heard.append((frames[0].decode(), json.loads(frames[1]))))
    return heard
