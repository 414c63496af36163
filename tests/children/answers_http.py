"""A web server whose manners are in a file: ``ok``, ``hang``, or the code that every answer has.

``answers_http.py PORT FILE``: the file is read for each request.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import tornado.web


class Page(tornado.web.RequestHandler):
    """The one page."""

    async def get(self) -> None:
        manners = Path(sys.argv[2]).read_text().strip()
        if manners == "hang":
            await asyncio.sleep(3600)
        if manners.isdigit():
            raise tornado.web.HTTPError(int(manners))
        self.write("well\n")


async def main() -> None:
    tornado.web.Application([("/", Page)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
