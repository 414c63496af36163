"""``circus-httpd`` (``circushttpd``), the web console: a page, a REST API and a WebSocket for running daemons.

This module is the door: the command line is in :mod:`circus.web.commandline`, the program in
:mod:`circus.web.program`. circusd runs it as one of its watchers when ``httpd = True``; it can be run by hand, too.
"""

from __future__ import annotations

from circus.web.commandline import build_parser, main

__all__ = ["build_parser", "main"]

if __name__ == "__main__":
    main()
