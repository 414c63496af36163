"""The module that the console script ``circus-top`` of Circus 0.19 pointed to; kept for those who call it."""

from __future__ import annotations

from circus.top import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
