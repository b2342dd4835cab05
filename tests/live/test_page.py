"""The page of a report in a real browser: reachable, silent, legible, and quick when it is long."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from closeout.process import pace
from closeout.reporting import page, report
from closeout.reporting.page import Diff
from tests.support import reports

pytestmark = [pytest.mark.live, pytest.mark.needs("chromium")]

WITHOUT_FOCUS = 800
"""Steps of the Tab key after which a page of this size has been walked through."""
_TEXT = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n kept\n-a\n+b\n"
DIFF = Diff(gap="cors", title="app/cors.py", origin="derived", text=_TEXT)


PATIENCE = 200
"""Looks, 50 ms apart."""


class Seen:
    """An opened page, and what it did that it should not do."""

    def __init__(self, view: Any, place: Path) -> None:  # noqa: ANN401 - the driver is optional
        """Open the page at `place` and listen to it."""
        self.view = view
        self.requests: list[str] = []
        self.refused: list[str] = []
        self.complaints: list[str] = []
        view.on("request", lambda request: self.requests.append(request.url))
        view.on("requestfailed", lambda request: self.refused.append(request.url))
        view.on("pageerror", lambda error: self.complaints.append(str(error)))
        view.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        view.on("console", lambda message: self.complaints.append(message.text))
        view.goto(place.as_uri())

    def ask(self, script: str) -> Any:  # noqa: ANN401 - whatever the page answers
        """Return what a script of ours finds in the page."""
        return self.view.evaluate(script)

    def comes(self, script: str) -> bool:
        """Return whether the page comes to hold what `script` says: a click is not waited for."""
        for _ in range(PATIENCE):
            if self.ask(script):
                return True
            self.view.wait_for_timeout(50)
        return False


Open = Callable[..., Any]
_INTERACTIVE = (
    "(() => { const [t] = performance.getEntriesByType('navigation');"
    " return t.domInteractive - t.responseStart; })()"
)
"""Milliseconds from the file's first byte to the end of its scripts."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return the machine's own Chromium; none is ever downloaded."""
    driver = pytest.importorskip(
        "playwright.sync_api", reason="requirements/validators.txt is not installed"
    )
    with driver.sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        yield running
        running.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Open:  # noqa: ANN401 - the driver is optional
    """Return a way to open the page of a report."""

    @contextmanager
    def open_page(*, scheme: str = "light", width: int = 1280, **more: object) -> Iterator[Seen]:
        place = tmp_path / "report.html"
        place.write_bytes(page.render(report.to_json(reports.made(**more)), [DIFF]))
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        seen = Seen(context.new_page(), place)
        yield seen
        assert seen.complaints == []
        assert seen.requests == [place.as_uri()]
        context.close()

    return open_page


def test_every_criterion_is_one_click_from_its_gap(opened: Open) -> None:
    """A link of the first table opens the criterion, with its evidence, and puts focus there."""
    with opened() as seen:
        links = seen.view.locator("#gaps td.links a")
        for number in range(links.count()):
            links.nth(number).click()
            name = links.nth(number).get_attribute("href")[1:]
            assert seen.comes(
                f"document.getElementById('{name}').open && "
                f"document.activeElement.parentElement.id === '{name}'"
            )
        proofs = seen.view.locator("#criteria details[open] table.proofs")
        assert proofs.count() > 30
        assert proofs.first.is_visible()


def test_every_criterion_is_reached_and_opened_by_keyboard(opened: Open) -> None:
    """Tab comes by every criterion, probe table, diff and tool, and Enter opens a criterion."""
    with opened() as seen:
        reached: set[str] = set()
        for _ in range(WITHOUT_FOCUS):
            seen.view.keyboard.press("Tab")
            told = seen.ask(
                "(() => { const e = document.activeElement; if (e === document.body) return '';"
                " return e.tagName === 'SUMMARY' ? e.parentElement.id || e.textContent"
                " : e.id || e.name || e.getAttribute('href') || e.tagName; })()"
            )
            if not told:
                break
            reached.add(told)
            if seen.ask("document.activeElement.matches('.closed:not([open]) > summary')"):
                seen.view.keyboard.press("Enter")
        wanted = set(seen.ask("[...document.querySelectorAll('details.criterion')].map(e => e.id)"))
        assert len(wanted) == 57
        assert wanted <= reached
        assert {"q", "fq", "verdict", "#findings"} <= reached
        seen.view.focus("#c-1\\.1 > summary")
        seen.view.keyboard.press("Enter")
        assert seen.comes("document.getElementById('c-1.1').open")


def test_a_link_opens_a_criterion_that_the_filter_hides(opened: Open) -> None:
    """Whoever follows a link gets where it leads."""
    with opened() as seen:
        seen.view.uncheck("input[value=OPEN]")
        assert not seen.view.locator("#c-1\\.1").is_visible()
        seen.view.click("#gaps a[href='#c-1.1']")
        assert seen.comes("document.getElementById('c-1.1').checkVisibility()")


def test_filters_show_what_was_asked_for(opened: Open) -> None:
    """Verdicts and words narrow the criteria, and the number shown follows."""
    with opened() as seen:
        seen.view.uncheck("input[value=CLOSED]")
        left = seen.ask(
            "[...document.querySelectorAll('details.criterion:not([hidden])')]"
            ".map(e => e.dataset.verdict)"
        )
        assert set(left) == {"OPEN", "WAIVED", "UNPROVEN", "BLOCKED"}
        assert seen.view.inner_text("#shown") == f"{len(left)} shown"
        seen.view.fill("#q", "MALI")
        assert seen.view.inner_text("#shown") == "1 shown"
        assert seen.view.locator("#c-2\\.1").is_visible()
        seen.view.fill("#q", "no such word")
        assert seen.view.inner_text("#shown") == "0 shown"


def test_page_tells_what_was_measured_and_what_is_left(opened: Open) -> None:
    """Gaps, bars, grades, times, departures, the unproven and who can settle it are there."""
    with opened() as seen:
        assert seen.view.locator("#gaps tbody tr").count() == 10
        bars = seen.view.locator("#measures figure")
        assert bars.count() == 2
        assert bars.nth(0).locator("rect.good").get_attribute("width") == "98.5"
        assert bars.nth(1).locator("rect.bad").get_attribute("width") == "69.5"
        measured = seen.view.inner_text("#measures")
        assert "RPO\n24 hours" in measured
        assert "RTO\n3.2 s" in measured
        graded = seen.view.locator("#measures tbody tr").first.inner_text()
        assert graded.split()[:3] == ["cloud-weather-service", "F", "0"]
        assert seen.view.locator("#measures .g-A").count() == 2
        assert "cluster" in seen.view.inner_text("#left")
        assert seen.view.locator("#left a[href='#c-9.2']").count() == 1
        folds = seen.view.locator("#deviations details")
        assert folds.count() == 10
        assert seen.view.locator("#deviations details:not(:has(a))").count() == 0
        assert seen.view.locator("#deviations dd code").count() > 10
        assert "`" not in (seen.view.text_content("#deviations") or "")
        assert seen.view.locator(".tiles").inner_text().startswith("open places\n30 → 2")
        assert "derived" in seen.view.inner_text("#changes")
        assert "CORS" in seen.view.inner_text("#changes h3")
        assert "ends in 3 days" in seen.view.inner_text("header")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Open, scheme: str) -> None:
    """With everything unfolded, no rule of axe is broken badly, contrast included."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="not installed")
    with opened(scheme=scheme, findings=3) as seen:
        seen.ask("document.querySelectorAll('details').forEach(e => { e.open = true; })")
        found = axe.Axe().run(seen.view).response
        assert found["testEngine"]["name"] == "axe-core"
        bad = [
            (rule["id"], node["html"][:120])
            for rule in found["violations"]
            if rule["impact"] in {"serious", "critical"}
            for node in rule["nodes"][:3]
        ]
        assert bad == []


