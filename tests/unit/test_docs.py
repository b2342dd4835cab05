"""The documents: links lead somewhere, generated parts are current, examples do as they say."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from closeout.cli.parser import parser
from closeout.errors import ExitCode
from closeout.gaps import GAPS
from tests.support import examples
from tests.support.monorepos import TASKS, reference_copy
from tools import cli_reference, docs

HOME = Path(__file__).resolve().parents[2]
PAGES = sorted([*HOME.glob("*.md"), *(HOME / "docs").rglob("*.md")])
_FENCE = re.compile(r"^( *)(`{3,}).*?^\1\2`*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub and the site give to the page's headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return set(plain)


def _broken(page: Path) -> Iterator[str]:
    text = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text()))
    for target in _LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists():
            yield f"{target}: not there"
        elif anchor and anchor not in _anchors(place):
            yield f"{target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOME)))
def test_links_of_a_page_lead_to_files_and_headings(page: Path) -> None:
    """What `nox -s docs` asks of the site, asked of the files themselves."""
    assert list(_broken(page)) == []


def test_places_that_contributing_names_are_there() -> None:
    """A newcomer who is sent somewhere finds it."""
    text = (HOME / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:src|templates|scripts|tests)/[^`<>*]+)`", text)
    assert len(named) > 10
    assert [name for name in named if not (HOME / name).exists()] == []


@pytest.mark.parametrize("page", ["known-faults", "backup-faults"])
def test_every_test_that_a_page_of_faults_names_is_there(page: str) -> None:
    """A fault whose test was renamed or deleted is held by nothing."""
    sources = "\n".join(path.read_text() for path in (HOME / "tests").rglob("*.py"))
    defined = set(re.findall(r"^def (test_\w+)\(", sources, re.MULTILINE))
    named = set(re.findall(r"\btest_\w+(?=`)", (HOME / f"docs/{page}.md").read_text()))
    assert len(named) > 20
    assert named - defined == set()


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    """Neither code nor a link to another machine is taken for one."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b` c\n[ok](#a-b-c) [far](https://example.org) `[code](x.md)`\n"
        "```\n[fence](x.md)\n```\n[one](x.md) [two](#nowhere) [three](page.md#nope)\n"
    )
    assert [line.split(":")[0] for line in _broken(page)] == ["x.md", "#nowhere", "page.md#nope"]


def test_every_page_is_in_the_site_s_index() -> None:
    """A page that no table of contents names would be an orphan: add it to docs/index.md."""
    folder = HOME / "docs"
    named: set[Path] = set()
    for page in (folder / "index.md", folder / "gaps.md"):
        for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.DOTALL):
            entries = [line for line in block.splitlines() if line and not line.startswith(":")]
            named |= {place for entry in entries for place in folder.glob(f"{entry}.md")}
    assert set(folder.rglob("*.md")) - named == {folder / "index.md"}


def test_generated_documents_are_as_their_sources_give_them(tmp_path: Path) -> None:
    """A stale page is named, and made anew only by `docs make`."""
    (tmp_path / "noxfile.py").write_bytes((HOME / "noxfile.py").read_bytes())
    assert docs.check(tmp_path, parser()) is ExitCode.GAPS_LEFT
    docs.make(tmp_path, parser())
    assert docs.check(tmp_path, parser()) is ExitCode.SETTLED
    made = tmp_path / "docs" / "gaps"
    assert {page.stem for page in made.iterdir()} == {gap.slug for gap in GAPS}
    for place in sorted(path for path in tmp_path.rglob("*.md") if path.is_file()):
        assert place.read_text() == (HOME / place.relative_to(tmp_path)).read_text(), place.name


def test_every_session_is_listed_among_the_commands() -> None:
    """The list is generated, so a new session appears with its first line and its example."""
    listed = (HOME / "docs" / "commands.md").read_text()
    sessions = list(cli_reference.sessions((HOME / "noxfile.py").read_text()))
    assert len(sessions) > 10
    for name, first, example in sessions:
        assert example.startswith(f"nox -s {name}")
        assert f"| `{example}` | {cli_reference.cell(first)} |" in listed


def test_a_site_that_asks_the_network_is_seen(tmp_path: Path) -> None:
    """Links for people may lead away; scripts, styles, images and fonts may not."""
    (tmp_path / "good.html").write_text(
        '<link rel="stylesheet" href="_static/a.css">\n<a href="https://example.org">far</a>\n'
    )
    assert list(cli_reference.outside(tmp_path)) == []
    (tmp_path / "bad.html").write_text('<script src="https://example.org/a.js"></script>\n')
    (tmp_path / "bad.css").write_text("@import url(//example.org/font.css);\n")
    assert len(list(cli_reference.outside(tmp_path))) == 2


def _environment(folder: Path) -> tuple[Path, dict[str, str]]:
    home = folder / "home"
    home.mkdir()
    (home / "tasks.py").write_text(TASKS)
    reference_copy(folder / "farmiq")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return home, {"PATH": path, "HOME": str(home), "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "<!-- run -->" in page.read_text()],
    ids=lambda page: str(page.relative_to(HOME)),
)
def test_examples_of_a_page_do_what_it_says(tmp_path: Path, page: Path) -> None:
    """Every marked block is run in order on a scratch copy, exit codes and output compared."""
    home, environment = _environment(tmp_path)
    text = page.read_text()
    assert len(list(examples.steps(text))) >= 2
    assert "\n\n".join(examples.differing(text, home, environment)) == ""


def test_an_altered_example_is_red(tmp_path: Path) -> None:
    """A wrong code, a wrong word, a missing line and output that is not told are all seen."""
    page = "<!-- run -->\n```console\n{}```\n"
    environment = {"PATH": os.environ["PATH"]}
    true = "$ (echo one; echo two; exit 3)\none\n...\n$ echo $?\n3\n"
    assert examples.differing(page.format(true), tmp_path, environment) == []
    for before, after in (
        ("\n3\n", "\n0\n"),
        ("\none\n...\n", "\nother\n...\n"),
        ("\none\n...\n", "\none\n"),
        ("\none\n...\n", "\n"),
        ("echo one", "ecko one"),
    ):
        altered = true.replace(before, after)
        assert altered != true
        assert examples.differing(page.format(altered), tmp_path, environment), after
    unmarked = page.format(true.replace("3\n", "0\n")).removeprefix("<!-- run -->\n")
    assert list(examples.steps(unmarked)) == []
