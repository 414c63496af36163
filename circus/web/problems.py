"""What went wrong, as problem details (RFC 9457): raised behind the API, told as ``application/problem+json``."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from circus.exc import CircusError

CONTENT_TYPE = "application/problem+json"

#: errno of a daemon's reply (spec wire.md 3) -> status of ours.
_STATUS_OF_ERRNO = {0: 500, 1: 400, 2: 501, 3: 422, 4: 500, 5: 409, 6: 409}


#: How a daemon says that there is no such watcher or process.
_UNKNOWN = re.compile(r"program .* not found$|process .* not found in |there is no process ", re.DOTALL)


class Problem(CircusError):
    """A request that is answered with an error.

    :param status: the HTTP status.
    :param detail: what is wrong with this very request, for people.
    :param more: further members of the answer.
    """

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.more = status, detail, more
        #: Header lines of the answer.
        self.headers: dict[str, str] = {}

    def as_dict(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"type": "about:blank", "title": title_of(self.status), "status": self.status, "detail": self.detail,
                **self.more}  # fmt: skip


def title_of(status: int) -> str:
    """The standard words for a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def refusal(reply: dict[str, Any], **more: Any) -> Problem:
    """The problem for a daemon's reply that reports an error."""
    reason, errno = str(reply.get("reason", "refused")), reply.get("errno")
    status = _STATUS_OF_ERRNO.get(errno if isinstance(errno, int) else 0, 500)
    if status == 422 and _UNKNOWN.match(reason):
        status = 404
    cause = reply.get("cause")
    if isinstance(cause, str) and cause:
        more["cause"] = cause
        reason = cause if reason == "server error" else f"{reason} ({cause})"  # the former says nothing at all
    return Problem(status, reason, errno=errno, **more)
