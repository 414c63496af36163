"""Metadata of the distribution; everything about tools is in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'^__version__ = "(.+)"', (here / "circus/__init__.py").read_text(), re.M).group(1)

setup(
    name="circus",
    version=version,
    description="A process and socket manager for servers",
    long_description=(here / "README.rst").read_text(),
    long_description_content_type="text/x-rst",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["circus", "circus.*"]),
    package_data={"circus": ["py.typed", "web/static/**"]},
    include_package_data=True,
    zip_safe=False,
    install_requires=[
        "pyzmq>=25.1",
        "psutil>=5.9.6",
        "tornado>=6.3",
        "iowait>=0.2",
        "prompt_toolkit>=3.0.36",
        "textual>=8.0",
    ],
    extras_require={
        "redis": ["redis>=5.0"],
        "yaml": ["PyYAML>=6.0"],
        "setproctitle": ["setproctitle>=1.3"],
    },
    entry_points={
        "console_scripts": [
            "circusd = circus.circusd:main",
            "circusctl = circus.circusctl:main",
            "circusd-stats = circus.stats:main",
            "circus-top = circus.top:main",
            "circus-plugin = circus.plugins:main",
            "circus-httpd = circus.web:main",
            "circushttpd = circus.web:main",
        ]
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: No Input/Output (Daemon)",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Boot",
        "Topic :: System :: Monitoring",
        "Topic :: System :: Systems Administration",
    ],
)
