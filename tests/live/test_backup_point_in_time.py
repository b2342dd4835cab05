"""A server that archives as rendered is destroyed, and comes back to a moment."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from closeout.gaps.backup import point_in_time
from closeout.gaps.backup.probing import archiving, drill
from closeout.model import Observation, ProbeContext

pytestmark = [pytest.mark.live, pytest.mark.needs("pgbackrest")]

Ask = Callable[[bytes, bytes], Observation]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Put the question to the rendered manifests, with one piece of them replaced.

    The folder for temporary files is deeper than the address of a socket has room for.
    """

    def asked(old: bytes, new: bytes) -> Observation:
        for item in point_in_time.manifests():
            place = tmp_path / "root" / item.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(item.content().replace(old, new))
        with drill.workplace() as place:
            deep = place / ("d" * 80)
            deep.mkdir(mode=0o755)
            monkeypatch.setattr(tempfile, "tempdir", str(deep))
            context = ProbeContext(root=tmp_path / "root", scratch=deep, services={}, settings={})
            return archiving.restores_to_a_moment(context, point_in_time.FOLDER)

    return asked


def test_destroyed_server_comes_back_to_a_moment_and_its_loss_is_measured(ask: Ask) -> None:
    """Rows of before the moment are there, those of after are not, and the RPO is a figure."""
    seen = ask(b"", b"")
    assert seen.passed, seen.observed
    found = re.search(r"measured RPO ([\d.]+) s", seen.observed)
    assert found
    assert float(found[1]) < archiving.RPO_SECONDS
    assert "not a bucket" in seen.observed
    figures = {measure.name: measure.value for measure in seen.measures}
    assert figures["RPO"] >= 60 * point_in_time.ARCHIVE_MINUTES
    assert figures["RPO"] <= archiving.RPO_SECONDS


def test_archiving_that_only_says_so_is_seen(ask: Ask) -> None:
    """A command that succeeds and keeps nothing is caught before anything relies on it."""
    seen = ask(b'pgbackrest --stanza=main archive-push \\"%p\\"', b"/bin/true")
    assert seen.passed is False, seen.observed
    assert "check" in seen.observed or "archive" in seen.observed


def test_timeout_beyond_the_plan_is_seen(ask: Ask) -> None:
    """The rehearsal shortens the timeout, so the tree's own is judged first."""
    seen = ask(b"archive_timeout=5min", b"archive_timeout=1h")
    assert seen.passed is False
    assert "3600 s" in seen.observed


def test_tree_without_archiving_is_told_so(tmp_path: Path) -> None:
    """Where nothing archives, a moment cannot be reached."""
    context = ProbeContext(root=tmp_path, scratch=tmp_path, services={}, settings={})
    seen = archiving.restores_to_a_moment(context, point_in_time.FOLDER)
    assert seen.passed is False
    assert "archives no WAL" in seen.observed
