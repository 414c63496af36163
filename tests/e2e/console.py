"""A real circus-httpd beside a test, and what talks to it: requests with a cookie, and a WebSocket that can be slow.

Plain sockets and http.client: nothing of the code under test, nor of what it is built on.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harness import PATIENCE, Daemon, eventually
from harness.installation import OURS

Json = dict[str, Any]


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    raw: bytes

    @property
    def json(self) -> Json:
        told: Json = json.loads(self.raw)
        return told

    @property
    def text(self) -> str:
        return self.raw.decode()


class Browser:
    """Requests of one user.

    :param port: of the console, on 127.0.0.1.
    :param prefix: its URL prefix.
    """

    def __init__(self, port: int, prefix: str = "") -> None:
        self.port, self.prefix = port, prefix
        self.cookies: dict[str, str] = {}
        self.csrf = ""
        self.token = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(self, method: str, path: str, body: Any = None, **headers: str | None) -> Answer:
        """Send a request. Headers by keyword, with ``_`` for ``-``; None leaves one of ours out."""
        given: dict[str, str | None] = {"Content-Type": "application/json"} if body is not None else {}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self.token:
            given["Authorization"] = f"Bearer {self.token}"
        if method not in ("GET", "HEAD"):
            given["X-CSRF-Token"] = self.csrf
            given["Origin"] = self.origin
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            data = json.dumps(body) if body is not None and not isinstance(body, str | bytes) else body
            kept = {name: value for name, value in given.items() if value is not None}
            connection.request(method, self.prefix + path, data, kept)
            answer = connection.getresponse()
            found = Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()
        for cookie in found.headers.get_all("Set-Cookie") or ():
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return found

    def get(self, path: str, **headers: str | None) -> Answer:
        return self.request("GET", path, **headers)

    def api(self, path: str, body: Any = None, method: str | None = None, status: int | None = 200) -> Json:
        """A request to the API that must end with a status; its body."""
        answer = self.request(method or ("GET" if body is None else "POST"), f"/api/v1{path}", body)
        assert status is None or answer.status == status, (path, answer.status, answer.raw)
        return answer.json

    def login(self, **credentials: str) -> Answer:
        answer = self.request("POST", "/api/v1/login", credentials)
        if answer.status == 200:
            self.csrf = answer.json["csrf"]
        return answer

    def socket(self, **headers: str | None) -> WebSocket:
        """Open the live page's WebSocket."""
        given: dict[str, str | None] = {"Origin": self.origin}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        return WebSocket(self.port, f"{self.prefix}/ws", {k: v for k, v in given.items() if v is not None})


class Refused(Exception):
    """The WebSocket was not opened; carries the status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class WebSocket:
    """A WebSocket client (RFC 6455) that reads only when it is told to.

    :raises Refused: the server answers with another status than 101.
    """

    def __init__(self, port: int, path: str, headers: dict[str, str], receive_buffer: int | None = None) -> None:
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(("127.0.0.1", port))
        self._buffer = b""
        self.heard: list[Json] = []
        key = base64.b64encode(os.urandom(16)).decode()
        given = {"Host": f"127.0.0.1:{port}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key,
                 "Sec-WebSocket-Version": "13", **headers}  # fmt: skip
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self.sock.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        head = self._until(b"\r\n\r\n").decode()
        status = int(head.split()[1])
        if status != 101:
            self.sock.close()
            raise Refused(status)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            data = self.sock.recv(65536)
            assert data, "the connection was closed"
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._buffer += data
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def send(self, message: Json) -> None:
        self._frame(1, json.dumps(message).encode())

    def _frame(self, opcode: int, data: bytes) -> None:
        mask = os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else struct.pack("!BH", 0x80 | 126, len(data))
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self.sock.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def read(self, deadline: float = PATIENCE) -> Json | None:
        """The next message; None when the server has closed the connection.

        :raises TimeoutError: none came.
        """
        end = time.monotonic() + deadline
        while True:
            if not self._buffer and not select.select([self.sock], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError
            try:
                first, second = self._exactly(2)
                length = second & 127
                if length > 125:
                    length = struct.unpack("!H" if length == 126 else "!Q", self._exactly(2 if length == 126 else 8))[0]
                data = self._exactly(length)
            except EOFError:
                return None
            opcode = first & 15
            if opcode == 9:
                self._frame(10, data)
            elif opcode == 8:
                self.code = struct.unpack("!H", data[:2])[0] if data else 0
                return None
            elif opcode == 1:
                message: Json = json.loads(data)
                self.heard.append(message)
                return message

    def until(self, wanted: Callable[[Json], Any], deadline: float = PATIENCE) -> Json:
        """Read on until a message is as wanted."""
        end = time.monotonic() + deadline
        while (left := end - time.monotonic()) > 0:
            try:
                message = self.read(left)
            except TimeoutError:
                break
            assert message is not None, "the server closed the connection"
            if wanted(message):
                return message
        raise AssertionError(f"nothing as wanted among {[(m['type'], m.get('topic')) for m in self.heard[-20:]]}")

    def topic(self, name: str, wanted: Callable[[Json], Any] = lambda data: True, deadline: float = PATIENCE) -> Json:
        """Follow a topic until its document is as wanted; it is put together as a page does."""
        document: Json = {}
        number = None

        def take(message: Json) -> bool:
            nonlocal document, number
            if message.get("topic") != name:
                return False
            if message["type"] == "snapshot":
                document, number = message["data"], message["n"]
            elif message["type"] == "delta" and number is not None:
                assert message["n"] == number + 1, "a delta is missing"
                number = message["n"]
                document = patched(document, message.get("data", {}))
            return number is not None and bool(wanted(document))

        self.send({"subscribe": [name]})
        self.until(take, deadline)
        return document

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def patched(document: Any, patch: Any) -> Any:
    """RFC 7386, in its own words."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = patched(result.get(key), value)
    return result


