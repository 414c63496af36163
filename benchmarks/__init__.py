"""Measuring Circus against a floor, as ratios: ``python benchmarks/run.py`` (see README.rst)."""
