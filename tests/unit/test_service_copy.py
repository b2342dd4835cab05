"""Equal services are copied to equal places, one run at a time, and nothing else is."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath

import pytest

from closeout.errors import CloseoutError
from closeout.harness.service_copy import copy, steady_copy

SERVICE = PurePosixPath("layer/service")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a monorepo of one service; what is temporary is below the test's own folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "root" / SERVICE).mkdir(parents=True)
    (tmp_path / "root" / SERVICE / "a.ts").write_text("export const a = 1;\n")
    return tmp_path / "root"


def test_steady_copy_is_at_the_same_place_for_the_same_bytes(root: Path, tmp_path: Path) -> None:
    """What the runner kept is there again, what it wrote is not; a changed byte moves the place."""
    with steady_copy(root, SERVICE, tmp_path / "one") as first:
        assert first is not None
        first.kept.mkdir()
        (first.kept / "compiled").write_text("1")
        (first.output / "results").write_text("1")
        (first.folder / "left").write_text("1")
    assert not first.folder.exists()
    with steady_copy(root, SERVICE, tmp_path / "two") as second:
        assert second == first
        assert (first.kept / "compiled").exists()
        assert [path.name for path in first.folder.iterdir()] == ["a.ts"]
        assert list(first.output.iterdir()) == []
    (root / SERVICE / "a.ts").write_text("export const a = 2;\n")
    with steady_copy(root, SERVICE, tmp_path / "three") as third:
        assert third is not None
        assert third.folder != first.folder
        assert not third.kept.exists()


def test_steady_copy_leaves_the_place_to_the_run_that_has_it(root: Path, tmp_path: Path) -> None:
    """A second run at the same time works below its own scratch folder."""
    with (
        steady_copy(root, SERVICE, tmp_path / "one") as first,
        steady_copy(root, SERVICE, tmp_path / "two") as second,
    ):
        assert first is not None
        assert second == copy(root, SERVICE, tmp_path / "two")
        assert (first.folder / "a.ts").exists()


def test_steady_copy_forgets_all_but_the_newest_places(root: Path, tmp_path: Path) -> None:
    """Services that changed long ago take no room."""
    for number in range(9):
        (root / SERVICE / "a.ts").write_text(f"export const a = {number};\n")
        with steady_copy(root, SERVICE, tmp_path / str(number)) as made:
            assert made is not None
    assert len(list(made.kept.parents[1].iterdir())) <= 6


def test_steady_copy_refuses_a_folder_that_others_may_write_to(root: Path, tmp_path: Path) -> None:
    """A link or an open folder in the shared temporary folder is somebody else's trap."""
    with steady_copy(root, SERVICE, tmp_path / "one") as made:
        assert made is not None
    made.kept.parents[1].chmod(0o777)
    with (
        pytest.raises(CloseoutError, match="only you may write"),
        steady_copy(root, SERVICE, tmp_path / "two"),
    ):
        pytest.fail("the place was used")


def test_steady_copy_is_none_where_the_service_is_not(root: Path, tmp_path: Path) -> None:
    """A monorepo without the service has nothing to copy."""
    with steady_copy(root, PurePosixPath("elsewhere"), tmp_path / "one") as made:
        assert made is None
