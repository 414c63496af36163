"""Texts that only this server can have made: session cookies, login links, CSRF tokens; and which are used up.

The secret behind them is kept in a private file, so that sessions outlive a restart of the console. Used by
:mod:`circus.web.sessions`; it knows no user.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from circus.base.logs import logger
from circus.web.users import write_private

_LENGTH = 32


def read_secret(directory: Path) -> bytes:
    """The secret kept in a directory, made when there is none. A directory that cannot be written costs only that
    sessions end with the program.
    """
    path = directory / "secret"
    try:
        facts = path.stat()
        if not stat.S_IMODE(facts.st_mode) & 0o077:
            secret = path.read_bytes()
            if len(secret) >= _LENGTH:
                return secret
        else:
            logger.warning("%s could be read by others; it is made anew, and all sessions end", path)
    except FileNotFoundError:
        pass
    except OSError as error:
        logger.warning("cannot read %s: %s", path, error.strerror)
    secret = secrets.token_bytes(_LENGTH)
    try:
        write_private(path, secret)
    except OSError as error:
        logger.warning("cannot write %s (%s); sessions will not outlive this program", path, error.strerror)
    return secret


class Signer:
    """Makes and reads signed texts.

    :param secret: the key; each purpose has one of its own made of it.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        #: Tells texts of servers with different secrets apart, on a host with several.
        self.mark = self.digest("mark", "")[:8]

    def sign(self, purpose: str, payload: dict[str, Any]) -> str:
        """The payload as text, with a signature."""
        body = _encode(json.dumps(payload, separators=(",", ":")).encode())
        return f"{body}.{_encode(self._mac(purpose, body))}"

    def read(self, purpose: str, text: str) -> dict[str, Any] | None:
        """The payload of a text made by :meth:`sign` for the same purpose; None for anything else."""
        body, _, signature = text.partition(".")
        try:
            if not hmac.compare_digest(_decode(signature), self._mac(purpose, body)):
                return None
            payload = json.loads(_decode(body))
        except ValueError:
            return None
        return payload if isinstance(payload, dict) else None

    def digest(self, purpose: str, text: str) -> str:
        """Something that follows from a text, and that nobody else can compute."""
        return self._mac(purpose, text).hex()

    def _mac(self, purpose: str, text: str) -> bytes:
        return hmac.digest(self._secret, f"{purpose}\0{text}".encode(), hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))


class SpentIds:
    """Ids that count no more: of sessions that were ended, of links that were used. Kept in a file.

    :param path: the file; what it says survives a restart.
    :param clock: the time, epoch seconds.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path, self._clock = path, clock
        self._spent: dict[str, float] = {}
        try:
            told = json.loads(path.read_text())
            self._spent = {str(key): float(end) for key, end in told.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            pass  # nothing was spent yet, or nobody can tell

    def __contains__(self, key: str) -> bool:
        return key in self._spent

    def add(self, key: str, expires: float) -> None:
        """An id counts no more; it can be forgotten when what it is of has expired anyway."""
        now = self._clock()
        self._spent = {known: end for known, end in self._spent.items() if end > now}
        self._spent[key] = expires
        try:
            write_private(self._path, json.dumps(self._spent).encode())
        except OSError as error:
            logger.warning("cannot write %s: %s", self._path, error.strerror)
