"""Managed sockets: what they bind, who may reach them, what they leave behind."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from circus.sockets import CircusSocket, CircusSockets, addrinfo
from circus.system import launch
from harness.descriptors import open_descriptors, settled_descriptors

HAS_IPV6 = socket.has_ipv6 and os.path.exists("/proc/net/if_inet6")


@pytest.fixture
def made() -> Iterator[list[CircusSocket]]:
    sockets: list[CircusSocket] = []
    yield sockets
    for sock in sockets:
        sock.close()


def from_config(made: list[CircusSocket], **config: object) -> CircusSocket:
    made.append(CircusSocket.load_from_config({"name": "web", **config}))
    return made[-1]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestInet:
    def test_defaults(self, made: list[CircusSocket]) -> None:
        sock = from_config(made, port="0")
        assert (sock.name, sock.host, sock.port, sock.path) == ("web", "127.0.0.1", 0, None)
        assert (sock.family, sock.socktype, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, 0)
        assert (sock.backlog, sock.umask, sock.replace, sock.interface) == (2048, None, False, None)
        assert (sock.so_reuseport, sock.blocking, sock.is_unix, sock.tcp_nodelay) == (False,) * 4
        assert str(sock) == "socket 'web' at 127.0.0.1:0"
        assert sock.get_inheritable()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert sock._cfg == {"name": "web", "port": "0"}

    def test_bound_socket_tells_its_port_and_accepts(self, made: list[CircusSocket]) -> None:
        sock = from_config(made, port=0)
        sock.bind_and_listen()
        assert sock.port
        assert sock.location == f"127.0.0.1:{sock.port}"
        assert not sock.getblocking()
        with socket.create_connection((sock.host, sock.port)):
            pass

    def test_blocking(self, made: list[CircusSocket]) -> None:
        sock = from_config(made, port=0, blocking="True")
        sock.bind_and_listen()
        assert sock.getblocking()

    def test_datagrams_are_not_listened_for(self, made: list[CircusSocket]) -> None:
        sock = from_config(made, port=0, type="sock_dgram")
        sock.bind_and_listen()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", (sock.host, sock.port))
        sock.setblocking(True)
        sock.settimeout(10)
        assert sock.recv(10) == b"x"

    @pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")
    def test_ipv6(self, made: list[CircusSocket]) -> None:
        sock = from_config(made, host="::1", port=0, family="af_inet6")
        sock.bind_and_listen()
        assert (sock.host, sock.family) == ("::1", socket.AF_INET6)
        with socket.create_connection(("::1", sock.port)):
            pass

    def test_address_in_use_is_logged(
        self, made: list[CircusSocket], caplog: pytest.LogCaptureFixture
    ) -> None:
        first = from_config(made, port=0)
        first.bind_and_listen()
        second = from_config(made, port=first.port)
        with pytest.raises(OSError) as caught:
            second.bind_and_listen()
        assert caught.value.errno == errno.EADDRINUSE
        assert f"Could not bind 127.0.0.1:{first.port}" in caplog.text

    def test_reuseport(self, made: list[CircusSocket]) -> None:
        first = from_config(made, port=0, so_reuseport="True")
        assert first.so_reuseport
        assert first.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        first.bind_and_listen()
        made.append(first.clone())
        made[-1].bind_and_listen()
        assert made[-1].port == first.port
        assert made[-1].fileno() != first.fileno()

    def test_reuseport_where_there_is_none(
        self, made: list[CircusSocket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(socket, "SO_REUSEPORT")
        assert not from_config(made, port=0, so_reuseport=True).so_reuseport

    def test_nodelay_is_inherited_by_connections(self, made: list[CircusSocket]) -> None:
        sock = from_config(made, port=0, tcp_nodelay="true", blocking=True)
        sock.bind_and_listen()
        with socket.create_connection((sock.host, sock.port)):
            connection, _ = sock.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def test_interface(self, made: list[CircusSocket]) -> None:
        sock = from_config(made, port=0, interface="lo")
        sock.setsockopt = mock.Mock()  # type: ignore[method-assign]
        sock.bind_and_listen()
        sock.setsockopt.assert_called_once_with(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")

    @pytest.mark.skipif(os.geteuid() != 0, reason="binding to a device needs privileges")
    def test_unknown_interface(self, made: list[CircusSocket]) -> None:
        with pytest.raises(OSError, match="No such device"):
            from_config(made, port=0, interface="nope0").bind_and_listen()

    @pytest.mark.parametrize(
        ("config", "error"),
        [
            ({"family": "FOO"}, KeyError),
            ({"family": "AF_NOPE"}, KeyError),
            ({"type": "socket"}, KeyError),
            ({"proto": "nope"}, OSError),
            ({"port": "http"}, ValueError),
            ({"so_reuseport": "maybe"}, ValueError),
            ({"umask": "9"}, ValueError),
            ({"host": "::1"}, ValueError),
        ],
    )
    def test_bad_values(self, config: dict[str, str], error: type[Exception]) -> None:
        before = settled_descriptors()
        with pytest.raises(error):
            CircusSocket.load_from_config({"name": "x", "port": 0, **config})
        assert open_descriptors() == before

    def test_name_is_needed(self) -> None:
        with pytest.raises(KeyError, match="name"):
            CircusSocket.load_from_config({"port": 0})

    def test_protocol_by_name(self, made: list[CircusSocket]) -> None:
        assert from_config(made, port=0, proto="tcp").proto == socket.IPPROTO_TCP

    def test_addrinfo(self) -> None:
        assert addrinfo("localhost", 80, socket.AF_INET) == ("127.0.0.1", 80)
        assert addrinfo("0.0.0.0", 1, socket.AF_INET) == ("0.0.0.0", 1)
        with pytest.raises(ValueError) as caught:
            addrinfo("127.0.0.1", 80, socket.AF_INET6)
        assert caught.value.args == (("127.0.0.1", 80),)

    def test_addrinfo_takes_the_family_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A host with both addresses used to be bound in IPv4, whatever the family."""
        asked = []

        def resolve(host: str, port: int, *rest: int) -> list[tuple[object, ...]]:
            asked.append(rest)
            return [(rest[0], rest[1], 6, "", ("2001:db8::1", port, 0, 0))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert addrinfo("both.example", 80, socket.AF_INET6) == ("2001:db8::1", 80)
        assert asked == [(socket.AF_INET6, socket.SOCK_STREAM, 0)]


class TestUnix:
    @pytest.mark.parametrize(
        ("umask", "mode"),
        [(None, 0o700), ("022", 0o755), ("077", 0o700), (0, 0o777), ("0", 0o777), (0o27, 0o750), ("", 0o700)],
    )
    def test_mode(
        self, made: list[CircusSocket], tmp_path: Path, umask: str | int | None, mode: int
    ) -> None:
        path = tmp_path / "s"
        from_config(made, path=str(path), umask=umask).bind_and_listen()
        assert mode_of(path) == mode

    def test_umask_comes_back_when_binding_fails(self, made: list[CircusSocket], tmp_path: Path) -> None:
        before = os.umask(0o022)
        try:
            with pytest.raises(OSError, match="No such file"):
                from_config(made, path=str(tmp_path / "none" / "s")).bind_and_listen()
            assert os.umask(0o022) == 0o022
        finally:
            os.umask(before)

    def test_attributes(self, made: list[CircusSocket], tmp_path: Path) -> None:
        sock = from_config(made, path=str(tmp_path / "s"), type="SOCK_SEQPACKET", umask="0")
        assert (sock.host, sock.port, sock.is_unix, sock.family) == (None, None, True, socket.AF_UNIX)
        assert (sock.umask, sock.location) == (0, repr(str(tmp_path / "s")))
        sock.bind_and_listen()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(tmp_path / "s"))

    def test_what_is_in_the_way_stays(
        self, made: list[CircusSocket], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "s"
        path.write_text("precious")
        sock = from_config(made, path=str(path))
        with pytest.raises(OSError, match="already exists") as caught:
            sock.bind_and_listen()
        assert str(caught.value) == (
            f"{str(path)!r} already exists. You might want to remove it. "
            "If it's a stalled socket file, just restart Circus"
        )
        assert f"Could not bind {str(path)!r}" in caplog.text
        sock.close()
        assert path.read_text() == "precious"

    def test_replace(self, made: list[CircusSocket], tmp_path: Path) -> None:
        path = tmp_path / "s"
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
        sock = from_config(made, path=str(path), replace="True")
        sock.bind_and_listen()
        assert sock.replace is True
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))

    def test_close_removes_what_was_made(self, made: list[CircusSocket], tmp_path: Path) -> None:
        path = tmp_path / "s"
        sock = from_config(made, path=str(path))
        sock.bind_and_listen()
        sock.close()
        assert not path.exists()
        sock.close()

    def test_close_spares_the_file_of_somebody_else(
        self, made: list[CircusSocket], tmp_path: Path
    ) -> None:
        path = tmp_path / "s"
        first = from_config(made, path=str(path))
        first.bind_and_listen()
        second = from_config(made, path=str(path), replace=True)
        second.bind_and_listen()
        first.close()
        assert path.exists()
        second.close()
        assert not path.exists()

    def test_close_spares_what_was_never_bound(self, made: list[CircusSocket], tmp_path: Path) -> None:
        path = tmp_path / "s"
        path.touch()
        from_config(made, path=str(path), replace=True).close()
        assert path.exists()


