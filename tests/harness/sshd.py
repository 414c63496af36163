"""A real ssh server for one test: OpenSSH's sshd on a port of the loopback, run by an ordinary user, with keys of
its own; and what a program needs in its environment to log in there.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.daemon import free_port
from harness.waiting import eventually

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SSH = shutil.which("ssh")

#: Whom sshd runs as when the tests are root's: as root it would want directories of the system. It is a user of
#: every Unix that may log in with a key to forward ports, although not to run anything.
_ORDINARY = "daemon"

_SERVER = """\
ListenAddress 127.0.0.1:{port}
HostKey {place}/host
AuthorizedKeysFile {place}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
"""
_CLIENT = """\
GlobalKnownHostsFile {place}/known
UserKnownHostsFile {place}/known
IdentitiesOnly yes
IdentityAgent none
Host by-config
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {place}/key
"""
#: ssh reads the files of the user, whatever HOME says; only ``-F`` takes it elsewhere. All else is the real thing.
_WRAPPER = """\
#!/bin/sh
exec {ssh} -F {place}/config "$@"
"""


class Sshd:
    """An ssh server; use it as a context manager.

    ``destination`` is what goes behind ``--ssh``, ``keyfile`` the key it accepts; ``by_config`` is a destination
    whose user, port and key are in the client's configuration file. A program must run with ``variables``.
    """

    by_config = "by-config"

    def __init__(self) -> None:
        self.user = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else _ORDINARY
        self.port = free_port()
        self.destination = f"{self.user}@127.0.0.1:{self.port}"
        self.place = Path(tempfile.mkdtemp(prefix="circus-sshd-"))
        self.keyfile = self.place / "key"
        self.variables = {"PATH": f"{self.place}/bin:{os.environ['PATH']}"}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Sshd:
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self) -> None:
        self.place.chmod(0o755)
        for name in ("host", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.place / name], check=True)
        facts = {"place": self.place, "port": self.port, "user": self.user, "ssh": SSH}
        shutil.copy(self.place / "key.pub", self.place / "authorized")
        algorithm, key, *_ = (self.place / "host.pub").read_text().split()
        (self.place / "known").write_text(f"[127.0.0.1]:{self.port} {algorithm} {key}\n")
        (self.place / "sshd_config").write_text(_SERVER.format(**facts))
        (self.place / "config").write_text(_CLIENT.format(**facts))
        (self.place / "bin").mkdir()
        (self.place / "bin/ssh").write_text(_WRAPPER.format(**facts))
        (self.place / "bin/ssh").chmod(0o755)
        if not os.geteuid():
            shutil.chown(self.place / "host", self.user)

    def start(self) -> None:
        """Start the server, and wait until it listens."""
        other = {} if os.geteuid() else {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": ()}
        told = self.log.count("Server listening")
        with (self.place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", self.place / "sshd_config"],
                cwd=self.place,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **other,
            )

        def listens() -> bool:
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError(f"sshd ended with {self._process.returncode}: {self.log}")
            return self.log.count("Server listening") > told

        eventually(listens)

    def stop(self) -> None:
        """End the server and every session of it, as a break of the network would."""
        process, self._process = self._process, None
        if process is None:
            return
        from harness.processes import descendants, kill_all

        sessions = descendants(process.pid)
        process.kill()
        process.wait()
        kill_all(sessions)

    def close(self) -> None:
        """Stop it and remove its files."""
        self.stop()
        shutil.rmtree(self.place, ignore_errors=True)

    @property
    def log(self) -> str:
        """What sshd said."""
        path = self.place / "log"
        return path.read_text(errors="replace") if path.exists() else ""