def test_policy_is_enforced_by_the_browser(opened: Open) -> None:
    """A script, a style and an image that get into the page all the same are refused."""
    with opened() as seen:
        refused = seen.ask(
            """new Promise((done) => {
                const told = [];
                document.addEventListener('securitypolicyviolation', (event) => {
                    told.push(event.effectiveDirective);
                    if (told.length === 3) done(told.sort());
                });
                const script = document.createElement('script');
                script.textContent = 'window.broken = true';
                const style = document.createElement('style');
                style.textContent = 'body { display: none }';
                const image = document.createElement('img');
                image.src = 'http://127.0.0.1:9/x.png';
                document.body.append(script, style, image);
            })"""
        )
        assert refused == ["img-src", "script-src-elem", "style-src-elem"]
        assert seen.ask("window.broken === undefined")
        assert seen.complaints
        assert all("Content Security Policy" in told for told in seen.complaints)
        # The driver lists what was asked for; the policy kept it from leaving.
        assert seen.refused == seen.requests[1:]
        seen.complaints.clear()
        del seen.requests[1:]


@pytest.mark.parametrize("name", ["end of script", "directions", "Markdown"])
def test_hostile_excerpt_is_shown_and_not_run(opened: Open, name: str) -> None:
    """What a source holds is text for a reader, and nothing to the browser."""
    with opened(text=reports.HOSTILE[name]) as seen:
        assert seen.view.locator("script").count() == 2
        assert seen.view.locator("img").count() == 0
        shown = seen.view.locator("#frows td").nth(5).inner_text()
        assert shown
        assert ("</script>" in shown) is (name == "end of script")
        assert ("\\u202e" in shown) is (name == "directions")


