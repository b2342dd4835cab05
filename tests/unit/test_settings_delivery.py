"""Settings reach the services that read them, by every file that hands variables on."""

from pathlib import PurePosixPath

import pytest

from closeout.formats import compose
from closeout.formats.settings_delivery import EXAMPLES, Delivery, Setting
from closeout.fs.tree import MemoryTree
from closeout.model import Tree

FOLDER = PurePosixPath("cloud/svc")
PLAIN = Setting(name="LEVEL", value="${LEVEL:-1}", example="# How much.\nLEVEL=1", chart="LEVEL: 1")
SECRET = Setting(name="KEY", value="${KEY}", example="KEY=<make-one>", is_secret=True)
VALUES = b"env:\n  A: 1\nsecretEnv:\n  B:\n    secret: s\n    key: B\n"


def _delivery(setting: Setting) -> Delivery:
    def wanted(_: Tree, __: compose.ComposeService) -> tuple[Setting, ...]:
        return (setting,)

    return Delivery(in_examples=setting, in_charts=(setting,), in_compose=wanted)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_of_every_name_is_told(name: str) -> None:
    """Whatever a team calls its example, it names the setting; a second run adds nothing."""
    path = f"{FOLDER}/{name}"
    delivery = _delivery(PLAIN)
    (edit,) = delivery.example_edits(MemoryTree({path: b"A=1\n"}), [FOLDER])
    assert (str(edit.path), edit.after) == (path, b"A=1\n# How much.\nLEVEL=1\n")
    assert list(delivery.example_edits(MemoryTree({path: edit.after}), [FOLDER])) == []


def test_example_takes_the_ending_of_its_last_line() -> None:
    """A file that mixes line endings goes on as it ends."""
    tree = MemoryTree({f"{FOLDER}/.env.example": b"A=1\r\nB=2\n"})
    (edit,) = _delivery(PLAIN).example_edits(tree, [FOLDER])
    assert edit.after == b"A=1\r\nB=2\n# How much.\nLEVEL=1\n"


def test_secret_leaves_every_example() -> None:
    """Each that gives it a value gets the placeholder; without an example one is made."""
    held = {f"{FOLDER}/{name}": b"KEY=3f9c\nA=1\n" for name in EXAMPLES}
    edits = list(_delivery(SECRET).example_edits(MemoryTree(held), [FOLDER]))
    assert [edit.after for edit in edits] == [b"KEY=<make-one>\nA=1\n"] * len(EXAMPLES)
    (made,) = _delivery(SECRET).example_edits(MemoryTree({}), [FOLDER])
    assert (made.path.name, made.before, made.after) == (EXAMPLES[0], None, b"KEY=<make-one>\n")


@pytest.mark.parametrize(
    ("path", "context"),
    [
        ("cloud/docker-compose.yml", b"./svc"),
        ("infra/docker-compose.yml", b"../cloud/svc"),
        ("cloud/svc/compose.yaml", b"."),
    ],
)
def test_compose_file_that_starts_the_service_is_told(path: str, context: bytes) -> None:
    """Beside the service, inside of it or in a folder of its own."""
    text = b"services:\n  web:\n    build: " + context + b"\n    environment:\n      A: 1\n"
    (edit,) = _delivery(PLAIN).compose_edits(MemoryTree({path: text}), [FOLDER])
    assert edit.after == text + b"      LEVEL: ${LEVEL:-1}\n"
    (lacking,) = _delivery(PLAIN).undelivered(MemoryTree({path: text}), [FOLDER])
    assert (lacking.folder, lacking.problem) == (FOLDER, "does not hand LEVEL on")


def test_variable_of_a_merged_mapping_is_delivered() -> None:
    """What an anchor brings along is not written a second time."""
    text = b"x-all: &all {LEVEL: 2}\nservices:\n  svc:\n    environment:\n      <<: *all\n"
    tree = MemoryTree({"cloud/compose.yml": text})
    assert list(_delivery(PLAIN).undelivered(tree, [FOLDER])) == []


@pytest.mark.parametrize(
    ("setting", "lines"),
    [
        (PLAIN, VALUES.replace(b"A: 1\n", b"A: 1\n  LEVEL: 1\n")),
        (SECRET, VALUES + b"  KEY:\n    secret: s\n    key: KEY\n"),
    ],
    ids=["plain", "secret"],
)
def test_chart_is_told_under_its_own_key(setting: Setting, lines: bytes) -> None:
    """A secret comes from where its neighbour comes from, and never stands among plain values."""
    path = f"{FOLDER}/helm/values.yaml"
    (edit,) = _delivery(setting).chart_edits(MemoryTree({path: VALUES}), [FOLDER])
    assert edit.after == lines
    assert list(_delivery(setting).chart_edits(MemoryTree({path: lines}), [FOLDER])) == []
