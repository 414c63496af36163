"""The REST API, ``/api/v1``: operations declared in tables, served and documented from them."""

from __future__ import annotations

from circus.web.api.route import api_routes

__all__ = ["api_routes"]
