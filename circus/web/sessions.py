"""Who somebody is: sessions kept in a signed cookie, tokens of programs, and links that log in once.

Nothing is kept here for a session: the cookie says whose it is, and the users file what that user may do at this
moment. A new password, a user that was removed, or a logout end it at once. Used by every request
(:mod:`circus.web.door`).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from circus.web.tokens import Signer, SpentIds
from circus.web.users import User, Users

#: The user behind a login link. It is no name that the users file could have.
LINK_USER = "link user"
#: Who everybody is with ``--auth none``.
ANYBODY = "anybody"
LINK_LIFETIME = 3600.0


@dataclass(frozen=True)
class Identity:
    """Who makes a request.

    :param user: name of the user or token.
    :param role: what may be done.
    :param sid: id of the session, empty for programs with a token.
    :param expires: epoch seconds.
    """

    user: str
    role: str
    sid: str = ""
    expires: float = 0.0

    @property
    def is_ambient(self) -> bool:
        """Whether a browser proves it by itself with every request, so that a request needs a CSRF token, too."""
        return bool(self.sid)


class Sessions:
    """Opens, finds and ends sessions.

    :param signer: signs the cookies.
    :param users: says who there is.
    :param spent: remembers what was ended and used.
    :param clock: the time, epoch seconds.
    :param lifetime: seconds a session lasts.
    :param is_open: no login is wanted: everybody is an admin.
    """

    def __init__(
        self,
        signer: Signer,
        users: Users,
        spent: SpentIds,
        clock: Callable[[], float],
        lifetime: float,
        *,
        is_open: bool = False,
    ) -> None:
        self._signer, self.users, self._spent, self._clock = signer, users, spent, clock
        self._lifetime, self.is_open = lifetime, is_open
        self.cookie_name = f"circus_session_{signer.mark}"

    def open(self, user: User | None) -> tuple[str, Identity]:
        """A new session.

        :param user: whose; None for somebody with a login link.
        :returns: the cookie's value, and who that is.
        """
        sid, expires = secrets.token_urlsafe(16), self._clock() + self._lifetime
        name = user.name if user is not None else LINK_USER
        told = {"sid": sid, "user": name, "expires": expires, "proof": self._proof(user)}
        return self._signer.sign("session", told), Identity(name, user.role if user else "admin", sid, expires)

    def find(self, cookie: str) -> Identity | None:
        """Who a cookie is of; None when it counts no more, or never did."""
        if self.is_open:
            return Identity(ANYBODY, "admin", ANYBODY, self._clock() + self._lifetime)
        told = self._signer.read("session", cookie) if cookie else None
        if told is None or told["expires"] < self._clock() or told["sid"] in self._spent:
            return None
        if told["user"] == LINK_USER:
            return Identity(LINK_USER, "admin", told["sid"], told["expires"])
        user = self.users.known().get(told["user"])
        if user is None or not hmac.compare_digest(told["proof"], self._proof(user)):
            return None
        return Identity(user.name, user.role, told["sid"], told["expires"])

    def find_token(self, token: str) -> Identity | None:
        """The program that has a token."""
        user = self.users.find_token(token)
        return Identity(user.name, user.role) if user is not None else None

    def _proof(self, user: User | None) -> str:
        """Changes with the password, so that a new one ends all sessions."""
        return self._signer.digest("password", user.hash) if user is not None else ""

    def end(self, identity: Identity) -> None:
        """Log out."""
        if identity.sid and not self.is_open:
            self._spent.add(identity.sid, identity.expires)

    # -- CSRF ----------------------------------------------------------------------------------------------

    def csrf_token(self, identity: Identity) -> str:
        """What requests of this session that change something have to carry."""
        return self._signer.digest("csrf", identity.sid)

    def is_csrf_token(self, identity: Identity, given: str) -> bool:
        """Whether a request carries it."""
        return hmac.compare_digest(given.encode(), self.csrf_token(identity).encode())

    # -- links that log in once ----------------------------------------------------------------------------

    def make_link_token(self, lifetime: float = LINK_LIFETIME) -> str:
        """A token that opens one session for an admin."""
        return self._signer.sign("link", {"id": secrets.token_urlsafe(12), "expires": self._clock() + lifetime})

    def redeem_link_token(self, token: str) -> bool:
        """Use a token up. :returns: whether it was good, and nobody had used it before."""
        told = self._signer.read("link", token)
        if told is None or told["expires"] < self._clock() or told["id"] in self._spent:
            return False
        self._spent.add(told["id"], told["expires"])
        return True
