"""Propose, stage, detect again: what survives is written, the rest is told."""

import json
from pathlib import Path, PurePosixPath

import pytest

from closeout.engine import patch_series, planner, rules
from closeout.engine.patch_series import PreparedSet
from closeout.errors import CloseoutError
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps import GAPS
from closeout.model import (
    Changeset,
    Edit,
    Gap,
    Located,
    Place,
    Reason,
    Rule,
    Tree,
    Unresolved,
)
from tests.support.builders import derive_word, toy_gap

NONE = PreparedSet(patches=(), withheld=())
LINES = b"".join(b"line %d\n" % number for number in range(10))
OPEN = LINES + b"OPEN\n" + LINES


def _plan(tree: Tree, gap: planner.Gap | None = None, given: PreparedSet = NONE) -> planner.Plan:
    return planner.plan([gap or toy_gap()], tree, lambda _: given)


def _prepared_folder(tmp_path: Path, tree: Tree) -> Path:
    for name, content in patch_series.build({"toy": derive_word(tree)}).items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return tmp_path


def test_plan_closes_the_gap_by_a_derived_patch() -> None:
    """Without a prepared patch the derived one closes the place, and says so."""
    plan = _plan(MemoryTree({"a.txt": OPEN}))
    assert [edit.after for edit in plan.edits] == [OPEN.replace(b"OPEN", b"SHUT")]
    assert [patch.origin for patch in plan.proposals[0].patches] == ["derived"]
    assert rules.findings(plan.after["toy"]) == ()


def test_plan_prefers_the_prepared_patch(tmp_path: Path) -> None:
    """A reviewed patch that fits is used as it is."""
    tree = MemoryTree({"a.txt": OPEN})
    given = patch_series.load(_prepared_folder(tmp_path, tree), "toy")
    plan = _plan(tree, given=given)
    assert [patch.origin for patch in plan.proposals[0].patches] == ["prepared"]


def test_plan_derives_where_the_prepared_patch_drifted(tmp_path: Path) -> None:
    """A tree that moved on is closed all the same, and the origin says derived."""
    given = patch_series.load(_prepared_folder(tmp_path, MemoryTree({"a.txt": OPEN})), "toy")
    plan = _plan(MemoryTree({"a.txt": OPEN.replace(b"line 9", b"line nine")}), given=given)
    assert [patch.origin for patch in plan.proposals[0].patches] == ["derived"]


def test_plan_takes_no_prepared_file_where_the_code_is_another(tmp_path: Path) -> None:
    """A patch that only makes a file fits wherever there is none: it says nothing of the tree."""
    tree = MemoryTree({"a.txt": OPEN})
    new = Edit(path=PurePosixPath("b.txt"), before=None, after=b"of the reference\n")
    sets = [*derive_word(tree), Changeset(name="new", edits=(new,))]
    for name, content in patch_series.build({"toy": sets}).items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    given = patch_series.load(tmp_path, "toy")
    assert [str(edit.path) for edit in _plan(tree, given=given).edits] == ["a.txt", "b.txt"]
    drifted = MemoryTree({"a.txt": OPEN.replace(b"line 9", b"line nine")})
    assert [str(edit.path) for edit in _plan(drifted, given=given).edits] == ["a.txt"]


def test_plan_on_the_result_writes_nothing() -> None:
    """Fixing twice is fixing once."""
    tree = MemoryTree({"a.txt": OPEN})
    once = Overlay(tree, _plan(tree).edits)
    assert _plan(once).edits == ()


@pytest.mark.parametrize("damage", ["delete", "alter"])
def test_plan_withholds_the_place_of_a_damaged_prepared_patch(tmp_path: Path, damage: str) -> None:
    """A patch that is missing or altered was not reviewed; its place stays open, with its line."""
    tree = MemoryTree({"a.txt": OPEN, "b.txt": OPEN})
    folder = _prepared_folder(tmp_path, tree)
    patch = folder / "toy" / "01-a.patch"
    if damage == "delete":
        patch.unlink()
    else:
        patch.write_bytes(patch.read_bytes().replace(b" line 9", b" line X"))
    plan = _plan(tree, given=patch_series.load(folder, "toy"))
    assert [str(edit.path) for edit in plan.edits] == ["b.txt"]
    (left,) = plan.proposals[0].unresolved
    assert (str(left.path), left.line) == ("a.txt", 11)
    assert "patches/toy/01-a.patch" in left.detail
    assert "invoke patches.prepare" in left.hint


