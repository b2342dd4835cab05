"""Run folders remember which monorepo they were about, and can be rolled back."""

import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from closeout.errors import CloseoutError
from closeout.fs import transaction
from closeout.model import Edit
from closeout.runs import evidence_store, store
from tests.support.builders import evidence as item
from tests.support.builders import snapshot, write_files

EDIT = Edit(path=PurePosixPath("a.txt"), before=b"1", after=b"2")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a small tree."""
    return write_files(tmp_path / "root", {"a.txt": b"1"})


def test_latest_points_at_the_newest_run(tmp_path: Path, root: Path) -> None:
    """`reports/latest` is what a person opens."""
    store.start(tmp_path / "reports", root, "fix")
    second = store.start(tmp_path / "reports", root, "audit")
    assert (tmp_path / "reports" / "latest").resolve() == second.folder.resolve()
    assert store.find(tmp_path / "reports", "latest").id == second.id


def test_of_root_passes_over_other_monorepos(tmp_path: Path, root: Path) -> None:
    """Two monorepos share a reports folder and never each other's evidence."""
    mine = store.start(tmp_path / "reports", root, "fix")
    store.start(tmp_path / "reports", tmp_path / "other", "fix")
    assert [run.id for run in store.of_root(tmp_path / "reports", root)] == [mine.id]


def test_recover_rolls_back_a_run_whose_journal_in_the_tree_was_taken_away(
    tmp_path: Path, root: Path
) -> None:
    """Somebody cleaned the tree after a kill: the run's own journal still knows."""
    other = Edit(path=PurePosixPath("b.txt"), before=None, after=b"new")
    before = snapshot(root)
    run = store.start(tmp_path / "reports", root, "fix")
    transaction.commit(root, [EDIT, other], run=run.id, kept=run.journal)
    (run.journal / "committed").unlink()
    (root / "b.txt").unlink()
    assert [item.run for item in store.recover(tmp_path / "reports", root)] == [run.id]
    assert snapshot(root) == before
    assert store.undoable(tmp_path / "reports", root) == ()


def test_recover_takes_a_run_for_finished_that_was_killed_after_its_last_step(
    tmp_path: Path, root: Path
) -> None:
    """Taking the journal in the tree away is what counts; the mark in the run comes after it."""
    run = store.start(tmp_path / "reports", root, "fix")
    transaction.commit(root, [EDIT], run=run.id, kept=run.journal)
    (run.journal / "committed").unlink()
    assert store.recover(tmp_path / "reports", root) == ()
    assert (run.journal / "committed").exists()
    assert (root / "a.txt").read_bytes() == b"2"


def test_recover_locks_no_tree_for_an_edit_after_a_run_that_wrote_nothing(
    tmp_path: Path, root: Path
) -> None:
    """It was killed before its first write, and then somebody went on working."""
    run = store.start(tmp_path / "reports", root, "fix")
    transaction.commit(root, [EDIT], run=run.id, kept=run.journal)
    (run.journal / "committed").unlink()
    (root / "a.txt").write_bytes(b"mine")
    store.recover(tmp_path / "reports", root)
    assert (root / "a.txt").read_bytes() == b"mine"
    assert store.undoable(tmp_path / "reports", root) == ()


def test_nothing_undoable_is_forgotten_by_a_count(tmp_path: Path, root: Path) -> None:
    """Sixty runs about other trees, and sixty about this one, wrote nothing since."""
    run = store.start(tmp_path / "reports", root, "fix")
    transaction.commit(root, [EDIT], run=run.id, kept=run.journal)
    for number in range(60):
        store.start(tmp_path / "reports", tmp_path / f"other{number}", "fix")
        store.start(tmp_path / "reports", root, "audit")
    assert store.newest_undoable(tmp_path / "reports", root).id == run.id
    (run.journal / "committed").unlink()
    store.recover(tmp_path / "reports", root)
    assert (run.journal / "committed").exists()


def test_evidence_of_this_tree_is_not_forgotten_for_other_trees(tmp_path: Path, root: Path) -> None:
    """The window is over the runs about one tree."""
    run = store.start(tmp_path / "reports", root, "fix")
    for number in range(60):
        store.start(tmp_path / "reports", tmp_path / f"other{number}", "fix")
    assert [found.id for found in store.of_root(tmp_path / "reports", root)] == [run.id]


def test_run_is_not_undone_in_another_tree(tmp_path: Path, root: Path) -> None:
    """`--root A --run R` with a run about B writes neither to A nor to B."""
    other = write_files(tmp_path / "other", {"a.txt": b"2"})
    run = store.start(tmp_path / "reports", root, "fix")
    transaction.commit(root, [EDIT], run=run.id, kept=run.journal)
    with pytest.raises(CloseoutError) as caught:
        store.undo(store.find(tmp_path / "reports", run.id), other)
    assert caught.value.reference == "run-of-another-tree"
    assert f"--root {root}" in caught.value.hint
    assert (root / "a.txt").read_bytes() == (other / "a.txt").read_bytes() == b"2"


