"""Floor 2: effects on the operating system, without policy."""
