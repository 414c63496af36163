"""``python -m circus.stats`` is the program ``circusd-stats``."""

from __future__ import annotations

from circus.stats import main

main()
