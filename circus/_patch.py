"""Compatibility: importing this module repaired threads of old Pythons. Nothing is left to repair."""
