"""Endpoints: their texts, binding before ZeroMQ is loaded, connecting, discovery."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import threading

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from circus.base import endpoints
from circus.exc import TransportError
from circus.system import transport
from circus.system.endpoint import Endpoint, parse_endpoint
from circus.system.multicast import read_answer
from circus.system.transport import bind_endpoint, create_udp_socket, discover, get_connection
from harness.waiting import eventually

# -- texts
# ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path"),
    [
        ("tcp://127.0.0.1:5555", "tcp", "127.0.0.1", 5555, ""),
        ("tcp://*:0", "tcp", "*", 0, ""),
        ("TCP://localhost:*", "tcp", "localhost", 0, ""),
        ("tcp://[::1]:5555", "tcp", "::1", 5555, ""),
        ("udp://237.219.251.97:12027", "udp", "237.219.251.97", 12027, ""),
        ("ipc:///run/circus.sock", "ipc", "", None, "/run/circus.sock"),
        ("ipc://relative", "ipc", "", None, "relative"),
        ("inproc://x", "inproc", "", None, "x"),
    ],
)
def test_parts(text, scheme, host, port, path):
    parsed = parse_endpoint(text)
    assert (parsed.scheme, parsed.host, parsed.port, parsed.path) == (scheme, host, port, path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5555",
        "127.0.0.1:5555",
        "tcp://",
        "tcp://host",
        "tcp://:5555",
        "tcp://[]:1",
        "tcp://h:99999",
        "tcp://h:http",
        "tcp://h:-1",
        "tcp://h:",
        "://x",
        "ipc://",
        "ipc://a\0b",
        "tcp://h:\N{FULLWIDTH DIGIT ONE}",
    ],
)
def test_what_is_no_endpoint_is_refused_with_its_text(text):
    with pytest.raises(TransportError, match="bad endpoint") as refused:
        parse_endpoint(text)
    assert repr(text) in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text):
    try:
        parsed = parse_endpoint(text)
    except TransportError:
        return
    assert parse_endpoint(str(parsed)) == parsed


def test_equal_endpoints_are_interchangeable():
    assert parse_endpoint("tcp://h:0") == parse_endpoint("tcp://h:*")
    assert len({parse_endpoint("tcp://h:0"), parse_endpoint("tcp://h:*"), parse_endpoint("ipc://h")}) == 2
    assert parse_endpoint("ipc://h") != "ipc://h"
    assert "'ipc'" in repr(parse_endpoint("ipc://h"))


@pytest.mark.parametrize(
    ("text", "is_file"), [("ipc://a", True), ("ipc://@a", False), ("ipc://*", False), ("tcp://h:1", False)]
)
def test_named_socket_files(text, is_file):
    assert parse_endpoint(text).is_file is is_file


def test_default_endpoints_are_found_here_too():
    assert transport.DEFAULT_ENDPOINT_DEALER is endpoints.DEFAULT_ENDPOINT_DEALER


# -- early binding
# ----------------------------------------------------------------------------------------------


@pytest.fixture
def context():
    with zmq.Context() as made:
        yield made


def exchange(context, bound, connect_to):
    """Attach a ROUTER and talk to it."""
    with context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
        for each in (router, dealer):
            each.linger = 0
        bound.attach(router)
        last = router.last_endpoint.decode()
        if "[" in connect_to:
            dealer.setsockopt(zmq.IPV6, 1)
        dealer.connect(connect_to)
        dealer.send(b"hello")
        assert router.poll(5000)
        who, what = router.recv_multipart()
        router.send_multipart([who, what + b" you"])
        assert dealer.poll(5000)
        assert dealer.recv() == b"hello you"
    return last


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://*:*", "tcp://0.0.0.0:0", "tcp://localhost:0"],
)
def test_tcp_is_bound_and_handed_over(context, endpoint):
    bound = bind_endpoint(endpoint)
    port = parse_endpoint(bound.endpoint).port
    assert port
    assert exchange(context, bound, f"tcp://127.0.0.1:{port}") == bound.endpoint


def test_ipv6_is_bound_and_handed_over(context):
    try:
        bound = bind_endpoint("tcp://[::1]:*")
    except OSError:
        pytest.skip("no IPv6 here")
    assert bound.endpoint.startswith("tcp://[::1]:")
    exchange(context, bound, bound.endpoint)


def test_ipc_is_bound_privately_and_handed_over(context, tmp_path):
    path = tmp_path / "c"
    before = os.umask(0o022)
    try:
        bound = bind_endpoint(f"ipc://{path}")
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert exchange(context, bound, f"ipc://{path}") == bound.endpoint == f"ipc://{path}"
    assert path.exists()  # as with ZeroMQ
    bound.unlink()
    assert not path.exists()


def test_a_client_may_connect_before_zeromq_is_there(context):
    bound = bind_endpoint("tcp://127.0.0.1:*")
    early = context.socket(zmq.DEALER)
    early.linger = 0
    early.connect(bound.endpoint)
    early.send(b"knock")
    with context.socket(zmq.ROUTER) as router:
        router.linger = 0
        bound.attach(router)
        assert router.poll(5000)
        assert router.recv_multipart()[1] == b"knock"
    early.close()


def test_an_owner_gets_the_file_and_the_group_may_write(tmp_path, monkeypatch):
    owned = []
    monkeypatch.setattr(os, "chown", lambda *args, **kwargs: owned.append((args, kwargs)))
    bound = bind_endpoint(f"ipc://{tmp_path / 'c'}", owner_uid=1234)
    bound.close()
    assert owned == [((str(tmp_path / "c"), 1234, -1), {"follow_symlinks": False})]
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o660


def test_a_port_in_use_is_the_systems_own_error():
    taken = bind_endpoint("tcp://127.0.0.1:*")
    with pytest.raises(OSError, match="Address already in use") as refused:
        bind_endpoint(taken.endpoint)
    assert (refused.value.errno, refused.value.filename) == (errno.EADDRINUSE, taken.endpoint)
    taken.close()


def test_a_port_is_free_again_at_once(context):
    bound = bind_endpoint("tcp://127.0.0.1:*")
    endpoint = bound.endpoint
    exchange(context, bound, endpoint)

    def bind_again():
        try:
            return bind_endpoint(endpoint)
        except OSError:
            return None  # libzmq closes in the background

    eventually(bind_again).close()


def test_a_live_socket_file_is_respected_and_a_dead_one_replaced(tmp_path):
    endpoint = f"ipc://{tmp_path / 'c'}"
    first = bind_endpoint(endpoint)
    with pytest.raises(OSError, match="Address already in use"):
        bind_endpoint(endpoint)
    first.close()  # the daemon died; its file is still there
    second = bind_endpoint(endpoint)
    first.unlink()  # not its own file any more
    assert (tmp_path / "c").exists()
    second.close()
    second.unlink()
    second.unlink()
    assert not (tmp_path / "c").exists()


def test_a_full_queue_means_that_somebody_listens(tmp_path):
    path = str(tmp_path / "c")
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(path)
        busy.listen(0)
        waiting = []
        try:
            while True:
                knock = socket.socket(socket.AF_UNIX)
                knock.setblocking(False)
                waiting.append(knock)
                knock.connect(path)
        except BlockingIOError:
            pass
        with pytest.raises(OSError, match="Address already in use"):
            bind_endpoint(f"ipc://{path}")
        for knock in waiting:
            knock.close()


def test_what_is_no_socket_is_never_removed(tmp_path):
    (tmp_path / "c").write_text("precious")
    with pytest.raises(OSError, match="Address already in use"):
        bind_endpoint(f"ipc://{tmp_path / 'c'}")
    assert (tmp_path / "c").read_text() == "precious"


@pytest.mark.parametrize(
    ("path", "number"), [("{}/missing/c", errno.ENOENT), ("{}/" + "x" * 120, errno.ENAMETOOLONG)]
)
def test_other_refusals_of_the_system(tmp_path, path, number):
    endpoint = "ipc://" + path.format(tmp_path)
    with pytest.raises(OSError) as refused:
        bind_endpoint(endpoint)
    assert (refused.value.errno, refused.value.filename) == (number, endpoint)


@pytest.mark.parametrize(
    "endpoint",
    ["inproc://x", "ipc://*", "ipc://@abstract", "tcp://lo:*", "tcp://no.such.name:1", "nonsense", "tcp://h"],
)
def test_the_rest_is_for_zeromq(endpoint):
    assert bind_endpoint(endpoint) is None


def test_two_daemons_at_once_do_not_both_win(tmp_path):
    endpoint = f"ipc://{tmp_path / 'c'}"
    bind_endpoint(endpoint).close()  # a stale file for both
    outcomes = []
    start = threading.Barrier(4)

    def contend():
        start.wait()
        try:
            outcomes.append(bind_endpoint(endpoint))
        except OSError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    winners = [outcome for outcome in outcomes if not isinstance(outcome, OSError)]
    assert len(winners) == 1
    winners[0].close()


def test_a_descriptor_is_handed_over_once(context):
    bound = bind_endpoint("tcp://127.0.0.1:*")
    with context.socket(zmq.PUB) as publisher:
        publisher.linger = 0
        bound.attach(publisher)
        assert publisher.getsockopt(zmq.USE_FD) == -1
        with pytest.raises(ValueError, match="attached or closed"):
            bound.attach(publisher)
    bound.close()


def test_children_do_not_inherit_the_listener():
    bound = bind_endpoint("tcp://127.0.0.1:*")
    assert not os.get_inheritable(bound._socket.fileno())
    bound.close()


# -- connecting
# -------------------------------------------------------------------------------------------------


class FakeSocket:
    def __init__(self):
        self.calls = []

    def connect(self, endpoint):
        self.calls.append(("connect", endpoint))

    def setsockopt(self, option, value):
        self.calls.append((option, value))


def test_a_plain_connection_needs_nothing_else():
    plain = FakeSocket()
    assert get_connection(plain, "tcp://127.0.0.1:5555") is None
    assert plain.calls == [("connect", "tcp://127.0.0.1:5555")]


def test_an_ipv6_connection_is_allowed_to_be_one():
    plain = FakeSocket()
    get_connection(plain, "tcp://[::1]:5555")
    assert plain.calls == [(zmq.IPV6, 1), ("connect", "tcp://[::1]:5555")]


# -- discovery
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("addr", "port", "text"),
    [
        (
            "foo",
            1,
            "Wrong UDP multicast_endpoint configuration. Should looks like: \"'udp://237.219.251.97:12027'\"",
        ),
        (None, None, "Wrong UDP multicast_endpoint configuration"),
        ("237.1.1.1", "x", "Wrong UDP multicast_endpoint configuration"),
        ("1.2.3.4", 5, "The multicast address is not valid should be between 224.0.0.0 and 239.255.255.255"),
        ("240.0.0.1", 5, "The multicast address is not valid"),
        ("237.1.1", 5, "The multicast address is not valid"),
    ],
)
def test_what_is_no_multicast_address(addr, port, text):
    with pytest.raises(ValueError) as refused:
        create_udp_socket(addr, port)
    assert text in str(refused.value)


def make_group_socket():
    try:
        return create_udp_socket("237.219.251.97", 0)
    except OSError:
        pytest.skip("no multicast here")


def test_the_group_socket():
    with make_group_socket() as group:
        assert group.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 255
        assert group.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        with create_udp_socket("237.219.251.97", group.getsockname()[1]) as second:
            assert second.getsockname() == group.getsockname()


def answer_with(group, *answers):
    def serve():
        _, sender = group.recvfrom(1024)
        for answer in answers:
            group.sendto(answer, sender)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_discovery_gathers_answers_and_skips_nonsense():
    ours = json.dumps({"endpoint": "tcp://0.0.0.0:5555"}).encode()

    def found():
        with make_group_socket() as group:
            group.settimeout(5)
            thread = answer_with(
                group, b"[]", ours, b"\xff", b'{"endpoint": 3}', ours, b'{"endpoint": "ipc:///c"}'
            )
            # Unicast to the port is answered as well, and needs no multicast route.
            answers = discover(f"udp://127.0.0.1:{group.getsockname()[1]}", timeout=0.3)
            thread.join(5)
        return answers

    # Who answers too late is asked again.
    eventually(lambda: found() == ["tcp://127.0.0.1:5555", "ipc:///c"])


def test_discovery_of_nobody():
    with make_group_socket() as group:
        port = group.getsockname()[1]
    assert discover(f"udp://127.0.0.1:{port}", timeout=0.05) == []


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:1", "nonsense"])
def test_discovery_needs_udp(endpoint):
    with pytest.raises(TransportError, match="bad endpoint"):
        discover(endpoint)


@given(st.binary(max_size=60))
def test_any_datagram_is_read_or_skipped(data):
    answer = read_answer(data, "10.0.0.1")
    assert answer is None or parse_endpoint(answer)


def test_wildcard_answers_are_seen_from_here():
    assert read_answer(b'{"endpoint": "tcp://*:1"}', "10.0.0.1") == "tcp://10.0.0.1:1"
    assert read_answer(b'{"endpoint": "tcp://127.0.0.1:1"}', "10.0.0.1") == "tcp://127.0.0.1:1"


def test_an_endpoint_is_shown_as_it_is_written():
    assert str(Endpoint("tcp", "::1", 0)) == "tcp://[::1]:*"
