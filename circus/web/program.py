"""One run of the web console: opens what it serves on, runs until a signal, closes everything."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import shlex
import signal
import socket
import ssl
from typing import TYPE_CHECKING, Any

from circus.base.logs import configure_logger, logger, reopen_log_files
from circus.exc import CircusError
from circus.web.settings import usual_state_directory
from circus.web.whereabouts import announced

if TYPE_CHECKING:
    from circus.web.console import Console
    from circus.web.settings import Settings

_BACKLOG = 128
_LARGEST_BODY = 1 << 20
#: Seconds that requests under way have when the program ends.
_GRACE = 2.0


class ServeError(CircusError):
    """The console cannot be served that way."""


def run(settings: Settings) -> int:
    """Serve until TERM, INT or QUIT; the exit status.

    :raises ServeError: the settings make no sense together.
    :raises OSError: the address cannot be served on, or a file not be read.
    """
    configure_logger(logger, settings.loglevel, settings.logoutput)
    sockets = open_sockets(settings)
    try:
        if settings.auth == "none" and not all(is_private(sock) for sock in sockets):
            raise ServeError("--auth none is for the loopback only; whoever could connect would be an admin")
        tls = make_tls(settings)
        asyncio.run(_serve(settings, sockets, tls))
    finally:
        for sock in sockets:
            sock.close()
        if settings.fd is None and settings.host.startswith("unix:"):
            with contextlib.suppress(OSError):
                os.unlink(settings.host.removeprefix("unix:"))
    return 0


def open_sockets(settings: Settings) -> list[socket.socket]:
    """What to listen on: the inherited descriptor, a unix socket, or all addresses of the host.

    :raises ServeError: the descriptor is no listening socket.
    """
    from tornado.netutil import bind_sockets, bind_unix_socket

    if settings.fd is not None:
        try:
            sock = socket.socket(fileno=settings.fd)
            listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as error:
            raise ServeError(f"--fd {settings.fd} is no socket: {error.strerror}") from error
        if not listening:
            sock.detach()  # it is somebody else's
            raise ServeError(f"--fd {settings.fd} is a socket that does not listen")
        sock.setblocking(False)
        return [sock]
    try:
        if settings.host.startswith("unix:"):
            return [bind_unix_socket(settings.host.removeprefix("unix:"), 0o660, _BACKLOG)]
        return bind_sockets(settings.port, settings.host or None, backlog=_BACKLOG)
    except OSError as error:
        raise ServeError(f"cannot serve on {settings.host} port {settings.port}: {error.strerror or error}") from error


def is_private(sock: socket.socket) -> bool:
    """Whether only this machine can connect."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return True
    address = ipaddress.ip_address(sock.getsockname()[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def make_tls(settings: Settings) -> ssl.SSLContext | None:
    """The certificate; None for plain http.

    :raises ServeError: it cannot be used.
    """
    if settings.tls_cert is None:
        if settings.tls_key is not None:
            raise ServeError("--tls-key is of no use without --tls-cert")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ServeError(f"the certificate {settings.tls_cert} cannot be used: {error}") from error
    return context


def base_url(settings: Settings, sockets: list[socket.socket]) -> str:
    """An address of the console for people on this machine."""
    host, port = settings.host, settings.port
    for sock in sockets:
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return f"{settings.scheme}://localhost{settings.url_prefix}/"
        host, port = sock.getsockname()[:2]
        break
    if settings.trusted_hosts and not settings.trusted_hosts[0].startswith("*") and settings.tls_cert is not None:
        host = settings.trusted_hosts[0]
    elif host in ("", "0.0.0.0", "::", "127.0.0.1", "::1"):
        host = "localhost"
    elif ":" in host:
        host = f"[{host}]"
    return f"{settings.scheme}://{host}:{port}{settings.url_prefix}/"


def login_link(settings: Settings, at: str | None = None) -> str:
    """A link that logs somebody in once, as admin. What is behind ``#`` is never sent to a server or a log.

    :param at: the address of the console; else it follows from the settings.
    """
    from circus.web.console import make_sessions

    return f"{at or base_url(settings, [])}login#token={make_sessions(settings).make_link_token()}"


async def _serve(settings: Settings, sockets: list[socket.socket], tls: ssl.SSLContext | None) -> None:
    from tornado.httpserver import HTTPServer

    from circus.web.application import ConsoleApplication
    from circus.web.console import Console

    console = Console(settings)
    server = HTTPServer(
        ConsoleApplication(console), ssl_options=tls, max_body_size=_LARGEST_BODY, max_header_size=64 << 10,
        idle_connection_timeout=75, body_timeout=30,
    )  # fmt: skip
    ended = _await_signals(console)
    console.start()
    server.add_sockets(sockets)
    where = base_url(settings, sockets)
    try:
        with announced(settings.state, where):
            _tell_where(settings, sockets, where)
            _tell_how_to_log_in(console, where)
            await ended.wait()
    finally:
        logger.info("Stopping circus web ui")
        server.stop()
        for page in list(console.sockets):
            page.close(1001, "the console ends")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await console.idle.wait()  # whoever asked for this end shall have an answer
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await server.close_all_connections()
        await console.close()


def _tell_where(settings: Settings, sockets: list[socket.socket], where: str) -> None:
    if settings.fd is not None:
        logger.info("Starting circus web ui on fd %d (%s)", settings.fd, where)
        return
    name = sockets[0].getsockname()
    port = f":{name[1]}" if isinstance(name, tuple) else ""
    logger.info("Starting circus web ui on %s%s (%s)", settings.host, port, where)


def _tell_how_to_log_in(console: Console, where: str) -> None:
    settings = console.settings
    if settings.auth == "none":
        logger.warning("nobody has to log in: every local user is an admin (--auth none)")
    elif not any(not user.is_token for user in console.users.known().values()):
        logger.warning("there are no users yet: %s", _command(settings, "--add-user", "NAME", "--role", "admin"))
        if settings.logoutput in ("-", "stdout"):
            logger.warning("this link logs in once, within an hour:")
            logger.warning("    %s", login_link(settings, where))
            logger.warning("%s makes another one", _command(settings, "--login-link"))
        else:  # others may be able to read the log
            logger.warning("%s makes a link that logs in once", _command(settings, "--login-link"))


def _command(settings: Settings, *options: str) -> str:
    """A command line for a shell: variables that we were given are not there."""
    words = ["circus-httpd", *options]
    if settings.state != usual_state_directory():
        words += ["--state-dir", str(settings.state)]
    return shlex.join(words)


def _await_signals(console: Console) -> asyncio.Event:
    """An event that is set when a signal says to end."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def reopen() -> None:
        reopen_log_files()
        console.audit.reopen()

    def nothing() -> Any:
        return None

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(signum, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, reopen)
    for signum in (signal.SIGHUP, signal.SIGUSR2, signal.SIGWINCH):
        loop.add_signal_handler(signum, nothing)
    if console.settings.own_watcher:
        _follow_parent(ended, loop)
    return ended


def _follow_parent(ended: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    """End when the circusd that started us is gone: its successor starts a console of its own."""
    parent = os.getppid()

    def look() -> None:
        if os.getppid() != parent:
            logger.warning("circusd (pid %d) is gone; ending", parent)
            ended.set()
        else:
            loop.call_later(1.0, look)

    look()
