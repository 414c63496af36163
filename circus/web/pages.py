"""What is no API: the one page for all addresses of the console, its files, and the checks of load balancers."""

from __future__ import annotations

from typing import Any

from circus.web.assets import Asset
from circus.web.door import Door
from circus.web.problems import Problem


class Files(Door):
    """Sends one :class:`~circus.web.assets.Asset`."""

    def send_asset(self, asset: Asset, cache: str) -> None:
        """Answer with it, or that the browser has it already."""
        self.set_header("Content-Type", asset.content_type)
        self.set_header("Cache-Control", cache)
        self.set_header("Vary", "Accept-Encoding")
        accepts = "gzip" in self.request.headers.get("Accept-Encoding", "")
        compressed = accepts and asset.small is not None
        tag = f'{asset.tag[:-1]}-gz"' if compressed else asset.tag
        self.set_header("ETag", tag)
        if tag in self.request.headers.get("If-None-Match", ""):
            self.set_status(304)
            self.finish()
            return
        if compressed:
            self.set_header("Content-Encoding", "gzip")
        self.finish(asset.small if compressed else asset.data)

    def compute_etag(self) -> str | None:
        """It is known already."""
        return None

    def head(self, *path: str) -> None:
        """As GET; Tornado leaves the body out."""
        self.get(*path)

    def get(self, *path: str) -> None:
        """Answer."""
        raise NotImplementedError


class Page(Files):
    """The page. The same for every address: what is shown follows from the address, in the browser."""

    def get(self, *path: str) -> None:
        self.send_asset(self.console.assets.index, "no-cache")


class Static(Files):
    """A file of the page."""

    def get(self, *path: str) -> None:
        asset, is_versioned = self.console.assets.find(path[0])
        if asset is None:
            raise Problem(404, "there is no such file")
        # Relative addresses in a style or module lead to versioned ones; only the page itself must be asked for anew.
        self.send_asset(asset, "public, max-age=31536000, immutable" if is_versioned else "no-cache")


class Health(Door):
    """``/healthz``: the program answers. No login: whoever restarts or balances it has none."""

    problems_as_json = True

    def get(self) -> None:
        """Answer."""
        self.send_json(self.state()[0], self.state()[1])

    def head(self) -> None:
        """As GET; Tornado leaves the body out."""
        self.get()

    def state(self) -> tuple[dict[str, Any], int]:
        """The body and the status of the answer."""
        return {"status": "ok"}, 200


class Readiness(Health):
    """``/readyz``: at least one daemon answers, so there is something to show."""

    def state(self) -> tuple[dict[str, Any], int]:
        daemons = list(self.console.daemons)
        online = sum(daemon.is_online for daemon in daemons)
        is_ready = bool(online) or not daemons
        return {"status": "ok" if is_ready else "unavailable", "daemons": len(daemons), "online": online}, (
            200 if is_ready else 503
        )
