"""Every hunk of our own fixes can be taken back alone, and the page says who would notice."""

from pathlib import Path, PurePosixPath

from closeout.fs import patching
from closeout.model import Edit, Patch
from closeout.resources import BUNDLE
from tools import hunks
from tools.hunks import Hunk, Verdict

BEFORE = b"".join(b"line %d\n" % number for number in range(40))
AFTER = BEFORE.replace(b"line 3\n", b"three\n").replace(b"line 30\n", b"thirty\n")


def _patch() -> Patch:
    edits = (
        Edit(path=PurePosixPath("cloud-layer/s/a.txt"), before=BEFORE, after=AFTER),
        Edit(path=PurePosixPath("cloud-layer/s/new.txt"), before=None, after=b"new\n"),
    )
    return patching.read_patch("cors", "two files", patching.diff(edits), "prepared")


def _fixed(folder: Path) -> Path:
    place = folder / "cloud-layer" / "s"
    place.mkdir(parents=True)
    (place / "a.txt").write_bytes(AFTER)
    (place / "new.txt").write_bytes(b"new\n")
    return place


def test_hunks_of_a_patch_are_taken_back_one_by_one(tmp_path: Path) -> None:
    """A hunk goes without its neighbours, and a new file goes whole."""
    first, second, new = patching.hunks(_patch())
    place = _fixed(tmp_path)
    assert patching.revert(tmp_path, second)
    assert (place / "a.txt").read_bytes() == BEFORE.replace(b"line 3\n", b"three\n")
    assert patching.revert(tmp_path, new)
    assert not (place / "new.txt").exists()
    assert patching.revert(tmp_path, first)
    assert (place / "a.txt").read_bytes() == BEFORE


def test_hunk_is_not_taken_back_where_it_is_not(tmp_path: Path) -> None:
    """A hunk whose lines are gone changes nothing and says so."""
    place = _fixed(tmp_path)
    (place / "a.txt").write_bytes(b"something else\n")
    assert not patching.revert(tmp_path, patching.hunks(_patch())[0])
    assert (place / "a.txt").read_bytes() == b"something else\n"


def test_hunks_are_all_hunks_of_the_four_prepared_gaps() -> None:
    """None of the prepared patches is left out, and each is tied to one service."""
    found = hunks.hunks()
    written = sum(
        place.read_bytes().count(b"\n@@ ")
        for slug in hunks.SLUGS
        for place in (BUNDLE / "patches" / slug).glob("*.patch")
    )
    assert len(found) == written
    assert len({(hunk.patch.slug, hunk.place) for hunk in found}) == len(found)
    assert all(
        hunk.service == hunk.path.parts[1] if hunk.service else hunk.excuse
        for hunk in found
        if hunk.path.name != "docker-compose.yml"
    )


def test_page_tells_hunks_that_a_probe_notices_from_the_others() -> None:
    """A hunk that no probe can notice is listed with the reason, or as not known."""
    single, _, new = (
        Hunk(patch=one, place=str(one.targets[0]), service="s") for one in patching.hunks(_patch())
    )
    noticed = Verdict(hunk=single, probe="cors.evil-origin-get@s", detector="")
    survivor = Verdict(hunk=new, probe="", detector="")
    assert noticed.holds
    assert not survivor.holds
    text = hunks.page([noticed, survivor])
    assert "2 hunks; a probe notices 1 of them." in text
    assert "| cors | cloud-layer/s/a.txt | cors.evil-origin-get@s |" in text
    assert "| cors | cloud-layer/s/new.txt | not known | nothing |" in text


def test_kept_page_lists_every_hunk_that_a_probe_is_to_notice() -> None:
    """A patch that gained code since the hunks were last taken back shows."""
    kept = (BUNDLE / "docs" / "hunks.md").read_text()
    assert [
        hunk.place
        for hunk in hunks.hunks()
        if not hunk.excuse and f"{hunk.patch.slug} | {hunk.place} |" not in kept
    ] == []
