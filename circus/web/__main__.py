"""``python -m circus.web`` is ``circus-httpd``."""

from __future__ import annotations

from circus.web import main

if __name__ == "__main__":
    main()
