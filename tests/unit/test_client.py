"""The client library, blocking and with asyncio, against a scripted daemon."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import pytest
import zmq

from circus.client import AsyncCircusClient, CallError, CircusClient, cast_message, make_json, make_message
from circus.client_light import LightClient
from circus.exc import TransportError
from harness.waiting import eventually
from tests.unit.ctl.fakedaemon import SILENT, FakeDaemon, refusal


@pytest.fixture
def daemon():
    with FakeDaemon() as running:
        yield running


@pytest.fixture(params=[CircusClient, LightClient], ids=["zmq", "light"])
def make(request):
    """Makes blocking clients of either sort, and stops them."""
    made = []

    def make_client(endpoint, timeout=10.0):
        client = request.param(endpoint=endpoint, timeout=timeout)
        made.append(client)
        return client

    yield make_client
    for client in made:
        client.stop()
        client.stop()


# -- messages
# ---------------------------------------------------------------------------------------------------


def test_messages():
    assert make_message("list", name="a") == {"command": "list", "properties": {"name": "a"}}
    assert cast_message("quit") == {"command": "quit", "msg_type": "cast", "properties": {}}
    assert json.loads(make_json("get", keys=["é"])) == make_message("get", keys=["é"])
    assert isinstance(make_json("list"), bytes)


# -- blocking clients
# -------------------------------------------------------------------------------------------


def test_a_call(daemon, make):
    client = make(daemon.endpoint)
    message = make_message("list")
    reply = client.call(message)
    assert reply["watchers"] == ["one two", "web"]
    assert reply["id"] == message["id"] == daemon.requests[0]["id"]
    assert len(message["id"]) == 32


def test_send_message(daemon, make):
    assert make(daemon.endpoint).send_message("list", name="web")["pids"] == [11, 12]
    assert daemon.requests[0]["properties"] == {"name": "web"}


def test_an_error_reply_is_a_reply(daemon, make):
    assert make(daemon.endpoint).send_message("status", name="zz")["status"] == "error"


@pytest.mark.parametrize("content", ["é😀", "x" * 300, "x" * 70000])
def test_text_of_all_sorts_and_sizes(make, content):
    with FakeDaemon({"echo": lambda props: props}) as daemon:
        assert make(daemon.endpoint).send_message("echo", text=content)["text"] == content


def test_replies_to_others_are_skipped(make):
    with FakeDaemon(
        {"list": [{"id": "other", "watchers": []}, {"id": None}, b"[]", {"watchers": ["w"]}]}
    ) as daemon:
        assert make(daemon.endpoint).send_message("list")["watchers"] == ["w"]


def test_silence_times_out_after_the_whole_time_limit(make):
    with FakeDaemon({"list": SILENT, "status": [{"id": "other"}] * 50}) as daemon:
        client = make(daemon.endpoint, timeout=0.6)
        for command in ("list", "status"):
            began = time.monotonic()
            with pytest.raises(CallError, match=r"^Timed out\.$"):
                client.send_message(command)
            assert 0.3 < time.monotonic() - began < 5
        assert client.send_message("numprocesses")["numprocesses"] == 2


def test_stray_messages_do_not_extend_the_time_limit(make):
    def trickle(props):
        time.sleep(0.1)
        return {"id": "other"}

    with FakeDaemon({"list": trickle}) as daemon:
        impatient = make(daemon.endpoint, timeout=0.3)
        busybody = CircusClient(endpoint=daemon.endpoint)
        for _ in range(100):
            busybody.call(cast_message("list"))
        began = time.monotonic()
        with pytest.raises(CallError, match="Timed out"):
            impatient.send_message("list")
        assert time.monotonic() - began < 6
        busybody.stop()


def test_casts_return_at_once_and_arrive(daemon, make):
    client = make(daemon.endpoint)
    began = time.monotonic()
    assert client.call(cast_message("restart", name="web")) is None
    client.stop()
    assert time.monotonic() - began < 5
    eventually(lambda: daemon.commands == ["restart"])


def test_what_has_no_json_form_is_a_call_error(daemon, make):
    with pytest.raises(CallError, match="cannot send 'list'"):
        make(daemon.endpoint).send_message("list", name=object())
    assert daemon.requests == []


def test_a_reply_that_is_no_json_is_a_call_error(make):
    with FakeDaemon({"list": b"\xff{"}) as daemon, pytest.raises(CallError, match="no JSON"):
        make(daemon.endpoint).send_message("list")


def test_text_is_not_a_call(daemon):
    client = CircusClient(endpoint=daemon.endpoint)
    with pytest.raises(DeprecationWarning, match=r"call\(\) takes a mapping"):
        client.call("list")
    client.stop()


def test_a_negative_time_limit_waits(make):
    def slow(props):
        time.sleep(0.2)
        return {}

    with FakeDaemon({"list": slow}) as daemon:
        assert make(daemon.endpoint, timeout=-1).send_message("list")["status"] == "ok"


def test_attributes_of_the_blocking_client(daemon):
    with zmq.Context() as context:
        client = CircusClient(context, daemon.endpoint, 2.5)
        assert (client.context, client.endpoint, client.timeout, client._timeout) == (
            context,
            daemon.endpoint,
            2500,
            2.5,
        )
        assert client.socket.getsockopt(zmq.IDENTITY) == client._id
        assert len(client._id) == 32
        assert client.socket.getsockopt(zmq.LINGER) == 0
        client.stop()
        assert client.socket.closed


def test_send_message_goes_through_call(monkeypatch, daemon):
    monkeypatch.setattr(CircusClient, "call", lambda self, cmd: cmd)
    client = CircusClient(endpoint=daemon.endpoint)
    assert client.send_message("list", name="a") == make_message("list", name="a")
    client.stop()


def test_a_closed_socket_is_a_call_error(daemon):
    client = CircusClient(endpoint=daemon.endpoint)
    client.stop()
    with pytest.raises(CallError):
        client.send_message("list")


def test_a_full_queue_times_out():
    client = CircusClient(endpoint="tcp://127.0.0.1:1", timeout=0.05)
    client.socket.setsockopt(zmq.SNDHWM, 1)
    client.socket.disconnect("tcp://127.0.0.1:1")
    with pytest.raises(CallError, match="Timed out"):
        client.send_message("list")
    client.stop()


def test_the_blocking_client_loads_no_event_loop():
    code = "import sys, circus.client; print([m for m in ('asyncio', 'tornado') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


# -- the light client
# -------------------------------------------------------------------------------------------


@pytest.fixture
def light(daemon):
    client = LightClient(daemon.endpoint, 10)
    yield client
    client.stop()


def test_a_daemon_that_is_down_is_known_at_once(tmp_path):
    client = LightClient(f"ipc://{tmp_path / 'none'}", 30)
    began = time.monotonic()
    with pytest.raises(TransportError, match="no such file"):
        client.send_message("list")
    assert time.monotonic() - began < 5


def test_several_calls_over_one_connection(daemon, light):
    deadline = light.deadline()
    first = light.submit(make_message("list"), deadline)
    second = light.submit(make_message("numprocesses"), deadline)
    assert light.collect(second, deadline)["numprocesses"] == 2
    assert light.collect(first, deadline)["watchers"]
    assert not light._awaited
    assert not light._arrived


def test_a_late_reply_is_forgotten(light, daemon):
    daemon.replies["slow"] = lambda props: time.sleep(0.2) or {}
    light.send_message("list")  # the connection is there
    light.timeout = 0.05
    with pytest.raises(CallError, match="Timed out"):
        light.send_message("slow")
    light.timeout = 10
    assert light.send_message("list")["watchers"]
    assert light._arrived == {}


def test_a_new_daemon_is_found_by_the_next_call(tmp_path):
    endpoint = f"ipc://{tmp_path / 'c'}"
    client = LightClient(endpoint, 10)
    for _ in range(2):
        with FakeDaemon(endpoint=endpoint) as daemon:
            assert client.send_message("list")["watchers"]
            assert daemon.commands == ["list"]
        eventually(lambda: client._connection.is_stale())
    client.stop()


def test_a_daemon_that_goes_while_it_is_asked(daemon, light):
    mid = light.submit(make_message("list") | {"command": "nothing"}, None)
    light.collect(mid, None)
    daemon.replies["list"] = SILENT
    mid = light.submit(make_message("list"), None)
    eventually(lambda: daemon.commands[-1] == "list")
    daemon.stop()
    with pytest.raises(TransportError, match="was lost"):
        light.collect(mid, light.deadline())
    with pytest.raises(TransportError, match="was lost"):
        light.collect(mid, light.deadline())


def test_waiting_for_the_end_of_a_daemon(daemon, light):
    light.send_message("quit")
    assert not light.wait_closed(time.monotonic() + 0.1)
    daemon.stop()
    assert light.wait_closed(time.monotonic() + 10)


def test_endpoints_only_zeromq_knows_go_through_it(daemon):
    port = daemon.endpoint.rpartition(":")[2]
    client = LightClient(f"tcp://127.0.0.1:0;127.0.0.1:{port}", 10)
    assert client.send_message("list")["watchers"]
    assert not client._connection.is_stale()
    client.timeout = 0.05
    daemon.replies["list"] = SILENT
    with pytest.raises(CallError, match="Timed out"):
        client.send_message("list")
    client.stop()


# -- asyncio
# ----------------------------------------------------------------------------------------------------


def with_async_client(daemon, scenario, timeout=10.0):
    async def main():
        client = AsyncCircusClient(endpoint=daemon.endpoint, timeout=timeout)
        try:
            return await scenario(client)
        finally:
            client.stop()
            client.stop()

    return asyncio.run(main())


def test_an_async_call(daemon):
    async def scenario(client):
        assert (await client.call(make_message("list")))["watchers"]
        return await client.send_message("list", name="web")

    assert with_async_client(daemon, scenario)["pids"] == [11, 12]


def test_concurrent_calls_each_get_their_own_reply():
    with FakeDaemon({"echo": lambda props: props}) as daemon:

        async def scenario(client):
            replies = await asyncio.gather(*(client.send_message("echo", n=n) for n in range(100)))
            assert not client._waiting
            return [reply["n"] for reply in replies]

        assert with_async_client(daemon, scenario) == list(range(100))


def test_an_async_call_is_sent_before_it_is_awaited(daemon):
    async def scenario(client):
        future = client.send_message("list")
        assert isinstance(future, asyncio.Future)
        await asyncio.to_thread(eventually, lambda: daemon.commands == ["list"])
        return await future

    assert with_async_client(daemon, scenario)["watchers"]


def test_an_async_call_has_a_time_limit():
    with FakeDaemon({"list": SILENT, "status": [b"noise", {"id": 3}, {"id": "x"}, b"[]"]}) as daemon:

        async def scenario(client):
            for command in ("list", "status"):
                with pytest.raises(CallError, match=r"^Timed out\.$"):
                    await client.send_message(command)
            assert not client._waiting
            client.timeout = 10_000  # an answer may take its time
            return await client.send_message("numprocesses")

        assert with_async_client(daemon, scenario, timeout=0.1)["numprocesses"] == 2


def test_an_async_cast(daemon):
    async def scenario(client):
        assert await client.call(cast_message("restart")) is None

    with_async_client(daemon, scenario)
    eventually(lambda: daemon.commands == ["restart"])


def test_async_failures_are_call_errors(daemon):
    async def scenario(client):
        with pytest.raises(CallError, match="cannot send"):
            await client.send_message("list", name=object())
        with pytest.raises(DeprecationWarning):
            client.call("list")
        assert not client.stream.closed()
        client.stop()
        assert client.stream.closed()
        with pytest.raises(CallError):
            await client.send_message("list")

    with_async_client(daemon, scenario)


def test_stopping_ends_the_calls_under_way():
    with FakeDaemon({"list": SILENT}) as daemon:

        async def scenario(client):
            future = client.send_message("list")
            client.stop()
            with pytest.raises(CallError, match="was stopped"):
                await future

        with_async_client(daemon, scenario)


def test_a_cancelled_call_is_forgotten():
    with FakeDaemon({"list": lambda props: time.sleep(0.05) or {}}) as daemon:

        async def scenario(client):
            future = client.send_message("list")
            future.cancel()
            return await client.send_message("numprocesses")

        assert with_async_client(daemon, scenario)["numprocesses"] == 2


def test_a_client_outlives_a_loop(daemon):
    async def ask():
        return await client.send_message("list")

    client = AsyncCircusClient(endpoint=daemon.endpoint)
    for _ in range(3):
        assert asyncio.run(ask())["watchers"]
    client.stop()


def test_a_loop_that_cannot_watch_descriptors(daemon, monkeypatch):
    def refuse(*_):
        raise NotImplementedError

    async def scenario(client):
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "add_reader", refuse, raising=False)
        monkeypatch.setattr(loop, "remove_reader", refuse, raising=False)
        try:
            return await client.send_message("list")
        finally:
            client.stop()
            monkeypatch.undo()

    assert with_async_client(daemon, scenario)["watchers"]


def test_tornado_coroutines_may_yield_it(daemon):
    from tornado import gen
    from tornado.ioloop import IOLoop

    @gen.coroutine
    def scenario():
        client = AsyncCircusClient(endpoint=daemon.endpoint)
        reply = yield client.send_message("list")
        client.stop()
        raise gen.Return(reply)

    async def main():
        return await scenario()

    assert asyncio.run(main())["watchers"]
    assert IOLoop is not None


def test_an_error_reply_settles_an_async_call(daemon):
    daemon.replies["list"] = refusal("no")

    async def scenario(client):
        return await client.send_message("list")

    assert with_async_client(daemon, scenario)["reason"] == "no"
