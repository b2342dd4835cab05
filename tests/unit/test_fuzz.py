"""The fuzzer repeats itself by seed, passes on our own code, and finds what is planted."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from closeout.cli.commands import fix
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import transaction
from closeout.gaps.external_secrets import listing
from closeout.gaps.external_secrets.inventory import inventory
from closeout.model import Tree
from tests.fuzz.campaign import Campaign
from tests.fuzz.cases import Case, Kind, make
from tests.fuzz.samples import SETTINGS
from tests.fuzz.shrinking import shrunk
from tests.fuzz.watch import work_on

OPEN = (
    b"from fastapi import FastAPI\n"
    b"from fastapi.middleware.cors import CORSMiddleware\n"
    b"app = FastAPI()\n"
    b'app.add_middleware(CORSMiddleware, allow_origins=["*"])\n'
)
SMALL = Case(
    kind=Kind.TREE,
    root={"cloud-layer/barn/app/main.py": OPEN, "cloud-layer/barn/requirements.txt": b"fastapi\n"},
    home={},
)
Plant = Callable[[pytest.MonkeyPatch, Path], None]


def test_first_cases_end_well(tmp_path: Path) -> None:
    """Some cases of every kind, as the long session works on them."""
    campaign = Campaign(seed=3, folder=tmp_path)
    kinds = set()
    for number in range(4):
        kinds.add(make(3, number).kind)
        assert campaign.run_case(number).trouble == ""
    assert kinds == set(Kind)
    assert list(tmp_path.iterdir()) == []


def test_case_is_the_same_for_the_same_seed() -> None:
    """A finding can be worked on again by its two numbers."""
    assert make(7, 3) == make(7, 3)
    assert make(7, 3) != make(8, 3)
    assert make(7, 3) != make(7, 4)


def test_cases_spoil_each_kind_of_file() -> None:
    """Sources, settings, prepared patches and run folders all have their turn."""
    told = " ".join(line for number in range(400) for line in make(1, number).story)
    kinds = ".py .ts .sql .yml package.json mosquitto.conf closeout.toml waivers.toml .patch"
    for ending in (*kinds.split(), "index.json", "journal.json", "plan.json", "static.json"):
        assert ending in told, ending


def test_samples_of_settings_are_read(tmp_path: Path) -> None:
    """What is spoiled is right before it is spoiled."""
    declared = {"cloud-layer/cloud-inference-server/README.md": b"Numbers in, numbers out.\n"}
    root = {**SMALL.root, **SETTINGS, **declared}
    outcome = work_on(Case(kind=Kind.TREE, root=root, home={}), 60)
    assert outcome.word == "fixed", (outcome, tmp_path)


def _crash(patch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    del elsewhere
    patch.setattr(listing, "inventory", lambda tree: {}[tree])


def _hang(patch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    del elsewhere
    patch.setattr(listing, "inventory", lambda _: time.sleep(600))


def _death(patch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    del elsewhere
    patch.setattr(listing, "inventory", lambda _: os._exit(0))


def _write_beside(patch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    del elsewhere
    honest = transaction.commit

    def commit(root: Path, edits: object, **rest: object) -> None:
        (root / "../outside/canary.txt").write_bytes(b"gone")
        honest(root, edits, **rest)

    patch.setattr(transaction, "commit", commit)


def _write_elsewhere(patch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    honest = transaction.commit

    def commit(root: Path, edits: object, **rest: object) -> None:
        (elsewhere / "mark").write_bytes(b"here")
        honest(root, edits, **rest)

    patch.setattr(transaction, "commit", commit)


def _refuse_when_written(patch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    del elsewhere

    def conclude(*given: object) -> ExitCode:
        raise CloseoutError("too-late", str(len(given)), hint="sooner")

    patch.setattr(fix, "conclude", conclude)


def _write_when_looking(patch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    del elsewhere
    honest = fix.show

    def show(space: fix.Workspace, gaps: object) -> ExitCode:
        (space.root / "new").touch()
        return honest(space, gaps)

    patch.setattr(fix, "show", show)


def _never_content(patch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    del elsewhere
    honest = fix.write

    def write(space: fix.Workspace, plan: object) -> object:
        run = honest(space, plan)
        with (space.root / "cloud-layer/barn/app/main.py").open("ab") as stream:
            stream.write(b"# again\n")
        return run

    patch.setattr(fix, "write", write)


@pytest.mark.parametrize(
    ("plant", "word"),
    [
        (_crash, "crash"),
        (_hang, "hang"),
        (_death, "death"),
        (_write_beside, "escaped"),
        (_write_elsewhere, "escaped"),
        (_refuse_when_written, "broken"),
        (_write_when_looking, "broken"),
        (_never_content, "broken"),
    ],
)
def test_planted_failure_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plant: Plant, word: str
) -> None:
    """Each thing that a run must not do is told from one that it may."""
    assert work_on(SMALL, 60).word == "fixed"
    plant(monkeypatch, tmp_path)
    outcome = work_on(SMALL, 2 if word == "hang" else 60)
    assert outcome.word == word
    assert outcome.trouble
    assert list(tmp_path.iterdir()) == []


def test_planted_bug_is_found_and_kept_small(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A parser that raises on a spoiled file is met by chance, and one file of it is kept."""

    def fragile(tree: Tree) -> object:
        for path in tree.paths():
            if path.suffix in {".py", ".ts", ".sql", ".yml"}:
                (tree.read(path) or b"").decode()
        return inventory(tree)

    monkeypatch.setattr(listing, "inventory", fragile)
    campaign = Campaign(seed=3, folder=tmp_path, shrinking=5)
    number = next(number for number in range(30) if campaign.run_case(number).trouble)
    (kept,) = tmp_path.iterdir()
    finding = json.loads((kept / "finding.json").read_text())
    assert finding["trouble"] == "UnicodeDecodeError in listing.py:list_secrets"
    assert (finding["seed"], finding["case"]) == (3, number)
    assert len([place for place in (kept / "root").rglob("*") if place.is_file()]) == 1
    assert f"--seed 3 --case {number}" in capsys.readouterr().out


def test_shrinking_keeps_only_what_fails() -> None:
    """Files go first, then lines of those that are left."""
    case = Case(kind=Kind.TREE, root={"a": b"1\n2\nbad\n3\n", "b": b"4\n", "c": b""}, home={})
    small = shrunk(case, lambda smaller: b"bad" in smaller.root.get("a", b""), 10)
    assert small.root == {"a": b"bad\n"}


def test_shrinking_ends_when_its_time_is_over() -> None:
    """A finding may stay large; it may not cost the session."""
    case = Case(kind=Kind.TREE, root={"a": b"1\n2\n"}, home={})
    assert shrunk(case, lambda _: True, 0) == case
