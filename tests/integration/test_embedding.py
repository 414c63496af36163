"""``get_arbiter`` on loops of all sorts (spec library.md 1 and 2)."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest

from circus import ArbiterHandler, get_arbiter
from circus.arbiter import Arbiter, ThreadedArbiter
from circus.client import AsyncCircusClient
from circus.exc import ConflictError
from circus.sockets import CircusSocket
from harness import OURS, PATIENCE, child_command
from harness.daemon import free_port
from harness.stage import SLEEP

_OWN_LOOP = """
import json, logging, os, signal, sys
from circus import get_arbiter

logging.basicConfig(level="INFO")
how, directory = sys.argv[1:]
arbiter = get_arbiter(
    [{"cmd": "sleep 98765", "numprocesses": 2}],
    controller=f"ipc://{directory}/control",
    pubsub_endpoint=f"ipc://{directory}/events",
    check_delay=0.5,
)
told = []

def up(future):
    told.append([future.done(), arbiter.statuses(), arbiter.numprocesses(), arbiter.running])
    {
        "stop": arbiter.stop,
        "TERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
        "restart": lambda: arbiter.restart(inside_circusd=True),
    }[how]()

before = signal.getsignal(signal.SIGTERM)
try:
    again = arbiter.start(cb=up)
finally:
    arbiter.stop()
print(json.dumps([again, told, arbiter.running, signal.getsignal(signal.SIGTERM) == before]))
print(json.dumps(os.listdir(directory)))
"""


def run_strictly(script, *arguments):
    """A script of an embedding program, where every warning is an error; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", script, *map(str, arguments)],
        env=OURS.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("how", ["stop", "TERM", "restart"])
def test_without_a_loop_start_blocks_until_the_end(how, stage):
    done = run_strictly(_OWN_LOOP, how, stage.directory)
    result, files = map(json.loads, done.stdout.splitlines())
    assert result == [how == "restart", [[True, {"sleep": "active"}, 2, True]], False, True]
    assert files == []
    assert "Arbiter now waiting for commands" in done.stderr
    assert "Traceback" not in done.stderr


_THREADS_LOOP = """
import asyncio, sys
from circus import get_arbiter

how, directory = sys.argv[1:]
if how == "set":
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.call_later(0.05, lambda: (print("called", flush=True), arbiter.stop()))
arbiter = get_arbiter([{"cmd": "true", "autostart": False}],
                      controller=f"ipc://{directory}/control", pubsub_endpoint=f"ipc://{directory}/events")
if how == "asked":
    loop = arbiter.loop.asyncio_loop
    arbiter.loop.add_callback(lambda: (print("called", flush=True), arbiter.stop()))
arbiter.start()
print(loop.is_closed(), asyncio.get_event_loop_policy().get_event_loop() is loop)
loop.close()
"""


@pytest.mark.parametrize("how", ["set", "asked"])
def test_without_a_loop_the_one_of_the_thread_is_run(how, stage):
    done = run_strictly(_THREADS_LOOP, how, stage.directory)
    assert done.stdout.splitlines() == ["called", "False True"], done.stderr
    assert done.stderr == ""


def test_on_a_given_asyncio_loop_start_ends_when_the_watchers_are_up(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "Web", "numprocesses": 2}, {"cmd": SLEEP, "name": "late"})
        started = arbiter.start()
        assert isinstance(started, asyncio.Future)
        await started
        assert arbiter.running
        assert arbiter.loop is asyncio.get_running_loop()
        assert arbiter.statuses() == {"Web": "active", "late": "active"}
        assert arbiter.numprocesses() == 3
        await arbiter.stop()
        assert not arbiter.running
        assert arbiter.statuses() == {"Web": "stopped", "late": "stopped"}

    stage.run(scenario())
    assert os.listdir(stage.directory) == []


def test_a_loop_may_be_given_before_it_runs(stage):
    loop = asyncio.new_event_loop()
    try:
        arbiter = get_arbiter(
            [{"cmd": SLEEP}], stage.endpoint, stage.pubsub_endpoint, loop=loop, check_delay=-1
        )
        try:
            loop.run_until_complete(arbiter.start())
            assert arbiter.statuses() == {"sleep": "active"}
        finally:
            loop.run_until_complete(arbiter.stop())
        assert os.listdir(stage.directory) == []
    finally:
        loop.close()


