"""A hostile monorepo ends a run with a defined code; nothing outside it is touched, none hangs."""

import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import FrameType

import pytest

from closeout.cli.commands import fix, undo
from closeout.cli.commands import report as reporting
from closeout.cli.error_handler import guarded
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import patching
from closeout.fs.safe_open import clean_path
from closeout.fs.tree import DiskTree, digest
from closeout.gaps import GAPS
from closeout.gaps.external_secrets.inventory import inventory
from closeout.reporting import bundle
from closeout.workorders import artifact_lint
from closeout.workorders.wo_004_checks import TOUCHED
from tests.support import hostile
from tests.support.builders import snapshot, write_files
from tests.support.monorepos import space_for


class Hang(BaseException):
    """Passes every boundary: nothing may take it for a failure it can report."""


LONGEST = 90
"""Seconds that a run may take on a busy machine; a run on a quiet one takes about one."""
ODD_PATHS = ("../x", "/etc/passwd", "a/../../x", "C:/x", "c:x", "a\0b", "a\\b", "")


@contextmanager
def deadline(seconds: int = LONGEST) -> Iterator[None]:
    """Fail the test where the block hangs."""

    def ring(number: int, frame: FrameType | None) -> None:
        del number, frame
        message = f"still running after {seconds} seconds"
        raise Hang(message)

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder of its own: pytest itself cannot remove folders that nest too deep."""
    folder = Path(tempfile.mkdtemp(prefix="closeout-hostile-"))
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.parametrize("build", hostile.BUILDERS, ids=lambda build: build.__name__)
def test_fix_all_ends_well_on_a_hostile_monorepo(
    place: Path, build: hostile.Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is defined and no failure of ours, nothing outside changes, twice is once."""
    root = hostile.small_monorepo(place / "root")
    outside, home = place / "outside", place / "home"
    outside.mkdir()
    home.mkdir()
    build(root, outside)
    before, untouched = snapshot(outside), digest(DiskTree(root))
    space = space_for(home, root)
    with deadline():
        first = guarded(home, lambda: fix.fix(space, GAPS))
        once = digest(DiskTree(root))
        second = guarded(home, lambda: fix.fix(space, GAPS))
    log = home / "reports/bug.log"
    assert not log.exists(), log.read_text()
    assert first in {ExitCode.GAPS_LEFT, ExitCode.UNPROVEN, ExitCode.UNUSABLE_INPUT}
    assert second in {ExitCode.GAPS_LEFT, ExitCode.UNPROVEN, ExitCode.UNUSABLE_INPUT}
    assert digest(DiskTree(root)) == once
    assert first is not ExitCode.UNUSABLE_INPUT or once == untouched
    assert snapshot(outside) == before
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err


def test_reading_ends_well_on_every_hostile_monorepo(place: Path) -> None:
    """What an audit reads beside the gaps: manifests, scripts, settings, secrets."""
    for build in hostile.BUILDERS:
        root = hostile.small_monorepo(place / build.__name__)
        (place / "outside").mkdir(exist_ok=True)
        build(root, place / "outside")
        with tempfile.TemporaryDirectory(dir=place) as scratch, deadline():
            tree = DiskTree(root)
            rows = artifact_lint.inspect(tree, TOUCHED, Path(scratch))
            assert all(seen.observed for _, _, seen in rows)
            assert inventory(tree) is not None
            subprocess.run(["rm", "-rf", root], check=True)


@pytest.mark.parametrize("damage", hostile.DAMAGES, ids=lambda damage: damage.__name__)
def test_run_folder_that_was_damaged_is_refused(tmp_path: Path, damage: hostile.Damage) -> None:
    """Each door says so and changes nothing, or can do without what is damaged."""
    root = write_files(tmp_path / "root", {"cloud-layer/barn/app/main.py": hostile.WILDCARD})
    space = space_for(tmp_path, root)
    fix.fix(space, GAPS)
    (run,) = (place for place in space.reports.iterdir() if not place.is_symlink())
    damage(run)
    fixed, refused = snapshot(root), 0
    for door in (
        lambda: reporting.build(space),
        lambda: bundle.verify(space, run.name),
        lambda: fix.fix(space, GAPS),
        lambda: undo.undo(space, ""),
    ):
        code = guarded(tmp_path, door)
        assert code is not ExitCode.OWN_BUG, (space.reports / "bug.log").read_text()
        refused += code is not ExitCode.UNPROVEN
        if code is not ExitCode.SETTLED:
            assert snapshot(root) == fixed
    assert refused


