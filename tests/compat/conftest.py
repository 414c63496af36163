"""The two installations that the compatibility tests compare."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from compat.comparison import Duo
from compat.reference import NoReference, find_reference, find_subject
from harness import Installation
from harness.ctl import WarmProgram


@pytest.fixture(scope="session")
def reference() -> Installation:
    """The released Circus 0.19.0."""
    try:
        return find_reference()
    except NoReference as error:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(str(error))
        pytest.skip(f"no reference to compare with: {error}")


@pytest.fixture(scope="session")
def subject(reference: Installation) -> Installation:
    """What is compared with it."""
    return find_subject(reference)


@pytest.fixture(scope="session")
def programs(reference: Installation, subject: Installation) -> Iterator[dict[str, WarmProgram]]:
    """circusctl of both."""
    warm = {
        name: WarmProgram(installation, "circus.circusctl", "circusctl")
        for name, installation in (("reference", reference), ("subject", subject))
    }
    yield warm
    for program in warm.values():
        program.close()


@pytest.fixture
def duo(request: pytest.FixtureRequest, tmp_path: Path, programs: dict[str, WarmProgram]) -> Iterator[Duo]:
    """Both of them, ready to be started on an ini text; compared when the test is over."""
    pair = Duo(request.node.name, tmp_path, programs)
    yield pair
    report = getattr(request.node, "call_report", None)
    pair.finish(failed=report is None or report.failed)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Let the fixture know how the test itself ended."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.call_report = report
