"""The file of users and tokens: who may come in, and as what.

One line each, ``name:role:hash``. Passwords are hashed with scrypt, whose parameters stand in the line, so that they
can be raised later; tokens of programs are long and random, so that a plain SHA-256 of them is enough. The file is
read again when it changes. Used by the sessions and by ``--add-user``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from circus.base.logs import logger
from circus.exc import CircusError
from circus.web.settings import ROLES

#: Cost of a password check: 32 MiB and some tenths of a second; log2 of N, r and p of scrypt.
SCRYPT = (15, 8, 3)
SHORTEST_PASSWORD = 8
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,63}")
_TOKEN_PREFIX = "circus_"


class UsersError(CircusError):
    """The users file cannot be used, or a user cannot be added."""


@dataclass(frozen=True)
class User:
    """One line of the file."""

    name: str
    role: str
    hash: str

    @property
    def is_token(self) -> bool:
        """Whether this is a program with a token, not somebody with a password."""
        return self.hash.startswith("$sha256$")


def hash_password(password: str, cost: tuple[int, int, int] | None = None) -> str:
    """``$scrypt$ln=15,r=8,p=3$SALT$HASH``."""
    cost = cost or SCRYPT
    salt = secrets.token_bytes(16)
    return "$scrypt$ln={},r={},p={}${}${}".format(*cost, _b64(salt), _b64(_scrypt(password, salt, cost)))


def check_password(password: str, hashed: str) -> bool:
    """Whether a password is the one that was hashed. Takes as long as the hash says."""
    found = re.fullmatch(r"\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([\w+/=]+)\$([\w+/=]+)", hashed)
    if found is None:
        return False
    cost = (int(found[1]), int(found[2]), int(found[3]))
    return hmac.compare_digest(_scrypt(password, base64.b64decode(found[4]), cost), base64.b64decode(found[5]))


def _scrypt(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    log_n, r, p = cost
    room = 256 * (r << log_n)  # twice of what the algorithm takes
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << log_n, r=r, p=p, dklen=32, maxmem=room)


def hash_token(token: str) -> str:
    """``$sha256$HEX``."""
    return f"$sha256${hashlib.sha256(token.encode()).hexdigest()}"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Users:
    """The users of a file; one that does not exist has none.

    :param path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_at: tuple[int, int, int] | None = None
        self._users: dict[str, User] = {}
        #: What an unknown name's password is checked against, so that names cannot be told by the time it takes.
        self._nobody = ""

    def all(self) -> dict[str, User]:
        """By name, as the file says now.

        :raises UsersError: others can read or write it, or a line makes no sense.
        """
        try:
            facts = self.path.stat()
        except FileNotFoundError:
            self._read_at, self._users = None, {}
            return self._users
        except OSError as error:
            raise UsersError(f"cannot read {self.path}: {error.strerror}") from error
        if stat.S_IMODE(facts.st_mode) & 0o077:
            raise UsersError(f"{self.path} can be read by others; it should have mode 600")
        seen = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        if seen != self._read_at:
            self._users = {user.name: user for user in self._parse()}
            self._read_at = seen
        return self._users

    def known(self) -> dict[str, User]:
        """:meth:`all`; nobody, and a line in the log, when the file cannot be used (which locks everybody out)."""
        try:
            return self.all()
        except UsersError as error:
            logger.error("%s", error)
            return {}

    def _parse(self) -> list[User]:
        found = []
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = line.strip().split(":")
            if len(parts) != 3 or parts[1] not in ROLES or not parts[2].startswith("$"):
                raise UsersError(f"{self.path}:{number} is not name:role:hash")
            found.append(User(*parts))
        return found

    def check(self, name: str, password: str) -> User | None:
        """The user with that name and password. Slow on purpose: call it in a thread."""
        user = self.known().get(name)
        if user is None or user.is_token:
            self._nobody = self._nobody or hash_password(secrets.token_hex())
            check_password(password, self._nobody)
            return None
        return user if check_password(password, user.hash) else None

    def find_token(self, token: str) -> User | None:
        """The program with that token."""
        if not token.startswith(_TOKEN_PREFIX):
            return None
        hashed = hash_token(token)
        return next((user for user in self.known().values() if hmac.compare_digest(user.hash, hashed)), None)

    # -- changing it ---------------------------------------------------------------------------------------

    def add_user(self, name: str, password: str, role: str) -> None:
        """Add a user, or give one another password and role.

        :raises UsersError: the name or password will not do, or the file cannot be written.
        """
        if len(password) < SHORTEST_PASSWORD:
            raise UsersError(f"a password has at least {SHORTEST_PASSWORD} characters")
        self._put(User(name, role, hash_password(password)))

    def add_token(self, name: str, role: str) -> str:
        """Make a token for a program. :returns: the token, which is told only now."""
        token = _TOKEN_PREFIX + secrets.token_urlsafe(32)
        self._put(User(name, role, hash_token(token)))
        return token

    def remove(self, name: str) -> bool:
        """Remove a user or token; False when there is none of that name."""
        users = dict(self.all())
        if users.pop(name, None) is None:
            return False
        self._write(list(users.values()))
        return True

    def _put(self, user: User) -> None:
        if not _NAME.fullmatch(user.name):
            raise UsersError(f"{user.name!r} is no name for a user: letters, digits and . _ @ - will do")
        self._write([*(known for known in self.all().values() if known.name != user.name), user])

    def _write(self, users: list[User]) -> None:
        text = "".join(f"{user.name}:{user.role}:{user.hash}\n" for user in users)
        try:
            write_private(self.path, text.encode())
        except OSError as error:
            raise UsersError(f"cannot write {self.path}: {error.strerror}") from error


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, all of it or nothing; the directory is made if it is missing.

    What root writes into the directory of somebody else belongs to them: it is their console that has to read it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            owner = path.parent.stat()
            if os.geteuid() == 0 and owner.st_uid != 0:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