def test_on_a_tornado_loop_with_yield(stage):
    from tornado.gen import coroutine
    from tornado.ioloop import IOLoop

    loop = IOLoop(make_current=False)
    arbiter = get_arbiter([{"cmd": SLEEP}], stage.endpoint, stage.pubsub_endpoint, loop=loop, check_delay=-1)

    @coroutine
    def scenario():
        yield arbiter.start()
        assert arbiter.loop is loop
        assert hasattr(loop, "handle_callback_exception")
        watcher = arbiter.get_watcher("sleep")
        result = yield watcher.restart()
        assert len(result["started"]) == len(result["stopped"]) == 1
        assert (yield watcher.incr(2)) == 3
        yield arbiter.stop()
        assert not arbiter.running

    try:
        loop.run_sync(scenario, timeout=30)
    finally:
        loop.close(all_fds=True)


def test_a_bare_call_of_a_verb_is_enough(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web"})
        await arbiter.start()
        web = arbiter.get_watcher("web")
        web.stop()
        assert web.status() == "stopping"
        web.start()
        for _ in range(500):
            if web.is_active():
                break
            await asyncio.sleep(0.01)
        assert web.is_active()
        assert len(web.pids) == 1

    stage.run(scenario())


def test_with_a_given_loop_the_callback_is_not_called(stage):
    async def scenario():
        arbiter = stage.arbiter()
        called: list[Any] = []
        await arbiter.start(cb=called.append)
        await asyncio.sleep(0.05)
        assert called == []

    stage.run(scenario())


def test_an_embedded_arbiter_answers_clients_and_publishes(stage):
    import zmq
    import zmq.asyncio

    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web"}, {"cmd": SLEEP, "name": "Other One"})
        await arbiter.start()
        context = zmq.asyncio.Context()
        events = context.socket(zmq.SUB)
        events.connect(stage.pubsub_endpoint)
        events.subscribe("watcher.")
        client = AsyncCircusClient(context=context, endpoint=stage.endpoint)
        try:
            assert (await client.send_message("list"))["watchers"] == ["other one", "web"]
            while not await events.poll(50):
                arbiter.get_watcher("web").notify_event("hello", {"time": 0})
            topic, _ = await events.recv_multipart()
            assert topic == b"watcher.web.hello"
            reply = await client.send_message("stop", name="web", waiting=True)
            assert reply["status"] == "ok"
            assert arbiter.statuses()["web"] == "stopped"
        finally:
            client.stop()
            events.close(0)
            context.destroy(0)

    stage.run(scenario())


def test_quit_over_the_wire_is_answered_and_ends_an_embedded_arbiter(stage):
    import zmq

    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web"})
        await arbiter.start()
        with zmq.Context() as context:
            client = AsyncCircusClient(context, stage.endpoint)
            try:
                reply = await client.send_message("quit", waiting=True)
                assert reply["status"] == "ok"
            finally:
                client.stop()
        await arbiter.stop()
        assert not arbiter.running
        assert arbiter.statuses() == {"web": "stopped"}

    stage.run(scenario())


def test_a_worker_serves_a_managed_socket(stage):
    async def scenario():
        web = CircusSocket(name="web", host="127.0.0.1", port=0)
        cmd = child_command("serves_socket", "$(circus.sockets.web)")
        arbiter = stage.arbiter({"cmd": cmd, "name": "serve", "use_sockets": True}, sockets=[web])
        await arbiter.start()
        assert list(arbiter.sockets) == ["web"]
        assert arbiter.get_socket("web") is web
        assert arbiter.get_socket("nothing") is None
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        assert int(await reader.read()) in arbiter.get_watcher("serve").pids
        writer.close()
        await writer.wait_closed()

    stage.run(scenario())


def test_the_dicts_of_the_caller_stay_as_they_were(stage):
    watchers = [
        {"cmd": "sleep 1", "env": {"A": " b "}, "stdout_stream": {"class": "QueueStream"}, "hooks": {}},
        {"cmd": "/bin/sleep 2", "stderr_stream": {"class": "QueueStream", "x": "y"}},
    ]
    plugins = [{"use": "circus.plugins.CircusPlugin", "name": "p", "active": False}]
    before = copy.deepcopy((watchers, plugins))
    for _ in range(2):  # a second call with the same list used to fail
        arbiter = get_arbiter(watchers, plugins=plugins)
        assert [watcher.name for watcher in arbiter.watchers] == ["sleep", "sleep", "p"]
    assert (watchers, plugins) == before


def test_defaults():
    arbiter = get_arbiter([])
    assert type(arbiter) is Arbiter
    assert arbiter.endpoint == "tcp://127.0.0.1:5555"
    assert arbiter.pubsub_endpoint == "tcp://127.0.0.1:5556"
    assert arbiter.multicast_endpoint == "udp://237.219.251.97:12027"
    assert arbiter.stats_endpoint is None
    assert arbiter.check_delay == 1.0
    assert arbiter.proc_name == "circusd"
    assert not arbiter._provided_loop
    assert not arbiter.running
    assert arbiter.watchers == []


def test_discovery_is_not_answered_unless_an_address_was_given():
    assert not get_arbiter([]).multicast_answers
    assert get_arbiter([], multicast_endpoint="udp://237.219.251.97:12027").multicast_answers


def test_statsd_gets_an_endpoint():
    arbiter = get_arbiter([], statsd=True)
    assert arbiter.stats_endpoint == "tcp://127.0.0.1:5557"
    assert [watcher.name for watcher in arbiter.watchers] == ["circusd-stats"]


def test_a_stats_endpoint_alone_turns_statsd_on_with_a_warning():
    with pytest.warns(DeprecationWarning, match="You defined a stats_endpoint without setting up statsd to True"):
        arbiter = get_arbiter([], stats_endpoint="tcp://127.0.0.1:9")
    assert arbiter.statsd
    assert arbiter.stats_endpoint == "tcp://127.0.0.1:9"


def test_names_come_from_the_program():
    arbiter = get_arbiter([{"cmd": "/usr/bin/env python3 -V"}, {"cmd": "python3", "name": "Mine"}])
    assert [watcher.name for watcher in arbiter.watchers] == ["env", "Mine"]


def test_a_watcher_without_a_command_is_refused():
    with pytest.raises(KeyError, match="cmd"):
        get_arbiter([{"name": "web"}])


def test_the_stream_backend_is_an_option_like_any_other():
    [watcher] = get_arbiter([{"cmd": "x"}], stream_backend="gevent").watchers
    assert dict(watcher.options())["stream_backend"] == "gevent"


def test_what_is_accepted_and_ignored():
    arbiter = get_arbiter([], env={"A": "b"}, name="anything")
    assert arbiter.watchers == []


def test_further_keywords_reach_the_arbiter():
    called = []
    arbiter = get_arbiter(
        [], warmup_delay=3, umask=0o22, prereload_fn=called.append, endpoint_owner="root", debug=True, pidfile="/p"
    )
    assert (arbiter.warmup_delay, arbiter.umask, arbiter.endpoint_owner) == (3, 0o22, "root")
    assert arbiter.pidfile == "/p"
    assert arbiter.stdout_stream == {"class": "StdoutStream"} == arbiter.stderr_stream


def test_a_plugin_that_cannot_be_found_is_told_at_once():
    with pytest.raises(ImportError):
        get_arbiter([], plugins=[{"use": "circus.plugins.nowhere.Plugin"}])


def test_the_class_of_arbiters_can_be_replaced():
    class Mine(Arbiter):
        pass

    class Handler(ArbiterHandler):
        def _get_arbiter_klass(self, background):
            assert background is False
            return Mine

    assert type(Handler()([])) is Mine


def test_background_means_a_thread(stage):
    arbiter = get_arbiter([], background=True)
    assert type(arbiter) is ThreadedArbiter


def test_a_context_that_was_given_stays_open(stage):
    import zmq

    context = zmq.Context()

    async def scenario():
        arbiter = stage.arbiter(context=context)
        assert arbiter.context is context
        await arbiter.start()
        await arbiter.stop()

    try:
        stage.run(scenario())
        assert not context.closed
    finally:
        context.term()


def test_an_endpoint_in_use_is_an_error_of_start_and_nothing_stays(stage):
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()

    async def scenario():
        arbiter = stage.arbiter(
            {"cmd": SLEEP}, controller=f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        )
        with pytest.raises(OSError, match="Address already in use"):
            await arbiter.start()
        assert arbiter.numprocesses() == 0

    with taken:
        stage.run(scenario())
    assert os.listdir(stage.directory) == []


def test_a_second_life_on_the_same_endpoints(stage):
    ports = free_port(), free_port()

    async def scenario():
        for _ in range(2):
            arbiter = stage.arbiter(
                {"cmd": SLEEP},
                controller=f"tcp://127.0.0.1:{ports[0]}",
                pubsub_endpoint=f"tcp://127.0.0.1:{ports[1]}",
            )
            await arbiter.start()
            await arbiter.stop()

    stage.run(scenario())


def test_the_periodic_check_runs_on_the_given_loop(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP}, check_delay=0.02)
        await arbiter.start()
        [watcher] = arbiter.watchers
        watcher.numprocesses = 3  # by hand, behind everybody's back
        while len(watcher.pids) != 3:
            await asyncio.sleep(0.01)

    stage.run(scenario())