def test_ten_thousand_findings_stay_usable(
    opened: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page holds a hundred rows at a time, and is there within a second of a quiet machine."""
    with opened(findings=100) as seen:
        few = seen.ask("document.querySelectorAll('*').length")
        short = seen.ask(_INTERACTIVE)
    with opened(findings=10_000) as seen:
        ready = seen.ask(_INTERACTIVE)
        assert seen.ask("document.querySelectorAll('*').length") == few
        took = seen.ask(
            """(() => { const began = performance.now(), box = document.getElementById('fq');
                box.value = 'place 9999:'; box.dispatchEvent(new Event('input'));
                document.body.offsetHeight; return performance.now() - began; })()"""
        )
        assert ready + took < 1_000 * pace.slowness()
        assert seen.view.inner_text("#fcount") == "1 to 1 of 1"
        seen.view.fill("#fq", "")
        assert seen.view.inner_text("#fcount") == "1 to 100 of 10000"
        for _ in range(3):
            seen.view.click("#fnext")
        assert seen.view.inner_text("#fcount") == "301 to 400 of 10000"
        assert seen.view.is_enabled("#fprev")
    with capsys.disabled():
        print(  # noqa: T201 - the measurement is for a person
            f"\n10,000 findings: interactive after {ready:.0f} ms (100 findings: {short:.0f} ms),"
            f" filtered in {took:.0f} ms",
            end=" ",
        )


@pytest.mark.parametrize("width", [1280, 390])
def test_diff_stands_side_by_side_where_there_is_room_and_line_by_line_elsewhere(
    opened: Open, width: int
) -> None:
    """What goes and what comes share a row on a desk; a phone and paper have the lines in turn."""
    with opened(width=width) as seen:
        seen.view.locator("details.diff > summary").first.click()
        assert seen.comes("document.querySelector('details.diff pre').matches('.sides')")
        gone, come = (seen.view.locator(f".diff .{kind}").first for kind in ("del", "add"))
        left, right = gone.bounding_box(), come.bounding_box()
        assert (left["y"] == right["y"]) is (width == 1280)
        assert (right["x"] > left["x"]) is (width == 1280)
        kept = seen.view.locator(".diff pre span", has_text="kept")
        assert kept.count() == 2
        assert kept.nth(1).is_visible() is (width == 1280)
        assert (
            seen.ask("document.querySelectorAll('.diff .twin:not([aria-hidden=true])').length") == 0
        )
        seen.view.emulate_media(media="print")
        assert not kept.nth(1).is_visible()


def test_print_is_a_summary_of_one_page_and_everything_on_request(opened: Open) -> None:
    """On paper nobody can click; on the screen it is as it was afterwards."""
    with opened() as seen:
        seen.view.emulate_media(media="print")
        assert not seen.view.locator("nav").is_visible()
        assert not seen.view.locator("#criteria").is_visible()
        assert seen.view.locator("#left").is_visible()
        paper = seen.view.pdf(format="A4")
        assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1
        folded = "document.querySelectorAll('details:not([open]):not(.diff)').length"
        before = seen.ask(folded)
        seen.ask("document.documentElement.classList.add('whole')")
        seen.ask("dispatchEvent(new Event('beforeprint'))")
        assert seen.ask(folded) == 0
        assert seen.view.locator("#criteria").is_visible()
        assert not seen.view.locator("#q").is_visible()
        seen.ask("dispatchEvent(new Event('afterprint'))")
        assert seen.ask(folded) == before
        assert not seen.view.locator("#criteria").is_visible()


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_first_screen_says_whether_it_is_done_what_is_left_and_who_settles_it(
    opened: Open, width: int, height: int
) -> None:
    """Nobody scrolls for the verdict, on a desk or on a phone; no column hides behind a bar."""
    with opened(width=width) as seen:
        for place in ("h1", ".waiting", ".tally", "#gaps tbody tr:first-child .v"):
            box = seen.view.locator(place).first.bounding_box()
            assert box["y"] + box["height"] <= height, place
            assert box["x"] + box["width"] <= width, place
        assert seen.view.inner_text("h1") == "Not done: 2 of 47 criteria are not met"
        assert "1 for an operator of the cluster" in seen.view.inner_text(".waiting")
        assert seen.ask("document.documentElement.scrollWidth") <= width
        wide = "e => e.scrollWidth > e.clientWidth && e.checkVisibility()"
        bars = seen.ask(f"[...document.querySelectorAll('.scroll')].filter({wide}).length")
        assert bars == 0


def test_page_fits_a_narrow_screen(opened: Open) -> None:
    """Wide tables scroll in themselves; the page does not."""
    with opened(width=360) as seen:
        assert seen.ask("document.documentElement.scrollWidth") <= 360
