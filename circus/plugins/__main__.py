"""``python -m circus.plugins``: the same program as the console script ``circus-plugin``."""

from __future__ import annotations

from circus.plugins.runner import main

if __name__ == "__main__":
    main()