class TestInheritance:
    def test_registered_while_open(self) -> None:
        sock = CircusSocket("web", port=0)
        fd = sock.fileno()
        assert fd in launch._inheritable
        sock.close()
        assert fd not in launch._inheritable

    def test_a_copy_is_a_plain_socket(self, made: list[CircusSocket]) -> None:
        with from_config(made, port=0).dup() as copy:
            assert type(copy) is socket.socket
            assert not copy.get_inheritable()


class TestCollection:
    def test_add(self) -> None:
        sockets = CircusSockets(backlog=7)
        sock = sockets.add("web", port=0)
        try:
            assert sockets["web"] is sock
            assert sock.backlog == 7
            with pytest.raises(ValueError, match=r"^A socket already exists socket 'web' at 127\.0\.0\.1:0$"):
                sockets.add("web", port=0)
        finally:
            sockets.close_all()

    def test_bind_all_but_placeholders(self) -> None:
        sockets = CircusSockets([CircusSocket("a", port=0), CircusSocket("b", port=0, so_reuseport=True)])
        try:
            sockets.bind_and_listen_all()
            assert sockets["a"].port
            assert sockets["b"].port == 0
        finally:
            sockets.close_all()
        assert sockets["a"].fileno() == -1
        assert len(sockets) == 2

    def test_add_with_a_path(self, tmp_path: Path) -> None:
        sockets = CircusSockets()
        sockets.add("u", path=str(tmp_path / "s"), umask=0)
        sockets.bind_and_listen_all()
        assert mode_of(tmp_path / "s") == 0o777
        sockets.close_all()
        assert not (tmp_path / "s").exists()


def test_import_is_light() -> None:
    code = "import sys, circus.sockets; sys.exit(bool({'asyncio', 'zmq', 'subprocess'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
