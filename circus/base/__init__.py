"""Floor 0: leaves that know nothing of Circus (standard library only)."""
