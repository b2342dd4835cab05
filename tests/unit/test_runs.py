"""Run folders remember which monorepo they were about, and can be rolled back."""

from pathlib import Path, PurePosixPath

import pytest
from tests.support.builders import evidence as item
from tests.support.builders import snapshot, write_files

from closeout import evidence, runs, writer
from closeout.errors import CloseoutError
from closeout.model import Edit

EDIT = Edit(path=PurePosixPath("a.txt"), before=b"1", after=b"2")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a small tree."""
    return write_files(tmp_path / "root", {"a.txt": b"1"})


def test_latest_points_at_the_newest_run(tmp_path: Path, root: Path) -> None:
    """`reports/latest` is what a person opens."""
    runs.start(tmp_path / "reports", root, "fix")
    second = runs.start(tmp_path / "reports", root, "audit")
    assert (tmp_path / "reports" / "latest").resolve() == second.folder.resolve()
    assert runs.find(tmp_path / "reports", "latest").id == second.id


def test_of_root_passes_over_other_monorepos(tmp_path: Path, root: Path) -> None:
    """Two monorepos share a reports folder and never each other's evidence."""
    mine = runs.start(tmp_path / "reports", root, "fix")
    runs.start(tmp_path / "reports", tmp_path / "other", "fix")
    assert [run.id for run in runs.of_root(tmp_path / "reports", root)] == [mine.id]


def test_recover_rolls_back_a_run_that_was_killed_while_writing(tmp_path: Path, root: Path) -> None:
    """A journal without its end is put back before anything new is planned."""
    before = snapshot(root)
    run = runs.start(tmp_path / "reports", root, "fix")
    writer.open_journal(run.journal, root, [EDIT])
    writer.commit(root, [EDIT])
    assert [item.id for item in runs.recover(tmp_path / "reports", root)] == [run.id]
    assert snapshot(root) == before
    assert runs.undoable(tmp_path / "reports", root) == ()


def test_recover_leaves_a_finished_run_alone(tmp_path: Path, root: Path) -> None:
    """A whole run is undone only when asked."""
    run = runs.start(tmp_path / "reports", root, "fix")
    writer.open_journal(run.journal, root, [EDIT])
    writer.commit(root, [EDIT])
    writer.close_journal(run.journal)
    assert runs.recover(tmp_path / "reports", root) == ()
    assert (root / "a.txt").read_bytes() == b"2"


def test_undo_twice_is_refused(tmp_path: Path, root: Path) -> None:
    """The second undo has nothing to do and says so."""
    run = runs.start(tmp_path / "reports", root, "fix")
    writer.open_journal(run.journal, root, [EDIT])
    runs.undo(run)
    with pytest.raises(CloseoutError) as caught:
        runs.undo(run)
    assert caught.value.reference == "nothing-to-undo"


@pytest.mark.parametrize("name", ["nowhere", "../root", ""])
def test_find_refuses_an_unknown_run(tmp_path: Path, root: Path, name: str) -> None:
    """A run is named by its folder, and by nothing else."""
    runs.start(tmp_path / "reports", root, "fix")
    with pytest.raises(CloseoutError) as caught:
        runs.find(tmp_path / "reports", name)
    assert caught.value.reference == "run-unknown"


def test_gather_takes_the_newest_answer_of_each_probe(tmp_path: Path, root: Path) -> None:
    """A later session replaces an earlier one's answer."""
    older = runs.start(tmp_path / "reports", root, "fix")
    evidence.write(older.evidence, "live", [item(passed=False), item("1.2")])
    newer = runs.start(tmp_path / "reports", root, "fix")
    at = item().at.replace(year=2027)
    evidence.write(newer.evidence, "live", [item(at=at)])
    found = {seen.criterion: seen.passed for seen in evidence.gather(tmp_path / "reports", root)}
    assert found == {"1.1": True, "1.2": True}


def test_evidence_survives_its_file(tmp_path: Path) -> None:
    """What is read is what was written."""
    made = (item(), item("1.2", passed=None, before=None))
    assert evidence.read(evidence.write(tmp_path, "live", made)) == made


@pytest.mark.parametrize("content", ["", "[]", '{"evidence": [{"probe": "x"}]}'])
def test_read_refuses_what_is_no_evidence(tmp_path: Path, content: str) -> None:
    """A broken file is an error with a name, not an empty list."""
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(CloseoutError) as caught:
        evidence.read(tmp_path / "x.json")
    assert caught.value.reference == "evidence-unusable"