def test_plan_says_nothing_of_a_damaged_patch_whose_place_is_closed(tmp_path: Path) -> None:
    """What is closed already needs no patch."""
    folder = _prepared_folder(tmp_path, MemoryTree({"a.txt": OPEN}))
    (folder / "toy" / "01-a.patch").unlink()
    closed = MemoryTree({"a.txt": OPEN.replace(b"OPEN", b"SHUT")})
    plan = _plan(closed, given=patch_series.load(folder, "toy"))
    assert plan.proposals[0].unresolved == ()


def test_load_names_the_index_when_it_is_unusable(tmp_path: Path) -> None:
    """A folder without its index is not taken for an empty one."""
    with pytest.raises(CloseoutError) as caught:
        patch_series.load(tmp_path, "toy")
    assert caught.value.reference == "patches-unusable"


def test_index_holds_digest_and_targets(tmp_path: Path) -> None:
    """The index ties every patch to its bytes and its places."""
    folder = _prepared_folder(tmp_path, MemoryTree({"a.txt": OPEN}))
    (entry,) = json.loads((folder / "index.json").read_bytes())["toy"]
    assert entry["targets"] == ["a.txt"]
    assert len(entry["sha256"]) == 64


def _one(path: str, after: bytes) -> Changeset:
    edit = Edit(path=PurePosixPath(path), before=OPEN, after=after)
    return Changeset(name="one", edits=(edit,))


def test_plan_drops_every_edit_of_a_gap_whose_fix_does_not_close_it() -> None:
    """Detected again on the staged tree; a survivor takes the whole gap's edits with it."""
    gap = toy_gap(fix=lambda _: (_one("a.txt", OPEN + b"more\n"),))
    plan = _plan(MemoryTree({"a.txt": OPEN}), gap)
    assert plan.edits == ()
    assert "the fix does not close it" in plan.proposals[0].unresolved[0].detail


def test_plan_drops_an_edit_that_breaks_the_file() -> None:
    """Every touched file is parsed again in its own language."""
    edit = Edit(path=PurePosixPath("a.py"), before=b"x = 1\n", after=b"x = (\n")
    gap = toy_gap(fix=lambda _: (Changeset(name="broken", edits=(edit,)),))
    plan = _plan(MemoryTree({"a.py": b"x = 1\n", "a.txt": b""}), gap)
    assert plan.edits == ()
    assert plan.proposals[0].unresolved[0].reason is Reason.UNPARSABLE


def test_plan_keeps_the_other_edits_when_one_place_is_refused() -> None:
    """A place that was refused with a reason does not undo its neighbours."""
    refused = Unresolved(path=PurePosixPath("b.txt"), reason=Reason.AMBIGUOUS, detail="two of them")

    def derive(tree: Tree) -> tuple[Changeset, ...]:
        mended = [item for item in derive_word(tree) if item.name == "a"]
        return (*mended, Changeset(name="b", edits=(), unresolved=(refused,)))

    tree = MemoryTree({"a.txt": OPEN, "b.txt": OPEN})
    plan = _plan(tree, toy_gap(fix=derive))
    assert [str(edit.path) for edit in plan.edits] == ["a.txt"]
    assert plan.proposals[0].unresolved == (refused,)


def test_plan_applies_no_patch_to_a_file_that_does_not_parse(tmp_path: Path) -> None:
    """A prepared patch that would still fit leaves a broken file as it is."""
    good = b"x = 1\n" + b"# line\n" * 10
    edit = Edit(path=PurePosixPath("a.py"), before=good, after=b"x = 2\n" + b"# line\n" * 10)
    (tmp_path / "toy").mkdir()
    for name, content in patch_series.build({"toy": [Changeset(name="a", edits=(edit,))]}).items():
        (tmp_path / name).write_bytes(content)
    given = patch_series.load(tmp_path, "toy")
    assert len(_plan(MemoryTree({"a.py": good, "a.txt": b""}), given=given).edits) == 1
    broken = MemoryTree({"a.py": good + b"y = (\n", "a.txt": b""})
    assert _plan(broken, given=given).edits == ()


