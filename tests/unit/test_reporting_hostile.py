"""What a service answers or a source holds stays text, in every form of a report."""

import html
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from closeout.console.sanitize import LONGEST, shown, storable
from closeout.reporting import junit, markdown, page, report, sarif
from closeout.runs import evidence_store
from tests.support import reports

CASES = pytest.mark.parametrize("text", reports.HOSTILE.values(), ids=reports.HOSTILE)
HIDDEN = {"Cc", "Cf", "Cs"}
FENCE = re.compile(r"(?<!\\)`")


class _Page(HTMLParser):
    """Collects the elements of a page, and what stands in them as text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def _html(text: str) -> str:
    made = reports.made(text=text)
    diff = page.Diff(gap="cors", title=text[:50], origin="derived", text=f"+{text}\n-{text}\n")
    return page.render(report.to_json(made), [diff]).decode()


def _elements(written: str) -> list[str]:
    parser = _Page()
    parser.feed(written)
    return [tag for tag, _ in parser.elements]


def _hidden(text: str) -> set[str]:
    return {char for char in text if unicodedata.category(char) in HIDDEN} - {"\n", "\t", "\r"}


@CASES
def test_page_holds_hostile_text_as_text(text: str) -> None:
    """It has the elements of a page about harmless text, and no sign that hides or turns."""
    written = _html(text)
    assert _elements(written) == _elements(_html("plain"))
    assert _hidden(written) == set()


@CASES
def test_page_loads_nothing_and_runs_its_own_script_alone(text: str) -> None:
    """No attribute names anything outside, none is a handler, and the policy allows one script."""
    parser = _Page()
    parser.feed(_html(text))
    for tag, attributes in parser.elements:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}, tag
        assert "src" not in attributes, tag
        assert (attributes.get("href") or "#").startswith("#"), tag
    (policy,) = [
        attributes["content"]
        for tag, attributes in parser.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


@CASES
def test_page_data_cannot_leave_its_element(text: str) -> None:
    """The findings are JSON again, as they were told, hidden signs as escapes."""
    written = _html(text)
    data = written.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    rows = json.loads(data)
    assert len(rows) == 2
    assert rows[0][-1] == shown(storable(text[:400]))


@CASES
def test_markdown_keeps_its_tables(text: str) -> None:
    """Every row has the cells of its head; no HTML, link or hidden sign comes in."""
    written = markdown.to_markdown(reports.made(text=text))
    assert _hidden(written) == set()
    assert re.search(r"(?<!\\)\]\(", written) is None
    assert set(re.findall(r"<[a-z/!][^>]*>", written)) <= {"<br>"}
    width = 0
    for line in written.splitlines():
        cells = len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) if line.startswith("|") else 0
        if set(line) <= set("| -:") and cells:
            width = cells
        elif cells and width:
            assert cells == width, line[:300]
        width = width if cells else 0
        assert len(FENCE.findall(line)) % 2 == 0, line[:300]


@CASES
def test_junit_is_well_formed_and_keeps_the_legible_part(text: str) -> None:
    """A reader gets what was told, less what XML cannot hold."""
    document = report.to_json(reports.made(text=text))
    root = ET.fromstring(junit.render(document))  # noqa: S314 - our own XML
    told = root.find(".//testcase[@name='toy.2.1']/failure")
    assert told is not None
    letters = [char for char in storable(text) if char.isalnum() and char.isascii()]
    assert set(letters) <= set(told.text)


@CASES
def test_sarif_keeps_what_was_told(text: str) -> None:
    """The message of a place is its message."""
    document = report.to_json(reports.made(text=text))
    log = json.loads(sarif.render(document).decode())
    told = log["runs"][0]["results"][0]["message"]["text"]
    assert told.startswith(document["findings"][0]["message"])


@CASES
def test_evidence_file_is_written_and_read_again(tmp_path: object, text: str) -> None:
    """A service's answer cannot keep its evidence from being kept."""
    item = reports.made(text=text).rulings[3].evidence
    place = evidence_store.write(tmp_path, "live", item)
    (again,) = evidence_store.read(place)
    assert again.observed == storable(text)
    assert again.measures == item[0].measures


def test_storable_ends_a_text_without_end() -> None:
    """A megabyte on one line is cut, and the cut is told."""
    cut = storable("x" * 1_000_000)
    assert len(cut) < LONGEST + 100
    assert cut.endswith("(980000 more characters)")


def test_shown_leaves_ordinary_text_alone() -> None:
    """Other scripts, emoji and line ends are no threat."""
    text = "สวัสดี, Grüße, 你好 👋\n\tdone\r\n"
    assert shown(text) == text
    assert html.escape(shown("\u202e")) == "\\u202e"
