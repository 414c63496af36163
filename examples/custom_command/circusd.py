"""circusd that knows the command ``oldest``, too."""

from __future__ import annotations

import oldest  # noqa: F401 - its import is all it takes

from circus.circusd import main

if __name__ == "__main__":
    main()