def test_plan_returns_to_a_gap_whose_business_a_later_gap_made() -> None:
    """What one gap makes is closed for the others in the same run: twice is once."""

    def create(tree: Tree) -> tuple[Changeset, ...]:
        if tree.read("new.txt") is not None:
            return ()
        edit = Edit(path=PurePosixPath("new.txt"), before=None, after=b"OPEN\n")
        return (Changeset(name="new", edits=(edit,)),)

    gaps = (toy_gap(), toy_gap(slug="maker", rules=(), fix=create))
    tree = MemoryTree({"a.txt": b"OPEN\n"})
    plan = planner.plan(gaps, tree, lambda _: PreparedSet(patches=(), withheld=()))
    assert {str(edit.path): edit.after for edit in plan.edits} == {
        "a.txt": b"SHUT\n",
        "new.txt": b"SHUT\n",
    }
    assert rules.findings(plan.after["toy"]) == ()


def test_plan_tells_a_secret_once_and_refers_to_it_from_other_gaps() -> None:
    """What two gaps find on one line is one thing to read; both stay open until it is mended."""
    keys = b"export const secret = process.env.SIGNING_SECRET || 'rope-and-7-knots'\n"
    files = {
        "cloud-layer/desk/src/keys.ts": keys,
        "cloud-layer/desk/package.json": b'{"name": "desk"}',
        "k8s/desk.yaml": b"kind: Deployment\nmetadata: {name: desk}\n",
    }
    tree = MemoryTree(files)
    for found in (planner.detect(GAPS, tree), planner.plan(GAPS, tree, lambda _: NONE).before):
        told = {
            (item.criterion, item.message)
            for made in found.values()
            for item in rules.findings(made)
            if item.path.name == "keys.ts"
        }
        assert told == {
            ("4.1", "SIGNING_SECRET falls back to a literal"),
            ("10.3", "as 4.1 says: SIGNING_SECRET falls back to a literal"),
            (
                "10.3",
                "SIGNING_SECRET of desk has no ExternalSecret entry; the literal is told under 4.1",
            ),
        }
    alone = planner.detect([gap for gap in GAPS if gap.slug == "external-secrets"], tree)
    (only,) = alone.values()
    assert not any("4.1" in item.message for item in rules.findings(only))
    twice = rules.told_once(GAPS, planner.detect(GAPS, tree))
    assert twice == planner.detect(GAPS, tree)


def test_plan_judges_each_gap_twice_on_what_is_and_on_what_all_leave() -> None:
    """A state that no file will ever be in is nothing to look at."""
    looked: list[tuple[str, bytes | None, bytes | None]] = []

    def _gap(slug: str, path: str) -> Gap:
        def locate(tree: Tree) -> Located:
            looked.append((slug, tree.read("a.txt"), tree.read("b.txt")))
            content = tree.read(path) or b""
            places = (Place(path=PurePosixPath(path), line=1),) if content == OPEN else ()
            return Located(examined=(PurePosixPath(path),), places=places)

        rule = Rule(id="word", criterion="1.1", locate=locate)
        return toy_gap(slug=slug, rules=(rule,), fix=lambda _: (_one(path, b"shut\n"),))

    tree = MemoryTree({"a.txt": OPEN, "b.txt": OPEN})
    made = planner.plan((_gap("one", "a.txt"), _gap("two", "b.txt")), tree, lambda _: NONE)
    assert [str(edit.path) for edit in made.edits] == ["a.txt", "b.txt"]
    assert sorted(looked) == sorted(
        (slug, *state) for slug in ("one", "two") for state in ((OPEN, OPEN), (b"shut\n",) * 2)
    )


def test_plan_drops_a_gap_that_a_later_one_opens_again_and_keeps_the_later_one() -> None:
    """What is written is what counts, whoever wrote it last."""
    again = Edit(path=PurePosixPath("a.txt"), before=b"SHUT\n", after=b"OPEN\n")
    later = toy_gap(
        slug="later",
        rules=(),
        fix=lambda tree: (
            (Changeset(name="again", edits=(again,)),)
            if tree.read("a.txt") == again.before
            else (_one("b.txt", b"more\n"),)
        ),
    )
    tree = MemoryTree({"a.txt": b"OPEN\n", "b.txt": OPEN})
    made = planner.plan((toy_gap(fix=_first), later), tree, lambda _: NONE)
    assert [str(edit.path) for edit in made.edits] == ["b.txt"]
    assert "the fix does not close it" in made.proposals[0].unresolved[0].detail


def _first(tree: Tree) -> tuple[Changeset, ...]:
    return tuple(item for item in derive_word(tree) if item.name == "a")
