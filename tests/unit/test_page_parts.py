"""What a page is made of: the tree's commit, diffs by file, criteria by gap, probes as grids."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from closeout.fs.tree import DiskTree
from closeout.reporting import criteria, page, report
from closeout.runs import provenance
from tests.support import reports
from tests.support.builders import write_files

_WHO = ("-c", "user.name=Mali", "-c", "user.email=mali@farmiq.example")


def _git(root: Path, *words: str) -> str:
    argv = ["git", *_WHO, "-C", str(root), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a committed tree of two files."""
    made = write_files(tmp_path / "tree", {"a b.txt": b"one\n", "deep/ö.txt": b"two\n"})
    _git(made, "init", "-q")
    _git(made, "add", "-A")
    _git(made, "commit", "-qm", "first")
    return made


def test_report_says_when_by_whom_and_from_which_commit(root: Path) -> None:
    """Unchanged as committed, and how many files differ once one does."""
    made = provenance.made(root, DiskTree(root))
    assert made["commit"] == _git(root, "rev-parse", "HEAD")
    assert made["state"] == "unchanged"
    assert made["at"].endswith("+00:00")
    (root / "a b.txt").write_bytes(b"other\n")
    assert provenance.made(root, DiskTree(root))["state"] == "1 of 2 files differ from it"


def test_no_program_that_the_repository_names_is_started(root: Path, tmp_path: Path) -> None:
    """A filter that cleans files would run on `git status`; an archive may bring one."""
    mark = tmp_path / "ran"
    _git(root, "config", "filter.own.clean", f"touch '{mark}'; cat")
    (root / ".git/info/attributes").write_text("* filter=own\n")
    (root / "a b.txt").write_bytes(b"other\n")
    provenance.made(root, DiskTree(root))
    assert not mark.exists()


def test_tree_without_a_repository_or_only_inside_one_has_no_commit(
    root: Path, tmp_path: Path
) -> None:
    """A working copy below somebody's repository is not of that repository's commit."""
    alone = write_files(tmp_path / "alone", {"a.txt": b"x\n"})
    inside = write_files(root / "build/copy", {"a.txt": b"x\n"})
    assert "commit" not in provenance.made(alone, DiskTree(alone))
    assert "commit" not in provenance.made(inside, DiskTree(inside))


def test_diff_of_two_files_is_two_boxes_with_a_kind_for_every_line(tmp_path: Path) -> None:
    """Whoever looks for one file finds it by its name, and sees whole lines come and go."""
    parts = "diff --git a/{0} b/{0}\nindex 1..2 100644\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-a\n+b\n"
    text = parts.format("one.py") + parts.format("deep/two.py")
    (tmp_path / "001-cors-app.derived.patch").write_text(text)
    first, second = page.diffs_of([tmp_path], ["cors", "sql"])
    assert (first.gap, first.title, first.origin) == ("cors", "one.py", "derived")
    assert (second.title, second.size) == ("deep/two.py", "+1 -1")
    assert [kind for kind, _ in first.lines] == ["at"] * 5 + ["del", "add"]


def test_criteria_stand_by_gap_with_what_is_left_before_what_is_settled() -> None:
    """Every criterion once; the roll-ups and manual checks have groups of their own."""
    document = report.to_json(reports.made())
    groups = criteria.groups(document)
    ids = [row["id"] for group in groups for row in (*group["left"], *group["closed"])]
    assert sorted(ids) == sorted(row["id"] for row in document["criteria"])
    assert [row["id"] for row in groups[0]["left"]] == [reports.OPEN]
    assert {group["title"] for group in groups[-2:]} == {
        "Manual checks of the order",
        "Definition of done",
    }


def test_what_is_left_names_a_way_and_a_person_for_every_criterion() -> None:
    """Roll-ups are left out: their parts are told."""
    left = criteria.left(report.to_json(reports.made()))
    told = {row["id"]: (item["by"], item["who"]) for item in left for row in item["rows"]}
    assert set(told) == {reports.OPEN, reports.UNPROVEN, reports.BLOCKED}
    assert told[reports.OPEN] == ("invoke fix.cors", "anyone with this checkout")
    assert told[reports.BLOCKED] == ("", "whoever owns the code")
    assert "operator" in told[reports.UNPROVEN][1]


def test_head_counts_in_words() -> None:
    """One criterion is not met, two are not; no verdict is written as our code writes it."""
    document = report.to_json(reports.made())
    document["counts"] = {"OPEN": 1, "NOT_APPLICABLE": 2}
    told = page.render(document, ()).decode()
    assert "1 of 3 criteria is not met" in told
    assert "<b>2</b> NOT APPLICABLE" in told
    assert "> NOT APPLICABLE (2)" in told


def test_probes_of_many_services_are_one_grid() -> None:
    """A row a probe, a column a service; a service that was not asked has an empty cell."""

    def asked(probe: str, kind: str) -> dict[str, object]:
        return {"probe": probe, "kind": kind, "criterion": "1.1"}

    grid = criteria.grid(
        "cors",
        [
            asked("cors.evil@a", "proof"),
            asked("cors.evil@b", "open"),
            asked("cors.good@b", "guard"),
        ],
    )
    assert grid["services"] == ["a", "b"]
    assert [name for name, _, _ in grid["rows"]] == ["evil", "good"]
    assert [[cell["kind"] for cell in cells] for _, _, cells in grid["rows"]] == [
        ["proof", "open"],
        ["", "guard"],
    ]
    assert (grid["asked"], grid["proofs"], grid["red"]) == (3, 1, 1)
