"""Where a request really comes from, and whether it may be listened to: hosts, origins, proxies, headers.

Pure functions over texts; every HTTP and WebSocket request passes them (:mod:`circus.web.door`). A name that somebody
else's DNS points here (DNS rebinding) is refused by :class:`HostPolicy`, another site's page by :func:`same_origin`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>\d{1,5}))?")
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


@dataclass(frozen=True)
class Origin:
    """Who sent a request and by what name it called us, after what trusted proxies say.

    :param address: of the client; ``unix`` for a unix socket.
    :param scheme: ``http`` or ``https``.
    :param host: as in the header ``Host``, with the port if it was given.
    """

    address: str
    scheme: str
    host: str

    @property
    def text(self) -> str:
        """``https://host:port`` as browsers write an origin."""
        return f"{self.scheme}://{self.host}"


class Proxies:
    """Addresses whose ``X-Forwarded-*`` headers are believed.

    :param networks: addresses, networks, or ``unix``.
    :raises ValueError: one of them is nothing of that sort.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        words = list(networks)
        self._unix = "unix" in words
        self._networks = [ipaddress.ip_network(word, strict=False) for word in words if word != "unix"]

    def trusts(self, address: str) -> bool:
        """Whether that address is one of a proxy of ours."""
        if address == "unix":
            return self._unix
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self._networks)

    def origin(self, peer: str, scheme: str, headers: Mapping[str, str]) -> Origin:
        """Where a request comes from.

        :param peer: the address of the other end of the connection.
        :param scheme: how the connection is spoken.
        """
        host = headers.get("Host", "")
        if not self.trusts(peer):
            return Origin(peer, scheme, host)
        chain = [part.strip() for part in headers.get("X-Forwarded-For", "").split(",") if part.strip()]
        address = next((each for each in reversed(chain) if not self.trusts(each)), chain[0] if chain else peer)
        said = headers.get("X-Forwarded-Proto", "").split(",")[-1].strip().lower()
        host = headers.get("X-Forwarded-Host", "").split(",")[-1].strip() or host
        return Origin(address[:64], said if said in ("http", "https") else scheme, host)


class HostPolicy:
    """By which names this server may be called.

    An address is always fine: nobody's DNS can point an address somewhere else.

    :param names: names that are fine, ``*.example.org`` for all below one.
    """

    def __init__(self, names: Iterable[str]) -> None:
        given = {name.strip().lower().rstrip(".") for name in names if name.strip()}
        self._exact = _LOCAL_NAMES | {name for name in given if not name.startswith("*.")}
        self._suffixes = tuple(name[1:] for name in given if name.startswith("*."))

    def allows(self, host: str) -> bool:
        """Whether a header ``Host`` is one of ours."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found["name"].lower().rstrip(".")
        return name in self._exact or name.endswith(self._suffixes) or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def same_origin(given: str, origin: Origin) -> bool:
    """Whether a header ``Origin`` names the page this server itself sent."""
    return _normal(given) == _normal(origin.text)


def _normal(text: str) -> str:
    scheme, _, host = text.strip().lower().partition("://")
    default = {"http": ":80", "https": ":443"}.get(scheme, "")
    return f"{scheme}://{host.removesuffix(default) if default else host}"


def is_cross_site(headers: Mapping[str, str], origin: Origin) -> bool:
    """Whether a request was caused by another site's page, as far as the browser tells."""
    given = headers.get("Origin")
    if given is not None:
        return not same_origin(given, origin)
    return headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")


def page_headers(origin: Origin) -> dict[str, str]:
    """What every response carries: nothing may be loaded from elsewhere, nobody may frame us."""
    socket = f"{'wss' if origin.scheme == 'https' else 'ws'}://{origin.host}"  # older browsers need it spelt out
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"manifest-src 'self'; connect-src 'self' {socket}; form-action 'self'; base-uri 'self'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
