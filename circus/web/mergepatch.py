"""JSON merge patches (RFC 7386): what makes one document of another. Pure.

The live pages are told changes that way. A value that is null cannot be told apart from one that is gone, so documents
leave out what is not known; :func:`prune` does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that makes ``new`` of ``old``; empty when they are the same. Neither may hold None."""
    patch: dict[str, Any] = {}
    for key, value in new.items():
        before = old.get(key)
        if before is value:
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            inner = diff(before, value)
            if inner:
                patch[key] = inner
        elif before != value or type(before) is not type(value) or key not in old:
            patch[key] = value
    for key in old:
        if key not in new:
            patch[key] = None
    return patch


def apply(document: Any, patch: Any) -> Any:
    """The document with the patch applied; both stay as they are."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply(result.get(key), value)
    return result


def prune(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without what is not known."""
    return {
        key: prune(value) if isinstance(value, Mapping) else value
        for key, value in document.items()
        if value is not None
    }
