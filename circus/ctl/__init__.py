"""The parts of circusctl: arguments, rendering, the interactive shell, completion.

They speak to a daemon only by the wire.
"""
