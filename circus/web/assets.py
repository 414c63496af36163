"""The files of the browser half, held in memory: few, small, and never looked up by a path from outside.

Their addresses carry a hash of all of them (``/static/3f2a.../js/main.js``), so browsers may keep them for good, and
modules that import each other by relative paths keep the hash. There is no build step: what is in the package is what
is sent. Used by :mod:`circus.web.pages`.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import re
from dataclasses import dataclass
from pathlib import Path

_TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
    ".js": "text/javascript; charset=utf-8", ".json": "application/json", ".png": "image/png",
    ".webmanifest": "application/manifest+json", ".woff2": "font/woff2", ".ico": "image/x-icon",
}  # fmt: skip
_COMPRESSED = frozenset({".html", ".css", ".svg", ".js", ".json", ".webmanifest"})
_REFERENCE = re.compile(r"""(\s(?:href|src)=["'])/?static/""")
_BASE = re.compile(r"<base\s[^>]*>")
_HEAD = re.compile(r"<head[^>]*>")

#: What is served when the browser half is not there (a broken installation).
_BARE = "<!doctype html><html><head><title>Circus</title></head><body><p>The files of the web console are missing.</p>"


@dataclass(frozen=True)
class Asset:
    """One file.

    :param small: the same, compressed; None when that is of no use.
    :param tag: its ETag.
    """

    content_type: str
    data: bytes
    small: bytes | None
    tag: str


def make_asset(suffix: str, data: bytes) -> Asset:
    """A file's content with all that is sent along with it."""
    small = gzip.compress(data, 9, mtime=0) if suffix in _COMPRESSED and len(data) > 500 else None
    tag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
    return Asset(_TYPES.get(suffix, "application/octet-stream"), data, small, tag)


class Assets:
    """All files of a directory.

    :param directory: where they are; ``index.html`` is the page.
    :param prefix: the URL prefix of the console.
    """

    def __init__(self, directory: Path, prefix: str) -> None:
        paths = sorted(path for path in directory.rglob("*") if path.is_file()) if directory.is_dir() else []
        contents = {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}
        digest = hashlib.sha256()
        for name, data in contents.items():
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
        #: Stands in the address of each file.
        self.version = digest.hexdigest()[:12]
        self._files = {name: make_asset(Path(name).suffix, data) for name, data in contents.items()}
        page = self._page(contents.get("index.html", _BARE.encode()).decode(), prefix)
        self.index = make_asset(".html", page.encode())

    def _page(self, text: str, prefix: str) -> str:
        """The page as it is sent: with its base, and with the addresses its files have now."""
        base = f'<base href="{html.escape(prefix)}/">'
        if _BASE.search(text):
            text = _BASE.sub(base, text, count=1)
        else:
            text = _HEAD.sub(lambda found: found[0] + base, text, count=1)
        return _REFERENCE.sub(rf"\g<1>static/{self.version}/", text)

    def find(self, path: str) -> tuple[Asset | None, bool]:
        """The file at an address below ``static/``, and whether it can be kept for good."""
        version, slash, rest = path.partition("/")
        if slash and version == self.version:
            return self._files.get(rest), True
        return self._files.get(path), False
