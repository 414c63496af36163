"""Which managed sockets one worker gets, under which numbers.

For ``circus.process`` alone. Reads of the watcher only what spec library.md 3 promises: ``sockets``,
``_get_sockets_fds``, ``_get_stdin_socket_fd``, ``stdin_socket``, ``shell_args`` and ``listen_fds``; nothing
of it is needed.
"""

from __future__ import annotations

from typing import Any

from circus.base.expand import Variables, compile_template
from circus.model.socketnames import socket_references
from circus.system.launch import inheritable_fds


class ChildSockets:
    """The managed sockets of one start: which the child gets, under which numbers.

    A socket with ``so_reuseport`` is bound anew for each process; :meth:`close` drops our copies after the
    start.
    """

    def __init__(self, process: Any) -> None:
        self._own: list[Any] = []
        self.numbers: dict[str, int] = {}
        self.names: tuple[str, ...] = ()
        self.passed: tuple[int, ...] = ()
        self.stdin: int | None = None
        self.listen = False
        watcher = process.watcher
        if watcher is None:
            self.passed = tuple(inheritable_fds()) if process.use_fds else ()
            return
        fds: Any = getattr(watcher, "_get_sockets_fds", dict)()
        fds = fds if isinstance(fds, dict) else {}  # a stand-in for a watcher has none
        self.listen = getattr(watcher, "listen_fds", False) is True and bool(fds)
        stdin = getattr(watcher, "_get_stdin_socket_fd", lambda: None)()
        if fds:
            try:
                self._choose(process, dict(fds), stdin)
            except BaseException:
                self.close()
                raise
        elif isinstance(stdin, int):
            self.stdin = stdin

    def _choose(self, process: Any, fds: dict[str, int], stdin: int | None) -> None:
        watcher = process.watcher
        on_stdin = str(getattr(watcher, "stdin_socket", None) or "").lower()
        named = socket_references(
            {
                "cmd": process.cmd,
                "args": process.args,
                "shell_args": getattr(watcher, "shell_args", None),
                "env": process.env,
                "stdin_socket": on_stdin,
            }
        )
        wanted: list[str] = []
        if process.use_fds or self.listen:
            wanted = [name for name in fds if name.lower() in named] or list(fds)
        for name, sock in (getattr(watcher, "sockets", None) or {}).items():
            if getattr(sock, "so_reuseport", False) is True and (name in wanted or name.lower() == on_stdin):
                fds[name] = self._bind_own(sock)
        if isinstance(stdin, int):
            self.stdin = next((fd for name, fd in fds.items() if name.lower() == on_stdin), stdin)
        self.names = tuple(wanted)
        self.passed = tuple(fds[name] for name in wanted)
        self.numbers = fds
        if self.listen:
            self.numbers = {**fds, **{name: 3 + index for index, name in enumerate(wanted)}}

    def _bind_own(self, sock: Any) -> int:
        own = sock.clone()
        self._own.append(own)
        own.bind_and_listen()
        return int(own.fileno())

    def fill_env(self, env: dict[str, str]) -> None:
        """Put descriptor numbers where values name sockets, and the variables of ``sd_listen_fds(3)``."""
        lookup = Variables({"sockets": self.numbers})
        for name, value in env.items():
            template = compile_template(value, braces=True)
            if not template.constant:
                env[name] = template.expand(lookup)
        if self.listen:
            env["LISTEN_FDS"] = str(len(self.passed))
            env["LISTEN_FDNAMES"] = ":".join(self.names)

    def close(self) -> None:
        for own in self._own:
            own.close()