class Console:
    """A running circus-httpd.

    :param directory: its state directory and log are below it.
    """

    def __init__(self, directory: Path, *arguments: object, variables: dict[str, str] | None = None) -> None:
        self.directory = directory
        self.state = directory / "httpd"
        self.log_path = directory / "httpd.log"
        self._given = ["--state-dir", str(self.state), "--multicast", "none", *map(str, arguments)]
        self._variables = variables or {}
        self.prefix = str(arguments[arguments.index("--url-prefix") + 1]) if "--url-prefix" in arguments else ""
        self.port = 0

    def run(self, *arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the program for something that needs no server."""
        return subprocess.run(
            OURS.command("circus.web", "--state-dir", self.state, *arguments), env=OURS.environment(self._variables),
            cwd="/", input=stdin, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def add_user(self, name: str, role: str, password: str = "correct horse") -> None:
        done = self.run("--add-user", name, "--role", role, stdin=f"{password}\n")
        assert done.returncode == 0, done.stderr

    def add_token(self, name: str, role: str) -> str:
        done = self.run("--add-token", name, "--role", role)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self) -> Console:
        before = self.log.count("Starting circus web ui")
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                OURS.command("circus.web", "--port", self.port, *self._given), env=OURS.environment(self._variables),
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,  # not in the way of Daemon.stop()
            )  # fmt: skip
        def is_there() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"circus-httpd ended with {self.process.returncode}:\n{self.log}")
            return self.log.count("Starting circus web ui") > before

        eventually(is_there)
        self.port = int(re.findall(r"Starting circus web ui on \S+:(\d+) ", self.log)[-1])
        return self

    @property
    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    @property
    def link_token(self) -> str:
        """The token of the link it printed last; the line comes a moment after that of the start."""
        return eventually(lambda: re.findall(r"login#token=(\S+)\n", self.log))[-1]

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()

    def browser(self, **credentials: str) -> Browser:
        """Somebody who uses it; logged in, if credentials are given."""
        found = Browser(self.port, self.prefix)
        if credentials:
            answer = found.login(**credentials)
            assert answer.status == 200, answer.raw
        return found

    def admin(self) -> Browser:
        """Somebody with the printed link, or a new one."""
        token = re.findall(r"login#token=(\S+)", self.run("--login-link").stdout)[-1]
        return self.browser(token=token)

    def online(self, browser: Browser, count: int = 1) -> list[Json]:
        """Wait until so many daemons are connected."""

        def are_online() -> list[Json]:
            told: list[Json] = browser.api("/endpoints")["endpoints"]
            assert sum(each["online"] for each in told) >= count, told
            return told

        return eventually(are_online, interval=0.05)


@contextlib.contextmanager
def console_of(daemon: Daemon, *arguments: object, users: dict[str, str] | None = None) -> Iterator[Console]:
    """A console for a daemon.

    :param users: name to role; the password is ``correct horse``.
    """
    console = Console(daemon.directory, "--endpoint", daemon.endpoint, *arguments)
    for name, role in (users or {}).items():
        console.add_user(name, role)
    console.start()
    try:
        yield console
    finally:
        code = console.stop()
        assert code == 0, (code, console.log)
        assert "Traceback" not in console.log, console.log
