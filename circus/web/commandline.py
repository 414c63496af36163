"""The command line of the web console, and what is done without starting it: adding users, printing a login link.

Called by the console script. It checks what can be checked before anything is opened; spec cli.md 6.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath

from circus import __version__
from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER, DEFAULT_ENDPOINT_MULTICAST
from circus.exc import CircusError
from circus.web.settings import ROLES, Settings, default_state_directory

#: Variables that tell a program it is a worker of circusd, and of which watcher.
_WATCHER_VARIABLE = "CIRCUS_WATCHER"
_PORT = 8080


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program. It has two names: the old ``circushttpd`` stays."""
    name = PurePath(sys.argv[0]).name
    parser = argparse.ArgumentParser(
        prog=name if name in ("circus-httpd", "circushttpd") else "circus-httpd",
        description="Run the Web Console",
    )
    add = parser.add_argument
    add("--fd", type=int, help="serve on this inherited listening socket")
    add("--host", default="127.0.0.1", help="address to serve on (127.0.0.1), or unix:PATH")
    add("--port", type=int, help="port to serve on (8080)")
    add(
        "--endpoint", action="append", default=[], metavar="ENDPOINT",
        help="the control endpoint of a circusd; may be repeated (else CIRCUSCTL_ENDPOINT, else circusd's default)",
    )  # fmt: skip
    add("--pubsub", metavar="ENDPOINT", help="where circusd publishes events (else circusd is asked)")
    add("--stats", metavar="ENDPOINT", help="where circusd-stats publishes (else circusd is asked)")
    add("--ssh", metavar="USER@HOST:PORT", help="reach circusd through this ssh server")
    add("--multicast", default=DEFAULT_ENDPOINT_MULTICAST, help="where daemons are discovered, or none")
    door = parser.add_argument_group("who may come in")
    door.add_argument("--auth", choices=("password", "none"), default="password",
                      help="none: no login, only when served on the loopback")
    door.add_argument("--users", type=Path, metavar="FILE", help="users and tokens (users in the state directory)")
    door.add_argument("--add-user", metavar="NAME", help="add a user or change a password, and exit")
    door.add_argument("--add-token", metavar="NAME", help="make a token for programs, print it, and exit")
    door.add_argument("--remove", metavar="NAME", help="remove a user or token, and exit")
    door.add_argument("--role", choices=ROLES, default=None, help="of the user or token (viewer)")
    door.add_argument("--login-link", action="store_true",
                      help="print a link that logs in once, to the console that runs, and exit")
    door.add_argument("--state-dir", type=Path, metavar="DIR", help=f"its own files ({default_state_directory()})")
    door.add_argument("--audit-log", type=Path, metavar="FILE", help="append a JSON line for each action")
    web = parser.add_argument_group("behind names and proxies")
    web.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate (PEM, with its chain); serves https")
    web.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, unless it is in the same file")
    web.add_argument("--url-prefix", default="", metavar="PATH", help="serve below this path, such as /circus")
    web.add_argument("--trusted-hosts", action="append", default=[], metavar="NAMES",
                     help="names by which browsers may call this server, with commas; *.example.org, too")
    web.add_argument("--trusted-proxies", action="append", default=[], metavar="NETWORKS",
                     help="addresses of proxies whose X-Forwarded-* are believed, with commas; unix for a unix socket")
    add("--log-level", dest="loglevel", default="info", help="log level")
    add("--log-output", dest="logoutput", default="-", help="log file, or - for stderr")
    add("--version", action="version", version=__version__, help="show the version and exit")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; always ends in SystemExit: 0 after a signal, 1 when it cannot serve, 2 for bad arguments."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        settings = make_settings(options)
    except ValueError as error:
        parser.error(str(error))
    try:
        done = _chore(options, settings)
        if done is not None:
            sys.exit(done)
        from circus.web.program import run

        sys.exit(run(settings))
    except (CircusError, OSError, ValueError) as error:
        sys.exit(f"{parser.prog}: {error}")


def make_settings(options: argparse.Namespace) -> Settings:
    """What the command line asks for.

    :raises ValueError: it makes no sense.
    """
    state = options.state_dir or default_state_directory()
    endpoints = options.endpoint or [os.environ.get("CIRCUSCTL_ENDPOINT") or DEFAULT_ENDPOINT_DEALER]
    return Settings(
        host=options.host,
        port=_PORT if options.port is None else options.port,
        fd=options.fd,
        endpoints=tuple(dict.fromkeys(endpoints)),
        pubsub=options.pubsub,
        stats=options.stats,
        ssh=options.ssh,
        multicast=None if options.multicast.strip().lower() in ("", "none") else options.multicast,
        auth=options.auth,
        state=state,
        users=options.users or state / "users",
        audit_log=options.audit_log,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        url_prefix=_prefix(options.url_prefix),
        trusted_hosts=_words(options.trusted_hosts),
        trusted_proxies=_words(options.trusted_proxies),
        loglevel=options.loglevel,
        logoutput=options.logoutput,
        own_watcher=os.environ.get(_WATCHER_VARIABLE, "") if options.fd is not None else "",
    )


def _words(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.strip() for value in values for word in value.split(",") if word.strip())


def _prefix(text: str) -> str:
    path = "/".join(part for part in text.split("/") if part)
    if any(character in path for character in "?#%\"'<> \\{}") or not path.isascii():
        raise ValueError(f"argument --url-prefix: {text!r} is not a plain path")
    return f"/{path}" if path else ""


def _chore(options: argparse.Namespace, settings: Settings) -> int | None:
    """Do what needs no server; None when there is nothing of that sort."""
    from circus.web.users import Users

    if options.role and not (options.add_user or options.add_token):
        raise ValueError("--role is for --add-user and --add-token")
    if options.add_user:
        Users(settings.users).add_user(options.add_user, _new_password(), options.role or "viewer")
        print(f"{options.add_user} ({options.role or 'viewer'}) is in {settings.users}")
    elif options.add_token:
        print(Users(settings.users).add_token(options.add_token, options.role or "viewer"))
    elif options.remove:
        if not Users(settings.users).remove(options.remove):
            raise ValueError(f"no {options.remove} in {settings.users}")
    elif options.login_link:
        _print_login_link(options, settings)
    else:
        return None
    return 0


def _print_login_link(options: argparse.Namespace, settings: Settings) -> None:
    """A link to the console that runs, unless the command line says where it is.

    The state directory has no secret but that of the consoles that use it, so it also knows where they are. What is
    doubtful is told on standard error: standard output has the link alone.
    """
    from circus.web.program import login_link
    from circus.web.whereabouts import addresses

    running = addresses(settings.state)
    said = options.port is not None or settings.host != "127.0.0.1" or settings.url_prefix or settings.tls_cert
    print(login_link(settings, at=None if said or not running else running[0]), flush=True)
    if not running:
        print(
            f"note: no console runs with the files in {settings.state}; one of another user, or with another"
            " --state-dir, knows nothing of this link", file=sys.stderr,
        )  # fmt: skip
    elif not said and len(running) > 1:
        print(f"note: others run as well (--port picks one): {' '.join(running[1:])}", file=sys.stderr)


def _new_password() -> str:
    """Asked for twice at a terminal, else the first line of the standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise ValueError("these were two different passwords")
    return password