def _two_runs(reports: Path, root: Path) -> None:
    """Let two runs write to a tree, the second over the first."""
    for before, after in ((b"1", b"2"), (b"2", b"3")):
        run = store.start(reports, root, "fix")
        edit = replace(EDIT, before=before, after=after)
        transaction.commit(root, [edit], run=run.id, kept=run.journal)


def test_runs_are_undone_after_their_tree_moved(tmp_path: Path, root: Path) -> None:
    """One after the other, and by the run's name too."""
    reports = tmp_path / "reports"
    _two_runs(reports, root)
    moved = root.rename(tmp_path / "moved")
    assert len(store.undoable(reports, moved)) == 2
    store.undo(store.newest_undoable(reports, moved), moved)
    assert (moved / "a.txt").read_bytes() == b"2"
    (run,) = store.undoable(reports, moved)
    store.undo(store.find(reports, run.id), moved)
    assert (moved / "a.txt").read_bytes() == b"1"


@pytest.mark.parametrize("why", ["edited", "still there", "damaged"])
def test_run_about_another_place_is_none_of_this_tree(tmp_path: Path, root: Path, why: str) -> None:
    """A copy of a tree that stands, other bytes, a journal that nobody can read."""
    reports = tmp_path / "reports"
    _two_runs(reports, root)
    copy = write_files(tmp_path / "copy", {"a.txt": b"mine" if why == "edited" else b"3"})
    if why != "still there":
        shutil.rmtree(root)
    if why == "damaged":
        for document in reports.glob("*/undo/journal.json"):
            document.write_text("[]")
    assert store.undoable(reports, copy) == ()
    with pytest.raises(CloseoutError) as caught:
        store.newest_undoable(reports, copy)
    assert caught.value.reference == "nothing-to-undo"


def test_run_folder_is_for_its_owner_alone(tmp_path: Path, root: Path) -> None:
    """It holds diffs and bytes of the tree."""
    run = store.start(tmp_path / "reports", root, "fix")
    assert run.folder.stat().st_mode & 0o777 == 0o700


def test_recover_leaves_a_finished_run_alone(tmp_path: Path, root: Path) -> None:
    """A whole run is undone only when asked."""
    run = store.start(tmp_path / "reports", root, "fix")
    transaction.commit(root, [EDIT], run=run.id, kept=run.journal)
    assert store.recover(tmp_path / "reports", root) == ()
    assert (root / "a.txt").read_bytes() == b"2"


def test_undo_twice_is_refused(tmp_path: Path, root: Path) -> None:
    """The second undo has nothing to do and says so."""
    run = store.start(tmp_path / "reports", root, "fix")
    transaction.commit(root, [EDIT], run=run.id, kept=run.journal)
    store.undo(run, root)
    with pytest.raises(CloseoutError) as caught:
        store.undo(run, root)
    assert caught.value.reference == "nothing-to-undo"


@pytest.mark.parametrize("name", ["nowhere", "../root", ""])
def test_find_refuses_an_unknown_run(tmp_path: Path, root: Path, name: str) -> None:
    """A run is named by its folder, and by nothing else."""
    store.start(tmp_path / "reports", root, "fix")
    with pytest.raises(CloseoutError) as caught:
        store.find(tmp_path / "reports", name)
    assert caught.value.reference == "run-unknown"


def test_gather_takes_the_newest_answer_of_each_probe(tmp_path: Path, root: Path) -> None:
    """A later session replaces an earlier one's answer."""
    older = store.start(tmp_path / "reports", root, "fix")
    evidence_store.write(older.evidence, "live", [item(passed=False), item("1.2")])
    newer = store.start(tmp_path / "reports", root, "fix")
    at = item().at.replace(year=2027)
    evidence_store.write(newer.evidence, "live", [item(at=at)])
    found = {
        seen.criterion: seen.passed for seen in evidence_store.gather(tmp_path / "reports", root)
    }
    assert found == {"1.1": True, "1.2": True}


def test_evidence_survives_its_file(tmp_path: Path) -> None:
    """What is read is what was written."""
    made = (item(), item("1.2", passed=None, before=None))
    assert evidence_store.read(evidence_store.write(tmp_path, "live", made)) == made


@pytest.mark.parametrize("content", ["", "[]", '{"evidence": [{"probe": "x"}]}'])
def test_read_refuses_what_is_no_evidence(tmp_path: Path, content: str) -> None:
    """A broken file is an error with a name, not an empty list."""
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(CloseoutError) as caught:
        evidence_store.read(tmp_path / "x.json")
    assert caught.value.reference == "evidence-unusable"
