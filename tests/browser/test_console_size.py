"""How heavy the console is: the first page on the wire, a thousand workers on the screen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.mock_server import serving

expect = pytest.importorskip("playwright.sync_api").expect


def test_the_first_page_is_small_and_soon_there(page: Any) -> None:
    with serving(pace=1.0, login=False) as mock:
        sizes: list[int] = []
        page.on("response", lambda response: sizes.append(len(response.body())) if response.status == 200 else None)
        page.goto(mock.url)
        expect(page.locator("table.watchers tbody:not(.pads) tr").first).to_be_visible()
        assert sum(sizes) < 300_000, "uncompressed, even"
        took = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        assert took < 5000  # a second on an idle machine; this one may be busy


def test_a_thousand_workers_leave_the_page_free(page: Any) -> None:
    with serving(pace=0.5, login=False, workers=2500) as mock:
        assert len(mock.mock.world.workers["worker"]) >= 900
        page.goto(f"{mock.url}watcher/e1/worker")
        rows = page.locator("table.workers tbody:not(.pads) tr")
        expect(rows.first).to_be_visible()
        assert rows.count() < 120, "only what is in view is in the page"
        session = page.context.new_cdp_session(page)
        # Counted is the thread's own time: with that of the clock a task is long, too, while others have the cores.
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def busy() -> tuple[float, float]:
            metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
            return metrics["Timestamp"], metrics["TaskDuration"]

        began, used = busy()
        for step in range(3):
            cpu = rows.nth(step).locator("td").nth(3)
            expect(cpu).not_to_have_text(cpu.text_content())
        ended, after = busy()
        share = (after - used) / (ended - began)
        print(f"main thread busy {share:.0%} with two updates a second")
        assert share < 0.8
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        last = max(worker["wid"] for worker in mock.mock.world.workers["worker"].values())
        expect(rows.filter(has_text=str(last)).first).to_be_visible()
        assert page.evaluate("document.querySelectorAll('*').length") < 4000
