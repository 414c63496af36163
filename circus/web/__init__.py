"""``circus-httpd`` (``circushttpd``), the web console: its command line, ahead of the program itself.

Not written yet in this version; the command line is accepted so that scripts and watchers can already name
it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import PurePath

from circus import __version__
from circus.base.endpoints import DEFAULT_ENDPOINT_MULTICAST


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program; spec cli.md 6. It has two names: the old ``circushttpd`` stays."""
    name = PurePath(sys.argv[0]).name
    parser = argparse.ArgumentParser(
        prog=name if name in ("circus-httpd", "circushttpd") else "circus-httpd",
        description="Run the Web Console",
    )
    parser.add_argument("--fd", type=int, help="serve on this inherited listening socket")
    parser.add_argument("--host", default="0.0.0.0", help="address to serve on")
    parser.add_argument("--port", type=int, default=8080, help="port to serve on")
    parser.add_argument("--endpoint", help="the control endpoint of circusd; default: pick one that is discovered")
    parser.add_argument("--ssh", help="reach circusd through this ssh server, [user@]host[:port]")
    parser.add_argument("--multicast", default=DEFAULT_ENDPOINT_MULTICAST, help="where daemons are discovered")
    parser.add_argument("--log-level", dest="loglevel", default="info", help="log level")
    parser.add_argument("--log-output", dest="logoutput", default="-", help="log file, or - for stderr")
    parser.add_argument("--version", action="version", version=__version__, help="show the version and exit")
    return parser


def main() -> None:
    """Read the command line and say that the program is still to come; always ends in SystemExit."""
    parser = build_parser()
    parser.parse_args()
    sys.exit(f"{parser.prog} is not there yet in Circus {__version__}.")


if __name__ == "__main__":
    main()
