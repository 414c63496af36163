"""Logging in and out, and who is logged in."""

from __future__ import annotations

import asyncio
import time
from math import ceil
from typing import Any

from circus import __version__
from circus.web.api.operation import TEXT, Call, Operation, record, reply
from circus.web.problems import Problem

#: Logins that may wait for their turn.
_MOST_CHECKS = 20
_SECRET = {"type": "string", "minLength": 1, "maxLength": 1000}
_LOGIN = {
    "type": "object",
    "properties": {"user": TEXT, "password": _SECRET, "token": _SECRET},
    "additionalProperties": False,
    "anyOf": [record({"user": TEXT, "password": _SECRET}), record({"token": _SECRET})],
}
_NAME = {"type": ["string", "null"]}
_SESSION = reply(user=_NAME, role=_NAME, csrf={"type": "string"}, auth={"type": "string"})


async def log_in(call: Call) -> dict[str, Any]:
    """By name and password, or by the token of a link."""
    console, address = call.console, call.door.origin.address
    user, now = str(call.body.get("user", "")), time.monotonic()
    keys = [f"address {address}", *([f"name {user}"] if user else [])]
    wait = console.throttle.wait(keys, now)
    if wait > 0:
        call.note("login", user, "refused: too many tries")
        problem = Problem(429, f"too many tries; try again in {ceil(wait)} seconds")
        problem.headers["Retry-After"] = str(ceil(wait))
        raise problem
    found = None
    if "token" in call.body:
        is_known = console.sessions.redeem_link_token(call.body["token"])
    else:
        if console.checks_waiting >= _MOST_CHECKS:
            raise Problem(429, "too many people log in at this moment; try again")
        console.checks_waiting += 1
        try:
            async with console.checking:
                found = await asyncio.to_thread(console.users.check, user, call.body["password"])
        finally:
            console.checks_waiting -= 1
        is_known = found is not None
    if not is_known:
        console.throttle.failed(keys, time.monotonic())
        call.note("login", user or "link", "refused: wrong password or token")
        text = "this link was used before, or has expired" if "token" in call.body else "wrong name or password"
        raise Problem(401, text)
    console.throttle.succeeded(keys)
    cookie, call.identity = console.sessions.open(found)
    call.note("login")
    _set_cookie(call, cookie, int(console.settings.session_lifetime))
    return _told(call)


def _set_cookie(call: Call, value: str, lifetime: int) -> None:
    call.door.set_cookie(
        call.console.sessions.cookie_name, value, path=f"{call.console.settings.url_prefix}/", max_age=lifetime,
        httponly=True, samesite="Strict", secure=call.door.origin.scheme == "https",
    )  # fmt: skip


def _told(call: Call) -> dict[str, Any]:
    who, sessions, auth = call.identity, call.console.sessions, call.console.settings.auth
    if who is None:
        return {"user": None, "role": None, "csrf": "", "auth": auth, "messages": []}
    return {
        "user": who.user, "role": who.role, "csrf": sessions.csrf_token(who) if who.is_ambient else "",
        "expires": who.expires or None, "auth": auth, "version": __version__,
        "messages": call.console.notices.take(who.sid),
    }  # fmt: skip


async def log_out(call: Call) -> dict[str, Any]:
    """End the session."""
    assert call.identity is not None
    call.console.sessions.end(call.identity)
    for page in list(call.console.sockets):
        page.look_again()
    call.note("logout")
    _set_cookie(call, "", 0)
    return {"outcome": "ok", "text": "logged out"}


async def show_session(call: Call) -> dict[str, Any]:
    """Who is logged in, if anybody is."""
    call.identity = call.door.identify()
    return _told(call)


OPERATIONS = (
    Operation("POST", "/login", "login", "", "Log in", log_in, body=_LOGIN, answer=_SESSION, errors=(401, 429),
              doc="By name and password, or by the token of a login link, which works once. Sets a cookie."),
    Operation("POST", "/logout", "logout", "viewer", "Log out", log_out),
    Operation("GET", "/session", "session", "", "Who is logged in", show_session, answer=_SESSION,
              doc="`csrf` goes into the header X-CSRF-Token of every request that is no GET."),
)  # fmt: skip
