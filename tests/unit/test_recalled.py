"""What a plan found rests on digests: it is recalled where they are the same, and nowhere else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeout.cli.commands import probe
from closeout.engine import planner, recalled, rules
from closeout.engine.patch_series import PreparedSet
from closeout.fs import cache, trace
from closeout.fs.tree import DiskTree
from closeout.gaps import cors, external_secrets, factory_secret
from closeout.harness import service_discovery
from closeout.model import Check, Gap, Tree

GAPS = (cors.GAP, factory_secret.GAP, external_secrets.GAP)
SECRET = "Zq7-barn-gate-4411-xyzzy"  # noqa: S105 - what is looked for in the cache
APP = """from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"])
"""
SERVER = f"""import express from 'express';
export const app = express();
export const gateSecret = process.env.GATE_SECRET || '{SECRET}';
"""
COMPOSE = f"""services:
  gate:
    build: ./gate
    environment:
      GATE_SECRET: {SECRET}
"""
FILES = {
    "sums/app/main.py": APP,
    "sums/requirements.txt": "fastapi\n",
    "gate/src/index.ts": SERVER,
    "gate/package.json": '{"name": "gate", "dependencies": {"express": "4"}}\n',
    "docker-compose.yml": COMPOSE,
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a tree with open places that did not change for an hour."""
    folder = tmp_path / "tree"
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    later = time.time_ns() + 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    return folder


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the gaps whose rules really ran, in sequence."""
    seen: list[str] = []
    checked = rules._checked  # noqa: SLF001 - what is spared is not to be told from outside

    def counted(tree: Tree, gap: Gap) -> tuple[Check, ...]:
        seen.append(gap.slug)
        return checked(tree, gap)

    monkeypatch.setattr(rules, "_checked", counted)
    return seen


def planned(root: Path, kept: Path | None, gaps: Sequence[Gap] = GAPS) -> planner.Plan:
    """Return a run's plan, made with what earlier ones kept in `kept`; what it learnt is kept."""
    tree = DiskTree(root, kept)
    made = planner.plan(gaps, tree, lambda _: PreparedSet(patches=(), withheld=()))
    tree.keep()
    return made


def test_unchanged_tree_is_not_looked_at_again(
    root: Path, tmp_path: Path, looked: list[str]
) -> None:
    """The plan is the same to the byte, and no rule ran for it."""
    first = planned(root, tmp_path / "kept")
    assert first.edits
    assert looked
    looked.clear()
    assert planned(root, tmp_path / "kept") == first == planned(root, None)
    assert set(looked) == {gap.slug for gap in GAPS}, "without memory all are asked"
    looked.clear()
    planned(root, tmp_path / "kept")
    assert not looked


def test_what_is_kept_holds_no_content(root: Path, tmp_path: Path) -> None:
    """Neither a secret nor the line that it stood on."""
    planned(root, tmp_path / "kept")
    kept = (tmp_path / "kept").read_bytes()
    for text in (SECRET, "export const gateSecret", "allow_origins=["):
        assert text.encode() not in kept


