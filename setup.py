"""Metadata of the distribution; everything about tools is in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'^__version__ = "(.+)"', (here / "circus/__init__.py").read_text(), re.M).group(1)


def files(pattern: str) -> list[str]:
    """Files of the sources that match, as setuptools wants them."""
    return sorted(str(path.relative_to(here)) for path in here.glob(pattern))


setup(
    name="circus",
    version=version,
    description="A process and socket manager for servers",
    long_description=(here / "README.rst").read_text(),
    long_description_content_type="text/x-rst",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords="process manager supervisor daemon sockets zeromq",
    python_requires=">=3.11",
    packages=find_packages(include=["circus", "circus.*"]),
    package_data={"circus": ["py.typed", "web/static/**"]},
    zip_safe=False,
    # The lower bounds are those that "tox -e lowest" tests.
    install_requires=[
        "pyzmq>=25.0",
        "psutil>=5.9.4",
        "tornado>=6.3",
        "iowait>=0.2",
        "prompt_toolkit>=3.0.29",
        "textual>=1.0",
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
    # Where man(1) and the shells look, below sys.prefix.
    data_files=[
        ("share/man/man1", files("docs/man/*.1")),
        ("share/man/man5", files("docs/man/*.5")),
        ("share/bash-completion/completions", ["packaging/completion/circusctl"]),
        ("share/zsh/site-functions", ["packaging/completion/_circusctl"]),
        ("share/fish/vendor_completions.d", ["packaging/completion/circusctl.fish"]),
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: No Input/Output (Daemon)",
        "Environment :: Web Environment",
        "Framework :: AsyncIO",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Operating System :: MacOS",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Boot",
        "Topic :: System :: Monitoring",
        "Topic :: System :: Systems Administration",
        "Typing :: Typed",
    ],
)
