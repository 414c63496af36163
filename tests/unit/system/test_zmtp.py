"""ZMTP by hand against libzmq, and against peers that are no ZeroMQ socket at all."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time

import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circus.exc import CallError, TransportError
from circus.system import zmtp
from circus.system.zmtp import (
    COMMAND,
    DealerConnection,
    HandshakeError,
    NoAnswer,
    decode_properties,
    encode_frame,
    encode_ready,
)
from harness.examples import TOLERATED, examples
from harness.waiting import eventually

GREETING = b"\xff" + bytes(7) + b"\1\x7f" + b"\3\1" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = encode_ready({b"Socket-Type": b"ROUTER", b"Identity": b""})


def soon(seconds=10.0):
    return time.monotonic() + seconds


# -- with libzmq
# ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def context():
    with zmq.Context() as made:
        yield made


@pytest.fixture(scope="module", params=["tcp", "ipc"])
def router(request, context, tmp_path_factory):
    with context.socket(zmq.ROUTER) as made:
        made.linger = 0
        made.bind(
            "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{tmp_path_factory.mktemp('z') / 'r'}"
        )
        yield made


@pytest.fixture(scope="module")
def connection(router):
    made = DealerConnection(router.last_endpoint.decode())
    yield made
    made.close()


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 257, 65535, 65536, 1 << 20])
def test_messages_of_every_size_arrive(router, connection, size):
    message = bytes(range(256)) * (size // 256) + bytes(size % 256)
    connection.send(message, soon())
    assert router.poll(10000)
    who, what = router.recv_multipart()
    assert (who, what) == (connection.identity, message)
    router.send_multipart([who, what])
    assert connection.recv(soon()) == message


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture, *TOLERATED])
@given(
    parts=st.lists(
        st.one_of(st.binary(max_size=600), st.binary(min_size=250, max_size=260)), min_size=1, max_size=5
    )
)
def test_any_frames_arrive(router, connection, parts):
    connection.send(b"go", soon())
    assert router.poll(10000)
    router.send_multipart([router.recv_multipart()[0], *parts])
    assert connection.recv_multipart(soon()) == parts


def test_of_several_frames_the_last_one_counts(router, connection):
    router.send_multipart([connection.identity, b"", b"reply"])
    assert connection.recv(soon()) == b"reply"


def test_the_identity_is_32_hex_digits(connection):
    assert len(connection.identity) == 32
    int(connection.identity, 16)


def test_silence_after_the_handshake_is_no_answer(connection):
    with pytest.raises(NoAnswer, match=r"Timed out\.") as silent:
        connection.recv(time.monotonic() + 0.05)
    assert isinstance(silent.value, CallError)
    assert not isinstance(silent.value, TransportError)
    with pytest.raises(NoAnswer):
        connection.recv(time.monotonic() - 1)


def test_a_live_connection_is_not_stale(connection):
    assert not connection.is_stale()
    assert connection.fileno() >= 0


@pytest.mark.parametrize("kind", [zmq.PUB, zmq.PULL, zmq.PAIR])
def test_a_socket_of_another_type_is_named(context, kind):
    with context.socket(kind) as other:
        other.linger = 0
        port = other.bind_to_random_port("tcp://127.0.0.1")
        with pytest.raises(HandshakeError, match="socket, not a control endpoint"):
            DealerConnection(f"tcp://127.0.0.1:{port}")


def test_a_peer_that_wants_credentials_is_told_apart(context):
    with context.socket(zmq.ROUTER) as locked:
        locked.linger = 0
        public, secret = zmq.curve_keypair()
        locked.curve_server, locked.curve_secretkey, locked.curve_publickey = True, secret, public
        port = locked.bind_to_random_port("tcp://127.0.0.1")
        with pytest.raises(HandshakeError, match=r"hung up during the ZMTP handshake: .*CURVE"):
            DealerConnection(f"tcp://127.0.0.1:{port}")


def test_heartbeats_are_answered(context):
    def is_kept():
        with context.socket(zmq.ROUTER) as nervous:
            nervous.linger = 0
            nervous.setsockopt(zmq.HEARTBEAT_IVL, 20)
            nervous.setsockopt(zmq.HEARTBEAT_TIMEOUT, 150)
            port = nervous.bind_to_random_port("tcp://127.0.0.1")
            connection = DealerConnection(f"tcp://127.0.0.1:{port}")
            try:
                connection.send(b"a")
                assert nervous.poll(10000)
                who, _ = nervous.recv_multipart()
                with pytest.raises(NoAnswer):
                    connection.recv(time.monotonic() + 0.6)  # it would have been cut off three times over
                nervous.send_multipart([who, b"b"])
                return connection.recv(soon()) == b"b"
            except TransportError:
                return False  # we stood still for so long that it was right to cut us off
            finally:
                connection.close()

    eventually(is_kept)


def test_a_name_is_resolved_and_every_address_tried(context):
    with context.socket(zmq.ROUTER) as ipv4_only:
        ipv4_only.linger = 0
        port = ipv4_only.bind_to_random_port("tcp://127.0.0.1")
        for host in ("localhost", "*", "0.0.0.0"):
            DealerConnection(f"tcp://{host}:{port}").close()


def test_an_abstract_socket(context):
    name = f"@circus-test-{time.monotonic_ns()}"
    with context.socket(zmq.ROUTER) as abstract:
        abstract.linger = 0
        abstract.bind(f"ipc://{name}")
        DealerConnection(f"ipc://{name}").close()


# -- nobody there
# -----------------------------------------------------------------------------------------------


def test_nobody_listens_is_known_at_once(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(TransportError, match=r"cannot reach circusd at .*: connection refused") as error:
            DealerConnection(refused)
        assert isinstance(error.value.__cause__, ConnectionRefusedError)
        assert time.monotonic() - began < 2
    with pytest.raises(TransportError, match="no such file or directory") as error:
        DealerConnection(f"ipc://{tmp_path / 'none'}")
    assert isinstance(error.value.__cause__, FileNotFoundError)
    assert refused not in str(error.value)


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("ipc://" + "x" * 200, "AF_UNIX path too long"),
        ("tcp://127.0.0.1:*", "the number of the port"),
        ("tcp://no.such.host.invalid:1", "cannot reach circusd"),
        ("inproc://x", "over a plain socket"),
        ("nonsense", "bad endpoint"),
    ],
)
def test_where_nobody_can_be(endpoint, words):
    with pytest.raises(TransportError, match=words):
        DealerConnection(endpoint)


# -- strangers
# --------------------------------------------------------------------------------------------------


class Stranger:
    """A listener that sends given bytes to whoever connects, and keeps or closes the connection.

    An event among the chunks is waited for.
    """

    def __init__(self, *chunks, hang_up=False, pause=0.0, deaf=False):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received = b""
        self._chunks, self._hang_up, self._pause, self._deaf = chunks, hang_up, pause, deaf
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._listener.close()
        self._thread.join(10)

    def _serve(self):
        peer, _ = self._listener.accept()
        with peer:
            try:
                for chunk in self._chunks:
                    if isinstance(chunk, threading.Event):
                        chunk.wait(10)
                        continue
                    peer.sendall(chunk)
                    self._done.wait(self._pause)
                if self._hang_up:
                    peer.shutdown(socket.SHUT_WR)
                if self._deaf:
                    self._done.wait()
                peer.settimeout(0.02)
                while not self._done.is_set():
                    try:
                        data = peer.recv(65536)
                    except TimeoutError:
                        continue
                    self.received += data
                    if not data:
                        break
            except OSError:
                pass  # the client did not like it


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak ZMTP"),
        (b"\xff" + b"a" * 20, "does not speak ZMTP"),
        (b"\xff\0\0\0\0\0\0\0\1\x7f\1", "older than 3.0"),
        (GREETING[:12] + b"PLAIN".ljust(20, b"\0") + bytes(32), "mechanism PLAIN"),
        (GREETING + encode_frame(b"\5ERROR\2no", COMMAND), "refuses the connection: no"),
        (GREETING + encode_frame(b"hello"), "breaks the ZMTP handshake"),
        (GREETING + b"\xf8\0", "does not speak ZMTP"),
        (GREETING + b"\5\0", "does not speak ZMTP"),
        (GREETING + b"\2" + b"\xff" * 8, "announces a frame of 18446744073709551615 bytes"),
        (GREETING + encode_frame(b"\5READY\x0bSocket", COMMAND), "malformed READY"),
        (GREETING + encode_frame(b"\5READY", COMMAND), "is a  socket"),
        (GREETING + READY + encode_frame(b"\5ERROR\4oops", COMMAND), "reports an error: oops"),
        (GREETING + READY + b"\7\0", "does not speak ZMTP"),
    ],
)
def test_what_strangers_say(said, words):
    with Stranger(said) as stranger:
        began = time.monotonic()
        with pytest.raises(HandshakeError, match=words):
            DealerConnection(stranger.endpoint).recv(soon())
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("said", [b"", GREETING[:5], GREETING[:40], GREETING, GREETING + READY[:10]])
def test_a_peer_that_falls_silent_in_the_handshake(said):
    with Stranger(said) as stranger, pytest.raises(HandshakeError, match="did not answer the ZMTP greeting"):
        DealerConnection(stranger.endpoint, timeout=0.1)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "hung up during the ZMTP handshake"),
        (GREETING, "hung up during the ZMTP handshake"),
        (GREETING + READY, "was lost: closed by the peer"),
        (GREETING + READY + b"\0\5ab", "was lost: closed by the peer"),
    ],
)
def test_a_peer_that_hangs_up(said, words):
    with Stranger(said, hang_up=True) as stranger, pytest.raises(TransportError, match=words):
        DealerConnection(stranger.endpoint).recv(soon())


def test_a_slow_peer_is_understood_byte_by_byte():
    whole = GREETING + READY + encode_frame(b"x" * 300)
    with Stranger(*(whole[at : at + 1] for at in range(len(whole)))) as stranger:
        connection = DealerConnection(stranger.endpoint)
        assert connection.recv(soon()) == b"x" * 300
        connection.close()


def test_half_a_message_is_kept_for_the_next_wait():
    frame, rest = encode_frame(b"late"), threading.Event()
    with Stranger(GREETING + READY + frame[:3], rest, frame[3:]) as stranger:
        connection = DealerConnection(stranger.endpoint)
        with pytest.raises(NoAnswer):
            connection.recv(time.monotonic() + 0.05)
        rest.set()
        assert connection.recv(soon()) == b"late"
        connection.close()


def test_a_peer_that_does_not_read_cannot_hold_us():
    with Stranger(GREETING + READY, deaf=True) as stranger:
        connection = DealerConnection(stranger.endpoint)
        with pytest.raises(NoAnswer):
            connection.send(bytes(1 << 25), time.monotonic() + 0.2)
        connection.close()


def test_a_message_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(zmtp, "MAX_FRAME", 1000)
    endless = encode_frame(b"x" * 400, zmtp.MORE) * 4
    with Stranger(GREETING + READY + endless) as stranger, pytest.raises(HandshakeError, match="without end"):
        DealerConnection(stranger.endpoint).recv(soon())


def test_pings_alone_do_not_extend_a_deadline():
    ping = encode_frame(b"\4PING\0\x0acontext", COMMAND)
    with Stranger(GREETING + READY, *[ping] * 1000, pause=0.01) as stranger:
        connection = DealerConnection(stranger.endpoint)
        began = time.monotonic()
        with pytest.raises(NoAnswer):
            connection.recv(time.monotonic() + 0.1)
        assert time.monotonic() - began < 8
        connection.close()


def test_a_ping_is_answered_with_its_context():
    ping = encode_frame(b"\4PING\0\x0acontext", COMMAND)
    with Stranger(GREETING + READY + ping + encode_frame(b"x")) as stranger:
        connection = DealerConnection(stranger.endpoint)
        assert connection.recv(soon()) == b"x"
        eventually(lambda: encode_frame(b"\4PONGcontext", COMMAND) in stranger.received)
        connection.close()


def test_a_closed_connection_is_stale():
    with Stranger(GREETING + READY, hang_up=True) as stranger:
        connection = DealerConnection(stranger.endpoint)
        while not connection.is_stale():
            time.sleep(0.01)
        connection.close()
        assert connection.is_stale()
        with pytest.raises(TransportError, match="was lost"):
            connection.send(b"x")


@settings(max_examples=examples(60))
@given(
    noise=st.one_of(
        st.binary(max_size=200), st.binary(max_size=120).map(lambda tail: GREETING + READY + tail)
    )
)
def test_no_noise_does_worse_than_an_error(noise):
    with Stranger(noise, hang_up=True) as stranger:
        connection = None
        try:
            connection = DealerConnection(stranger.endpoint, timeout=5)
            while True:
                assert isinstance(connection.recv(soon(5)), bytes)
        except TransportError:
            pass
        finally:
            if connection is not None:
                connection.close()


# -- pieces
# -----------------------------------------------------------------------------------------------------


@given(
    st.dictionaries(st.binary(min_size=1, max_size=20).map(bytes.lower), st.binary(max_size=300), max_size=4)
)
def test_properties_survive_the_wire(properties):
    frame = encode_ready(properties)
    body = frame[9:] if frame[0] & zmtp.LONG else frame[2:]
    assert decode_properties(body[6:]) == properties


@given(st.binary(max_size=60))
def test_any_metadata_is_read_or_refused(body):
    try:
        decode_properties(body)
    except HandshakeError:
        pass


def test_loading_it_loads_nothing_heavy():
    code = "import sys, circus.system.zmtp; print([m for m in sys.modules if m in sys.argv[1:]])"
    heavy = ["zmq", "socket", "enum", "re", "json", "logging", "typing", "asyncio"]
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