def _same_size_and_time(root: Path) -> None:
    place = root / "sums/app/main.py"
    before = place.stat()
    place.write_text(APP.replace('["*"]', '["a"]'))
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (place.stat().st_size, place.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def _switched(root: Path) -> None:
    (root / "sums").rename(root / "totals")
    (root / "gate/src/index.ts").write_text(SERVER.replace("gateSecret", "doorSecret"))


CHANGES: dict[str, Callable[[Path], object]] = {
    "same size and time": _same_size_and_time,
    "deleted": lambda root: (root / "sums/app/main.py").unlink(),
    "compose deleted": lambda root: (root / "docker-compose.yml").unlink(),
    "branch switched": _switched,
    "added": lambda root: (root / "gate/src/more.ts").write_text(SERVER),
    "example added": lambda root: (root / ".env.example").write_text("GATE_SECRET=\n"),
    "mode": lambda root: (root / "sums/app/main.py").chmod(0o600),
    "closed": lambda root: (root / "sums/app/main.py").chmod(0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_stale_answer_is_impossible(root: Path, tmp_path: Path, change: str) -> None:
    """Whatever changed, the plan is what it is without memory."""
    first = planned(root, tmp_path / "kept")
    CHANGES[change](root)
    fresh = planned(root, None)
    assert fresh != first
    assert planned(root, tmp_path / "kept") == fresh


def test_nothing_that_an_answer_rests_on_is_asked_again_in_the_same_state(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and signatures of all files say at once that every answer holds."""
    first = planned(root, tmp_path / "kept")
    monkeypatch.setattr(DiskTree, "content_digest", lambda *_: pytest.fail("asked again"))
    assert planned(root, tmp_path / "kept") == first


@pytest.mark.parametrize(
    "name",
    [
        *("node_modules/barn/a.txt", "a.txt.closeout-tmp", "barn\x01/a.txt", "closed/a.txt"),
        "barn/a.txt",
    ],
)
def test_file_that_no_walk_comes_to_is_looked_at_in_any_state(
    root: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of a tree does not tell of it, so an answer that rests on it is looked at."""
    scandir = os.scandir

    def listed(folder: str | Path) -> Iterator[os.DirEntry[str]]:
        if str(folder).endswith("/closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    (root / "closed").mkdir()
    monkeypatch.setattr(os, "scandir", listed)

    def told() -> frozenset[str]:
        tree = DiskTree(root, tmp_path / "kept")
        made = recalled.criteria(tree, GAPS, "what stands there", _what_stands_there(name))
        tree.keep()
        return made

    assert told() == told() == frozenset(["None"])
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("one")
    assert told() == told() == frozenset(["b'one'"])
    (root / name).write_text("two")
    assert told() == frozenset(["b'two'"])
    (root / name).unlink()
    assert told() == frozenset(["None"])


def _what_stands_there(name: str) -> Callable[[Tree], frozenset[str]]:
    return lambda tree: frozenset([repr(tree.read(name))])


def test_no_answer_is_taken_for_that_of_a_file_that_changed_meanwhile(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is older than the state in which the answer was made."""
    monkeypatch.setattr(cache, "_SETTLED", 0)
    later = max(place.lstat().st_ctime_ns for place in root.rglob("*")) + 1
    monkeypatch.setattr(time, "time_ns", lambda: later)
    tree = DiskTree(root, tmp_path / "kept")
    assert tree.read("sums/app/main.py")
    while root.joinpath("sums/app/main.py").lstat().st_ctime_ns <= later:
        (root / "sums/app/main.py").write_text("print(1)\n")
    planner.plan(GAPS, tree, lambda _: PreparedSet(patches=(), withheld=()))
    tree.keep()
    assert planned(root, tmp_path / "kept") == planned(root, None)


def test_only_gaps_that_read_what_changed_are_asked_again(
    root: Path, tmp_path: Path, looked: list[str]
) -> None:
    """A file that no rule of theirs reads does not concern the others."""
    planned(root, tmp_path / "kept")
    looked.clear()
    (root / "sums/app/main.py").write_text(APP + "LIMIT = 3\n")
    planner.detect(GAPS, DiskTree(root, tmp_path / "kept"))
    assert cors.GAP.slug in looked
    assert factory_secret.GAP.slug not in looked


def test_tree_that_is_as_it_was_before_is_known_again(
    root: Path, tmp_path: Path, looked: list[str]
) -> None:
    """A branch switched to and back is the same content, whatever its files' times say."""
    first = planned(root, tmp_path / "kept")
    (root / "sums/app/main.py").write_text(APP + "LIMIT = 3\n")
    planned(root, tmp_path / "kept")
    looked.clear()
    (root / "sums/app/main.py").write_text(APP)
    assert planned(root, tmp_path / "kept") == first
    assert not looked


def test_other_version_of_the_rules_recalls_nothing(
    root: Path, tmp_path: Path, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest of all that may have a part in an answer is part of it."""
    planned(root, tmp_path / "kept")
    looked.clear()
    monkeypatch.setattr(cache, "ourselves", lambda: "another")
    planned(root, tmp_path / "kept")
    assert set(looked) == {gap.slug for gap in GAPS}


def test_plugins_gap_is_asked_each_time(root: Path, tmp_path: Path, looked: list[str]) -> None:
    """Its code is not ours: it may be another one, and nothing would show."""

    def fix(tree: Tree) -> tuple[()]:
        del tree
        return ()

    theirs = replace(cors.GAP, slug="theirs", fix=fix)
    planned(root, tmp_path / "kept", (theirs,))
    looked.clear()
    planned(root, tmp_path / "kept", (theirs,))
    assert looked


def test_criteria_that_probes_ask_are_known_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which they are is looked up again when a file that says so has changed."""
    looked: list[Tree] = []
    roster = service_discovery.roster

    def noted(tree: Tree) -> Mapping[str, service_discovery.Member]:
        looked.append(tree)
        return roster(tree)

    def asked() -> frozenset[str]:
        tree = DiskTree(root, tmp_path / "kept")
        made = probe.asked(tree)
        tree.keep()
        return made

    monkeypatch.setattr(service_discovery, "roster", noted)
    first = asked()
    assert "7.1" in first
    looked.clear()
    assert asked() == first
    assert not looked
    (root / "sums/app/main.py").write_text("print(1)\n")
    assert "7.1" not in asked()
    assert looked


def test_failure_of_ours_is_not_kept(root: Path, tmp_path: Path) -> None:
    """The next run may be spared it."""

    def fails(tree: Tree) -> tuple[()]:
        raise RuntimeError(tree.paths())

    fails.__module__ = "closeout.gaps.cors.fix"
    broken = replace(cors.GAP, fix=fails)
    refused = planned(root, tmp_path / "kept", (broken,)).unresolved[cors.GAP.slug]
    assert [item.reason.name for item in refused] == ["OURS"]
    assert planned(root, tmp_path / "kept", (cors.GAP,)).edits


@given(st.lists(st.sampled_from([b"a long line here\n", b"a long lime here\n", b"b\n", b"", b"c"])))
def test_delta_is_put_together_again(lines: list[bytes]) -> None:
    """Whatever lines there are on either side, with the marks of a diff or without."""
    source = b"a long line here\nanother \xff one\nb\n"
    for target, marks in ((b"".join(lines), 0), (b"".join(b"+" + item for item in lines), 1)):
        pieces = trace.delta(source, target, marks)
        assert trace.put_together(source, pieces) == target


def test_delta_takes_what_it_can_from_the_source() -> None:
    """Of a changed line, only what is new is text of its own."""
    pieces = trace.delta(
        b"key: hidden\nurl: a://b:hidden@host/one\n", b"url: a://b:hidden@host/two\n"
    )
    assert "hidden" not in "".join(piece for piece in pieces if isinstance(piece, str))
    assert PurePosixPath("two").name in "".join(piece for piece in pieces if isinstance(piece, str))