@pytest.mark.parametrize("build", hostile.PATCHES, ids=lambda build: build.__name__)
def test_patch_that_cannot_be_shown_is_refused(build: Callable[[], bytes]) -> None:
    """No such patch reaches git."""
    with pytest.raises(CloseoutError) as caught:
        patching.read_patch("toy", "odd.patch", build(), "prepared")
    assert caught.value.reference in {"unsafe-path", "patch-unusable"}


@pytest.mark.parametrize("path", ODD_PATHS)
def test_no_path_that_could_leave_the_tree_is_clean(path: str) -> None:
    """Parents, absolute, drive, NUL and backslash paths are refused."""
    with pytest.raises(CloseoutError) as caught:
        clean_path(path)
    assert caught.value.reference == "unsafe-path"


@pytest.mark.parametrize("path", [path for path in ODD_PATHS if path])
def test_patch_with_a_path_that_could_leave_the_tree_is_refused(path: str) -> None:
    """No patch reaches git with such a target."""
    text = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n"
    with pytest.raises(CloseoutError) as caught:
        patching.read_patch("toy", "odd.patch", text.encode(), "prepared")
    assert caught.value.reference in {"unsafe-path", "patch-unusable"}


def test_patch_whose_lines_name_another_file_than_its_header_is_refused() -> None:
    """Git would believe the lines below the header."""
    text = b"diff --git a/x b/x\n--- a/../y\n+++ b/../y\n@@ -1 +1 @@\n-a\n+b\n"
    with pytest.raises(CloseoutError) as caught:
        patching.read_patch("toy", "odd.patch", text, "prepared")
    assert caught.value.reference == "patch-unusable"


def test_folder_that_becomes_a_link_after_the_walk_is_not_followed(tmp_path: Path) -> None:
    """A link that is put in the way between listing and reading leads nowhere."""
    root = hostile.small_monorepo(tmp_path / "root")
    tree = DiskTree(root)
    assert PurePosixPath(hostile.MAIN) in tree.paths()
    (root / hostile.SERVICE).rename(tmp_path / "elsewhere")
    (root / hostile.SERVICE).symlink_to(tmp_path / "elsewhere")
    assert tree.read(str(hostile.MAIN)) is None
    assert [str(item.path) for item in tree.unreadable()] == [str(hostile.MAIN)]


def test_special_files_are_named_as_unreadable(tmp_path: Path) -> None:
    """Pipes and sockets are told, and never opened."""
    root = hostile.small_monorepo(tmp_path / "root")
    hostile.special_files(root, tmp_path)
    tree = DiskTree(root)
    assert stat.S_ISFIFO((root / hostile.MAIN).stat().st_mode)
    assert PurePosixPath(hostile.MAIN) not in tree.paths()
    assert len(tree.unreadable()) >= 3


def test_names_that_cannot_be_shown_are_told_in_escaped_form(tmp_path: Path) -> None:
    """Such a file is left out of the walk, and a report can print which one it was."""
    root = hostile.small_monorepo(tmp_path / "root")
    hostile.odd_names(root, tmp_path)
    tree = DiskTree(root)
    assert tree.paths()
    told = [str(item.path) for item in tree.unreadable()]
    assert "cloud-layer/caf\\udce9" in told
    assert "cloud-layer/\\x1b[31mred\\x1b[0m" in told
    assert "cloud-layer/new\\nline" in told
    assert all(text.isascii() for text in told)


def test_service_with_a_harmless_odd_name_is_fixed_like_any_other(tmp_path: Path) -> None:
    """Quotes, pipes, blanks and a leading dash are names as good as others."""
    root = hostile.small_monorepo(tmp_path / "root")
    hostile.odd_names(root, tmp_path)
    fix.fix(space_for(tmp_path, root), GAPS)
    for name in ("quo'te\"s", "pi|pe", "<b>html<", "-rf", "$(touch x)", " blank "):
        fixed = (root / "cloud-layer" / name / "app/main.py").read_bytes()
        assert b'allow_origins=["*"]' not in fixed, name