def test_a_worker_that_dies_is_replaced_without_any_check(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "respawn_backoff.stable": 0})
        await arbiter.start()
        [watcher] = arbiter.watchers
        [before] = watcher.pids
        os.kill(before, signal.SIGKILL)
        while watcher.pids in ([before], []):
            await asyncio.sleep(0.005)
        assert len(watcher.pids) == 1

    stage.run(scenario())


def test_signals_of_the_embedding_program_come_back(stage):
    before = signal.getsignal(signal.SIGTERM)

    async def scenario():
        arbiter = stage.arbiter()
        await arbiter.start()
        assert signal.getsignal(signal.SIGTERM) != before
        await arbiter.stop()
        assert signal.getsignal(signal.SIGTERM) == before

    stage.run(scenario())


def test_a_signal_to_the_process_stops_an_embedded_arbiter(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP})
        await arbiter.start()
        os.kill(os.getpid(), signal.SIGTERM)
        while arbiter.running:
            await asyncio.sleep(0.01)
        assert arbiter.numprocesses() == 0

    stage.run(scenario())


def test_start_does_not_wait_for_what_cannot_start(stage):
    async def scenario():
        arbiter = stage.arbiter(
            {"cmd": "/no/such/program", "name": "bad", "priority": 1}, {"cmd": SLEEP, "name": "good"}
        )
        await arbiter.start()
        assert arbiter.statuses()["good"] == "active"
        assert arbiter.get_watcher("bad").pids == []

    stage.run(scenario())


