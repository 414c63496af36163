"""``python -m circus.top``: the program without its console script."""

from __future__ import annotations

from circus.top import main

main()
