"""Two findings at one place are one edit, on trees in which services and files overlap."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from closeout.cli.commands import detect, fix
from closeout.cli.error_handler import guarded
from closeout.console import failures
from closeout.engine import planner
from closeout.engine.patch_series import PreparedSet
from closeout.errors import ExitCode
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps import GAPS
from closeout.gaps.external_secrets.fix import fix as derive_secrets
from closeout.gaps.mqtt_tls.fix import fix as derive_brokers
from closeout.model import Changeset, Edit, Reason, Tree
from tests.support.builders import derive_word, snapshot, toy_gap, write_files
from tests.support.monorepos import space_for

OPEN_APP = b"""from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)


@app.get("/eggs")
def eggs():
    return {"laid": 12}
"""
PINS = b"fastapi\n"
BROKER = b"""services:
  mqtt:
    build: ./broker
    ports:
      - "1884:1883"
    volumes:
      - ./broker/mosquitto.conf:/mosquitto/config/mosquitto.conf:ro
"""
RECIPE = b"FROM eclipse-mosquitto:2\nCOPY mosquitto.conf /mosquitto/config/mosquitto.conf\n"
OVERRIDE = b'services:\n  mqtt:\n    build: ./broker\n    ports:\n      - "1884:1883"\n'
STORE = b"""services:
  store:
    image: postgres:16
    environment:
      POSTGRES_PASSWORD: speckled-hen-41
"""
SHARED = b"from fastapi import FastAPI\n\n\ndef make():\n    return FastAPI()\n"
CALLER = OPEN_APP.replace(b"app = FastAPI()", b"from shared.web import make\n\napp = make()")

TREES = {
    "nested services": {
        "farm/main.py": b"from fastapi import FastAPI\n\napp = FastAPI()\n",
        "farm/requirements.txt": PINS,
        "farm/coop/main.py": OPEN_APP,
        "farm/coop/requirements.txt": PINS,
    },
    "open services in one another": {
        "farm/main.py": OPEN_APP,
        "farm/requirements.txt": PINS,
        "farm/coop/main.py": OPEN_APP,
        "farm/coop/requirements.txt": PINS,
        "farm/coop/nest/main.py": OPEN_APP,
        "farm/coop/nest/Dockerfile": b"FROM python:3.12\n",
    },
    "a service at the root": {
        "main.py": OPEN_APP,
        "requirements.txt": PINS,
        "services/coop/main.py": OPEN_APP,
        "services/coop/requirements.txt": PINS,
        "plain/api.py": OPEN_APP,
    },
    "a root compose beside its example": {
        "docker-compose.yml": STORE,
        ".env.example": b"BARN_SESSION_SECRET=brown-egg-77\n",
    },
    "a shared package beside services": {
        "shared/__init__.py": b"",
        "shared/web.py": SHARED,
        "shared/setup.py": b"",
        "coop/main.py": CALLER,
        "coop/requirements.txt": PINS,
        "barn/main.py": CALLER,
        "barn/requirements.txt": PINS,
    },
    "a broker in two compose files": {
        "docker-compose.yml": BROKER,
        "docker-compose.dev.yml": OVERRIDE,
        "broker/Dockerfile": RECIPE,
        "broker/mosquitto.conf": b"listener 1883\nallow_anonymous true\n",
    },
}


@pytest.mark.parametrize("files", TREES.values(), ids=TREES)
def test_fix_all_knows_one_owner_of_every_place(tmp_path: Path, files: dict[str, bytes]) -> None:
    """Nothing of ours fails, no two edits contradict each other, twice is once."""
    root = write_files(tmp_path / "root", files)
    space = space_for(tmp_path / "home", root)
    space.home.mkdir()
    first = guarded(space.home, lambda: fix.fix(space, GAPS))
    assert not (space.home / failures.LOG).exists(), (space.home / failures.LOG).read_text()
    assert first in {ExitCode.GAPS_LEFT, ExitCode.UNPROVEN}
    plans = [place.read_text() for place in space.reports.glob("*/plan.json")]
    assert not any("contradict" in text for text in plans)
    once = snapshot(root)
    assert once != snapshot(write_files(tmp_path / "before", files))
    assert guarded(space.home, lambda: fix.fix(space, GAPS)) is first
    assert snapshot(root) == once


def test_a_service_inside_of_another_one_is_mended_once() -> None:
    """Its module is the inner service's alone."""
    tree = MemoryTree(TREES["open services in one another"])
    (cors,) = detect.select("cors")
    changes = cors.fix(tree)
    paths = [edit.path for change in changes for edit in change.edits]
    assert len(paths) == len(set(paths))
    assert {str(path) for path in paths if path.name == "main.py"} == {
        "farm/main.py",
        "farm/coop/main.py",
        "farm/coop/nest/main.py",
    }