def test_a_stop_overtakes_the_start(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "numprocesses": 50, "warmup_delay": 10})
        started = arbiter.start()
        await asyncio.sleep(0.05)
        assert not started.done()
        await arbiter.stop()
        assert arbiter.numprocesses() == 0
        with contextlib.suppress(ConflictError):  # superseded
            await asyncio.wait_for(started, 1)

    stage.run(scenario())


def test_an_asyncio_context_may_be_given(stage):
    import zmq
    import zmq.asyncio

    async def scenario():
        context = zmq.asyncio.Context()
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web"}, context=context)
        await arbiter.start()
        client = AsyncCircusClient(context, stage.endpoint)
        assert (await client.send_message("list", name="web"))["pids"] == arbiter.get_watcher("web").pids
        client.stop()
        await arbiter.stop()
        assert not context.closed
        context.term()

    stage.run(scenario())


def test_hooks_may_use_the_arbiter(stage):
    """They run in threads of their own; what they want is brought to the loop."""
    asked = []

    def start_the_other(watcher, arbiter, hook_name, **kw):
        asked.append((hook_name, sorted(arbiter.statuses()), arbiter.get_watcher("OTHER").status()))
        arbiter.get_watcher("other").start()
        return True

    def stop_all(watcher, arbiter, hook_name, **kw):
        arbiter.stop()
        return True

    async def scenario():
        arbiter = stage.arbiter(
            {"cmd": SLEEP, "name": "first", "hooks": {"after_start": (start_the_other, False)}},
            {"cmd": SLEEP, "name": "other", "autostart": False},
            {"cmd": SLEEP, "name": "last", "autostart": False, "hooks": {"after_start": (stop_all, False)}},
        )
        await arbiter.start()
        while not arbiter.get_watcher("other").is_active():
            await asyncio.sleep(0.005)
        assert asked == [("after_start", ["first", "last", "other"], "stopped")]
        arbiter.get_watcher("last").start()
        while arbiter.running:
            await asyncio.sleep(0.005)
        assert set(arbiter.statuses().values()) == {"stopped"}

    stage.run(scenario())


_HOOKS_AT_BOOT = """
import sys, threading
from circus import get_arbiter

directory, = sys.argv[1:]
told = []

def grow(watcher, arbiter, hook_name, **kw):
    watcher.incr()
    arbiter.get_watcher("other").start()
    return True

arbiter = get_arbiter(
    [{"cmd": "sleep 98765", "name": "web", "hooks": {"after_start": (grow, False)}},
     {"cmd": "sleep 98765", "name": "other", "autostart": False}],
    controller=f"ipc://{directory}/control", pubsub_endpoint=f"ipc://{directory}/events", check_delay=-1,
)

def watch():
    while not (arbiter.get_watcher("other").is_active() and len(arbiter.get_watcher("web").pids) == 2):
        threading.Event().wait(0.01)
    print("grown", flush=True)
    arbiter.stop()  # from this thread, as timers of programs do

arbiter.start(cb=lambda _: threading.Thread(target=watch).start())
print(arbiter.running, arbiter.statuses())
"""


def test_hooks_at_the_very_start_and_a_stop_from_another_thread(stage):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", _HOOKS_AT_BOOT, str(stage.directory)],
        env=OURS.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["grown", "False {'web': 'stopped', 'other': 'stopped'}"]
