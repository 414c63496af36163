"""What the web console is told: where to serve, whom to let in, which daemons to show. Plain values."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

#: What somebody may do, each role everything that those before it may.
ROLES = ("viewer", "operator", "admin")


def allows(role: str, needed: str) -> bool:
    """Whether somebody with a role may do what takes another one."""
    return ROLES.index(role) >= ROLES.index(needed)


def default_state_directory() -> Path:
    """Where the console keeps its own files.

    Below ``CIRCUS_STATE_DIR``, or the first directory that systemd names in ``STATE_DIRECTORY`` (systemd.exec(5)), else
    where :func:`usual_state_directory` says.
    """
    given = os.environ.get("CIRCUS_STATE_DIR") or os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) / "httpd" if given else usual_state_directory()


def usual_state_directory() -> Path:
    """Where it is for this user in a plain shell: in ``/var/lib`` for root, else in the user's own state."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/circus/httpd")
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "circus" / "httpd"


@dataclass(frozen=True)
class Settings:
    """The settings of one run; see the command line for their meaning.

    :param own_watcher: the watcher that runs this very program, empty when it was not started by circusd. What is
        done to it ends us, so nobody can wait for the outcome.
    """

    state: Path
    users: Path
    host: str = "127.0.0.1"
    port: int = 8080
    fd: int | None = None
    endpoints: tuple[str, ...] = ()
    pubsub: str | None = None
    stats: str | None = None
    ssh: str | None = None
    multicast: str | None = None
    auth: str = "password"
    audit_log: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    url_prefix: str = ""
    trusted_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    loglevel: str = "info"
    logoutput: str = "-"
    own_watcher: str = ""
    #: Seconds a session lasts.
    session_lifetime: float = field(default=12 * 3600.0)

    @property
    def scheme(self) -> str:
        """How this server itself is spoken to; a proxy in front may speak otherwise."""
        return "https" if self.tls_cert is not None else "http"