def test_an_example_with_a_secret_beside_a_compose_file_is_one_edit() -> None:
    """The secret goes and the variables that the compose file now reads come, at once."""
    changes = derive_secrets(MemoryTree(TREES["a root compose beside its example"]))
    (edit,) = (
        edit for change in changes for edit in change.edits if edit.path.name == ".env.example"
    )
    assert b"brown-egg-77" not in edit.after
    assert b"BARN_SESSION_SECRET=" in edit.after
    assert b"POSTGRES_PASSWORD=" in edit.after


def test_the_folder_of_a_broker_in_two_compose_files_is_made_once() -> None:
    """Both files are read; certificates and instructions have one place."""
    changes = derive_brokers(MemoryTree(TREES["a broker in two compose files"]))
    made = [edit.path for change in changes for edit in change.edits if "certs" in edit.path.parts]
    assert len(made) == len(set(made)) == 4


def _edit(path: str, before: bytes, after: bytes) -> Edit:
    return Edit(path=PurePosixPath(path), before=before, after=after)


def test_overlay_takes_an_edit_that_is_there_already() -> None:
    """What is made twice alike is made once; what contradicts it is refused."""
    overlay = Overlay(MemoryTree({"a": b"1"}))
    for _ in range(2):
        overlay.lay(_edit("a", b"1", b"2"))
    assert overlay.edits == (_edit("a", b"1", b"2"),)
    with pytest.raises(ValueError, match="stale edit of a"):
        overlay.lay(_edit("a", b"1", b"3"))


def _plan(tree: Tree, *gaps: planner.Gap) -> planner.Plan:
    return planner.plan(gaps, tree, lambda _: PreparedSet(patches=(), withheld=()))


def test_plan_derives_an_edit_again_on_what_another_changeset_wrote() -> None:
    """Two changesets of a gap that meet in a file are both written."""
    content = b"OPEN\nother\nOPEN too\n"

    def fix(tree: Tree) -> tuple[Changeset, ...]:
        now = tree.read("a.txt") or b""
        words = ((b"OPEN\n", b"SHUT\n"), (b"OPEN too", b"SHUT too"))
        return tuple(
            Changeset(name="word", edits=(_edit("a.txt", now, now.replace(old, new)),))
            for old, new in words
            if old in now
        )

    plan = _plan(MemoryTree({"a.txt": content}), toy_gap(fix=fix))
    assert [edit.after for edit in plan.edits] == [content.replace(b"OPEN", b"SHUT")]
    assert plan.proposals[0].unresolved == ()


def test_plan_refuses_the_second_of_two_edits_that_contradict_each_other() -> None:
    """The first one stands, the place of the second is told, and nothing fails."""

    def fix(_: Tree) -> tuple[Changeset, ...]:
        texts = (b"SHUT\n", b"BOLTED\n")
        return tuple(
            Changeset(name=text.decode(), edits=(_edit("a.txt", b"OPEN\n", text),))
            for text in texts
        )

    plan = _plan(MemoryTree({"a.txt": b"OPEN\n"}), toy_gap(fix=fix))
    assert [edit.after for edit in plan.edits] == [b"SHUT\n"]
    (left,) = plan.proposals[0].unresolved
    assert (str(left.path), left.reason) == ("a.txt", Reason.AMBIGUOUS)


def test_plan_refuses_a_gap_that_edits_a_file_as_it_was_before_another_gap() -> None:
    """The first gap's edit stands; the second one is left open there, not crashed."""
    tree = MemoryTree({"a.txt": b"OPEN\n"})
    old = _edit("a.txt", b"OPEN\n", b"BOLTED\n")
    second = toy_gap(slug="second", fix=lambda _: (Changeset(name="late", edits=(old,)),))
    plan = _plan(tree, toy_gap(fix=derive_word), second)
    assert [edit.after for edit in plan.edits] == [b"SHUT\n"]
    (left,) = plan.unresolved["second"]
    assert str(left.path) == "a.txt"
    assert "contradict" in left.detail
